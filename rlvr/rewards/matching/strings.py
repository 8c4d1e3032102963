"""When two strings are the same, and how near two different ones are."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from math import ceil

from rlvr.rewards.matching.signs import holds_written, kept_signs, without_signs
from rlvr.rewards.matching.spellings import raised_apart, tone_of_vietnamese, typographic
from rlvr.rewards.matching.variants import fold_variants

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
_PATH = re.compile(r"\s*(?:~?/[^\s/\\]+/|[A-Za-z]:[\\/])")
_NARROW = {0xFEE0 + ord(c): c for c in map(chr, range(0x21, 0x7F))}  # full-width ASCII
_CLOSING = frozenset(")]}")
_MAX_REMEMBERED = 256
_MARKS_HARMLESS, _MAX_MARKS = 1000, 30


def benchmark_form(text: str) -> str:
    """The official checker's normal form: lower case, no spaces and none of `,./-_*^`, `'` read as `"`.

    >>> benchmark_form("April 1, 2024"), benchmark_form("it's")
    ('april12024', 'it"s')
    """
    together = text.replace(" ", "")
    if together.isalnum():  # then it holds none of the others
        return together.lower()
    return together.translate(_DROP).lower().replace("'", '"')


def typed_form(text: str) -> str:
    """`plain_form`, one form of each Chinese character, and the benchmark's form, except that digits which something
    separates stay apart, and signs stay: of numbers, of formulas, and at either end of a word.

    >>> typed_form("April 1, 2024") == typed_form("april 1 2024")
    True
    >>> typed_form("room 1.5") == typed_form("room 15"), typed_form("-price") == typed_form("price")
    (False, False)
    """
    return _known_form(text) if len(text) <= _MAX_REMEMBERED else _typed_form(text)


def _typed_form(text: str) -> str:
    if text.isascii():
        text = kept_signs(text)
        return _apart(text) if _DIGIT.search(text) else benchmark_form(text)
    text = kept_signs(fold_variants(plain_form(text)))
    form = _apart(text) if holds_digits(text) else benchmark_form(text)
    return nfkc(form)  # what was dropped may have stood between a letter and its accent


_known_form = lru_cache(maxsize=8192)(_typed_form)


def plain_form(text: str) -> str:
    """NFKC with raised figures kept apart, typographic marks as keyboards have them, Vietnamese tones in one place.

    >>> plain_form("１２：３０"), plain_form("10⁶"), plain_form("Hòa’s")
    ('12:30', '10^6', "Hoà's")
    """
    return text if text.isascii() else tone_of_vietnamese(typographic(nfkc(raised_apart(text))))


def _apart(text: str) -> str:
    return text.lower() if text.isalnum() else _RUN.sub(_separator, text).lower().replace("'", '"')


def nfkc(text: str) -> str:
    """Unicode's NFKC. A long text with more than 30 combining marks in a row, which no writing system has and which
    take quadratic time to be sorted, is left as it is (30: Unicode's Stream-Safe Text Format, UAX 15)."""
    if len(text) > _MARKS_HARMLESS:
        run = 0
        for char in text:
            run = run + 1 if unicodedata.combining(char) else 0
            if run > _MAX_MARKS:
                return text
    return unicodedata.normalize("NFKC", text)


def much_longer(given: str, wanted: str) -> bool:
    """Whether `given` is too long to be the same as `wanted` in any of the normal forms: no character becomes more than
    18 in NFKC."""
    limit = 20 * (len(wanted) + 1)
    return len(given) > limit and len(given.translate(_DROP)) > limit


def _separator(run: re.Match[str]) -> str:
    text, start, end = run.string, run.start(), run.end()
    if end == len(text) or not text[end].isdigit():
        return ""
    before = text[start - 1] if start else ""
    kept = run.group().replace(" ", "").replace(",", "")
    if before.isdigit():
        return kept or " "
    # `covid-19` and `covid 19` are the same; `at -5` and `at 5` are not, nor `x=-5` and `x=5`, `.5` and `5`. Scripts
    # without spaces (category Lo) write a number beside any word: `氣溫-5度` is no `氣溫5度`.
    joins = before.isalpha() and unicodedata.category(before) != "Lo"
    return "" if (joins or before in _CLOSING) and run.group()[0] not in " ," else kept


def holds_digits(text: str) -> bool:
    if text.isascii():
        return _DIGIT.search(text) is not None
    return any(map(str.isnumeric, text))  # as all digits are


def looks_pinned(text: str) -> str | None:
    """Why a string is compared as it is written: `identifier`, `address` or `date`; `None` for ordinary words.

    Widths of characters do not matter. A token without spaces is an identifier where it holds a digit or an underscore.
    An address is a token with `@`, `://`, a leading path separator, or a dotted name (`example.com`, `report.pdf`), or
    a path that holds spaces; among other words such tokens, but dotted names, are compared as written too (`signs.py`).
    A date is one in figures, with or without a time; one in words ("April 1, 2024") is ordinary, with its figures kept
    apart.

    >>> [looks_pinned(text) for text in ("user_name", "report.pdf", "on 2024-04-01", "St. Louis", "Paris")]
    ['identifier', 'address', 'date', None, None]
    """
    return _remembered(text) if len(text) <= _MAX_REMEMBERED else _looks_pinned(text.translate(_NARROW))


def _looks_pinned(text: str) -> str | None:
    if _NUMERIC_DATE.search(text):
        return "date"
    words = text.split(None, 1)
    if len(words) != 1:
        return "address" if _PATH.match(text) else None
    word = words[0]
    if "@" in word or "\\" in word or "://" in word or word[0] in "/~" or word.startswith("./") or _dotted(word):
        return "address"
    return "identifier" if "_" in word or (word.isascii() and _DIGIT.search(word)) else None


@lru_cache(maxsize=8192)
def _remembered(text: str) -> str | None:
    return _looks_pinned(text.translate(_NARROW))


def _dotted(word: str) -> bool:
    """Whether two characters or more stand on either side of some dot, and no other dot among them."""
    if "." not in word:
        return False
    parts = word.split(".")
    return any(len(a) > 1 and len(b) > 1 for a, b in pairwise(parts))


def near_lengths(form: str) -> range:
    """The lengths of the normal forms that may be near enough to this one for any credit."""
    if not form or len(form) > MAX_COMPARED:
        return range(0)
    least = int(SIMILARITY_THRESHOLD * len(form)) + 1
    most = ceil(len(form) / SIMILARITY_THRESHOLD) - 1
    return range(least, min(most, MAX_COMPARED) + 1)


def _similarity(a: str, b: str) -> float:
    """1 − edit distance / the longer length; 0 where not above the threshold, or either is empty or too long."""
    return _known_similarity(a, b) if len(b) in near_lengths(a) else 0.0


@lru_cache(maxsize=8192)
def _known_similarity(a: str, b: str) -> float:
    longer = max(len(a), len(b))
    most = int((1 - SIMILARITY_THRESHOLD) * longer) + 1
    letters, others = set(a), set(b)
    if len(letters - others) > most or len(others - letters) > most:  # each of them has to be changed
        return 0.0
    value = 1.0 - _edit_distance(a, b, most) / longer
    return value if value > SIMILARITY_THRESHOLD else 0.0


def credit_of_forms(wanted: str, given: str, form: str, other: str) -> float:
    """Credit of an unequal string, below 1: its similarity where above the threshold, capped; 0 where near is wrong.

    Near is wrong where either string is compared as it is written, or signs alone differ; neither may hold digits.
    `form` and `other` are their typed normal forms.

    >>> credit_of_forms("Paris", "Parys", "paris", "parys")
    0.8
    """
    value = _similarity(form, other)
    if not value or looks_pinned(wanted) or looks_pinned(given) or holds_written(form) or holds_written(other):
        return 0.0
    if without_signs(form) == without_signs(other):
        return 0.0
    return min(value, MAX_PARTIAL)


def _edit_distance(a: str, b: str, most: int) -> int:
    """Levenshtein's distance where it is `most` or less, else some number above that.

    A column at a time, as bits of one whole number (Myers 1999, Hyyrö 2001).
    """
    a, b = _without_common_ends(a, b)
    if not a or not b:
        return len(a) + len(b)
    mask, top = (1 << len(a)) - 1, 1 << (len(a) - 1)
    places: dict[str, int] = {}
    for i, ch in enumerate(a):
        places[ch] = places.get(ch, 0) | 1 << i
    plus, minus, distance = mask, 0, len(a)  # where the column steps up by one, and down; its last entry
    left = len(b)
    for ch in b:
        same = places.get(ch, 0)
        vertical = same | minus
        horizontal = (((same & plus) + plus) ^ plus) | same
        up = (minus | ~(horizontal | plus)) & mask
        down = plus & horizontal
        distance += bool(up & top) - bool(down & top)
        left -= 1
        if distance - left > most:  # each column that is left takes off one at most
            return distance - left
        up = (up << 1 | 1) & mask
        down = (down << 1) & mask
        plus = (down | ~(vertical | up)) & mask
        minus = up & vertical
    return distance


def _without_common_ends(a: str, b: str) -> tuple[str, str]:
    """What the two begin and end with alike costs nothing."""
    shorter, start, end = min(len(a), len(b)), 0, 0
    while start < shorter and a[start] == b[start]:
        start += 1
    shorter -= start
    while end < shorter and a[-1 - end] == b[-1 - end]:
        end += 1
    return a[start : len(a) - end], b[start : len(b) - end]
