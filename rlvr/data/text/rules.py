"""The rules, one text at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rlvr.data.text.marks import (
    ENDS_LATIN,
    ENDS_WIDE,
    FULL_ALPHANUMERIC,
    STARTS_LATIN,
    STARTS_WIDE,
    TAKEN,
    TOUCHED,
    hide,
    show,
)
from rlvr.data.text.traditional import to_traditional

_PASSES = 4
_NO_UNITS: Mapping[str, str] = {}

_TO_FULL = str.maketrans(",;:?!", "，；：？！")
_TO_HALF = {"，": ",", "；": ";", "：": ":", "？": "?", "！": "!", "。": "."}
_CLOSING = "」』）》】〉”’？！…"
_NUMERALS = "一二三四五六七八九十百甲乙丙丁"

_JOINT = re.compile(f"(?<=[{ENDS_WIDE}])(?=[{STARTS_LATIN}])|(?<=[{ENDS_LATIN}])(?=[{STARTS_WIDE}])")
_AFTER_WIDE = re.compile(rf"(?<=[{ENDS_WIDE}{_CLOSING}])[ \t]{{0,3}}([,;:?!]{{1,20}})(?![)(\-/])[ \t]{{0,20}}")
_BEFORE_WIDE = re.compile(rf"(?<=[{ENDS_LATIN}])[,;:?!](?=[{STARTS_WIDE}])")
_STOP_AFTER_WIDE = re.compile(rf"(?<=[{ENDS_WIDE}])\.(?!\.)(?:[ \t]{{1,20}}|(?=[{STARTS_WIDE}」』）”\n]|\Z))")
_BRACKETS = re.compile(r"(?<![A-Za-z0-9_)\]])\(([^()（）\n]{1,200})\)")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[：．／－](?=[0-9])")
_BETWEEN_DIGITS_HALF = {"：": ":", "．": ".", "／": "/", "－": "-"}
_FULL_MARK = re.compile(r"[，；：？！。](?=(\w)?)")
_HAS_WIDE = re.compile(f"[{STARTS_WIDE}{ENDS_WIDE}]")
_FULL_BRACKETS = str.maketrans("（）", "()")


@dataclass(frozen=True, slots=True)
class TextOptions:
    """Which rules run: `spacing` (a space between Chinese and Latin letters or digits), `punctuation` (full-width and
    half-width by context), `traditional` (Simplified to Traditional Chinese, by OpenCC)."""

    spacing: bool = False
    punctuation: bool = False
    traditional: bool = False

    def __bool__(self) -> bool:
        return self.spacing or self.punctuation or self.traditional


def normalise_text(
    text: str,
    *,
    spacing: bool = False,
    punctuation: bool = False,
    traditional: bool = False,
    units: Mapping[str, str] = _NO_UNITS,
) -> str:
    """Normalise one text. Applied twice it gives the same; without Chinese and full-width characters it stays.

    Code, addresses, paths, tags and JSON are left alone, and so is the inside of `units`: each occurrence of a key
    becomes its value, whatever stands around it. A text that the rules do not bring to rest within four passes is left
    as it is.

    >>> normalise_text("請用Python寫3個例子,謝謝!", spacing=True, punctuation=True)
    '請用 Python 寫 3 個例子，謝謝！'
    >>> normalise_text("hello，world：１２：３０", punctuation=True)
    'hello, world: 12:30'
    """
    options = TextOptions(spacing, punctuation, traditional)
    if not options or not TOUCHED.search(text) or TAKEN.search(text):
        return text
    here, again = text, units
    for _ in range(_PASSES):
        there = _once(here, options, again)
        if there == here:
            return here
        # From the second pass on the units' values stand in the text, and stay.
        here, again = there, {value: value for value in units.values()}
    return text


def _once(text: str, options: TextOptions, units: Mapping[str, str]) -> str:
    bare, kept = hide(text, units)
    if options.traditional:
        bare = to_traditional(bare)
    if options.punctuation:
        bare = _punctuated(bare)
    if options.spacing:
        bare = _JOINT.sub(" ", bare)
    return show(bare, kept)


def _punctuated(text: str) -> str:
    text = text.translate(FULL_ALPHANUMERIC)
    text = _BETWEEN_DIGITS.sub(lambda m: _BETWEEN_DIGITS_HALF[m.group()], text)
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    """A line without Chinese has half-width marks; in one with Chinese, marks that touch Chinese are full-width."""
    if not _HAS_WIDE.search(line):
        return _FULL_MARK.sub(_half, line).translate(_FULL_BRACKETS)
    line = _BRACKETS.sub(lambda m: f"（{m[1]}）" if _HAS_WIDE.search(m[1]) else m[0], line)
    line = _AFTER_WIDE.sub(lambda m: m[1].translate(_TO_FULL), line)
    line = _BEFORE_WIDE.sub(lambda m: m[0].translate(_TO_FULL), line)
    return _STOP_AFTER_WIDE.sub(_stop, line)


def _half(match: re.Match[str]) -> str:
    return _TO_HALF[match.group()] + (" " if match[1] else "")


def _stop(match: re.Match[str]) -> str:
    """Not after a numeral that begins a line: "一. 簡介" numbers a heading."""
    text, place = match.string, match.start()
    if text[place - 1] in _NUMERALS and (place < 2 or text[place - 2] in " \t"):
        return match.group()
    return "。"
