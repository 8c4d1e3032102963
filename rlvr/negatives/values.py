"""Values that calls were seen with: what a parameter could take instead of what is asked.

Only parameters whose values exclude each other are of use. Another city is not the one that was asked for; another
cuisine (`Asian`) may well hold it (`Indian`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from difflib import SequenceMatcher

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


class ValueBank:
    """At most `_MOST_KEPT` values a parameter, in the order in which they came: by tool and name, and by name alone."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], dict[str, None]] = {}

    def add(self, examples: Iterable[Example]) -> None:
        for example in examples:
            for call in example.ground_truth:
                for name, value in call.arguments.items():
                    if isinstance(value, str) and is_listable(name, value):
                        for key in ((plain_name(call.name), plain_name(name)), ("", plain_name(name))):
                            kept = self._values.setdefault(key, {})
                            kept[value] = None
                            if len(kept) > _MOST_KEPT:
                                del kept[next(iter(kept))]

    def _of_all(self, name: str) -> dict[str, None]:
        return self._values.get(("", plain_name(name)), {})

    def others(self, tool: str, name: str, value: str, rng: random.Random) -> list[str]:
        """Values of the same parameter, in a drawn order: of the same tool where enough are known, else of all tools.

        Not of all where the name tells little of them (a `location` may be a town or a country), and none where `value`
        itself is no kind of value for a list.
        """
        if not is_listable(name, value):
            return []
        own = self._values.get((plain_name(tool), plain_name(name)), {})
        found = own if len(own) >= _ENOUGH or _MIXED & {*name_words(name)} else self._of_all(name)
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
    """Whether two values share no word and are spelt differently, and neither may be the other's code or initials.

    >>> unlike("Paris", "Hanoi"), unlike("New York City", "York"), unlike("Berlin", "Berlim"), unlike("NYC", "Boston")
    (True, False, False, False)
    """
    if (len(one) <= _CODE_CHARS) != (len(other) <= _CODE_CHARS) or one.isupper() != other.isupper():
        return False  # `de` may be how the other tool writes `German`
    a, b = one.lower(), other.lower()
    if a in VAGUE or b in VAGUE or set(_WORD.findall(a)) & set(_WORD.findall(b)):
        return False
    if one.isascii() and (a.startswith(b[:3]) or b.startswith(a[:3])):
        return False
    return SequenceMatcher(None, a, b, autojunk=False).ratio() < 0.6
