"""Records → figures: for each model a row per category and language, and rows over the calling categories and over all.

| metric | share or mean of | over |
| --- | --- | --- |
| `strict_accuracy` | the strict verdict: the calls match, or no call and the words wanted | every judged example |
| `abstained` | clean text, no call markup, not cut | every example: on calling ones it is a refusal too many |
| `malformed` | broken calls; never counted as abstained | every example |
| `truncated` | cut at the length limit; never right | every example |
| `false_calls` | a call, well-formed or malformed, where none is wanted | examples that want no call |
| `no_valid_call` | anything but well-formed calls (what BFCL counts as its irrelevance) | examples that want no call |
| `completion_tokens` | the completion's length (a mean) | every example |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.statistics import Figure, mean_length, wilson
from rlvr.types import CATEGORIES, Outcome

ALL = "all"
CALLING = "calling"
"""The row over every example that wants a call, whatever its category."""
NO_CALL = "no call"
"""The row over every example that wants none."""

_SHARES: dict[str, Callable[[EvalRecord], bool]] = {
    "strict_accuracy": lambda r: r.right,
    "abstained": lambda r: r.abstained,
    "malformed": lambda r: r.malformed,
    "truncated": lambda r: r.truncated,
}
_NO_CALL_SHARES: dict[str, Callable[[EvalRecord], bool]] = {
    "false_calls": lambda r: r.false_call,
    "no_valid_call": lambda r: r.outcome != Outcome.CALLS.value,
}
METRICS = (*_SHARES, *_NO_CALL_SHARES, "completion_tokens")


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one model on one slice of the examples; `category` and `lang` may be `all` (and see CALLING)."""

    model: str
    category: str
    lang: str
    n: int
    figures: Mapping[str, Figure]

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "category": self.category,
            "lang": self.lang,
            "n": self.n,
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
        }


def figures(records: Sequence[EvalRecord], seed: int) -> dict[str, Figure]:
    """Every metric over these records, keyed as METRICS; a share over no example has the value `None`."""
    out = {name: wilson(sum(map(test, records)), len(records)) for name, test in _SHARES.items()}
    judged = [r for r in records if r.judged]
    out["strict_accuracy"] = wilson(sum(r.right for r in judged), len(judged))
    silent = [r for r in records if not r.wants_call]
    out |= {name: wilson(sum(map(test, silent)), len(silent)) for name, test in _NO_CALL_SHARES.items()}
    out["completion_tokens"] = mean_length([r.completion_tokens for r in records], seed)
    return out


def rows(records: Iterable[EvalRecord], seed: int) -> list[Row]:
    """All rows, models in order of first appearance.

    For each model: all; calling and no call; each again by language where there are several; each category, and each
    category by language.
    """
    by_model: dict[str, list[EvalRecord]] = {}
    for record in records:
        by_model.setdefault(record.model, []).append(record)
    return [row for model, group in by_model.items() for row in _rows_of(model, group, seed)]


def headline(table: Sequence[Row]) -> list[Row]:
    """The rows over all examples, one a model."""
    return [row for row in table if row.category == ALL and row.lang == ALL]


def find(table: Sequence[Row], model: str, category: str, lang: str = ALL) -> Row | None:
    """The row of a slice, or `None` where no example falls into it."""
    return next((r for r in table if (r.model, r.category, r.lang) == (model, category, lang)), None)


def languages(records: Iterable[EvalRecord]) -> list[str]:
    """The languages that occur, sorted; records without one are not counted."""
    return sorted({r.lang for r in records if r.lang})


def _rows_of(model: str, records: list[EvalRecord], seed: int) -> list[Row]:
    slices: list[tuple[str, list[EvalRecord]]] = [(ALL, records)]
    calling = [r for r in records if r.wants_call]
    silent = [r for r in records if not r.wants_call]
    slices += [(name, group) for name, group in ((CALLING, calling), (NO_CALL, silent)) if group]
    slices += [(c, [r for r in records if r.category == c]) for c in _categories(records)]
    out = []
    spoken = languages(records)
    for category, group in slices:
        out.append(Row(model, category, ALL, len(group), figures(group, seed)))
        if len(spoken) < 2:
            continue
        for lang in spoken:
            part = [r for r in group if r.lang == lang]
            if part:
                out.append(Row(model, category, lang, len(part), figures(part, seed)))
    return out


def _categories(records: Iterable[EvalRecord]) -> list[str]:
    """The categories that occur, in BFCL's order, then the others by name."""
    present = {r.category for r in records}
    return [c for c in CATEGORIES if c in present] + sorted(present - set(CATEGORIES))
