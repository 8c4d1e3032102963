"""Which script Chinese text is written in, Simplified or Traditional, by the characters of the two standards.

Python carries both as codecs, so that the answer is the same on every machine and needs no package: GB 2312 is the
standard of mainland China, whose first level holds the 3,755 characters in common use, and Big5 that of Taiwan, whose
first level holds 5,401. A character in common use in one and missing in the other is a mark. What stands in both is
none, also where a simplification took the form of an older character (后, 里, 面).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from rlvr.rewards.language import mask_quotes

SIMPLIFIED, TRADITIONAL = "zh-Hans", "zh-Hant"

MAX_SCRIPT_CHARS = 8_000
"""Of each text; what follows is in the same script."""

_GB_LEVEL_1, _GB_ALL = (0xB0, 0xD7), (0xB0, 0xF7)
_BIG5_LEVEL_1, _BIG5_ALL = (0xA4, 0xC6), (0xA4, 0xF9)
_ALSO_SIMPLIFIED = frozenset(  # Big5 has an older character of this form, which hardly anybody writes
    "万与价优体党凄厂厘吨圣复宁岭庄异怀怜惊扰据机极构柜栖气泞洁洒洼淀离种篱网羡肮胜腊苹茧蚕蜡蝎触赶适确听坏愿扑夸"
)
_ALSO_TRADITIONAL = frozenset("後於徵裏爲衞")  # in GB 2312 for names or for one sense; Hong Kong's forms
_SHARED = frozenset("着傈墒酞酶硷")  # written alike everywhere, or in Hong Kong too (着); Big5 only lacks them

_STATED = (  # the script before the country
    (frozenset(["hans"]), SIMPLIFIED),
    (frozenset(["hant"]), TRADITIONAL),
    (frozenset(["cn", "sg", "my"]), SIMPLIFIED),
    (frozenset(["tw", "hk", "mo"]), TRADITIONAL),
)


@cache
def marks() -> tuple[frozenset[str], frozenset[str]]:
    """The characters that only Simplified Chinese has in common use, and those that only Traditional Chinese has."""
    gb, gb_all = (_of("gb2312", rows, 0xA1, 0xFE) for rows in (_GB_LEVEL_1, _GB_ALL))
    big5, big5_all = (_of("big5", rows, 0x40, 0xFE) for rows in (_BIG5_LEVEL_1, _BIG5_ALL))
    return (gb - big5_all | _ALSO_SIMPLIFIED) - _SHARED, (big5 - gb_all | _ALSO_TRADITIONAL) - _SHARED


def _of(codec: str, rows: tuple[int, int], first: int, last: int) -> frozenset[str]:
    """The characters of a two-byte codec whose first byte is in `rows`, both ends included."""
    pairs = (bytes((high, low)) for high in range(rows[0], rows[1] + 1) for low in range(first, last + 1))
    return frozenset(c for pair in pairs if "\u4e00" <= (c := pair.decode(codec, "ignore")[:1]) <= "\u9fff")


def script(texts: Sequence[str]) -> str | None:
    """`zh-Hans` or `zh-Hant`, by the marks in a speaker's texts, in the order in which they were written.

    Each text has one voice, for the script of which it has more marks; where voices are even, the later one counts.
    `None` where no text has any. What stands in quotation marks counts only where nothing else tells: a word that is
    asked about may be in the other script.

    >>> script(["我想听一些音乐。"]), script(["我想聽一些音樂。"]), script(["你好"]), script(["“听”的繁體字怎麼寫？"])
    ('zh-Hans', 'zh-Hant', None, 'zh-Hant')
    """
    read = [text[:MAX_SCRIPT_CHARS] for text in texts if not text.isascii()]
    return _voted(mask_quotes(text) for text in read) or _voted(read)


def _voted(texts: Iterable[str]) -> str | None:
    simplified, traditional = marks()
    balances = [sum((c in simplified) - (c in traditional) for c in text) for text in texts]
    votes = [1 if balance > 0 else -1 for balance in balances if balance]
    if not votes:
        return None
    return SIMPLIFIED if (sum(votes) or votes[-1]) > 0 else TRADITIONAL


def script_of_tag(tag: object) -> str | None:
    """The script that a language tag states, or that its country writes.

    >>> script_of_tag("zh_CN"), script_of_tag("zh-Hant-SG"), script_of_tag("zh"), script_of_tag("en-HK")
    ('zh-Hans', 'zh-Hant', None, None)
    """
    parts = tag.replace("_", "-").lower().split("-") if isinstance(tag, str) else [""]
    if parts[0] not in ("zh", "cmn", "yue"):
        return None
    for names, found in _STATED:
        if not names.isdisjoint(parts[1:]):
            return found
    return None
