"""Each model twice over the same examples, free and under structured outputs: what the constraint buys and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from rlvr.evaluation.compare import compare
from rlvr.evaluation.latency import Timings, seconds
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.statistics import Figure, paired_mean_difference, paired_share_difference
from rlvr.evaluation.tables import Table, number, points

if TYPE_CHECKING:
    from rlvr.evaluation.run import ModelSpec, Render

SUFFIX = " (structured)"


def both_ways(models: Sequence[ModelSpec], held: Render) -> list[ModelSpec]:
    """Every model as it is, and again under a label of its own with prompts rendered by `held`."""
    out: list[ModelSpec] = []
    for model in models:
        out += [model, replace(model, label=model.label + SUFFIX, render=held, free=model.label)]
    return out


@dataclass(frozen=True, slots=True)
class Structured:
    """A model under structured outputs minus the same model free, example by example.

    `calling_accuracy` is over the examples that want a call, `false_calls` over those that want none, the rest over
    all; `seconds` over those whose times are known on both sides.
    """

    model: str
    n: int
    calling_accuracy: Figure
    accuracy: Figure
    false_calls: Figure
    malformed: Figure
    tokens: Figure
    seconds: Figure

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"model": self.model, "n": self.n}
        return out | {name: getattr(self, name).to_json() for name in FIGURES}


FIGURES = tuple(f.name for f in fields(Structured) if f.name not in ("model", "n"))


def structured_differences(
    records: Sequence[EvalRecord], free_of: Mapping[str, str], timings: Timings, *, seed: int = 0
) -> list[Structured]:
    """For each label of `free_of` (structured → free) the differences; a pair without common examples is left out."""
    by_model: dict[str, dict[str, EvalRecord]] = {}
    for record in records:
        by_model.setdefault(record.model, {})[record.id] = record
    out = []
    for held, free in free_of.items():
        before, after = by_model.get(free, {}), by_model.get(held, {})
        shared = sorted(set(before) & set(after))
        if shared:
            out.append(_difference([before[i] for i in shared], [after[i] for i in shared], timings, seed))
    return out


def _difference(before: Sequence[EvalRecord], after: Sequence[EvalRecord], timings: Timings, seed: int) -> Structured:
    compared = compare(before, after, seed=seed)
    times = [
        (timings[b.model, b.id].seconds, timings[a.model, a.id].seconds)
        for b, a in zip(before, after, strict=True)
        if (b.model, b.id) in timings and (a.model, a.id) in timings
    ]
    return Structured(
        before[0].model,
        compared.n,
        compared.calling_accuracy,
        compared.accuracy,
        compared.false_calls,
        paired_share_difference([r.malformed for r in before], [r.malformed for r in after]),
        compared.tokens,
        paired_mean_difference([b for b, _ in times], [a for _, a in times], seed),
    )


def structured_table(differences: Sequence[Structured], seed: int) -> Table:
    """One line a model: what constrained decoding changes."""
    body = tuple(
        (
            d.model,
            str(d.n),
            points(d.calling_accuracy),
            points(d.accuracy),
            points(d.false_calls),
            points(d.malformed),
            number(d.tokens, signed=True),
            seconds(d.seconds, "{:+.2f}"),
        )
        for d in differences
    )
    header = ("model", "n", "calling accuracy", "accuracy, all", "false calls", "malformed", "tokens", "seconds")
    notes = (
        "Structured minus free on the same examples: points of percent (Tango's paired interval), tokens and "
        f"seconds a completion (paired bootstrap, seed {seed}). Seconds depend on the machine and its load; – where no "
        "times are known.",
    )
    return Table("Structured outputs against free ones", header, body, notes=notes)
