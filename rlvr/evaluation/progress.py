"""One line of progress: how far, how fast, how long still."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO


class Progress:
    """Counts examples over all models of an evaluation and says a line after each chunk.

    The rate counts only what this process generated, so that a resumed run does not promise too much.
    """

    def __init__(
        self, total: int, say: Callable[[str], None] | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._done = 0
        self._tokens = 0
        self._say = say or (lambda line: None)
        self._clock = clock
        self._seconds = 0.0
        self._since: float | None = None

    def note(self, line: str) -> None:
        self._say(line)

    def start(self) -> None:
        """Time runs from here: loading an engine is no generation, and would spoil the rate."""
        self._since = self._clock()

    def stop(self) -> None:
        if self._since is not None:
            self._seconds += self._clock() - self._since
            self._since = None

    def drop(self, examples: int) -> None:
        """Examples that will not be generated after all."""
        self._total -= examples

    def add(self, label: str, done: int, of: int, examples: int, tokens: int) -> None:
        """`done` of `of` examples of model `label` are there; `examples` and `tokens` of them are new."""
        self.stop()
        self.start()
        self._done += examples
        self._tokens += tokens
        line = f"{label}: {done}/{of} examples"
        if self._seconds > 0:
            rate = self._done / self._seconds
            left = (self._total - self._done) / rate if rate > 0 else 0.0
            line += f", {rate:.1f} examples/s, {self._tokens / self._seconds:.0f} tokens/s, {duration(left)} left"
        self._say(line)


class StderrLines:
    """Progress lines on a stream: rewritten in place on a terminal, else at most one every `every` seconds."""

    def __init__(
        self, stream: TextIO | None = None, every: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._every = every
        self._clock = clock
        self._last: float | None = None
        self._held: str | None = None
        self._width = 0

    def __call__(self, line: str) -> None:
        if self._stream.isatty():
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        elif self._last is not None and self._clock() - self._last < self._every:
            self._held = line
            return
        else:
            self._stream.write(line + "\n")
            self._last, self._held = self._clock(), None
        self._stream.flush()

    def close(self) -> None:
        """End the line, and say a last one that was held back."""
        if self._stream.isatty() and self._width:
            self._stream.write("\n")
        elif self._held is not None:
            self._stream.write(self._held + "\n")
        self._held, self._width = None, 0
        self._stream.flush()


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(42.4), duration(190), duration(7300)
    ('42 s', '3 min 10 s', '2 h 1 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
