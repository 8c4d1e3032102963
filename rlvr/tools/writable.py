"""Whether a value can be written as JSON in UTF-8 and read back as it was."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rlvr.jsonl import is_utf8

MAX_DEPTH = 64
"""Deeper JSON is refused: what walks over it later may recurse without fear."""

MAX_ARGUMENTS_DEPTH = 62
"""The same for a call's arguments, their object counted: what every format can carry inside its own brackets."""

MAX_DIGITS = 308
"""Integers of more digits are refused, as floats of that size are: no float can be compared with them."""

_LARGEST = 10**MAX_DIGITS


def why_not_written(value: Any, depth: int = MAX_DEPTH) -> str | None:
    """What in a value no file could hold: half a surrogate pair, NaN, bytes, nesting without end; `None` if nothing.

    >>> why_not_written({"a": [1, "é"]}), why_not_written([float("nan")])
    (None, 'nan is no JSON number')
    """
    level = [value]
    for deep in range(depth + 1):
        below: list[Any] = []
        holders = False
        for item in level:
            kind = type(item)
            if kind is str:
                if not item.isascii() and not is_utf8(item):
                    return "its text holds half a surrogate pair"
            elif kind is float:
                if not math.isfinite(item):
                    return f"{item} is no JSON number"
            elif kind is int:
                if not -_LARGEST < item < _LARGEST:
                    return f"an integer has more than {MAX_DIGITS} digits"
            elif kind is dict or isinstance(item, Mapping):
                below += [*item.keys(), *item.values()]
                holders = True
            elif kind is list or kind is tuple:
                below += item
                holders = True
            elif item is not None and kind is not bool:
                return f"{kind.__name__} is no JSON"
        if holders and deep == depth:
            break
        if not below:
            return None
        level = below
    return f"it is nested more than {depth} deep"
