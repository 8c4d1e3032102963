"""Many patterns searched for at once: at each place only those that can begin with what stands there."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlvr.rewards.wordlists.prefixes import LENGTH, is_one_sequence, prefixes

Starts = Sequence[tuple[int, str]]
"""Where words begin in a text, and the first `LENGTH` characters that stand there."""

_WORD_START = re.compile(rf"\b(?=(\w.{{0,{LENGTH - 1}}}))")
_MOST_KEPT = 10_000


def word_starts(text: str) -> Starts:
    """Computed once a clause, for all of its lists.

    >>> word_starts("i can't")
    [(0, 'i c'), (2, 'can'), (6, 't')]
    """
    return [(start.start(), start[1]) for start in _WORD_START.finditer(text)]


class AnyOf:
    """Whether one of `patterns` is in a text: as `re.search` for each of them, and several times faster.

    A pattern that begins with `^` is tried at the text's beginning, one that begins with `\\b` and a letter where words
    begin, any other where a character stands that it can begin with; everywhere where that cannot be told.

    >>> any_of = AnyOf([re.compile(p) for p in ("^no", r"\\bcan't", "無法")])
    >>> [any_of.search(t, word_starts(t)) for t in ("no way", "say no", "i can't", "我無法", "scan't")]
    [True, False, True, True, False]
    """

    __slots__ = ("_anywhere", "_begin", "_begin_unknown", "_inside", "_places", "_words")

    def __init__(self, patterns: Sequence[re.Pattern[str]]) -> None:
        begin, begin_unknown, words, inside, anywhere = _Table(), [], _Table(), _Table(), []
        for pattern in patterns:
            first, text = prefixes(pattern.pattern), pattern.pattern
            if text.startswith("^") and is_one_sequence(text):
                if first is None:
                    begin_unknown.append(text)
                else:
                    begin.put(pattern, first)
            elif first is None:
                anywhere.append(text)
            elif text.startswith(r"\b") and is_one_sequence(text) and all(_begins_a_word(prefix) for prefix in first):
                words.put(pattern, first)
            else:
                inside.put(pattern, first)
        self._begin, self._begin_unknown = begin, _joined(begin_unknown)
        self._words, self._inside, self._anywhere = words, inside, _joined(anywhere)
        self._places = re.compile(f"[{''.join(map(re.escape, inside.characters()))}]") if inside.by_prefix else None

    def search(self, text: str, starts: Starts) -> bool:
        for pattern in self._begin[text[:LENGTH]]:
            if pattern.match(text) is not None:
                return True
        if self._begin_unknown is not None and self._begin_unknown.match(text) is not None:
            return True
        words = self._words
        for at, beginning in starts:
            for pattern in words[beginning]:
                if pattern.match(text, at) is not None:
                    return True
        if self._places is not None:
            for place in self._places.finditer(text):
                at = place.start()
                for pattern in self._inside[text[at : at + LENGTH]]:
                    if pattern.match(text, at) is not None:
                        return True
        return self._anywhere is not None and self._anywhere.search(text) is not None


class _Table(dict[str, "tuple[re.Pattern[str], ...]"]):
    """For the characters that stand at a place, the patterns that can begin with them."""

    def __init__(self) -> None:
        super().__init__()
        self.by_prefix: dict[str, list[re.Pattern[str]]] = {}

    def put(self, pattern: re.Pattern[str], first: frozenset[str]) -> None:
        for prefix in first:
            self.by_prefix.setdefault(prefix, []).append(pattern)

    def characters(self) -> list[str]:
        return sorted({prefix[0] for prefix in self.by_prefix})

    def __missing__(self, beginning: str) -> tuple[re.Pattern[str], ...]:
        if len(self) >= _MOST_KEPT:
            self.clear()
        found = (p for end in range(1, len(beginning) + 1) for p in self.by_prefix.get(beginning[:end], ()))
        self[beginning] = tuple(dict.fromkeys(found))
        return self[beginning]


def _joined(patterns: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns)) if patterns else None


def _begins_a_word(prefix: str) -> bool:
    return prefix[0].isalnum() or prefix[0] == "_"
