"""A benchmark's questions and tools, and whether an example overlaps with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rlvr.data.decontaminate.signatures import ToolIndex
from rlvr.data.decontaminate.words import fingerprint, grams, tokens
from rlvr.types import Example, Tool

Kind = Literal["query", "ngrams", "kin", "tools", "tool"]

SHARE = 0.5
"""Of the 8-grams of the shorter text, how many must stand in the other."""
LEAST_GRAMS = 5
"""Fewer 8-grams in common (a run of fewer than 12 words) are a turn of phrase: "the area of a circle with a radius"."""
KIN_SHARE = 0.6
KIN_BITS = 8.0
"""Of the words of both texts together, how many must stand in both, where a tool of the question is called or offered
with this much evidence (`signatures`)."""
EARLIER_WORDS = 5
"""A shorter message counts only as the example's query: "yes, please" in the middle of a dialogue proves nothing."""
_MOST_OWNERS = 64  # an 8-gram of more texts is boilerplate of the benchmark
_MOST_OF_GROUP = 256
_ENTANGLED = 0.05


@dataclass(frozen=True, slots=True)
class Flag:
    """Why an example overlaps: with which row of the benchmark, and in words. `share` is that of the 8-grams."""

    kind: Kind
    reference: str
    reason: str
    share: float = 1.0

    @property
    def code(self) -> str:
        return f"benchmark_{self.kind}"


@dataclass(slots=True)
class Overlap:
    """What of a source overlaps with a benchmark.

    `shares_tools`: more than 5% of its rows offer tools of the benchmark. Then the rest of it are close kin, and it
    should not be trained on, or the report should say so.
    """

    rows: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    first: dict[str, Flag] = field(default_factory=dict)

    @property
    def flagged(self) -> int:
        return sum(self.by_kind.values())

    @property
    def share(self) -> float:
        return self.flagged / self.rows if self.rows else 0.0

    @property
    def shares_tools(self) -> bool:
        return self.by_kind["tools"] + self.by_kind["tool"] > _ENTANGLED * self.rows


