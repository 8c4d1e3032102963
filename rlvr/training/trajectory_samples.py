"""A table of sampled trajectories with every component's score, like that of the plain road."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback

from rlvr.rewards.trajectory import judge_trajectory
from rlvr.rewards.trajectory_functions import trajectory_samples
from rlvr.training.callbacks import SAMPLES_A_STEP
from rlvr.training.reward_metrics import finite
from rlvr.training.run_folder import RunFolder


class TrajectorySampleCallback(TrainerCallback):  # type: ignore[misc]
    """Writes samples.jsonl at every logged step; `completion` is the trajectory's messages as JSON."""

    def __init__(
        self, folder: RunFolder, weights: Mapping[str, float], rows: Sequence[Mapping[str, Any]], parser: str
    ) -> None:
        self.folder, self.weights, self.parser = folder, dict(weights), parser
        self.rows = {row["id"]: row for row in rows}
        self.trainer: Any = None

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if "reward" not in (kwargs.get("logs") or {}):
            return  # no generation was made: the latest completions are written already
        logs = getattr(self.trainer, "_logs", None)  # TRL keeps the latest completions nowhere else
        if not logs or not logs["completion"] or not logs["extra"].get("id"):
            return
        total = len(logs["completion"])
        for index in range(0, total, max(1, total // SAMPLES_A_STEP)):
            self.folder.append(self.folder.samples, self._sample(logs, index, state.global_step))

    def _weights(self) -> dict[str, float]:
        """The trainer's: it may have added an environment's own reward."""
        if self.trainer is None:
            return self.weights
        return dict(zip(self.trainer.reward_func_names, self.trainer.reward_weights.tolist(), strict=True))

    def _sample(self, logs: Mapping[str, Any], index: int, step: int) -> dict[str, Any]:
        row, messages = self.rows[logs["extra"]["id"][index]], logs["completion"][index]
        named: dict[str, Any] = {
            k: [row[k]] for k in ("tools", "ground_truth", "turns", "expects", "lang", "id", "query")
        }
        cut = bool(logs["extra"]["cut"][index])
        (sample,) = trajectory_samples([messages], parser=self.parser, truncated=[cut], **named)
        weights = self._weights()
        scores = {name: finite(logs["rewards"][name][index]) for name in weights}
        return {
            "step": step,
            **{k: row[k] for k in ("id", "lang", "query", "ground_truth", "turns")},
            "completion": json.dumps(messages, ensure_ascii=False, default=str),
            "outcome": str(sample.outcome),
            "verdict": judge_trajectory(sample).reason,
            "scores": scores,
            "total": sum(weights[n] * s for n, s in scores.items() if s is not None),
            "advantage": finite(logs["advantages"][index]),
        }
