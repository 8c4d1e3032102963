"""The folder of a build: what lies in it while it is made, when it may be gone on with, and when it is whole.

README.md  recipe.yaml  rejects.jsonl  samples.jsonl  data/*.parquet  figures/  manifest.json    the last comes last
inputs.json    the input files as they were on this machine; it is not pushed
.build/        scratch, removed at the end
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rlvr
from rlvr.data.build.reading import Sizes
from rlvr.errors import DataError, RunError, UsageError
from rlvr.jsonl import read_objects

MANIFEST, README, RECIPE = "manifest.json", "README.md", "recipe.yaml"
REJECTS, SAMPLES, DATA, FIGURES = "rejects.jsonl", "samples.jsonl", "data", "figures"
INPUTS = "inputs.json"
FINISHED = (README, RECIPE, REJECTS, SAMPLES, DATA, FIGURES, MANIFEST)
_OWN = (INPUTS, *FINISHED)
_BLOCK = 1 << 22
_LOCK, _BEGUN = "lock", "begun.json"
_LOCK_TRIES, _LOCK_WAIT_SECONDS = 30, 0.1


class BuildFolder:
    """`out`, checked and locked: two builds never write the same folder."""

    def __init__(self, out: str | Path) -> None:
        self.path = Path(out)
        self.scratch = self.path / ".build"
        self.finished = self.scratch / "finished"

    def is_finished(self) -> bool:
        return (self.path / MANIFEST).is_file()

    def manifest(self) -> dict[str, Any]:
        return read_manifest(self.path)

    def check(self, *, resume: bool, force: bool) -> None:
        """Raise `UsageError` where the folder holds something that is not to be written over, or nothing to resume."""
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path}: is a file; give a folder.")
        if resume and not self.scratch.is_dir() and not self.is_finished():
            raise UsageError(f"{self.path}: holds no build to go on with. Leave --resume out to begin one.")
        if resume or force:
            foreign = self._foreign()
        elif (self.scratch / _BEGUN).is_file():
            raise UsageError(
                f"{self.path}: holds a build that was not finished. Go on with --resume, or begin anew with --force."
            )
        elif self.is_finished():
            raise UsageError(
                f"{self.path}: holds a finished build. Give another --out, or --force to build it anew; --resume says "
                f"whether its inputs changed."
            )
        else:
            foreign = [p.name for p in self.path.iterdir() if p != self.scratch] if self.path.is_dir() else []
        if foreign:
            raise UsageError(
                f"{self.path}: holds {', '.join(sorted(foreign)[:5])}, which no build wrote. Give an empty folder."
            )

    def _foreign(self) -> list[str]:
        known = {*_OWN, self.scratch.name}
        return [p.name for p in self.path.iterdir() if p.name not in known] if self.path.is_dir() else []

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process; the lock ends with it, however it ends.

        It is waited for a moment: of a build that was just killed, a worker may be about to start, and hold it still.
        """
        self.scratch.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.scratch / _LOCK, os.O_RDWR | os.O_CREAT)
        try:
            _lock(handle)
            yield
        except BlockingIOError as error:
            raise UsageError(
                f"{self.path}: another build is writing here. Wait for it, or give another --out."
            ) from error
        finally:
            os.close(handle)

    def begin(self, recipe: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]], sizes: Sizes) -> None:
        """Record what the build is of."""
        now = {"recipe": recipe, "version": rlvr.__version__, "sizes": asdict(sizes), "inputs": list(inputs)}
        write_whole(self.scratch / _BEGUN, json.dumps(now, ensure_ascii=False))

    def begun(self, recipe: Mapping[str, Any], sizes: Sizes) -> list[dict[str, Any]] | None:
        """The inputs of the build that was begun here, `None` where none was. Raises `UsageError` where it is one of
        something else."""
        path = self.scratch / _BEGUN
        if not path.is_file():
            return None
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        now = json.loads(json.dumps({"recipe": recipe, "version": rlvr.__version__, "sizes": asdict(sizes)}))
        words = {"recipe": "the recipe", "version": "rlvr's version", "sizes": "a size"}
        changed = [words[key] for key in now if before.get(key) != now[key]]
        if changed:
            raise UsageError(
                f"{self.path}: {' and '.join(changed)} changed since this build was begun, so that going on would mix "
                f"two. Begin anew with --force, or give another --out."
            )
        inputs: list[dict[str, Any]] = before["inputs"]
        return inputs

    def inputs(self) -> list[dict[str, Any]]:
        """What a finished build was made of, with the files' times where they are known."""
        try:
            found: list[dict[str, Any]] = json.loads((self.path / INPUTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # a folder from another machine, or of an older version
            found = self.manifest()["inputs"]
        return found

    def clear(self) -> None:
        """Remove what a build wrote, finished or not; the manifest first, so that no half folder looks whole."""
        inside = [p for p in self.scratch.iterdir() if p.name != _LOCK] if self.scratch.is_dir() else []
        for path in (self.path / MANIFEST, *(self.path / name for name in _OWN), *inside):
            _remove(path)

    def seal(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest beside the finished files: from here on there is nothing left but to publish them."""
        write_whole(self.finished / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")

    def is_sealed(self) -> bool:
        return (self.finished / MANIFEST).is_file()

    def publish(self) -> dict[str, Any]:
        """Put the finished files in their place, the manifest last, and remove the scratch; return the manifest."""
        for name in _OWN:
            made = self.finished / name
            if made.exists():
                _remove(self.path / name)
                made.replace(self.path / name)
        self.tidy()
        return self.manifest()

    def tidy(self) -> None:
        """Remove the scratch; a kill behind the manifest may have left it."""
        shutil.rmtree(self.scratch, ignore_errors=True)


def _lock(handle: int) -> None:
    """Raises `BlockingIOError` where another process keeps the lock."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_WAIT_SECONDS)
        else:
            return
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished build. Raises `UsageError` where the folder is none."""
    path = folder / MANIFEST
    if not path.is_file():
        unfinished = (folder / ".build").is_dir()
        hint = "its build was not finished: go on with --resume" if unfinished else "it holds no manifest.json"
        raise UsageError(f"{folder}: no finished build ({hint}).")
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(str(path), f"not valid JSON: {error}. Build the folder anew.") from None
    return value


def read_samples(folder: Path) -> list[dict[str, str]]:
    """The rows that a build shows, each with its kind."""
    return [row for _, row in read_objects(folder / SAMPLES)]


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    scratch = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}).") from error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
