"""Checkpoints that are there whole or not at all, each with all that a resumed run needs.

A trainer writes `checkpoints/.partial/checkpoint-N`. What it does not know of is added there (`rlvr.json`, the model
that was selected by then), every file is brought to the disk, and the folder gets its name by one rename. Only then do
older checkpoints go, each out of sight first. So a kill at any moment leaves whole checkpoints, or none where none was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rlvr.errors import ModelError

COMPLETE = "COMPLETE"
STATE = "rlvr.json"
BESIDE = "rlvr"  # model folders lie in it: a trainer takes one right below a checkpoint for an adapter of its own
_PREFIX = "checkpoint-"


class Checkpoints:
    """The folder `checkpoints` of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.partial = path / ".partial"  # where a trainer writes

    def commit(
        self, step: int, state: Mapping[str, Any], *, beside: Mapping[str, Path] | None = None, keep: int | None
    ) -> Path:
        """Make the checkpoint that a trainer has just written the newest one, and remove all but the newest `keep`.

        `state` goes into it, and the folders `beside`, by name: by hard links, so that they take no room of their own.
        """
        scratch, target = self.partial / f"{_PREFIX}{step}", self.path / f"{_PREFIX}{step}"
        for name, folder in (beside or {}).items():
            if folder.is_dir():
                link_tree(folder, scratch / BESIDE / name)
        sizes = {str(p.relative_to(scratch)): p.stat().st_size for p in _files(scratch)}
        whole = {"step": step, **state, "files": sizes}
        (scratch / STATE).write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        (scratch / COMPLETE).write_text("", encoding="utf-8")
        to_disk(scratch)
        self._remove(target)  # of a run that was resumed from before it
        scratch.rename(target)
        sync_folder(self.path)
        if keep is not None and keep > 0:
            for old in self.all()[:-keep]:
                self._remove(old)
        return target

    def all(self) -> list[Path]:
        """The checkpoints that have their name, oldest first."""
        found = [p for p in self.path.glob(f"{_PREFIX}[0-9]*") if (p / COMPLETE).is_file()]
        return sorted(found, key=step_of)

    def last(self) -> Path | None:
        """The newest checkpoint from which nothing is missing."""
        return next((p for p in reversed(self.all()) if not missing(p)), None)

    def drop_incomplete(self) -> list[Path]:
        """Remove what a killed process left half-written; return what looked like a checkpoint."""
        broken = [p for p in self.path.glob(f"{_PREFIX}[0-9]*") if not (p / COMPLETE).is_file()]
        broken += self.partial.glob(f"{_PREFIX}*")
        for path in [*broken, *self.partial.glob("old-*")]:
            shutil.rmtree(path, ignore_errors=True)
        return broken

    def _remove(self, path: Path) -> None:
        if not path.exists():
            return
        aside = self.partial / f"old-{path.name}"
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def step_of(checkpoint: Path) -> int:
    """The step after which a checkpoint was made."""
    return int(checkpoint.name.removeprefix(_PREFIX))


def state_of(checkpoint: Path) -> dict[str, Any]:
    """What `commit` was told; empty for a checkpoint of an older version."""
    path = checkpoint / STATE
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return known


def missing(checkpoint: Path) -> list[str]:
    """The files of a checkpoint that are gone or have another size than when it was made."""
    sizes = state_of(checkpoint).get("files", {})
    return [n for n, size in sizes.items() if not (checkpoint / n).is_file() or (checkpoint / n).stat().st_size != size]


def check_fits(checkpoint: Path, model: Any) -> None:
    """Raise `ModelError` where a checkpoint's weights are not those of a model like `model`.

    Only names and shapes are compared, from the files' headers. Adapters and checkpoints without safetensors are left
    to the trainer.
    """
    files = sorted(checkpoint.glob("model*.safetensors"))
    if not files or hasattr(model, "peft_config"):
        return
    from safetensors import safe_open

    saved: dict[str, list[int]] = {}
    for path in files:
        with safe_open(path, framework="pt") as file:
            saved |= {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    wanted = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    wrong = sorted(n for n in saved if wanted.get(n) != saved[n])
    if wrong:
        first = wrong[0]
        there = f"{wanted[first]} in the model" if first in wanted else "the model has none of that name"
        raise ModelError(
            f"{checkpoint}: is of another model: {len(wrong)} of its {len(saved)} tensors do not fit. {first} is "
            f"{saved[first]} in the checkpoint; {there}. Resume with the model that the run was started with, or start "
            "a new run with another --out."
        )


def link_tree(source: Path, target: Path) -> None:
    """Make `target` hold the files of `source`: hard links where the file system has them, else copies."""
    shutil.rmtree(target, ignore_errors=True)
    for path in _files(source):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, place)
        except OSError:
            shutil.copy2(path, place)


def to_disk(folder: Path) -> None:
    """Bring every file of a folder to the disk, and the folder itself. A full disk is often told only now."""
    for path in _files(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for inner in [folder, *(p for p in folder.rglob("*") if p.is_dir())]:
        sync_folder(inner)


def sync_folder(path: Path) -> None:
    """Bring a folder's names to the disk, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(folder: Path) -> Iterator[Path]:
    return (p for p in sorted(folder.rglob("*")) if p.is_file())
