"""JSON as a call must be written: no duplicate keys, no NaN or Infinity, no lone surrogates, bounded depth."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from rlvr.tools.writable import MAX_ARGUMENTS_DEPTH, MAX_DEPTH, MAX_DIGITS

__all__ = [
    "MAX_ARGUMENTS_DEPTH",
    "MAX_DEPTH",
    "MAX_DIGITS",
    "bounded_int",
    "depth_exceeds",
    "finite_float",
    "json_end",
    "loads_strict",
    "may_hold_long_number",
    "no_constant",
]

_WHITESPACE = " \t\r\n"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
_DIGIT = re.compile("[0-9]")
_LONG_NUMBER = re.compile(r"(?<!\d)\d{309}")
_SKIPPED = r'\\.|"[^"\\]*+(?:\\.[^"\\]*+)*+("?+)'
_BRACES = re.compile(_SKIPPED + r"|\{++|\}++", re.DOTALL)
_BRACKETS = re.compile(_SKIPPED + r"|\[++|\]++", re.DOTALL)


def loads_strict(text: str) -> Any:
    """Read one JSON value; raises `ValueError` on whatever is wrong, and nothing else.

    >>> loads_strict('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    ValueError: duplicate key 'a'
    """
    text = text.strip(_WHITESPACE)
    if not text or text[0] not in '{["-0123456789tfn':
        raise ValueError("not JSON")
    long = len(text) > MAX_DIGITS and may_hold_long_number(text)
    try:
        value, end = (_CAREFUL if long else _SCAN)(text, 0)
    except StopIteration:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if end != len(text):
        raise ValueError("more than one value")
    if text.count("{") + text.count("[") > MAX_DEPTH and depth_exceeds(value, MAX_DEPTH):
        raise ValueError("nested too deeply")
    if ("\\u" in text or not text.isascii()) and _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("a lone surrogate") from None
    return value


def may_hold_long_number(text: str) -> bool:
    """Whether more than `MAX_DIGITS` digits stand in a row: one of them is at some place that is looked at first."""
    return _DIGIT.search(text[MAX_DIGITS::MAX_DIGITS]) is not None and _LONG_NUMBER.search(text) is not None


def json_end(text: str, start: int) -> int:
    """Where the bracket that opens at `start` closes, strings and brackets of the other kind skipped; -1: nowhere.

    >>> json_end('{"a": "}"} and more', 0)
    10
    """
    opening = text[start]
    depth = 0
    for found in (_BRACES if opening == "{" else _BRACKETS).finditer(text, start):
        begin, end = found.span()
        mark = text[begin]
        if mark == opening:
            depth += end - begin
        elif mark == '"':
            if not found[1]:
                return -1
        elif mark != "\\":
            depth -= end - begin
            if depth <= 0:
                return end + depth  # of several brackets in a row, some may close others
    return -1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"duplicate key {key!r:.40}")
            seen.add(key)
    return out


def no_constant(name: str) -> Any:
    """Raises `ValueError`: Python reads NaN and Infinity, and JSON has neither."""
    raise ValueError(f"{name} is no JSON")


def finite_float(text: str) -> float:
    """A float; raises `ValueError` where it overflows."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.40} is too large")
    return value


def bounded_int(text: str) -> int:
    """An integer in decimals; raises `ValueError` above `MAX_DIGITS` digits."""
    if len(text.lstrip("+-")) > MAX_DIGITS:
        raise ValueError(f"{text:.40} is too large")
    return int(text)


def _scanner(parse_int: Callable[[str], Any] | None) -> Callable[[str, int], tuple[Any, int]]:
    """The scanner of a decoder: what `raw_decode` calls, without its frame."""
    decoder: Any = json.JSONDecoder(
        object_pairs_hook=_unique, parse_constant=no_constant, parse_float=finite_float, parse_int=parse_int
    )
    scan: Callable[[str, int], tuple[Any, int]] = decoder.scan_once
    return scan


_SCAN, _CAREFUL = _scanner(None), _scanner(bounded_int)


def depth_exceeds(value: Any, limit: int) -> bool:
    """Whether lists and objects stand in one another more than `limit` deep."""
    level = [value]
    for _ in range(limit):
        level = [c for v in level if isinstance(v, (dict, list)) for c in (v.values() if isinstance(v, dict) else v)]
        if not level:
            return False
    return any(isinstance(v, (dict, list)) for v in level)
