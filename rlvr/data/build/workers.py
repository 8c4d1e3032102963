"""Work on many processes, results in the order of the work: the same whatever their number.

Workers are fresh processes, so that nothing of the parent's threads or memory is in them. They end when their parent
does, however it ends, and leave Ctrl-C to it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from types import TracebackType
from typing import Any, TypeVar

from rlvr.errors import RlvrError, RunError, UsageError

T = TypeVar("T")
R = TypeVar("R")
_AHEAD = 3
_WATCH_SECONDS = 0.2


class Workers:
    """`jobs` processes that each call `prepare(*given)` once; with one job the work is done here, in this process."""

    def __init__(self, jobs: int, prepare: Callable[..., None], given: tuple[Any, ...]) -> None:
        self.jobs = jobs
        self._prepare = prepare
        self._given = given
        self._pool: ProcessPoolExecutor | None = None
        self._ready = False

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """`work` of each item, in their order; at most three items a process are on their way.

        Raises what `work` raises (an error of the library from another process as `UsageError` or `RunError`), and
        `RunError` where a process was killed.
        """
        if self.jobs == 1:
            if not self._ready:
                self._prepare(*self._given)
                self._ready = True
            yield from map(work, items)
            return
        pool = self._started()
        waiting: deque[Future[R | _Failure]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(_call, work, item))
                if len(waiting) >= _AHEAD * self.jobs:
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        except BrokenProcessPool as error:
            raise RunError(
                "a worker process was killed, perhaps for want of memory. What is done is kept: go on with --resume, "
                "and fewer --jobs."
            ) from error
        finally:
            for future in waiting:
                future.cancel()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            given = (os.getpid(), self._prepare, self._given)
            self._pool = ProcessPoolExecutor(self.jobs, get_context("spawn"), initializer=_begin, initargs=given)
        return self._pool

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Failure:
    """An error of the library on its way between processes: its own classes do not pickle, nor need they."""

    message: str
    usage: bool


_NOT_READY: _Failure | None = None


def _begin(parent: int, prepare: Callable[..., None], given: tuple[Any, ...]) -> None:
    """Make a worker ready. Where that fails its first piece of work says so: an initializer could not."""
    global _NOT_READY
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    try:
        prepare(*given)
    except RlvrError as error:
        _NOT_READY = _Failure(str(error), isinstance(error, UsageError))


def _call(work: Callable[[T], R], item: T) -> R | _Failure:
    if _NOT_READY is not None:
        return _NOT_READY
    try:
        return work(item)
    except RlvrError as error:
        return _Failure(str(error), isinstance(error, UsageError))


def _result(future: Future[R | _Failure]) -> R:
    found = future.result()
    if isinstance(found, _Failure):
        raise UsageError(found.message) if found.usage else RunError(found.message)
    return found


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
