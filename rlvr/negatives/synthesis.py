"""Negatives from a stream of examples: pure for a seed, with a bounded number of examples held at once.

Examples are read in blocks. A block's negatives draw their tools from the servers given, from the block itself and from
the one before. Of each block the kinds that few examples can give come first; the output stands in the examples' order.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rlvr.negatives.action_mismatch import make as make_action_mismatch
from rlvr.negatives.base import KINDS, Made, ServerLike, ToolSet, negative, tool_set, why_bound
from rlvr.negatives.dependencies import deeds_of
from rlvr.negatives.domain_mismatch import make as make_domain_mismatch
from rlvr.negatives.format_mismatch import make as make_format_mismatch
from rlvr.negatives.judge import Judge
from rlvr.negatives.missing_permission import make as make_missing_permission
from rlvr.negatives.options import NegativeOptions, Tally
from rlvr.negatives.partial_fulfilment import make as make_partial_fulfilment
from rlvr.negatives.refusals import reply
from rlvr.negatives.server_shuffle import make as make_server_shuffle
from rlvr.negatives.shelf import Shelf, Sizes, View
from rlvr.negatives.values import ValueBank
from rlvr.negatives.verifier import Verifier
from rlvr.negatives.words import plain_name
from rlvr.types import Example, Tool, derive_category

ORDER = (
    "partial_fulfilment",
    "format_mismatch",
    "action_mismatch",
    "missing_permission",
    "server_shuffle",
    "domain_mismatch",
)
"""Scarce first."""

IN_PLACE = (
    "missing_permission",
    "format_mismatch",
    "action_mismatch",
    "partial_fulfilment",
    "server_shuffle",
    "domain_mismatch",
)
"""What stands in for a kind that the examples cannot give: kinds with the needed tool, or a near twin, on offer before
those that only bring other tools, which a policy learns soon."""

_TRUE = IN_PLACE[:2]
"""True by construction: the obstacle is put there, and no judgement of other tools decides the label."""

_SWAPS = ("domain_mismatch", "server_shuffle", "action_mismatch")
_Maker: TypeAlias = Callable[[View, ValueBank, random.Random], Made | str]
_MAKERS: Mapping[str, _Maker] = {
    "domain_mismatch": lambda view, _, rng: make_domain_mismatch(view, rng),
    "action_mismatch": lambda view, _, rng: make_action_mismatch(view, rng),
    "server_shuffle": lambda view, _, rng: make_server_shuffle(view, rng),
    "partial_fulfilment": lambda view, _, rng: make_partial_fulfilment(view, rng),
    "missing_permission": lambda view, _, rng: make_missing_permission(view, rng),
    "format_mismatch": make_format_mismatch,
}


def synthesize(
    examples: Iterable[Example],
    options: NegativeOptions,
    servers: Sequence[ToolSet | ServerLike] | None = None,
    *,
    verifier: Verifier | None = None,
    judge: Judge | None = None,
    tally: Tally | None = None,
) -> Iterator[Example]:
    """Yield the negatives of a stream of examples, each behind the rule of its kind; with `options.twins`, each
    followed by its positive.

    Only examples with a ground truth become parents; the others are passed over. Without a `verifier`, one learns the
    weights of words from the servers' tools and those of the first block. A `judge` is asked about every negative of a
    block before it is yielded, and what it calls answerable is dropped. `tally` counts.
    """
    blocks = _blocks((e for e in examples if e.ground_truth and e.tools), options.pool)
    first = next(blocks, None)
    if first is None:
        return
    sets = [tool_set(s) for s in servers or ()]
    if verifier is None:
        verifier = Verifier.fit(t for s in (*sets, *map(_donor, first)) for t in s.tools)
    if verifier.topics is None:
        verifier = verifier.with_domains((*sets, *map(_donor, first)))
    yield from _Synthesis(options, verifier, sets, judge, tally if tally is not None else Tally()).run(
        itertools.chain([first], blocks)
    )


def _blocks(examples: Iterable[Example], size: int) -> Iterator[list[Example]]:
    stream = iter(examples)
    while block := list(itertools.islice(stream, size)):
        yield block


def _donor(example: Example) -> ToolSet:
    server = example.meta.get("server")
    return ToolSet(str(example.meta.get("domain") or ""), example.tools, str(server) if isinstance(server, str) else "")


@dataclass(slots=True)
class _Draft:
    """A negative, and what its twin is made from."""

    at: int
    kind: str
    example: Example
    made: Made


@dataclass(slots=True)
class _Queue:
    """The examples of a block, the order in which they are tried, how many negatives each gave, and what was tried."""

    views: Sequence[View | str]
    order: Sequence[int]
    used: Counter[int] = field(default_factory=Counter)
    tried: set[tuple[int, str]] = field(default_factory=set)


class _Synthesis:
    """One run: the shelves, what was made so far, and what is still due."""

    def __init__(
        self, options: NegativeOptions, verifier: Verifier, sets: Sequence[ToolSet], judge: Judge | None, tally: Tally
    ) -> None:
        self.options, self.verifier, self.judge, self.tally = options, verifier, judge, tally
        self.sizes = Sizes(options.max_tools, options.max_characters)
        self.servers = Shelf(sets, verifier, self.sizes)
        self.before = Shelf((), verifier, self.sizes)
        self.bank = ValueBank()
        self.total = sum(options.kinds.values())

    def run(self, blocks: Iterable[list[Example]]) -> Iterator[Example]:
        for number, block in enumerate(blocks):
            self.bank.add(block)
            shelf = Shelf(map(_donor, block), self.verifier, self.sizes)
            views = [self._view(e, [s for s in (self.servers, self.before, shelf) if s.sets]) for e in block]
            self.tally.parents += len(block)
            for draft in sorted(self._of_block(views, number), key=lambda d: (d.at, KINDS.index(d.kind))):
                yield from self._with_twin(draft, block[draft.at])
            self.before = shelf

    def _of_block(self, views: Sequence[View | str], number: int) -> list[_Draft]:
        """What is due after this block. Where the judge drops some, others are made of the parents that are left."""
        order = list(range(len(views)))
        random.Random(f"{self.options.seed}/block/{number}").shuffle(order)
        queue = _Queue(views, order)
        out: list[_Draft] = []
        while drafts := self._drafts(queue):
            kept = self._judged(drafts)
            self.tally.made.update(d.kind for d in kept)
            out.extend(kept)
        return out

    def _view(self, parent: Example, shelves: Sequence[Shelf]) -> View | str:
        tools = {t.name: t for t in parent.tools}
        names = list(dict.fromkeys(c.name for c in parent.ground_truth))
        if parent.meta.get("negative") or any(n not in tools for n in names):
            return "the ground truth calls a tool that is not offered"
        probe = self.verifier.probe(parent, deeds_of(parent))
        if probe.why_not:
            return probe.why_not
        return View(
            parent, tuple(tools[n] for n in names), probe, self.verifier, shelves, _servers_of(parent), self.sizes
        )

    def _drafts(self, queue: _Queue) -> list[_Draft]:
        """First every kind up to what is due of it, then what is still due in all, of the kinds that stand in."""
        weights = {k: w for k, w in self.options.kinds.items() if w}
        goal = self.options.due(self.tally.parents)
        due = goal - self.tally.made.total()
        drafts: list[_Draft] = []
        for kind in (k for k in ORDER if k in weights):
            wanted = round(goal * weights[kind] / self.total) - self.tally.made[kind]
            drafts.extend(self._of_kind(kind, min(wanted, due - len(drafts)), queue))
        gap, true = due - len(drafts), {k: weights[k] for k in _TRUE if k in weights}
        for kind, weight in true.items():
            part = math.ceil(gap * weight / sum(true.values()))
            drafts.extend(self._of_kind(kind, min(part, due - len(drafts)), queue))
        for kind in (k for k in IN_PLACE if k in weights):
            drafts.extend(self._of_kind(kind, due - len(drafts), queue))
        return drafts

    def _of_kind(self, kind: str, wanted: int, queue: _Queue) -> Iterator[_Draft]:
        """Examples that gave the fewest negatives so far come first."""
        for most in range(self.options.most_per_parent):
            for at in queue.order:
                if wanted <= 0:
                    return
                if queue.used[at] != most or (at, kind) in queue.tried:
                    continue
                queue.tried.add((at, kind))
                made = self._make(kind, queue.views[at])
                if isinstance(made, str):
                    self.tally.refused[kind, made] += 1
                    continue
                wanted -= 1
                queue.used[at] += 1
                yield _Draft(at, kind, *made)

    def _make(self, kind: str, view: View | str) -> tuple[Example, Made] | str:
        if isinstance(view, str):
            return view
        if kind in _SWAPS and (why := why_bound(view.parent.messages, view.needed)):
            return why
        rng = random.Random(f"{self.options.seed}/{kind}/{view.parent.id}")
        made = _MAKERS[kind](view, self.bank, rng)
        view.forget()
        if isinstance(made, str):
            return made
        example = negative(
            view.parent, made.tools, kind=kind, seed=self.options.seed, reason=made.reason,
            score=made.score, asked=made.asked, messages=made.messages,
        )  # fmt: skip
        words = reply(example, kind, made.slots, rng)
        return dataclasses.replace(example, meta={**example.meta, "reply": words}), made

    def _judged(self, drafts: list[_Draft]) -> list[_Draft]:
        if self.judge is None:
            return drafts
        verdicts = self.judge.verdicts([d.example for d in drafts])
        self.tally.judged.update(v.outcome for v in verdicts)
        self.tally.refused.update(
            (d.kind, f"the judge's verdict: {v.outcome}")
            for d, v in zip(drafts, verdicts, strict=True)
            if v.outcome != "unanswerable"
        )
        return [d for d, v in zip(drafts, verdicts, strict=True) if v.outcome == "unanswerable"]

    def _with_twin(self, draft: _Draft, parent: Example) -> Iterator[Example]:
        if not self.options.twins:
            yield draft.example
            return
        positive = twin(parent, draft.example, draft.made)
        self.tally.twins += 1
        tie = {"id": positive.id, "parent": parent.id}
        yield dataclasses.replace(draft.example, meta={**draft.example.meta, "twin": tie})
        yield positive


def _servers_of(parent: Example) -> frozenset[str]:
    """The servers that a parent belongs to (`meta["server"]`, or `meta["servers"]`), by their plain names."""
    several = parent.meta.get("servers")
    given = [parent.meta.get("server"), *(several if isinstance(several, (list, tuple)) else ())]
    return frozenset(plain_name(s) for s in given if isinstance(s, str) and s)


def twin(parent: Example, made_negative: Example, made: Made) -> Example:
    """The positive of a negative: the same query with the needed tools, the obstacle lifted.

    Where tools were swapped, the needed ones, of a task of steps all, stand among the negative's, at drawn places.
    """
    kind, tools = made_negative.meta["negative"]["kind"], made.lifted_tools
    if tools is None:
        rng = random.Random(f"{made_negative.meta['negative']['seed']}/twin/{made_negative.id}")
        tools = _put_in(made.tools, deeds_of(parent), rng)
    meta: dict[str, Any] = {**parent.meta, "twin": {"id": made_negative.id, "parent": parent.id}}
    messages, calls = made.lifted_messages or parent.messages, made.lifted_calls or parent.ground_truth
    category = parent.category
    if category in ("simple", "multiple") or made.lifted_messages:  # a step's history may be gone
        category = derive_category(messages, len(tools), calls)
    return dataclasses.replace(
        parent,
        id=f"{parent.id}/{kind}/twin",
        category=category,
        messages=messages,
        tools=tools,
        ground_truth=calls,
        meta=meta,
    )


def _put_in(others: Sequence[Tool], needed: Sequence[Tool], rng: random.Random) -> tuple[Tool, ...]:
    kept = list(others)
    for tool in needed:
        kept.insert(rng.randint(0, len(kept)), tool)
    return tuple(kept)
