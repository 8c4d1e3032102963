"""Simplified to Traditional Chinese as Taiwan writes it, by OpenCC (`s2tw`: its characters, not its vocabulary)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from rlvr.extras import require

_NOT_CONVERTED = re.compile("[\u3040-\u30ff\ud800-\udfff]")
"""Kana, and halves of a character, which OpenCC does not take."""


def to_traditional(text: str) -> str:
    """Convert a text; Japanese (anything with kana) and broken Unicode stay as they are.

    Raises `MissingExtraError` without OpenCC.
    """
    if text.isascii() or _NOT_CONVERTED.search(text):
        return text
    return str(_converter().convert(text))


@lru_cache(maxsize=1)
def _converter() -> Any:
    require("opencc", "data", "Simplified to Traditional Chinese (traditional: true)")
    from opencc import OpenCC

    return OpenCC("s2tw")
