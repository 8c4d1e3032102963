"""Reads nested lists and objects of literals from left to right, without recursion, in linear time.

What a string, a key or a number looks like is the grammar's; `python_literals.py` and `functiongemma.py` have one each.
Most of a text is plain values with commas between them: each is one match of the grammar's `item` or `pair`. Whatever
does not match is read by `atom` and `key`, which know all of the notation and say what is wrong.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from rlvr.parsers.attempts import Room
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
    item: ClassVar[re.Pattern[str]]
    """What `step` makes: a plain value of a list, or opening brackets."""
    pair: ClassVar[re.Pattern[str]]
    """The same behind a plain key."""

    @abstractmethod
    def plain(self, raw: str) -> Any:
        """The value of what `item` matches as a plain one, which cannot fail."""

    @abstractmethod
    def plain_key(self, raw: str) -> str:
        """The key that `pair` matches as a plain one."""

    @abstractmethod
    def atom(self, text: str, position: int) -> tuple[Any, int]:
        """The value that begins at `position`, and where it ends. Raises `LiteralError`."""

    @abstractmethod
    def key(self, text: str, position: int) -> tuple[str, int]:
        """The key that begins at `position`, and where its value begins. Raises `LiteralError`."""


def step(openers: str, value: str, key: str = "") -> re.Pattern[str]:
    """The pattern of one step: a value that a comma or a closing bracket ends, or brackets that open.

    Its groups are the key where there is one, the value, the comma and the brackets.
    """
    before = rf"({key})\s*+:\s*+" if key else ""
    return re.compile(rf"\s*+{before}(?:({value})\s*+(?:(,)|(?=[\])}}]))|({openers}))")


class _Frame:
    """One opened list, object or pair of parentheses; `due` says that no comma may come next, but a value."""

    __slots__ = ("closer", "comma", "due", "key", "room", "values")

    def __init__(self, closer: str, room: Room) -> None:
        self.closer = closer
        self.room = room
        self.values: Any = {} if closer == "}" else []
        self.key = ""
        self.comma = False
        self.due = True

    def add(self, value: Any) -> None:
        if self.closer == "}":
            self.values[self.key] = value
        else:
            self.values.append(value)
        self.due = False


def skip_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def char_at(text: str, position: int) -> str:
    """The character at `position`. Raises `LiteralError` where the text has ended."""
    if position >= len(text):
        raise LiteralError(len(text), "unclosed")
    return text[position]


def read_literal(text: str, position: int, grammar: Grammar, room: Room | None = None) -> tuple[Any, int]:
    """Read the one value that begins at `position`, and say where it ends.

    `room` is what brackets and values inside them may take up that no quick step reads; by default it is no limit.
    Raises `TooMuch` where it is used up, and `LiteralError` on whatever is no literal, on a key that stands twice, and
    below `MAX_DEPTH`.
    """
    position = skip_space(text, position)
    char = char_at(text, position)
    if char not in grammar.closers:
        return grammar.atom(text, position)
    root = _Frame("", Room(len(text)) if room is None else room)
    stack = [root]
    _open(char, position, stack, grammar)
    position = _read_marks(text, position + 1, stack, grammar)
    while len(stack) > 1:
        read = _read_pairs if stack[-1].closer == "}" else _read_items
        position = read(text, position, stack, grammar)
    return root.values[0], position


def _read_items(text: str, position: int, stack: list[_Frame], grammar: Grammar) -> int:
    """Read values of the innermost list, until it ends or another opens; returns how far that went."""
    frame = stack[-1]
    match, plain, append = grammar.item.match, grammar.plain, frame.values.append
    deepest = len(stack) > MAX_DEPTH
    while found := match(text, position):
        value, comma, openers = found.groups()
        position = found.end()
        if value is None:
            _open(openers, position - len(openers), stack, grammar)
            return _read_marks(text, position, stack, grammar)
        if deepest and value[0] in grammar.closers:  # an empty list
            raise LiteralError(found.start(1))
        append(plain(value))
        if comma is None:
            frame.due = False
            return _read_marks(text, position, stack, grammar)
        frame.comma = True
    return _read_odd(text, position, stack, grammar)


def _read_pairs(text: str, position: int, stack: list[_Frame], grammar: Grammar) -> int:
    """Read pairs of the innermost object, until it ends or another opens; returns how far that went."""
    frame = stack[-1]
    match, values = grammar.pair.match, frame.values
    deepest = len(stack) > MAX_DEPTH
    while found := match(text, position):
        key, value, comma, openers = found.groups()
        key = grammar.plain_key(key)
        if key in values:
            raise LiteralError(found.start(1))
        position = found.end()
        if value is None:
            frame.key = key
            _open(openers, position - len(openers), stack, grammar)
            return _read_marks(text, position, stack, grammar)
        if deepest and value[0] in grammar.closers:
            raise LiteralError(found.start(2))
        values[key] = grammar.plain(value)
        if comma is None:
            frame.due = False
            return _read_marks(text, position, stack, grammar)
        frame.comma = True
    return _read_odd(text, position, stack, grammar)


def _read_odd(text: str, position: int, stack: list[_Frame], grammar: Grammar) -> int:
    """Read what is no plain step: the end of a list, a key or a value of any kind, or what is none."""
    position = skip_space(text, position)
    char = char_at(text, position)
    frame = stack[-1]
    if char == frame.closer and _may_close(frame, grammar):
        return _read_marks(text, position, stack, grammar)
    if frame.closer == "}":
        key, after = grammar.key(text, position)
        if key in frame.values:
            raise LiteralError(position)
        frame.key = key
        position = skip_space(text, after)
        char = char_at(text, position)
    if char in grammar.closers:
        _open(char, position, stack, grammar)
        return position + 1
    frame.room.take()
    value, position = grammar.atom(text, position)
    frame.add(value)
    return _read_marks(text, position, stack, grammar)


def _open(openers: str, position: int, stack: list[_Frame], grammar: Grammar) -> None:
    """Open a list or an object inside the innermost one for each bracket; the first stands at `position`."""
    room = stack[-1].room
    room.take(len(openers))
    for opener in openers:
        if len(stack) > MAX_DEPTH:
            raise LiteralError(position)
        frame = _Frame(grammar.closers[opener], room)
        stack[-1].add(frame.values)
        stack.append(frame)
        position += 1


def _may_close(frame: _Frame, grammar: Grammar) -> bool:
    return not frame.due or not frame.comma or grammar.trailing_comma


def _read_marks(text: str, position: int, stack: list[_Frame], grammar: Grammar) -> int:
    """Read closing brackets and commas, until a value is due or the outermost bracket is closed."""
    while len(stack) > 1:
        frame = stack[-1]
        char = text[position : position + 1]
        if char == "," and not frame.due:
            frame.comma = frame.due = True
        elif char and char == frame.closer and _may_close(frame, grammar):
            stack.pop()
            if char == ")" and len(frame.values) == 1 and not frame.comma:
                _unwrap(stack[-1], frame.values[0])
        elif char.isspace():
            position = skip_space(text, position)
            continue
        elif frame.due:
            return position
        else:
            raise LiteralError(position, "json" if char else "unclosed")
        position += 1
    return position


def _unwrap(frame: _Frame, value: Any) -> None:
    """Parentheses around a single value, without a comma, are nothing but that."""
    frame.values[frame.key if frame.closer == "}" else -1] = value
