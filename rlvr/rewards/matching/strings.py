"""When two strings are the same, and how near two different ones are."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

SIMILARITY_THRESHOLD = 0.6
"""Strings have to be more alike than this for any partial credit."""
MAX_PARTIAL = 0.9
"""What is unequal never earns what is equal does, also where the normal forms are the same."""
MAX_COMPARED = 128
"""Longer normal forms earn no partial credit: edit distance says little about prose, and costs its square."""

_DROPPED = " ,./-_*^"
_DROP = str.maketrans("", "", _DROPPED)
_RUN = re.compile(r"[ ,./\-_*^]+")
_NUMERIC_DATE = re.compile(r"(?<![\d.])\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?!\d|\.\d)|(?<!\d)\d{4}[-/]\d{2}(?!\d)")
_DIGIT = re.compile(r"[0-9]")
_DOTTED_NAME = re.compile(r"[^\s.]{2,}\.[^\s.]{2,}")


def benchmark_form(text: str) -> str:
    """The official checker's normal form: lower case, no spaces and none of `,./-_*^`, `'` read as `"`.

    >>> benchmark_form("April 1, 2024"), benchmark_form("it's")
    ('april12024', 'it"s')
    """
    return text.translate(_DROP).lower().replace("'", '"')


def typed_form(text: str) -> str:
    """NFKC and the benchmark's form, except that digits which something separates stay apart, and signs stay.

    >>> typed_form("April 1, 2024") == typed_form("april 1 2024")
    True
    >>> typed_form("room 1.5") == typed_form("room 15")
    False
    """
    text = unicodedata.normalize("NFKC", text)
    if not holds_digits(text):
        return benchmark_form(text)
    return _RUN.sub(_separator, text).lower().replace("'", '"')


def _separator(run: re.Match[str]) -> str:
    text, start, end = run.string, run.start(), run.end()
    if end == len(text) or not text[end].isdigit():
        return ""
    before = text[start - 1] if start else ""
    kept = run.group().replace(" ", "").replace(",", "")
    if before.isdigit():
        return kept or " "
    # `covid-19` and `covid 19` are the same; `at -5` and `at 5` are not, nor are `.5` and `5`.
    return kept if not before or run.group()[0] == " " else ""


def holds_digits(text: str) -> bool:
    if text.isascii():
        return _DIGIT.search(text) is not None
    return any(ch.isdigit() or ch.isnumeric() for ch in text)


@lru_cache(maxsize=8192)
def looks_pinned(text: str) -> str | None:
    """Why a string is compared as it is written: `identifier`, `address` or `date`; `None` for ordinary words.

    A token without spaces is an identifier where it holds a digit or an underscore. An address is a token with `@`,
    `://`, a leading path separator, or a dotted name (`example.com`, `report.pdf`). A date is one in figures, with or
    without a time; one in words ("April 1, 2024") is ordinary, with its figures kept apart.
    """
    stripped = text.strip()
    if _NUMERIC_DATE.search(stripped):
        return "date"
    if not stripped or any(ch.isspace() for ch in stripped):
        return None
    if "@" in stripped or "://" in stripped or "\\" in stripped or stripped[0] in "/~" or stripped.startswith("./"):
        return "address"
    if _DOTTED_NAME.search(stripped):
        return "address"
    if "_" in stripped or (holds_digits(stripped) and stripped.isascii()):
        return "identifier"
    return None


@lru_cache(maxsize=8192)
def similarity(a: str, b: str) -> float:
    """1 − edit distance / the longer length, over the typed normal forms; 0 where either is empty or too long.

    >>> similarity("San Fransisco", "San Francisco") > 0.9
    True
    """
    a, b = typed_form(a), typed_form(b)
    longer, shorter = max(len(a), len(b)), min(len(a), len(b))
    if not shorter or longer > MAX_COMPARED or shorter <= SIMILARITY_THRESHOLD * longer:
        return 0.0
    return 1.0 - _edit_distance(a, b) / longer


def partial_credit(wanted: str, given: str) -> float:
    """Credit of an unequal string, below 1: its similarity where above the threshold, capped; 0 where near is wrong.

    Near is wrong where either string holds digits or is compared as it is written.
    """
    if holds_digits(wanted) or holds_digits(given) or looks_pinned(wanted) or looks_pinned(given):
        return 0.0
    value = similarity(wanted, given)
    return min(value, MAX_PARTIAL) if value > SIMILARITY_THRESHOLD else 0.0


def _edit_distance(a: str, b: str) -> int:
    """Levenshtein's distance, a column at a time as bits of one whole number (Myers 1999, Hyyrö 2001)."""
    mask, top = (1 << len(a)) - 1, 1 << (len(a) - 1)
    places: dict[str, int] = {}
    for i, ch in enumerate(a):
        places[ch] = places.get(ch, 0) | 1 << i
    plus, minus, distance = mask, 0, len(a)  # where the column steps up by one, and down; its last entry
    for ch in b:
        same = places.get(ch, 0)
        vertical = same | minus
        horizontal = (((same & plus) + plus) ^ plus) | same
        up = (minus | ~(horizontal | plus)) & mask
        down = plus & horizontal
        distance += bool(up & top) - bool(down & top)
        up = (up << 1 | 1) & mask
        down = (down << 1) & mask
        plus = (down | ~(vertical | up)) & mask
        minus = up & vertical
    return distance
