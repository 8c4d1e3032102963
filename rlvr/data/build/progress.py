"""How far a build is: one value a step, that a command makes a line of."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` (`None`: not known) `unit`s of a step; `fresh` of them by this process, in `seconds`.

    `ends` is about where the step will end, where that is not at `total`: reading stops when enough rows were kept.
    """

    step: str
    unit: str
    done: int
    total: int | None
    fresh: int
    seconds: float
    note: str = ""
    ends: int | None = None

    @property
    def rate(self) -> float | None:
        return self.fresh / self.seconds if self.fresh and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        rate, last = self.rate, self.total if self.ends is None else self.ends
        return (last - self.done) / rate if rate and last is not None and last > self.done else None


Say = Callable[[Progress], None]
Note = Callable[[str], None]
"""Takes a sentence that a person should read while a build runs."""


class Counter:
    """Counts one step. The rate is of what this process did, so that a resumed build does not promise too much."""

    def __init__(
        self, step: str, unit: str, total: int | None, say: Say | None, *, done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.done = done
        self._before = done
        self._step, self._unit, self._total = step, unit, total
        self._say, self._clock, self._began = say, clock, clock()

    def add(self, amount: int, note: str = "", ends: int | None = None) -> None:
        self.done += amount
        if self._say:
            seconds = self._clock() - self._began
            fresh = self.done - self._before
            self._say(Progress(self._step, self._unit, self.done, self._total, fresh, seconds, note, ends))
