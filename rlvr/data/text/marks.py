"""What a text's characters are, and the stretches of it that are left alone.

A stretch that is left alone is one character while the rules run: one of Unicode's noncharacters, by what stands at its
two ends. So the rules see its neighbours, and cannot change what is inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

WIDE = "\u3040-\u30ff\u3105-\u312f\u31a0-\u31bf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Han, kana and bopomofo, as the inside of a character class."""
LATIN = "A-Za-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
"""Latin letters, with those of Vietnamese, and digits."""
FULL_ALPHANUMERIC = {code: code - 0xFEE0 for code in range(0xFF10, 0xFF5B) if chr(code - 0xFEE0).isalnum()}

_FIRST = 0xFDD0
_KINDS = "wlo"  # wide, Latin, other: what a stretch begins and ends with
_MARKS = {a + b: chr(_FIRST + 3 * i + j) for i, a in enumerate(_KINDS) for j, b in enumerate(_KINDS)}
TAKEN = re.compile("[\ufdd0-\ufdd8]")
"""A text that holds one of these already is left as it is; Unicode reserves them for uses like this one."""


def _marks(place: int, kind: str) -> str:
    return "".join(mark for ends, mark in _MARKS.items() if ends[place] == kind)


STARTS_WIDE, STARTS_LATIN = WIDE + _marks(0, "w"), LATIN + _marks(0, "l")
ENDS_WIDE, ENDS_LATIN = WIDE + _marks(1, "w"), LATIN + _marks(1, "l")

_IS_WIDE, _IS_LATIN = re.compile(f"[{WIDE}]"), re.compile(f"[{LATIN}]")
TOUCHED = re.compile(f"[{WIDE}\uff01-\uff5e\u3000-\u303f]")
"""Without any of these a text has nothing to normalise."""

_LEFT_ALONE = (
    r"```[^\0]*?```",  # code
    r"`[^`\n]{1,500}`",
    r"(?:https?|ftp|wss?|file|s3|gs)://[!-~]{1,2000}",  # an address ends where ASCII does
    r"www\.[!-~]{1,2000}",
    r"[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}",
    r"(?<![\w)\]/])(?:[A-Za-z]:\\|~?/|\.{1,2}/)[\w.\-]{1,100}(?:[\\/][\w.\-]{0,100}){1,40}",  # a path
    r"<[A-Za-z/!][^<>\n]{0,300}>",  # a tag
    r"\{[^{}]{0,2000}\}",  # JSON, a template's field
)
_ALONE = re.compile("|".join(_LEFT_ALONE))


def hide(text: str, units: Mapping[str, str]) -> tuple[str, list[str]]:
    """Put a mark for each stretch that is left alone, and for each occurrence of a key of `units`.

    Returns the text with marks, and what each stands for, in order: the stretch itself, or the unit's value. What
    begins first is taken, of those the units first, of those the longest: a value may be a part of another one.
    """
    spans = [(m.start(), True, -m.end(), m.group()) for m in _ALONE.finditer(text)]
    for unit, value in units.items():
        spans += [(at, False, -at - len(unit), value) for at in _places(text, unit)]
    out: list[str] = []
    kept: list[str] = []
    done = 0
    for start, _, end, value in sorted(spans):
        if start < done:
            continue
        kept.append(value)
        out += [text[done:start], mark_of(value)]
        done = -end
    return "".join([*out, text[done:]]), kept


def _places(text: str, unit: str) -> Iterator[int]:
    at = text.find(unit) if unit else -1
    while at >= 0:
        yield at
        at = text.find(unit, at + len(unit))


def show(text: str, kept: list[str]) -> str:
    """Put back what `hide` took out."""
    parts = iter(kept)
    return TAKEN.sub(lambda _: next(parts), text)


def mark_of(stretch: str) -> str:
    return _MARKS[_kind(stretch[:1]) + _kind(stretch[-1:])]


def _kind(char: str) -> str:
    if _IS_WIDE.match(char):
        return "w"
    return "l" if _IS_LATIN.match(char) else "o"
