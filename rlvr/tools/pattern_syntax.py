"""Reads a regular expression into a tree; what would need backtracking is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_LENGTH = 2000
MAX_REPEAT = 1000
_MAX_DEPTH = 40
_DIGITS = frozenset("0123456789")
WORD = _DIGITS | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_LINE_ENDS = frozenset("\n\r\u2028\u2029")
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}


class UnsupportedError(Exception):
    """The pattern is broken, or has what cannot be searched for in bounded time."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of a set: single ones, ranges of code points, classes; or any that is not."""

    single: frozenset[str] = frozenset()
    ranges: tuple[tuple[int, int], ...] = ()
    classes: tuple[Callable[[str], bool], ...] = ()
    negated: bool = False

    def hold(self, char: str) -> bool:
        found = char in self.single or any(low <= ord(char) <= high for low, high in self.ranges)
        return (found or any(holds(char) for holds in self.classes)) != self.negated


@dataclass(frozen=True, slots=True)
class Assertion:
    """`^`, `$`, `b` (a word's boundary) or `B` (none)."""

    kind: str


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple[Syntax, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    parts: tuple[Syntax, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` times; `None`: without an end."""

    part: Syntax
    least: int
    most: int | None


Syntax = Chars | Assertion | Sequence | Choice | Repeat
_CLASSES: dict[str, Callable[[str], bool]] = {
    "d": lambda c: c in _DIGITS,
    "D": lambda c: c not in _DIGITS,
    "w": lambda c: c in WORD,
    "W": lambda c: c not in WORD,
    "s": lambda c: c.isspace() or c == "\ufeff",
    "S": lambda c: not (c.isspace() or c == "\ufeff"),
}
_DOT = Chars(single=_LINE_ENDS, negated=True)


def parse(source: str) -> Syntax:
    """Read a whole pattern. Raises `UnsupportedError`, and nothing else."""
    if len(source) > MAX_LENGTH:
        raise UnsupportedError("too long")
    reader = _Reader(source)
    tree = reader.choice(0)
    if reader.at < len(source):
        raise UnsupportedError("a bracket that nothing opened")
    return tree


class _Reader:
    """Reads from left to right; `at` is the place of the next character."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0

    def peek(self) -> str:
        return self.source[self.at : self.at + 1]

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise UnsupportedError("the pattern ends too early")
        self.at += 1
        return char

    def skip(self, text: str) -> bool:
        found = self.source.startswith(text, self.at)
        self.at += len(text) * found
        return found

    def choice(self, depth: int) -> Syntax:
        if depth > _MAX_DEPTH:
            raise UnsupportedError("nested too deeply")
        parts = [self.sequence(depth)]
        while self.skip("|"):
            parts.append(self.sequence(depth))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def sequence(self, depth: int) -> Syntax:
        parts: list[Syntax] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.quantified(self.atom(depth)))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def quantified(self, part: Syntax) -> Syntax:
        bounds = self.quantifier()
        if bounds is None:
            return part
        if isinstance(part, Assertion):
            raise UnsupportedError("an assertion that is repeated")
        self.skip("?")  # lazy or greedy, the same texts match
        if self.peek() in ("*", "+", "?") or self.at_braces() is not None:
            raise UnsupportedError("a quantifier of a quantifier")
        return Repeat(part, *bounds)

    def quantifier(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if self.peek() in simple:
            return simple[self.take()]
        braces = self.at_braces()
        if braces is None:
            return None
        text, end = braces
        least, comma, most = text.partition(",")
        bounds = (int(least), int(most) if most else None if comma else int(least))
        if bounds[0] > MAX_REPEAT or (bounds[1] is not None and not bounds[0] <= bounds[1] <= MAX_REPEAT):
            raise UnsupportedError("repeated too often")
        self.at = end
        return bounds

    def at_braces(self) -> tuple[str, int] | None:
        """The inside of `{2}`, `{2,}` or `{2,5}` and where it ends; other braces are plain characters. But
        `{,5}` is left unread: to Python it repeats, to ECMA-262 it does not."""
        if self.peek() != "{":
            return None
        end = self.source.find("}", self.at, self.at + 16)
        text = self.source[self.at + 1 : end] if end > 0 else ""
        least, comma, most = text.partition(",")
        if comma and not least and set(most) <= _DIGITS:
            raise UnsupportedError("repeated at most so often, without a least")
        fits = bool(least) and set(least) <= _DIGITS and set(most) <= _DIGITS
        return (text, end + 1) if fits else None

    def atom(self, depth: int) -> Syntax:
        char = self.take()
        if char == "(":
            return self.group(depth)
        if char == "[":
            return self.set()
        if char in "^$":
            return Assertion(char)
        if char == ".":
            return _DOT
        if char in "*+?":
            raise UnsupportedError("nothing to repeat")
        if char != "\\":
            return Chars(single=frozenset(char))
        if self.peek() in ("b", "B"):
            return Assertion(self.take())
        return self.escape()

    def group(self, depth: int) -> Syntax:
        if self.skip("?"):
            named = self.skip("P<") or (self.skip("<") and self.peek() not in ("=", "!", ""))
            if named:
                end = self.source.find(">", self.at)
                if end < 0 or not self.source[self.at : end].isidentifier():
                    raise UnsupportedError("a group's name")
                self.at = end + 1
            elif not self.skip(":"):
                raise UnsupportedError("lookaround, or a flag")
        inside = self.choice(depth + 1)
        if not self.skip(")"):
            raise UnsupportedError("a bracket that is not closed")
        return inside

    def escape(self) -> Chars:
        char = self.take()
        if char in _CLASSES:
            return Chars(classes=(_CLASSES[char],))
        if char in _CONTROLS:
            return Chars(single=frozenset(_CONTROLS[char]))
        if char == "0" and self.peek() not in _DIGITS:
            return Chars(single=frozenset("\0"))
        if char in "xu":
            return Chars(single=frozenset(self.code_point(2 if char == "x" else 4)))
        if char.isalnum():
            raise UnsupportedError(f"\\{char}")
        return Chars(single=frozenset(char))

    def code_point(self, digits: int) -> str:
        text = self.source[self.at : self.at + digits]
        self.at += digits
        try:
            return chr(int(text, 16)) if len(text) == digits and text.isalnum() else self._no_code_point()
        except ValueError:
            return self._no_code_point()

    def _no_code_point(self) -> str:
        raise UnsupportedError("a code point")

    def set(self) -> Chars:
        negated = self.skip("^")
        single: set[str] = set()
        ranges: list[tuple[int, int]] = []
        classes: list[Callable[[str], bool]] = []
        first = True
        while first or self.peek() != "]":
            first = False
            low = self.member()
            if self.source.startswith("-", self.at) and self.source[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self.member()
                if low.classes or high.classes:
                    raise UnsupportedError("a range of classes")
                bounds = (ord(next(iter(low.single))), ord(next(iter(high.single))))
                if bounds[0] > bounds[1]:
                    raise UnsupportedError("a range from high to low")
                ranges.append(bounds)
            else:
                single |= low.single
                classes += low.classes
        self.take()
        return Chars(frozenset(single), tuple(ranges), tuple(classes), negated)

    def member(self) -> Chars:
        char = self.take()
        if char == "[" or (char in "&~|-" and self.peek() == char):
            raise UnsupportedError("sets of sets")
        if char != "\\":
            return Chars(single=frozenset(char))
        if self.skip("b"):
            return Chars(single=frozenset("\b"))
        return self.escape()
