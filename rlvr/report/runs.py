"""Read a run folder as training left it, finished or not.

    recipe.yaml    the resolved recipe          metrics.jsonl   one JSON object a logged step
    run.json       stage, model, versions, …    samples.jsonl   sampled completions with their scores
Any of them may be missing in a run that was stopped early; a folder with none of them is no run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.errors import DataError, UsageError
from rlvr.evaluation.records import read_jsonl_tolerant

FILES = ("recipe.yaml", "run.json", "metrics.jsonl", "samples.jsonl")


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder in memory; `metrics` has one mapping a step, in order of steps."""

    path: Path
    name: str
    recipe: str
    info: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]]
    samples: Sequence[Mapping[str, Any]]

    @property
    def stage(self) -> str:
        return str(self.info.get("stage") or self.name)

    @property
    def finished(self) -> bool:
        """Whether the run came to its end; one that was resumed later goes on."""
        ended, resumed = self.info.get("finished"), self.info.get("resumed")
        return bool(ended) and not (resumed and str(resumed) > str(ended))

    @property
    def ended(self) -> bool:
        """Whether nothing more comes: it finished, or a guard stopped it and nobody resumed it."""
        return self.finished or bool(self.info.get("stopped"))

    def components(self) -> list[str]:
        """The reward components that were logged, in order of first appearance."""
        found: dict[str, None] = {}
        for row in self.metrics:
            for key in row:
                if key.startswith("rewards/") and key.endswith("/mean"):
                    found[key.removeprefix("rewards/").removesuffix("/mean")] = None
        return [name for name in found if "/" not in name]  # `correctness/parallel` is a slice of one

    def series(self, key: str) -> tuple[list[float], list[float]]:
        """`(steps, values)` of one metric where it was logged as a finite number."""
        pairs = [(row["step"], row[key]) for row in self.metrics if _number(row.get(key))]
        return [float(s) for s, _ in pairs], [float(v) for _, v in pairs]


def load_run(path: Path) -> Run:
    """Read a run folder.

    A resumed run logs some steps twice: the later line counts. Raises `UsageError` for a missing folder or one that is
    no run, `DataError` for a broken file (a cut last line is left out).
    """
    path = Path(path)
    if not path.is_dir():
        raise UsageError(f"{path}: no such run folder. Give a folder that `rlvr train` wrote.")
    if not any((path / name).is_file() for name in FILES):
        inside = sorted({p.parent.name for p in path.glob("*/run.json")})
        hint = f" Runs lie in it: {', '.join(inside)}." if inside else ""
        raise UsageError(f"{path}: is no run folder: it has none of {', '.join(FILES)}.{hint}")
    recipe = path / "recipe.yaml"
    return Run(
        path=path,
        name=path.resolve().name,
        recipe=recipe.read_text(encoding="utf-8", errors="replace") if recipe.is_file() else "",
        info=_info(path / "run.json"),
        metrics=_metrics(path / "metrics.jsonl"),
        samples=[value for _, value in _objects(path / "samples.jsonl")],
    )


def _info(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(str(path), f"broken JSON: {error}") from error
    if not isinstance(value, dict):
        raise DataError(str(path), f"must hold an object, got {type(value).__name__}")
    return value


def _metrics(path: Path) -> list[dict[str, Any]]:
    by_step: dict[float, dict[str, Any]] = {}
    for number, row in _objects(path):
        if not _number(row.get("step")):
            raise DataError(f"{path}:{number}", "a logged step must hold a number `step`")
        # Trainer and callbacks may log one step in several lines: the lines join, the later value counts.
        by_step[row["step"]] = by_step.get(row["step"], {}) | row
    return [by_step[step] for step in sorted(by_step)]


def _objects(path: Path) -> list[tuple[int, dict[str, Any]]]:
    out = read_jsonl_tolerant(path)
    for number, value in out:
        if not isinstance(value, dict):
            raise DataError(f"{path}:{number}", f"must be an object, got {type(value).__name__}")
    return out


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
