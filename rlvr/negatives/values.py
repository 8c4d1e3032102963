"""Values that calls were seen with: what a parameter could take instead of what is asked.

Only parameters whose values exclude each other are of use. Another city is not the one that was asked for; another
cuisine (`Asian`) may well hold it (`Indian`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from difflib import SequenceMatcher

from rlvr.negatives.chinese import marks
from rlvr.negatives.refusals import language_of
from rlvr.negatives.words import name_words, plain_name, stem
from rlvr.types import Example

EXCLUSIVE = frozenset(
    stem(w)
    for w in """city town area country location destination origin departure arrival state region language currency
    symbol ticker coin airport airline timezone""".split()  # noqa: SIM905 (words read better than a list of them)
)
"""Words that name such parameters."""

COUNTED = frozenset(
    stem(w)
    for w in """day guest passenger people person adult child hour minute month week duration party traveler participant
    attendee rider weight""".split()  # noqa: SIM905
)
"""Words that name numbers which tools often bound from above. Not tickets, nights or money: those could be had in two
calls."""

MONEY = frozenset(map(stem, ("amount", "budget", "deposit", "payment")))
"""Words that name sums which tools often bound from below."""
VAGUE = frozenset(
    ("any", "all", "other", "others", "none", "auto", "default", "both", "general", "unknown", "custom", "mixed")
)
"""Options that may stand for the one that was taken away."""

_MOST_CHARS, _LEAST_CHARS, _CODE_CHARS = 40, 2, 3
_MOST_KEPT = 200
_ENOUGH = 4
_WORD = re.compile(r"\w+")
_MIXED = frozenset(("location", "destination", "origin", "departure", "arrival", "region", "area"))


_SECOND_NAMES: tuple[frozenset[str], ...] = (
    frozenset(("sài gòn", "saigon", "hồ chí minh", "ho chi minh", "hcm", "hcmc", "tphcm", "西貢", "西贡", "胡志明")),
    frozenset(("mumbai", "bombay")),
    frozenset(("beijing", "peking", "北京", "北平")),
    frozenset(("kolkata", "calcutta")),
    frozenset(("istanbul", "constantinople")),
    frozenset(("america", "united states", "usa", "mỹ", "hoa kỳ")),
    frozenset(("britain", "united kingdom", "england", "uk", "anh")),
    frozenset(("holland", "netherlands", "hà lan")),
    frozenset(("yangon", "rangoon")),
    frozenset(("英國", "英格蘭", "聯合王國", "英国", "英格兰", "联合王国")),
    frozenset(("韓國", "南韓", "韩国", "南韩")),
)
"""Places with names that share no letters, as people ask for them."""
_TONGUE = re.compile(r"^(\w{1,4})[語语文話话]$")
_VARIANTS = frozenset(map(frozenset, ("臺台", "裡裏", "群羣", "峰峯", "著着", "衛衞", "線綫", "麵面", "後后")))


class ValueBank:
    """At most `_MOST_KEPT` values a parameter and language (and script), in the order in which they came: by tool and
    name, and by name alone."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str], dict[str, None]] = {}

    def add(self, examples: Iterable[Example]) -> None:
        for example in examples:
            found = [
                (plain_name(call.name), plain_name(name), value)
                for call in example.ground_truth
                for name, value in call.arguments.items()
                if isinstance(value, str) and is_listable(name, value)
            ]
            lang = language_of(example) if found else ""
            for tool, name, value in found:
                for key in ((lang, tool, name), (lang, "", name)):
                    kept = self._values.setdefault(key, {})
                    kept[value] = None
                    if len(kept) > _MOST_KEPT:
                        del kept[next(iter(kept))]

    def others(self, tool: str, name: str, value: str, rng: random.Random, lang: str = "en") -> list[str]:
        """Values of the same parameter, in a drawn order: of the same tool where enough are known, else of all tools.

        Of calls that were asked for in `lang` (`language_of`): no tool lists London beside Hà Nội, or one city in two
        scripts. Not of all where the name tells little of them (a `location` may be a town or a country), and none
        where `value` itself is no kind of value for a list.
        """
        if not is_listable(name, value):
            return []
        own = self._values.get((lang, plain_name(tool), plain_name(name)), {})
        of_all = self._values.get((lang, "", plain_name(name)), {})
        found = own if len(own) >= _ENOUGH or _MIXED & {*name_words(name)} else of_all
        known = sorted(v for v in found if v.isascii() == value.isascii())
        return rng.sample(known, min(len(known), 24))


def is_listable(name: str, value: str) -> bool:
    """Whether a parameter's values exclude each other, and this one looks like one of a list.

    >>> is_listable("city", "Hanoi"), is_listable("cuisine", "Indian"), is_listable("city", "10001 Main St")
    (True, False, False)
    """
    named = any(stem(w) in EXCLUSIVE for w in name_words(name))
    fits = _LEAST_CHARS <= len(value) <= _MOST_CHARS and not any(c.isdigit() for c in value) and "@" not in value
    return named and fits


def unlike(one: str, other: str) -> bool:
    """Whether two values share no word and are spelt differently, and neither may be the other's code, initials, second
    name or form in the other Chinese script.

    >>> unlike("Paris", "Hanoi"), unlike("New York City", "York"), unlike("Berlin", "Berlim"), unlike("NYC", "Boston")
    (True, False, False, False)
    >>> unlike("東京", "东京"), unlike("台中", "臺中"), unlike("臺北", "臺中"), unlike("Sài Gòn", "TP. Hồ Chí Minh")
    (False, False, True, False)
    """
    if (len(one) <= _CODE_CHARS) != (len(other) <= _CODE_CHARS) or one.isupper() != other.isupper():
        return False  # `de` may be how the other tool writes `German`
    a, b = one.lower(), other.lower()
    if a in VAGUE or b in VAGUE or set(_WORD.findall(a)) & set(_WORD.findall(b)):
        return False
    if one.isascii() and (a.startswith(b[:3]) or b.startswith(a[:3])):
        return False
    if any(_names(a, names) and _names(b, names) for names in _SECOND_NAMES) or _same_in_chinese(a, b):
        return False
    return SequenceMatcher(None, a, b, autojunk=False).ratio() < 0.6


def _names(text: str, names: frozenset[str]) -> bool:
    """Whether a value is one of the names, also behind or before a word for what it is (`TP.HCM`, `胡志明市`)."""
    plain = text.replace(".", " ").strip()
    return any(n == plain or (len(n) > 2 and n in plain) or (n in plain.split()) for n in names)


def _same_in_chinese(one: str, other: str) -> bool:
    """Whether two values are one word in two scripts, in variants of a character, or two names of one tongue (法語,
    法文)."""
    if one.isascii() or other.isascii():
        return False
    tongues = [_TONGUE.match(text) for text in (one, other)]
    if all(tongues):
        one, other = (str(t[1]) for t in tongues if t)
    if len(one) != len(other):
        return False
    simplified, traditional = marks()
    return all(
        a == b
        or frozenset((a, b)) in _VARIANTS
        or (a in simplified and b in traditional)
        or (a in traditional and b in simplified)
        for a, b in zip(one, other, strict=True)
    )
