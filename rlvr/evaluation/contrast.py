"""Two models on the same examples, column by column and slice by slice, with what chance alone would do.

| column | share or mean of | over |
| --- | --- | --- |
| `calling_accuracy` | the calls match | judged examples that want a call |
| `accuracy` | the strict verdict | every judged example |
| `abstained` | clean text, no call markup, not cut | examples that want no call |
| `false_calls` | a call, well-formed or malformed | examples that want no call |
| `missed_calls` | clean text where a call is wanted: a refusal too many | examples that want a call |
| `malformed`, `truncated` | broken calls; cut at the limit of tokens | every example |
| `tokens` | the completion's length (a mean) | every example |

Every cell has both sides' levels, the difference (after minus before) and, for shares, how many examples show it on one
side alone, with McNemar's exact p. Judged: both sides have a certain verdict. Where many tests are shown, some come out
small by chance: `contrasts` adjusts them by Holm's rule, in two families (all columns over all examples; accuracy by
slice), each over all comparisons together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from rlvr.errors import UsageError, did_you_mean
from rlvr.evaluation.metrics import ALL
from rlvr.evaluation.pairing import Pairing, pair
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.sides import Side
from rlvr.evaluation.statistics import (
    Figure,
    holm,
    mcnemar_exact,
    mean_length,
    paired_mean_difference,
    share_difference,
    share_difference_bootstrap,
    wilson,
)
from rlvr.types import CATEGORIES

Pairs = Sequence[tuple[EvalRecord, EvalRecord]]


@dataclass(frozen=True, slots=True)
class Column:
    """A share of examples: which examples count (where both sides say so), and which of these show it.

    `better` is the direction that is good.
    """

    name: str
    title: str
    over: Callable[[EvalRecord], bool]
    test: Callable[[EvalRecord], bool]
    better: int


def _every(record: EvalRecord) -> bool:
    return True


def _judged(record: EvalRecord) -> bool:
    return record.judged


def _calling(record: EvalRecord) -> bool:
    return record.wants_call


def _judged_calling(record: EvalRecord) -> bool:
    return record.wants_call and record.judged


def _silent(record: EvalRecord) -> bool:
    return not record.wants_call


SHARES = (
    Column("calling_accuracy", "calling accuracy", _judged_calling, lambda r: r.right, 1),
    Column("accuracy", "accuracy, all", _judged, lambda r: r.right, 1),
    Column("abstained", "abstained", _silent, lambda r: r.abstained, 1),
    Column("false_calls", "false calls", _silent, lambda r: r.false_call, -1),
    Column("missed_calls", "missed calls", _calling, lambda r: r.abstained, -1),
    Column("malformed", "malformed", _every, lambda r: r.malformed, -1),
    Column("truncated", "truncated", _every, lambda r: r.truncated, -1),
)
TOKENS = "tokens"
COLUMNS = (*(c.name for c in SHARES), TOKENS)
TITLES = {c.name: c.title for c in SHARES} | {TOKENS: TOKENS}


@dataclass(frozen=True, slots=True)
class Cell:
    """One column on one slice. `p_holm` is set where the test belongs to a family; tokens have no test."""

    n: int
    before: Figure
    after: Figure
    difference: Figure
    bootstrap: Figure | None = None
    only_before: int | None = None
    only_after: int | None = None
    p: float | None = None
    p_holm: float | None = None

    def to_json(self) -> dict[str, Any]:
        figures = ("before", "after", "difference", "bootstrap")
        out: dict[str, Any] = {"n": self.n}
        out |= {name: f.to_json() if (f := getattr(self, name)) is not None else None for name in figures}
        return out | {name: getattr(self, name) for name in ("only_before", "only_after", "p", "p_holm")}


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the examples; `category` and `lang` may be `all`. `changed`: the share of texts that are not the same."""

    category: str
    lang: str
    n: int
    changed: Figure
    cells: Mapping[str, Cell]

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"category": self.category, "lang": self.lang, "n": self.n}
        out["changed"] = self.changed.to_json()
        return out | {"columns": {name: cell.to_json() for name, cell in self.cells.items()}}


@dataclass(frozen=True, slots=True)
class Contrast:
    """`after` against `before` on the same examples; the first slice is all of them. `won` and `lost` are ids."""

    pairing: Pairing
    slices: tuple[Slice, ...]
    won: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def before(self) -> str:
        return self.pairing.before.label

    @property
    def after(self) -> str:
        return self.pairing.after.label

    @property
    def top(self) -> Slice:
        return self.slices[0]


