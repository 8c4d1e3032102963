"""Where rlvr keeps things (a cache under the user's cache folder, nothing else), and how it writes a file whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rlvr.errors import RunError


def cache_dir() -> Path:
    """`$RLVR_CACHE`, else `$XDG_CACHE_HOME/rlvr`, else `~/.cache/rlvr`. Not created here."""
    explicit = os.environ.get("RLVR_CACHE")
    if explicit:
        return Path(explicit).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "rlvr"


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a file beside `path` to write to, which takes its place at the end: a crash leaves the old file or the new.

    Folders that are missing are made. Where nothing was written, or an error came, what was there before stays.
    Raises `RunError` where the disk does not take it.
    """
    beside = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)  # of a process that was killed
        yield beside
        if beside.exists():
            beside.replace(path)
    except OSError as error:
        why = error.strerror or error
        raise RunError(f"{path}: cannot be written ({why}). What was there before is unharmed.") from error
    finally:
        with suppress(OSError):  # it may never have been
            beside.unlink()


def write_whole(path: Path, data: bytes, *, flush: bool = False) -> None:
    """Write a file by `written_whole`; `flush` waits until the disk has it."""
    with written_whole(path) as beside, beside.open("wb") as file:
        file.write(data)
        if flush:
            file.flush()
            os.fsync(file.fileno())


def make_room(path: Path) -> None:
    """Make the folder in which `path` will stand. Raises `RunError` where a file is in the way, or it is forbidden."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path.parent}: cannot be made ({error.strerror or error}). Give another --out.") from error
