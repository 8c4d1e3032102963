"""Defaults that a tool's description tells in words, where its schema has no place for them."""

from __future__ import annotations

import re
from typing import Any

_DEFAULT = re.compile(
    r"\bdefaults?(?:\s+value)?\s*(?:\bis\b|\bto\b|[:=]|(?=['\"]))\s*"
    r"(?:'([^'\n]{0,200})'|\"([^\"\n]{0,200})\"|(-?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?)(?![\w.]*\w)"
    r"|(true|false|none|null)\b|(\[\]|\{\}))",
    re.IGNORECASE,
)
_WORDS: dict[str, Any] = {"true": True, "false": False, "none": None, "null": None, "[]": [], "{}": {}}


def default_in(text: str) -> tuple[bool, Any]:
    """Whether words tell a default, and which; the value is `None` where nothing is the default.

    >>> default_in("How many, default is 8.5."), default_in("The unit. Defaults to 'km'"), default_in("Not needed")
    ((True, 8.5), (True, 'km'), (False, None))
    """
    found = _DEFAULT.search(text)
    if found is None:
        return False, None
    single, double, number, word, empty = found.groups()
    if single is not None or double is not None:
        return True, single if single is not None else double
    if number is not None:
        return True, float(number) if re.search(r"[.eE]", number) else int(number)
    value = _WORDS[(word or empty).lower()]
    return True, value