class Index:
    """Questions and tools of one or more benchmarks. It pickles, so that a build's processes can share one."""

    def __init__(self, *, traditional: bool = False) -> None:
        """`traditional`: what is asked about was turned from Simplified to Traditional Chinese (`rlvr.data.text`), so a
        question is held in that form too. It needs OpenCC."""
        self._traditional = traditional
        self._texts: list[str] = []  # of each text, the id of its row
        self._words: list[frozenset[str]] = []
        self._texts_of_group: dict[int, list[int]] = {}
        self._owner_of_group: dict[int, str] = {}
        self._queries: dict[bytes, int] = {}
        self._tool_index = ToolIndex()
        self._parts: list[NDArray[np.uint64]] = []  # of each text, its 8-grams; folded into the table below
        self._table = _Table.of([])
        self._rows = 0

    @classmethod
    def from_examples(cls, examples: Iterable[Example]) -> Index:
        return cls().add(examples)

    def __len__(self) -> int:
        """How many rows were added."""
        return self._rows

    def add(self, examples: Iterable[Example]) -> Index:
        """Add a benchmark's examples: every user message, and the tools."""
        for example in examples:
            self.add_row(example.id, user_texts(example), example.tools)
        return self

    def add_bfcl(self, folder: str | Path | None = None, categories: Sequence[str] | None = None) -> Index:
        """Add BFCL's questions, by default the Python single-turn sets that rlvr reads and the multi-turn ones.

        `folder` is as in `load_suite`. Of a multi-turn row every turn's text counts from `EARLIER_WORDS` words on, and
        its tools as those of whole APIs. Raises `UsageError` where the data cannot be fetched, `DataError` where a file
        is not the pinned one.
        """
        from rlvr.data.decontaminate.bfcl import MULTI_TURN, read_multi_turn
        from rlvr.data.sources.bfcl import CATEGORIES, load_suite

        wanted = (*CATEGORIES, *MULTI_TURN) if categories is None else tuple(categories)
        turns = tuple(c for c in wanted if c in MULTI_TURN)
        if len(turns) < len(wanted):
            self.add(load_suite(folder, [c for c in wanted if c not in MULTI_TURN]))
        for row_id, texts, tools in read_multi_turn(folder, turns) if turns else ():
            said = [text for text in dict.fromkeys(texts) if len(_words(text)) >= EARLIER_WORDS]
            self.add_row(row_id, said, tools, whole=True)
        return self

    def add_file(self, path: str | Path) -> Index:
        """Add a file of questions (`rlvr.data.decontaminate.files.read_reference` says of which kinds)."""
        from rlvr.data.decontaminate.files import read_reference

        for row_id, texts, tools in read_reference(path):
            self.add_row(row_id, texts, tools)
        return self

    def add_row(self, row_id: str, texts: Sequence[str], tools: Sequence[Tool] = (), *, whole: bool = False) -> None:
        """Add one row by hand: its user messages, and the tools it offers.

        `whole`: they are those of whole APIs, of which two in common prove less (`signatures`).
        """
        self._rows += 1
        group = self._tool_index.add(tools, whole=whole)
        if group is not None:
            self._owner_of_group.setdefault(group, row_id)
        for words in map(_words, self._forms(texts)):
            if words:
                self._queries.setdefault(fingerprint(words), len(self._texts))
                self._texts.append(row_id)
                self._words.append(frozenset(words))
                if group is not None:
                    self._texts_of_group.setdefault(group, []).append(len(self._texts) - 1)
                self._parts.append(grams(words))

    def _forms(self, texts: Sequence[str]) -> list[str]:
        if not self._traditional:
            return list(texts)
        from rlvr.data.text.traditional import to_traditional

        return [form for text in texts for form in dict.fromkeys((text, to_traditional(text)))]

    def flag(self, example: Example) -> Flag | None:
        """The strongest overlap of an example, `None` where there is none.

        In this order: a user message is a question of the benchmark; half of the 8-grams of one are; its query has most
        words of a question whose tool it offers; its tools stand together in one question; a tool that it calls, with
        rare parameters, stands in one.
        """
        texts = [_words(text) for text in user_texts(example)]
        return self._same(texts) or self._near(texts) or self._kin(texts[-1:], example.tools) or self._tools_of(example)

    def examine(self, examples: Iterable[Example]) -> Overlap:
        """Count over a source. Every flagged row has a reason: `flag` gives it, `first` keeps one of each kind."""
        overlap = Overlap()
        for example in examples:
            overlap.rows += 1
            flag = self.flag(example)
            if flag is not None:
                overlap.by_kind[flag.kind] += 1
                overlap.first.setdefault(flag.kind, flag)
                if flag.kind in ("tools", "tool"):
                    overlap.names.update(tool.name for tool in example.tools)
        return overlap

    def _same(self, texts: Sequence[Sequence[str]]) -> Flag | None:
        for place, words in enumerate(texts):
            if place < len(texts) - 1 and len(words) < EARLIER_WORDS:
                continue
            found = self._queries.get(fingerprint(words)) if words else None
            if found is not None:
                row = self._texts[found]
                return Flag("query", row, f"a user message is that of {row}, but for case and punctuation")
        return None

    def _near(self, texts: Sequence[Sequence[str]]) -> Flag | None:
        if self._parts:
            self._table = self._table.with_parts(self._parts)
            self._parts = []
        for words in texts:
            found = self._table.nearest(grams(words))
            if found is not None:
                row, share = self._texts[found[0]], found[1]
                return Flag("ngrams", row, f"{share:.0%} of the 8-grams of a user message stand in {row}", share)
        return None

    def _kin(self, texts: Sequence[Sequence[str]], tools: Sequence[Tool]) -> Flag | None:
        mine = frozenset(word for words in texts for word in words)
        for group in self._tool_index.groups_with(tools, KIN_BITS) if mine else ():
            for text in self._texts_of_group.get(group, ())[:_MOST_OF_GROUP]:
                theirs = self._words[text]
                share = len(mine & theirs) / len(mine | theirs)
                if share >= KIN_SHARE:
                    row = self._texts[text]
                    reason = f"{share:.0%} of the words of its query and {row} are common, and a tool of it is offered"
                    return Flag("kin", row, reason, share)
        return None

    def _tools_of(self, example: Example) -> Flag | None:
        match = self._tool_index.together(example.tools)
        if match is not None:
            row = self._owner_of_group[match.group]
            names = ", ".join(match.names)
            return Flag("tools", row, f"tools {names} stand together in {row} ({match.bits:.0f} bits in common)")
        called = {call.name for call in example.ground_truth}
        match = self._tool_index.alone([tool for tool in example.tools if tool.name in called])
        if match is not None:
            row = self._owner_of_group[match.group]
            reason = f"tool {match.names[0]} stands in {row}, with its parameters ({match.bits:.0f} bits in common)"
            return Flag("tool", row, reason)
        return None


