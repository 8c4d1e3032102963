"""One run in several processes, as `accelerate launch` or `torchrun` starts them: who writes, who waits, who decides.

One process writes the run folder and decides what a clock, a measurement or a sampled score decides; the others are
told. A run that was started alone pays nothing for it: nothing is imported, and nobody is asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from rlvr.errors import RlvrError, RunError, UsageError

T = TypeVar("T")


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this one is, counted from 0 over all machines."""
    return int(os.environ.get("RANK", "0"))


def is_main() -> bool:
    """Whether this process writes the run folder and speaks."""
    return rank() == 0


def join(timeout_seconds: float | None = None) -> None:
    """Meet the other processes, before anything is decided or written. Alone, nothing happens."""
    if count() == 1:
        return
    from datetime import timedelta

    import torch
    from accelerate import PartialState

    options = {} if timeout_seconds is None else {"timeout": timedelta(seconds=timeout_seconds)}
    cpu = not torch.cuda.is_available()
    PartialState(cpu=cpu, **options)
    if cpu:
        _load_to_numbered_cpus()


@cache
def _load_to_numbered_cpus() -> None:
    """Let torch load to "cpu:0", as accelerate calls a process's place: a trainer loads an optimizer to that name."""
    import torch

    def load(storage: Any, location: str) -> Any:
        return storage if location.startswith("cpu:") else None

    torch.serialization.register_package(100, lambda storage: None, load)


def barrier() -> None:
    """Wait until every process has come here."""
    if count() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


def from_main(make: Callable[[], T]) -> T:
    """Make a value in the main process and hand it to all; an error of rlvr is raised in all of them."""
    if count() == 1:
        return make()
    from accelerate.utils import broadcast_object_list

    told: list[Any] = [None, None]
    wrong: RlvrError | None = None
    if is_main():
        try:
            told[0] = make()
        except RlvrError as error:
            wrong = error
            told[1] = (str(error), error.exit_code)
    broadcast_object_list(told)
    if told[1] is not None:
        raise wrong or _told(*told[1])
    value: T = told[0]
    return value


def _told(message: str, exit_code: int) -> RlvrError:
    """The main process's error in another one; the command line says it once."""
    error = UsageError(message) if exit_code == UsageError.exit_code else RunError(message)
    error.told_by_main = True
    return error


def any_of(flag: bool) -> bool:
    """Whether a flag is set in any process; every process gets the same answer at the same point of its work."""
    return largest(int(flag)) > 0


def largest(number: int) -> int:
    """The largest of the processes' numbers."""
    if count() == 1:
        return number
    import torch
    from accelerate import PartialState
    from accelerate.utils import gather

    return int(gather(torch.tensor([number], device=PartialState().device)).max())


def through(wrapped: Any, inner: Any, compute: Callable[[Any], tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return `compute(inner)`, computed as the forward pass of the module that wraps `inner` for several processes.

    Such a wrapper averages gradients over the processes only of what its own forward pass has computed: a model that is
    taken out of it and called directly trains in every process by itself, and nothing says so. `compute` returns
    tensors.
    """
    if wrapped is inner:
        return compute(inner)
    import torch

    own = inner.__dict__.get("forward")  # a trainer may have put another forward there
    inner.forward = lambda *_, **__: compute(inner)
    try:
        # An argument, which nobody reads: on a GPU the wrapper moves what it is given, and fails where that is nothing.
        found: tuple[Any, ...] = wrapped(torch.empty(0))
    finally:
        if own is None:
            del inner.forward
        else:
            inner.forward = own
    return found
