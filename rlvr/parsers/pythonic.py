"""The pythonic format (Llama 4, ToolACE, BFCL's prompt mode): a list of calls, `[f(a=1), g(b="x")]`.

Read by a scanner against the offered names, which may hold spaces, slashes, dots and parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rlvr.parsers.attempts import MAX_CALLS, Attempts, Room, TooMuch
from rlvr.parsers.bare import without_bare
from rlvr.parsers.base import TextParser
from rlvr.parsers.literals import LiteralError, char_at, read_literal, skip_space
from rlvr.parsers.python_literals import PLAIN, PYTHON
from rlvr.parsers.rendering import json_text, refuse
from rlvr.types import CallAttempt, Tool, ToolCall

_START, _END = "<|python_start|>", "<|python_end|>"
_IDENTIFIER = re.compile(r"[^\W\d][\w.\-/:]*+(?=\s{0,8}\()")
_LOOSE = re.compile(
    r"[^\s\[\](){}<>\"'=,][^\[\](){}<>\"'=,\n]{0,199}+(?=\(\s{0,8}(?:\)|[^\s=,()\[\]{}'\"]{1,64}\s{0,8}=[^=]))"
)
_ODD = frozenset("[](){}<>\"'=,")
"""What a name that is not offered never holds."""
_FIRST = r"""[^\s\[\](){}<>"'=,]"""
"""What a name that is not offered begins with: the beginning of `_LOOSE`, which `_IDENTIFIER`'s is among."""
_LIKE_A_NAME = rf"""{_FIRST}[^\[\](){{}}<>"'=,]*+\("""
"""A name that is not offered, and the parenthesis behind it."""
_OPENING = re.compile(rf"\[\s*+(?={_LIKE_A_NAME})")
_KEYWORD = re.compile(r"([^\s=,()\[\]{}'\"]++)\s*+=(?!=)")
_ARGUMENT = re.compile(rf"\s*+{_KEYWORD.pattern}\s*+({PLAIN})\s*+(?:(,)|(?=\)))")
"""A keyword with a plain value behind it: what most arguments are."""
_SPEAKING = re.compile(r"\(\s{0,64}(?:\)|[^\s=,()\[\]{}'\"]{1,64}\s{0,8}=(?!=))")


class PythonicParser(TextParser):
    """One bracketed list of calls with keyword arguments, and nothing beside it.

    A server of this format finds no calls in a text with more than the list, so such ones are bare. Llama 4's
    `<|python_start|>` and `<|python_end|>` around the list are dropped. An argument without a keyword has the fault
    `shape`: which one it is, is nowhere written.

    >>> PythonicParser().parse('[f(a=1, b=["x"]), g()]').calls
    (ToolCall(name='f', arguments={'a': 1, 'b': ['x']}), ToolCall(name='g', arguments={}))
    """

    name = "pythonic"
    reads_tools = True

    def render(self, calls: Sequence[ToolCall]) -> str:
        """One list. Raises `UsageError` for an argument's name that Python could not tell from the rest.

        >>> PythonicParser().render([ToolCall("f", {"a": True, "b": "it's"})])
        '[f(a=True, b="it\\'s")]'
        """
        return f"[{', '.join(self._call_text(c) for c in calls)}]"

    def _call_text(self, call: ToolCall) -> str:
        if not call.name or call.name != call.name.strip() or "\n" in call.name or "<" in call.name:
            raise refuse(self.name, "the name", call.name)
        for key in call.arguments:
            read = _KEYWORD.fullmatch(f"{key}=")
            if read is None or read[1] != key or "<" in key:
                raise refuse(self.name, "an argument of the name", key)
        arguments = ", ".join(f"{k}={literal_text(v)}" for k, v in call.arguments.items())
        return f"{call.name}({arguments})"

    def _read(self, text: str, attempts: Attempts, tools: Sequence[Tool]) -> str:
        names = _Names(tools)
        if text.startswith(_START):
            text = text[len(_START) :].replace(_END, "").strip()
        if text.startswith("[") and names.starts_call(text, skip_space(text, 1)):
            end, whole = read_list(text, names, attempts)
            if not whole or not text[end:].strip():
                return ""
            attempts[:] = [CallAttempt(a.raw, None, a.fault or "bare") for a in attempts]
            return without_bare(text[end:], attempts)
        if names.starts_bare(text) and text.endswith(")"):
            attempts.append(CallAttempt(text, None, "bare"))
            return ""
        if text.startswith("[") and names.is_cut(text[1:].lstrip()):
            attempts.append(CallAttempt(text, None, "unclosed"))
            return ""
        return without_bare(_without_lists(text, names, attempts), attempts)


def literal_text(value: Any) -> str:
    """A JSON value as Python writes it; strings are written as in JSON, which Python reads alike."""
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json_text(k)}: {literal_text(v)}' for k, v in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(literal_text, value))}]"
    return json_text(value)


