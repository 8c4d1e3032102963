"""What happens beside the training steps: metrics as JSONL, sample tables, progress, time limit.

A callback that knows something which a resumed run must know too has `keep` (a JSON value, for the checkpoint) and
`restore` (that value, or None, and the checkpoint, or None): see `keeping`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from rlvr.parsers import get_parser
from rlvr.tools import normalise_tools
from rlvr.training import processes
from rlvr.training.job import say
from rlvr.training.reward_metrics import finite
from rlvr.training.run_folder import RunFolder

SAMPLES_A_STEP = 8


class LogCallback(TrainerCallback):  # type: ignore[misc]
    """Writes metrics.jsonl and a line of progress."""

    def __init__(self, folder: RunFolder, show: str) -> None:
        self.folder = folder
        self.show = show
        self.started = time.monotonic()
        self.first_step = 0
        self.before = 0.0

    def keep(self) -> dict[str, float]:
        return {"seconds": round(self.before + time.monotonic() - self.started, 1)}

    def restore(self, kept: Mapping[str, float] | None, checkpoint: Path | None) -> None:
        self.before = kept["seconds"] if kept else 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.started, self.first_step = time.monotonic(), state.global_step
        if state.is_world_process_zero:
            self.folder.record(max_steps=state.max_steps)  # for who watches

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        if not logs or "train_runtime" in logs:
            return
        seconds = time.monotonic() - self.started
        row = {"step": state.global_step, "seconds": round(self.before + seconds, 1), **_finite(logs)}
        self.folder.append(self.folder.metrics, row)
        done = max(1, state.global_step - self.first_step)
        left = seconds / done * (state.max_steps - state.global_step)
        value = row.get(self.show)
        shown = f"{self.show} {value:.3f} · " if isinstance(value, float) else ""
        pace = f"{shown}{seconds / done:.1f} s/step · {_minutes(left)} left"
        say(f"  step {state.global_step}/{state.max_steps} · {pace}")


class TimeBudgetCallback(TrainerCallback):  # type: ignore[misc]
    """Fits a run into `max_minutes` of training: the learning rate's schedule is run through by the time that passed.

    On a slow machine the run takes fewer steps and still decays to the schedule's end; on a fast one it takes all of
    `max_steps`. A resumed run goes on from the time that its checkpoint had used.
    """

    def __init__(self, folder: RunFolder, max_minutes: float) -> None:
        self.folder, self.limit = folder, max_minutes * 60
        self.started, self.used_before, self.max_steps = time.monotonic(), 0.0, 1
        self.shares: dict[int, float] = {}
        self.told = False

    def used(self) -> float:
        """Seconds of training so far, by the main process's clock: all of them must decide alike."""
        return processes.from_main(lambda: self.used_before + time.monotonic() - self.started)

    def is_used_up(self) -> bool:
        """Whether a checkpoint that is resumed from had used the whole budget."""
        return self.used_before >= self.limit

    def keep(self) -> dict[str, float]:
        return {"seconds": self.used_before + time.monotonic() - self.started}

    def restore(self, kept: Mapping[str, float] | None, checkpoint: Path | None) -> None:
        self.used_before = kept["seconds"] if kept else 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, lr_scheduler: Any = None, **kwargs: Any) -> None:
        self.started, self.max_steps = time.monotonic(), state.max_steps
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
            if not self.told:
                say(f"  stopping after {state.global_step} steps: max_minutes is used up")
            self.told = True
            control.should_training_stop = True


class SampleCallback(TrainerCallback):  # type: ignore[misc]
    """Writes a table of sampled completions with every component's score, at every logged step that has new ones."""

    def __init__(
        self, folder: RunFolder, weights: Mapping[str, float], rows: Sequence[Mapping[str, Any]], parser: str
    ) -> None:
        self.folder = folder
        self.weights = dict(weights)
        self.rows = {row["prompt"]: row for row in rows}
        self.parser = get_parser(parser)
        self.trainer: Any = None
        self.table: Any = None  # the `TableCallback` that has the texts, where the trainer's lack their markup

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if "reward" not in (logs or {}):  # of a step without a generation, or of the whole run: no new completions
            return
        logs = getattr(self.trainer, "_logs", None)
        if not logs or not logs["completion"] or not state.is_world_process_zero:
            return
        texts = list(logs["completion"])
        total = len(texts)
        if self.table is not None and len(self.table.texts) == total:
            texts = self.table.texts
        for index in range(0, total, max(1, total // SAMPLES_A_STEP)):
            scores = {name: finite(logs["rewards"][name][index]) for name in self.weights}
            completion, row = texts[index], self.rows[logs["prompt"][index]]
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
                    "advantage": finite(logs["advantages"][index]),
                },
            )


def _finite(logs: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in logs.items()}


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
