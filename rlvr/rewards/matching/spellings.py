"""Spellings that typed matching takes as one: typographic marks, raised figures, Vietnamese tone marks."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_TYPOGRAPHIC = str.maketrans(
    {
        **dict.fromkeys("‘’‛ʼ", "'"),
        **dict.fromkeys("“”„‟", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("‧・•∙", "·"),
        "、": ",",
        "。": ".",
    }
)
_RAISED, _LOWERED = "⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉"
# Behind a figure alone: m² is m2, and 10⁶ is not 106.
_RAISED_FIGURES = re.compile(rf"(?<=\d)(?=[⁺⁻]?[{_RAISED}]|[₊₋]?[{_LOWERED}])")
_TONES = "\u0300\u0301\u0309\u0303\u0323"
_PAIRS = (("o", "a"), ("o", "e"), ("u", "y"))


def typographic(text: str) -> str:
    """Write marks that word processors and phones put in as a keyboard does; NFKC comes before.

    >>> typographic("O’Hare – “T2”、約翰・史密斯。")
    'O\\'Hare - "T2",約翰·史密斯.'
    """
    return text if text.isascii() else text.translate(_TYPOGRAPHIC)


def raised_apart(text: str) -> str:
    """Part figures that are raised or lowered from those before them, which NFKC would run together.

    >>> raised_apart("10⁶ m²"), raised_apart("2¹⁰")
    ('10^⁶ m²', '2^¹⁰')
    """
    return text if text.isascii() else _RAISED_FIGURES.sub("^", text)


def tone_of_vietnamese(text: str) -> str:
    """Put the tone mark of `oa`, `oe` and `uy` on the second vowel (`Hòa` is `Hoà`), and write `Ð` as `Đ`; in NFC.

    Both places are in use; the newer one is taken. Where the syllable goes on (`hoàn`) the second is the only one.

    >>> tone_of_vietnamese("Khánh Hòa, Thúy") == tone_of_vietnamese("Khánh Hoà, Thuý")
    True
    """
    if text.isascii():
        return text
    pattern, table = _tones()
    return pattern.sub(lambda found: table[found.group()], text.replace("Ð", "Đ"))


@lru_cache(maxsize=1)
def _tones() -> tuple[re.Pattern[str], dict[str, str]]:
    table = {}
    for first, second in _PAIRS:
        for a in (first, first.upper()):
            for b in (second, second.upper()):
                for tone in _TONES:
                    old = unicodedata.normalize("NFC", a + tone) + b
                    table[old] = a + unicodedata.normalize("NFC", b + tone)
    return re.compile("|".join(table)), table
