"""What is found in one completion, and how much one completion may hold.

No model that is any use comes near these limits. They are there for texts that are made to be slow: what is written in
two characters, `[]`, takes half a hundred bytes to hold and some microseconds to read, check and compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from rlvr.parsers.strict_json import loads_strict
from rlvr.types import CallAttempt, ToolCall

MAX_CALLS = 1_000
"""A completion that tries more calls is malformed, and not read to its end."""

MAX_CONTAINERS = 10_000
"""The same for the lists and objects that its calls' arguments are made of, the arguments' own objects counted."""

_ROOM = MAX_CONTAINERS + 2 * MAX_CALLS + 1
"""What may be opened on the way: around the arguments stand each call's object and, in some formats, a list."""

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+', re.DOTALL)


class TooMuch(Exception):  # noqa: N818 - no error: what a completion is, told to the parser's frame
    """A completion holds more than is read. Never leaves a parser."""


class Room:
    """How much may still be opened: a list or an object takes 1, and so does a value that is not written plainly."""

    __slots__ = ("left",)

    def __init__(self, left: int = _ROOM) -> None:
        self.left = left

    def take(self, count: int = 1) -> None:
        """Raises `TooMuch` where nothing is left."""
        self.left -= count
        if self.left < 0:
            raise TooMuch


class Attempts(list[CallAttempt]):
    """The attempts of one completion. One too many, or a value that is too large, raises `TooMuch`."""

    __slots__ = ("may_be_large", "room")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.room = Room()
        # Whether the values of the text may hold too much. Where not, which is nearly always, nothing is counted.
        self.may_be_large = len(text) > 2 * MAX_CONTAINERS and _brackets(text) > MAX_CONTAINERS - MAX_CALLS

    @classmethod
    def of_many(cls) -> Attempts:
        """Those of several texts, whose values are counted in any case."""
        attempts = cls("")
        attempts.may_be_large = True
        return attempts

    def append(self, attempt: CallAttempt, /) -> None:
        if len(self) >= MAX_CALLS:
            raise TooMuch
        super().append(attempt)

    def extend(self, attempts: Iterable[CallAttempt], /) -> None:
        for attempt in attempts:
            self.append(attempt)

    def beside(self) -> Attempts:
        """An empty list of its own with the same room, for what may turn out to be no attempt."""
        other = Attempts("")
        other.room, other.may_be_large = self.room, self.may_be_large
        return other

    def read_json(self, text: str) -> Any:
        """`loads_strict`; a value that is too large is not built."""
        if self.may_be_large:
            self.room.take(containers_in(text))
        return loads_strict(text)

    def check(self) -> None:
        """Raises `TooMuch` where the calls' arguments hold too much."""
        if self.may_be_large and hold_too_much([a.call for a in self if a.call is not None]):
            raise TooMuch


def hold_too_much(calls: Sequence[ToolCall]) -> bool:
    """Whether a completion that makes these calls, and no other, is not read."""
    return len(calls) > MAX_CALLS or sum(_containers(dict(call.arguments)) for call in calls) > MAX_CONTAINERS


def containers_in(text: str) -> int:
    """How many lists and objects a JSON text opens; brackets in strings are none.

    >>> containers_in('{"a": [1, "[", {}]}')
    3
    """
    if '"' in text:
        text = _STRING.sub("", text)
    return text.count("{") + text.count("[")


def too_large(text: str) -> bool:
    """Whether a JSON text by itself holds more than is read."""
    return len(text) > 2 * MAX_CONTAINERS and _brackets(text) > _ROOM and containers_in(text) > _ROOM


def _brackets(text: str) -> int:
    return text.count("{") + text.count("[") + text.count("(")


def _containers(value: Any) -> int:
    """How many lists and objects a value is made of."""
    count = 0
    todo = [value]
    for here in todo:  # which grows meanwhile
        if type(here) is dict:
            todo += here.values()
        elif type(here) is list:
            todo += here
        else:
            continue
        count += 1
    return count