def contrasts(
    sides: Sequence[Side],
    *,
    against: str | None = None,
    successive: bool = False,
    shared_only: bool = False,
    seed: int = 0,
) -> list[Contrast]:
    """Each side against the first, against the one that `against` names, or each against the one before it.

    Raises `UsageError` where two sides may not be compared (`pairing.pair`), or where no side is called `against`.
    """
    pairings = [pair(b, a, shared_only=shared_only) for b, a in _plan(sides, against, successive)]
    return adjusted([contrast(p, seed=seed) for p in pairings])


def contrast(pairing: Pairing, *, seed: int = 0) -> Contrast:
    """All slices of one pairing, with p-values as they are."""
    pairs = pairing.pairs
    judged = [(b, a) for b, a in pairs if b.judged and a.judged]
    return Contrast(
        pairing,
        tuple(_slice(category, lang, part, seed) for category, lang, part in _parts(pairs)),
        tuple(a.id for b, a in judged if a.right and not b.right),
        tuple(b.id for b, a in judged if b.right and not a.right),
    )


def adjusted(found: Sequence[Contrast]) -> list[Contrast]:
    """The same with `p_holm`, over the columns of all examples, and over the accuracy of all slices."""
    whole = [(i, 0, name) for i, c in enumerate(found) for name, cell in c.top.cells.items() if cell.p is not None]
    parts = [(i, j, "accuracy") for i, c in enumerate(found) for j, s in enumerate(c.slices) if j and tested(s)]
    cells = [[dict(s.cells) for s in c.slices] for c in found]
    for family in (whole, parts):
        values = [cells[i][j][name].p for i, j, name in family]
        for (i, j, name), p in zip(family, holm([v for v in values if v is not None]), strict=True):
            cells[i][j][name] = replace(cells[i][j][name], p_holm=p)
    return [
        replace(c, slices=tuple(replace(s, cells=cells[i][j]) for j, s in enumerate(c.slices)))
        for i, c in enumerate(found)
    ]


def tested(part: Slice) -> bool:
    """Whether a slice has a test of its accuracy: one of which nothing was judged has none."""
    return part.cells["accuracy"].p is not None


def _plan(sides: Sequence[Side], against: str | None, successive: bool) -> list[tuple[Side, Side]]:
    if successive:
        return list(pairwise(sides))
    first = sides[0]
    if against is not None:
        named = {s.label: s for s in sides}
        if against not in named:
            raise UsageError(f"--against {against}: no side has this label.{did_you_mean(against, named)}")
        first = named[against]
    return [(first, s) for s in sides if s is not first]


def _parts(pairs: Pairs) -> list[tuple[str, str, Pairs]]:
    """All, by language, by category, and both; a part that holds the very examples of an earlier one is left out."""
    spoken = sorted({a.lang for _, a in pairs if a.lang})
    present = {a.category for _, a in pairs}
    kinds = [c for c in CATEGORIES if c in present] + sorted(present - set(CATEGORIES))
    wanted = [(ALL, ALL), *((ALL, lang) for lang in spoken)]
    wanted += [(kind, lang) for kind in kinds for lang in (ALL, *spoken)]
    seen: set[tuple[str, ...]] = set()
    out: list[tuple[str, str, Pairs]] = []
    for category, lang in wanted:
        part = [(b, a) for b, a in pairs if category in (ALL, a.category) and lang in (ALL, a.lang)]
        ids = tuple(a.id for _, a in part)
        if ids and ids not in seen:
            seen.add(ids)
            out.append((category, lang, part))
    return out


def _slice(category: str, lang: str, pairs: Pairs, seed: int) -> Slice:
    cells = {column.name: _share_cell(column, pairs, seed) for column in SHARES}
    before, after = ([r.completion_tokens for r in side] for side in zip(*pairs, strict=True))
    cells[TOKENS] = Cell(
        len(pairs),
        mean_length(before, seed),
        mean_length(after, seed),
        paired_mean_difference(before, after, seed),
    )
    changed = wilson(sum(b.completion != a.completion for b, a in pairs), len(pairs))
    return Slice(category, lang, len(pairs), changed, cells)


def _share_cell(column: Column, pairs: Pairs, seed: int) -> Cell:
    answers = [(column.test(b), column.test(a)) for b, a in pairs if column.over(b) and column.over(a)]
    n = len(answers)
    gained = sum(1 for b, a in answers if a and not b)
    lost = sum(1 for b, a in answers if b and not a)
    return Cell(
        n=n,
        before=wilson(sum(b for b, _ in answers), n),
        after=wilson(sum(a for _, a in answers), n),
        difference=share_difference(gained, lost, n),
        bootstrap=share_difference_bootstrap(gained, lost, n, seed),
        only_before=lost,
        only_after=gained,
        p=mcnemar_exact(gained, lost) if n else None,
    )