def read_list(text: str, names: _Names, attempts: Attempts, start: int = 0) -> tuple[int, bool]:
    """Read the list of calls whose bracket stands at `start`; returns the position behind it.

    At the first call that cannot be read it stops: then the second value is `False`, and the first how far it went.
    """
    position = start + 1
    begin = position
    try:
        while True:
            position = begin = skip_space(text, position)
            if position > start + 1 and char_at(text, position) == "]" and attempts:
                return position + 1, True
            attempt, position = _read_call(text, position, names, attempts.room)
            attempts.append(attempt)
            position = skip_space(text, position)
            char = char_at(text, position)
            if char == "]":
                return position + 1, True
            if char != ",":
                raise LiteralError(position)
            position += 1
    except LiteralError as error:
        end = len(text) if error.fault == "unclosed" else max(error.position, begin)
        attempts.append(CallAttempt(text[begin:end], None, error.fault))
        return end, False


def _read_call(text: str, position: int, names: _Names, room: Room) -> tuple[CallAttempt, int]:
    begin = position
    name_end = names.end(text, position)
    if name_end < 0:
        raise LiteralError(position, "unclosed" if text.find("(", position) < 0 else "json")
    name = text[position:name_end].strip()
    position = skip_space(text, name_end) + 1
    arguments: dict[str, Any] = {}
    keyless = False
    while True:
        while quick := _ARGUMENT.match(text, position):
            key, written, comma = quick.groups()
            if key in arguments:
                raise LiteralError(quick.start(1))
            arguments[key] = PYTHON.plain(written)
            position = quick.end()
            if comma is None:
                break
        position = skip_space(text, position)
        if char_at(text, position) == ")":
            call = None if keyless else ToolCall(name, arguments)
            return CallAttempt(text[begin : position + 1], call, "shape" if keyless else None), position + 1
        keyword = _KEYWORD.match(text, position)
        value, after = read_literal(text, keyword.end() if keyword else position, PYTHON, room)
        if keyword is None:
            keyless = True
            room.take()
        elif keyword[1] in arguments:
            raise LiteralError(position)
        else:
            arguments[keyword[1]] = value
        position = skip_space(text, after)
        char = char_at(text, position)
        if char == ",":
            position += 1
        elif char != ")":
            raise LiteralError(position)


class _Names:
    """The offered names, by their first character, longest first."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self.offered: dict[str, list[str]] = {}
        for name in sorted({t.name for t in tools if t.name}, key=len, reverse=True):
            self.offered.setdefault(name[0], []).append(name)

    def end(self, text: str, position: int) -> int:
        """Where the name of a call that begins at `position` ends; -1 where none begins."""
        offered = self.offered_end(text, position)
        if offered >= 0:
            return offered
        found = _IDENTIFIER.match(text, position) or _LOOSE.match(text, position)
        return found.end() if found else -1

    def offered_end(self, text: str, position: int) -> int:
        for name in self.offered.get(text[position : position + 1], ()):
            after = position + len(name)
            if text.startswith(name, position) and text.startswith("(", skip_space(text, after)):
                return after
        return -1

    def opening(self) -> re.Pattern[str]:
        """Finds brackets, with the space behind them, that a call's name may follow: no other one opens a list."""
        odd = [re.escape(n) for names in self.offered.values() for n in names if not _ODD.isdisjoint(n)]
        return re.compile(rf"\[\s*+(?={'|'.join([*odd, _LIKE_A_NAME])})") if odd else _OPENING

    def starts_call(self, text: str, position: int) -> bool:
        """Whether a call begins at `position`: an offered name, or another with what looks like its arguments."""
        if self.offered_end(text, position) >= 0:
            return True
        end = self.end(text, position)
        if end < 0:
            return False
        whole = text.endswith(")]") and text.startswith("(", end)
        return whole or _SPEAKING.match(text, skip_space(text, end)) is not None

    def starts_bare(self, text: str) -> bool:
        """Whether a text without brackets begins as a call; a name of several words must be an offered one there."""
        return self.starts_call(text, 0) and (self.offered_end(text, 0) >= 0 or _IDENTIFIER.match(text) is not None)

    def is_cut(self, text: str) -> bool:
        """Whether a text is nothing but the beginning of an offered name."""
        return bool(text) and any(n.startswith(text) for n in self.offered.get(text[0], ()))


def _is_plain(call: ToolCall) -> bool:
    """Whether a call of a tool that is not offered is one, and not words with brackets: `[see f()]`."""
    return bool(call.arguments) or " " not in call.name


def _without_lists(text: str, names: _Names, attempts: Attempts) -> str:
    """Note lists of calls that stand among words, and return the text without them."""
    kept: list[str] = []
    position = tried = 0
    opening = names.opening()
    bracket = opening.search(text)
    while bracket is not None:
        start, begin = bracket.span()
        end = start + 1
        if (tried := tried + 1) > MAX_CALLS:
            raise TooMuch
        if names.starts_call(text, begin):
            found = attempts.beside()
            end = max(end, read_list(text, names, found, start)[0])
            if names.offered_end(text, begin) >= 0 or all(a.call and _is_plain(a.call) for a in found):
                kept.append(text[position:start])
                position = end
                attempts.append(CallAttempt(text[start:end], None, "bare"))
        bracket = opening.search(text, end)
    return "".join([*kept, text[position:]])
