"""What happens beside the training steps: metrics as JSONL, sample tables, progress, time limit, selection, markers."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import TrainerCallback

from rlvr.parsers import get_parser
from rlvr.tools import normalise_tools
from rlvr.training.run_folder import COMPLETE, RunFolder, save_model

SAMPLES_A_STEP = 8


class LogCallback(TrainerCallback):  # type: ignore[misc]
    """Writes metrics.jsonl and a line of progress; marks checkpoints as complete once they are written."""

    def __init__(self, folder: RunFolder, show: str) -> None:
        self.folder = folder
        self.show = show
        self.started = time.monotonic()
        self.first_step = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.started, self.first_step = time.monotonic(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        if not logs or "train_runtime" in logs:
            return
        seconds = time.monotonic() - self.started
        row = {"step": state.global_step, "seconds": round(seconds, 1), **_finite(logs)}
        self.folder.append(self.folder.metrics, row)
        done = max(1, state.global_step - self.first_step)
        left = seconds / done * (state.max_steps - state.global_step)
        value = row.get(self.show)
        shown = f"{self.show} {value:.3f} · " if isinstance(value, float) else ""
        sys.stderr.write(
            f"  step {state.global_step}/{state.max_steps} · {shown}{seconds / done:.1f} s/step"
            f" · {_minutes(left)} left\n"
        )
        sys.stderr.flush()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        checkpoint = self.folder.checkpoints / f"checkpoint-{state.global_step}"
        if checkpoint.is_dir():
            (checkpoint / COMPLETE).write_text("", encoding="utf-8")


class TimeBudgetCallback(TrainerCallback):  # type: ignore[misc]
    """Fits a run into `max_minutes` of training: the learning rate's schedule is run through by the time that passed.

    On a slow machine the run takes fewer steps and still decays to the schedule's end; on a fast one it takes all of
    `max_steps`. A resumed run goes on from the time that its checkpoint had used.
    """

    def __init__(self, folder: RunFolder, max_minutes: float) -> None:
        self.folder, self.limit = folder, max_minutes * 60
        self.started, self.used_before, self.max_steps = time.monotonic(), 0.0, 1
        self.shares: dict[int, float] = {}

    def used(self) -> float:
        """Seconds of training so far."""
        return self.used_before + time.monotonic() - self.started

    def on_train_begin(self, args: Any, state: Any, control: Any, lr_scheduler: Any = None, **kwargs: Any) -> None:
        self.started, self.max_steps = time.monotonic(), state.max_steps
        if state.global_step:
            self.used_before = float(self.folder.facts().get("trained_seconds", {}).get(str(state.global_step), 0.0))
        schedule = getattr(lr_scheduler, "scheduler", lr_scheduler)
        if hasattr(schedule, "lr_lambdas"):
            schedule.lr_lambdas = [self._by_time(plain) for plain in schedule.lr_lambdas]

    def _by_time(self, plain: Callable[[float], float]) -> Callable[[int], float]:
        return lambda step: plain(max(step, self.share(step) * self.max_steps))

    def share(self, step: int) -> float:
        """The share of the budget used when `step` was first asked for, so that asking again says the same."""
        return self.shares.setdefault(step, min(1.0, self.used() / self.limit))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.used() >= self.limit and state.global_step < state.max_steps:
            sys.stderr.write(f"  stopping after {state.global_step} steps: max_minutes is used up\n")
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        seconds = self.folder.facts().get("trained_seconds", {})
        self.folder.record(trained_seconds={**seconds, str(state.global_step): round(self.used(), 1)})


class SampleCallback(TrainerCallback):  # type: ignore[misc]
    """Writes a table of sampled completions with every component's score, at every logged step."""

    def __init__(
        self, folder: RunFolder, weights: Mapping[str, float], rows: Sequence[Mapping[str, Any]], parser: str
    ) -> None:
        self.folder = folder
        self.weights = dict(weights)
        self.rows = {row["prompt"]: row for row in rows}
        self.parser = get_parser(parser)
        self.trainer: Any = None

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        logs = getattr(self.trainer, "_logs", None)
        if not logs or not logs["completion"]:
            return
        total = len(logs["completion"])
        for index in range(0, total, max(1, total // SAMPLES_A_STEP)):
            scores = {name: _number(logs["rewards"][name][index]) for name in self.weights}
            completion, row = logs["completion"][index], self.rows[logs["prompt"][index]]
            tools = normalise_tools(row["tools"]) if self.parser.reads_tools else ()
            parsed = self.parser.parse(completion, reasoning_opened=row["reasoning_opened"], tools=tools)
            self.folder.append(
                self.folder.samples,
                {
                    "step": state.global_step,
                    "id": row["id"],
                    "lang": row["lang"],
                    "query": row["query"],
                    "ground_truth": row["ground_truth"],
                    "completion": completion,
                    "outcome": str(parsed.outcome),
                    "scores": scores,
                    "total": sum(self.weights[n] * s for n, s in scores.items() if s is not None),
                    "advantage": _number(logs["advantages"][index]),
                },
            )


class SelectionCallback(TrainerCallback):  # type: ignore[misc]
    """Keeps the best model by a strict score on held-out examples (a share between 0 and 1).

    It looks every `every` steps and at the run's end, and goes on from the best that a resumed run had found.
    """

    def __init__(self, folder: RunFolder, every: int, score: Callable[[], tuple[float, int]], tokenizer: Any) -> None:
        self.folder, self.every, self.score, self.tokenizer = folder, every, score, tokenizer
        selected = folder.facts().get("selected") if (folder.final / "config.json").is_file() else None
        self.best: float | None = selected["strict"] if selected else None
        self.looked_at = -1

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.global_step % self.every == 0:
            self.consider(model, state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if self.looked_at != state.global_step:
            self.consider(model, state.global_step)

    def consider(self, model: Any, step: int) -> None:
        self.looked_at = step
        value, n = self.score()
        better = self.best is None or value > self.best
        self.folder.append(self.folder.metrics, {"step": step, "selection/strict": value, "selection/n": n})
        best = " · best so far" if better else ""
        sys.stderr.write(f"  step {step}: held-out strict score {value:.3f} (n {n}){best}\n")
        if better:
            self.best = value
            save_model(model, self.tokenizer, self.folder.final)
            self.folder.record(selected={"step": step, "strict": value, "n": n})


def _finite(logs: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in logs.items()}


def _number(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
