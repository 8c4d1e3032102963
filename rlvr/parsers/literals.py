"""Reads nested lists and objects of literals one character after another, without recursion, in linear time.

What a string, a key or a number looks like is the grammar's; `python_literals.py` and `functiongemma.py` have one each.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from rlvr.parsers.strict_json import MAX_DEPTH

_SPACE = re.compile(r"\s*+")


class LiteralError(ValueError):
    """A literal that cannot be read: `position` is how far it went, `fault` is `unclosed` where the text ended."""

    def __init__(self, position: int, fault: str = "json") -> None:
        super().__init__(f"{fault} at {position}")
        self.position = position
        self.fault = fault


class Grammar(ABC):
    """How one notation writes keys and everything that is no list and no object."""

    closers: ClassVar[dict[str, str]]
    trailing_comma: ClassVar[bool]

    @abstractmethod
    def atom(self, text: str, position: int) -> tuple[Any, int]:
        """The value that begins at `position`, and where it ends. Raises `LiteralError`."""

    @abstractmethod
    def key(self, text: str, position: int) -> tuple[str, int]:
        """The key that begins at `position`, and where its value begins. Raises `LiteralError`."""


class _Frame:
    """One opened list, object or pair of parentheses."""

    __slots__ = ("closer", "commas", "key", "values")

    def __init__(self, opener: str, closer: str) -> None:
        self.closer = closer
        self.values: dict[str, Any] | list[Any] = {} if opener == "{" else []
        self.key = ""
        self.commas = 0

    def add(self, value: Any) -> None:
        if isinstance(self.values, dict):
            self.values[self.key] = value
        else:
            self.values.append(value)

    def done(self) -> Any:
        """The value; parentheses around a single one, without a comma, are nothing but that."""
        if self.closer == ")" and len(self.values) == 1 and not self.commas and isinstance(self.values, list):
            return self.values[0]
        return self.values


def skip_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def char_at(text: str, position: int) -> str:
    """The character at `position`. Raises `LiteralError` where the text has ended."""
    if position >= len(text):
        raise LiteralError(len(text), "unclosed")
    return text[position]


def read_literal(text: str, position: int, grammar: Grammar) -> tuple[Any, int]:
    """Read the one value that begins at `position`, and say where it ends.

    Raises `LiteralError` on whatever is no literal, on a key that stands twice, and below `MAX_DEPTH`.
    """
    stack: list[_Frame] = []
    while True:
        position = skip_space(text, position)
        char = char_at(text, position)
        if stack and char == stack[-1].closer and _may_close(stack[-1], grammar):
            value, position = stack.pop().done(), position + 1
        else:
            if stack and isinstance(stack[-1].values, dict):
                position = _read_key(text, position, stack[-1], grammar)
                char = char_at(text, position)
            if char in grammar.closers:
                if len(stack) >= MAX_DEPTH:
                    raise LiteralError(position)
                stack.append(_Frame(char, grammar.closers[char]))
                position += 1
                continue
            value, position = grammar.atom(text, position)
        position, finished = _close(text, position, value, stack)
        if finished is not None:
            return finished[0], position


def _may_close(frame: _Frame, grammar: Grammar) -> bool:
    return not frame.commas or grammar.trailing_comma


def _read_key(text: str, position: int, frame: _Frame, grammar: Grammar) -> int:
    frame.key, after = grammar.key(text, position)
    if frame.key in frame.values:
        raise LiteralError(position)
    return skip_space(text, after)


def _close(text: str, position: int, value: Any, stack: list[_Frame]) -> tuple[int, tuple[Any] | None]:
    """Put a whole value where it belongs, and close what closes behind it.

    Returns the position where the next value begins, or the finished value where nothing is open any more.
    """
    while stack:
        frame = stack[-1]
        frame.add(value)
        position = skip_space(text, position)
        char = char_at(text, position)
        if char == ",":
            frame.commas += 1
            return position + 1, None
        if char != frame.closer:
            raise LiteralError(position)
        value, position = stack.pop().done(), position + 1
    return position, (value,)
