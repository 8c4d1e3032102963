"""Python's literals as a call may hold them: strings, numbers, True, None, lists, tuples, dictionaries.

Read by a scanner of our own: nothing is evaluated or compiled. `true`, `false` and `null` are read too. No literal is
a name, an expression, a formatted or a bytes string, a set, a comment, a complex number.
"""

from __future__ import annotations

import re
from typing import Any

from rlvr.parsers.literals import Grammar, LiteralError, char_at, skip_space, step
from rlvr.parsers.strict_json import bounded_int, finite_float

_QUOTE = re.compile(r"""([rRuU]?+)(\"\"\"|'''|"|')""")
_BODIES = {
    '"': re.compile(r'[^"\\\n\r]*+(?:\\.[^"\\\n\r]*+)*+', re.DOTALL),
    "'": re.compile(r"[^'\\\n\r]*+(?:\\.[^'\\\n\r]*+)*+", re.DOTALL),
    '"""': re.compile(r'[^"\\]*+(?:(?:\\.|"(?!""))[^"\\]*+)*+', re.DOTALL),
    "'''": re.compile(r"[^'\\]*+(?:(?:\\.|'(?!''))[^'\\]*+)*+", re.DOTALL),
}
_ESCAPE = re.compile(r"\\(\r\n|[0-7]{1,3}|x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|.)", re.DOTALL)
_SIMPLE = {
    "\n": "", "\r": "", "\r\n": "", "\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b", "f": "\f", "n": "\n",
    "r": "\r", "t": "\t", "v": "\v",
}  # fmt: skip
_NUMBER = re.compile(
    r"([+-]?+)\s{0,8}+(?:(0[xX](?:_?+[\da-fA-F])++|0[bB](?:_?+[01])++|0[oO](?:_?+[0-7])++)"
    r"|((?:\d++(?:_\d++)*+)?+(\.(?:\d++(?:_\d++)*+)?+)?+([eE][+-]?+\d++)?+))",
    re.ASCII,
)
_MAX_BITS = 1023
_WORD = re.compile(r"[A-Za-z]++")
_WORDS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
_LETTERS = frozenset(word[0] for word in _WORDS)
_OPENERS = r"[\[(]++\{?+|\{"
_BODY = r"[^{0}\\\n\r\ud800-\udfff]*+"
_ESCAPED = r"(?:\\[^\n\r0-7xuUN\ud800-\udfff]" + _BODY + ")*+"
"""Escapes that are one character, none of them a line break."""
PLAIN = (
    "|".join(f"{quote}{(_BODY + _ESCAPED).replace('{0}', quote)}{quote}" for quote in ('"', "'"))
    + r"|[+-]?+(?:(?:[1-9][0-9]{0,17}+|0)(?:\.[0-9]{0,17}+)?+|\.[0-9]{1,17}+)(?:[eE][+-]?+[0-9]{1,2}+)?+"
    + r"|\[\]|\{\}|\(\)|"
    + "|".join(_WORDS)
)
"""What `PythonGrammar.plain` reads: a value that holds no other, in one match."""
_PLAIN_KEY = "|".join(f"{quote}{_BODY.replace('{0}', quote)}{quote}" for quote in ('"', "'"))


class PythonGrammar(Grammar):
    """Lists, tuples (read as lists) and dictionaries with string keys."""

    closers = {"[": "]", "(": ")", "{": "}"}  # noqa: RUF012
    trailing_comma = True
    item = step(_OPENERS, PLAIN)
    pair = step(_OPENERS, PLAIN, _PLAIN_KEY)

    def plain(self, raw: str) -> Any:
        first = raw[0]
        if first in "\"'":
            return raw[1:-1] if "\\" not in raw else _unescape(raw[1:-1], 0)
        if first in _LETTERS:
            return _WORDS[raw]
        if first in "[({":
            return {} if first == "{" else []
        return float(raw) if "." in raw or "e" in raw or "E" in raw else int(raw)

    def plain_key(self, raw: str) -> str:
        return raw[1:-1]

    def atom(self, text: str, position: int) -> tuple[Any, int]:
        char = char_at(text, position)
        if _QUOTE.match(text, position):
            return read_string(text, position)
        if char in "+-." or char.isdecimal():
            return _read_number(text, position)
        word = _WORD.match(text, position)
        if word is None or word.group() not in _WORDS:
            raise LiteralError(position, "unclosed" if word and _is_begun(word.group(), text, position) else "json")
        return _WORDS[word.group()], word.end()

    def key(self, text: str, position: int) -> tuple[str, int]:
        if not _QUOTE.match(text, position):
            raise LiteralError(position)
        key, end = read_string(text, position)
        end = skip_space(text, end)
        if char_at(text, end) != ":":
            raise LiteralError(end)
        return key, end + 1


PYTHON = PythonGrammar()


def read_string(text: str, position: int) -> tuple[str, int]:
    """The string that begins at `position`; strings that follow it are joined to it, as Python does."""
    parts: list[str] = []
    while opening := _QUOTE.match(text, position):
        prefix, quote = opening.groups()
        body = _BODIES[quote].match(text, opening.end())
        if body is None:  # cannot be: a body may be empty
            raise LiteralError(position)
        end = body.end()
        if not text.startswith(quote, end):
            cut = len(text) - end <= 2 and text[end:] in ("", quote[:1], quote[:2], "\\")
            raise LiteralError(end, "unclosed" if cut else "json")
        raw = body.group()
        parts.append(raw if "\\" not in raw or prefix in ("r", "R") else _unescape(raw, position))
        position = end + len(quote)
        following = skip_space(text, position)
        if following < len(text) and text[following] in "\"'rRuU" and _QUOTE.match(text, following):
            position = following
    return _joined(parts, position), position


def _unescape(raw: str, position: int) -> str:
    def replace(found: re.Match[str]) -> str:
        mark = found.group(1)
        if mark in _SIMPLE:
            return _SIMPLE[mark]
        if mark[0] in "xuU" and len(mark) > 1:
            code = int(mark[1:], 16)
        elif mark[0] in "01234567":
            code = int(mark, 8)
        elif mark in "xuUN":
            raise LiteralError(position)
        else:
            return found.group()  # as Python has it: a backslash that escapes nothing stands for itself
        if code > 0x10FFFF:
            raise LiteralError(position)
        return chr(code)

    return _ESCAPE.sub(replace, raw)


def _joined(parts: list[str], position: int) -> str:
    """Pairs of escaped surrogates are one character, as JSON has it; a lone one raises."""
    text = "".join(parts)
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            raise LiteralError(position) from None
    return text


def _read_number(text: str, position: int) -> tuple[int | float, int]:
    found = _NUMBER.match(text, position)
    if found is None or not (found[2] or found[3]) or found[3] == ".":
        cut = found is not None and found.end() == len(text)
        raise LiteralError(position, "unclosed" if cut else "json")
    sign, based, plain, fraction, exponent = found.groups()
    try:
        value: int | float
        if based:
            value = int(based, 0)
            if value.bit_length() > _MAX_BITS:
                raise LiteralError(position)
        elif fraction is None and exponent is None:
            digits = plain.replace("_", "")
            if digits[0] == "0" and digits.strip("0"):
                raise LiteralError(position)
            value = bounded_int(digits)
        else:
            value = finite_float(plain.replace("_", ""))
    except ValueError:
        raise LiteralError(position) from None
    return (-value if sign == "-" else value), found.end()


def _is_begun(word: str, text: str, position: int) -> bool:
    """Whether the text ends in the middle of a word like `True`."""
    return position + len(word) == len(text) and any(w.startswith(word) for w in _WORDS)
