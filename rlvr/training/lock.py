"""One run writes a folder at a time. The lock ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rlvr.errors import RunError, UsageError

NAME = ".lock"
TRIES, WAIT_SECONDS = 10, 0.1
_held: set[int] = set()


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process. Folders that were made for it and hold nothing else in the end are removed again.

    Raises:
        UsageError: another process holds it, or it is a file.
        RunError: nothing can be written there.
    """
    made = [p for p in (folder, *folder.parents) if not p.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _acquire(folder / NAME)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{folder}: a file stands in the way; give a folder.") from error
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error.strerror}).") from error
    try:
        yield
    finally:
        if handle is not None:
            (folder / NAME).unlink(missing_ok=True)
            _held.discard(handle)
            os.close(handle)
        for path in made:
            try:
                path.rmdir()
            except OSError:  # something lies in it
                break


def _acquire(path: Path) -> int | None:
    """A locked handle of `path`; `None` where the system has no such locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    tries = 0
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            tries += 1
            if tries < TRIES:  # of a run that was just killed, a worker may be about to start, and hold it still
                os.close(handle)
                time.sleep(WAIT_SECONDS)
                continue
            holder = os.read(handle, 200).decode("utf-8", "replace").strip()
            os.close(handle)
            raise UsageError(
                f"{path.parent}: another run is writing here ({holder or 'it does not say which'}). "
                "Wait for it or stop it, or give another --out."
            ) from error
        except OSError:  # a file system without locks
            os.close(handle)
            return None
        if _is(handle, path):
            break
        os.close(handle)  # its holder has just ended, and taken the file with it
    os.ftruncate(handle, 0)
    os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
    _held.add(handle)
    return handle


def _is(handle: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(handle)
    return (mine.st_ino, mine.st_dev) == (there.st_ino, there.st_dev)


def _let_go() -> None:
    """In a worker that was forked from here: it must not hold a folder longer than its parent does."""
    for handle in _held:
        os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