@dataclass(frozen=True, slots=True)
class _Table:
    """8-grams, sorted, and which texts hold each: `owners[starts[i]:starts[i + 1]]` hold `grams[i]`."""

    grams: NDArray[np.uint64]  # (n,)
    starts: NDArray[np.int64]  # (n + 1,)
    owners: NDArray[np.int32]
    sizes: NDArray[np.int64]  # (texts,): how many 8-grams of each text are kept

    @classmethod
    def of(cls, parts: Sequence[NDArray[np.uint64]], first: int = 0) -> _Table:
        empty = np.zeros(0, dtype=np.uint64)
        owners = np.repeat(np.arange(first, first + len(parts), dtype=np.int32), [len(p) for p in parts])
        return cls._built(np.concatenate([empty, *parts]), owners, first + len(parts))

    @classmethod
    def _built(cls, found: NDArray[np.uint64], owners: NDArray[np.int32], texts: int) -> _Table:
        order = np.argsort(found, kind="stable")
        found, owners = found[order], owners[order]
        distinct, starts, counts = np.unique(found, return_index=True, return_counts=True)
        kept = np.repeat(counts <= _MOST_OWNERS, counts)
        distinct, counts, owners = distinct[counts <= _MOST_OWNERS], counts[counts <= _MOST_OWNERS], owners[kept]
        starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
        return cls(distinct, starts, owners, np.bincount(owners, minlength=texts))

    def with_parts(self, parts: Sequence[NDArray[np.uint64]]) -> _Table:
        """This and more texts. What was boilerplate before stays out."""
        more = _Table.of(parts, len(self.sizes))
        found = np.concatenate([np.repeat(t.grams, np.diff(t.starts)) for t in (self, more)])
        return self._built(found, np.concatenate([self.owners, more.owners]), len(more.sizes))

    def nearest(self, mine: NDArray[np.uint64]) -> tuple[int, float] | None:
        """The text with the largest share of 8-grams in common (of the shorter of two), where that is an overlap."""
        if not len(mine) or not len(self.grams):
            return None
        places = np.minimum(np.searchsorted(self.grams, mine), len(self.grams) - 1)
        places = places[self.grams[places] == mine]
        if len(places) < LEAST_GRAMS:
            return None
        spans = [self.owners[self.starts[p] : self.starts[p + 1]] for p in places.tolist()]
        texts, common = np.unique(np.concatenate(spans), return_counts=True)
        shares = common / np.minimum(self.sizes[texts], len(mine))
        shares[common < LEAST_GRAMS] = 0.0
        best = int(np.argmax(shares))  # of equal ones the first
        return (int(texts[best]), float(shares[best])) if shares[best] >= SHARE else None


def _words(text: str) -> list[str]:
    """Tokens, or what stands between spaces where there is none: BFCL asks "/"."""
    return tokens(text) or text.split()


def user_texts(example: Example) -> list[str]:
    """The texts of the user's messages, in order."""
    return [m["content"] for m in example.messages if m.get("role") == "user" and isinstance(m.get("content"), str)]
