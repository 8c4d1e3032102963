"""The tables of `retention`: accuracy over questions, its spread over the runs, what was left unanswered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import stdev
from typing import TYPE_CHECKING, Any, TypeAlias

from rlvr.evaluation.statistics import Figure, mean, paired_mean_difference, paired_share_difference, wilson, within
from rlvr.evaluation.suites.common import GROUP, Seen, seen_by_model
from rlvr.evaluation.suites.grids import Grid

if TYPE_CHECKING:
    from rlvr.evaluation.store import EvalStore

Asked: TypeAlias = "Mapping[str, list[Seen]]"
"""The records of each question, one a run that was shown."""


def grids(store: EvalStore) -> list[Grid]:
    """By set, by subject, and between successive models."""
    seed = int(store.settings.get("seed", 0))
    models = {model: _by_question(seen.values()) for model, seen in seen_by_model(store).items()}
    dropped = {model: len(m.dropped) for model, m in store.models.items()}
    sets = list(dict.fromkeys(_of(e["meta"], "set") for e in store.examples()))
    rows = [_set_row(m, s, part, seed) for m, a in models.items() for s in sets if (part := _part(a, "set", s))]
    out = [Grid("Retention: multiple choice", _SETS, tuple(rows), 2, _notes(store, dropped))]
    subjects = _subject_rows(models, sets, seed)
    if subjects:
        out.append(Grid("By subject", _SUBJECTS, tuple(subjects), 3))
    free = [m for m in models if m not in store.models or not store.models[m].free]
    lost = [
        _difference(one, other, s, models, seed) for one, other in pairwise(free) for s in sets
        if _part(models[one], "set", s) and _part(models[other], "set", s)
    ]  # fmt: skip
    if lost:
        out.insert(1, Grid("Retention: what was lost", _LOST, tuple(lost), 2, (_LOST_NOTE,)))
    return out


def accuracy(asked: Asked, seed: int) -> Figure:
    """The mean over questions of each one's share of right runs: runs of one question are no independent examples."""
    return _over_questions(asked, lambda r: r.right, seed)


def of_runs(asked: Asked) -> list[float]:
    """The accuracy of each run, over the questions that it showed."""
    runs: dict[int, list[bool]] = {}
    for seen in asked.values():
        for record, meta in seen:
            runs.setdefault(int(_of(meta, "run")), []).append(record.right)
    return [sum(runs[run]) / len(runs[run]) for run in sorted(runs)]


def _by_question(seen: Any) -> dict[str, list[Seen]]:
    out: dict[str, list[Seen]] = {}
    for record, meta in seen:
        out.setdefault(str(meta[GROUP]), []).append((record, meta))
    return out


def _of(meta: Mapping[str, Any], key: str) -> Any:
    return meta["choice"][key]


def _part(asked: Asked, key: str, value: str) -> dict[str, list[Seen]]:
    return {question: runs for question, runs in asked.items() if _of(runs[0][1], key) == value}


def _share(runs: Sequence[Seen], test: Callable[[Any], bool]) -> float:
    return sum(test(record) for record, _ in runs) / len(runs)


def _unanswered(asked: Asked, seed: int) -> Figure:
    return _over_questions(asked, lambda r: r.scores.get("option") is None, seed)


def _over_questions(asked: Asked, test: Callable[[Any], bool], seed: int) -> Figure:
    """The mean of each question's share of runs, with a bootstrap-t over the questions.

    Wilson's interval where the runs of every question agree: a bootstrap of nothing but zeros has no width.
    """
    return _mean([_share(runs, test) for runs in asked.values()], seed)


def _of_answered(asked: Asked, seed: int) -> Figure:
    """Of the questions that were answered in some run, the share of these runs that is right."""
    answered = [[r for r, _ in runs if r.scores.get("option") is not None] for runs in asked.values()]
    return _mean([sum(r.right for r in some) / len(some) for some in answered if some], seed)


def _mean(shares: Sequence[float], seed: int) -> Figure:
    if all(value in (0.0, 1.0) for value in shares):
        return wilson(round(sum(shares)), len(shares))
    return within(mean(shares, seed), 0.0, 1.0)


def _set_row(model: str, name: str, asked: Asked, seed: int) -> tuple[Any, ...]:
    per_run = of_runs(asked)
    several = [runs for runs in asked.values() if len(runs) > 1]
    same = [len({r.scores.get("option") for r, _ in runs}) == 1 and runs[0][0].scores["option"] is not None
            for runs in several]  # fmt: skip
    n = len(per_run)
    return (
        model,
        name,
        len(asked),
        n,
        accuracy(asked, seed),
        stdev(per_run) if n > 1 else None,
        min(per_run),
        max(per_run),
        sum(1 / len(_of(runs[0][1], "order")) for runs in asked.values()) / len(asked),
        _unanswered(asked, seed),
        _of_answered(asked, seed),
        wilson(sum(same), len(same)),
        _over_questions(asked, lambda r: r.truncated, seed),
        _over_questions(asked, lambda r: r.false_call, seed),
    )


def _subject_rows(models: Mapping[str, Asked], sets: Sequence[str], seed: int) -> list[tuple[Any, ...]]:
    """A row a subject, and a row a category where the rows name them; none where a set has one subject only."""
    rows = []
    for model, asked in models.items():
        for name in sets:
            mine = _part(asked, "set", name)
            for key in ("group", "subject"):
                values = sorted({str(_of(runs[0][1], key)) for runs in mine.values()} - {""})
                for value in values if len(values) > 1 else ():
                    part = _part(mine, key, value)
                    rows.append((model, name, value, len(part), accuracy(part, seed), _unanswered(part, seed)))
    return rows


def _difference(one: str, other: str, name: str, models: Mapping[str, Asked], seed: int) -> tuple[Any, ...]:
    """The second model's accuracy minus the first's, over the questions that both were asked in the same runs."""
    before, after = _part(models[one], "set", name), _part(models[other], "set", name)
    both = [q for q in before if q in after and len(before[q]) == len(after[q])]
    shares = [[_share(side[q], lambda r: r.right) for q in both] for side in (before, after)]
    silent = [[_share(side[q], lambda r: r.scores.get("option") is None) for q in both] for side in (before, after)]
    return (
        f"{one} → {other}",
        name,
        len(both),
        _change(shares[0], shares[1], seed),
        _change(silent[0], silent[1], seed),
    )


def _change(before: Sequence[float], after: Sequence[float], seed: int) -> Figure:
    """The paired difference of two models' shares; Tango's interval where all runs of every question agree."""
    if all(value in (0.0, 1.0) for value in (*before, *after)):
        return paired_share_difference([value == 1.0 for value in before], [value == 1.0 for value in after])
    return within(paired_mean_difference(before, after, seed), -1.0, 1.0)


def _notes(store: EvalStore, dropped: Mapping[str, int]) -> tuple[str, ...]:
    choices = [e["meta"]["choice"] for e in store.examples()]
    notes = [_NOTE.format(mode=", ".join(sorted({c["mode"] for c in choices})))]
    first = {(c["set"], c["where"]): c for c in choices}.values()
    fixed = sum(bool(c["fixed"]) for c in first)
    if fixed:
        notes.append(f"{fixed} questions keep their order: an option means others by their place (all of the above).")
    for name, count in sorted({(c["set"], c["left_out"]) for c in choices if c["left_out"]}):
        notes.append(f"{name}: {count} rows are no question and were left out.")
    notes += [f"{model}: {count} prompts did not fit and were left out." for model, count in dropped.items() if count]
    return tuple(notes)


_SETS = (
    ("model", "words"),
    ("set", "words"),
    ("questions", "count"),
    ("runs", "count"),
    ("right", "share"),
    ("sd of runs", "percent"),
    ("lowest run", "percent"),
    ("highest run", "percent"),
    ("by chance", "percent"),
    ("unanswered", "share"),
    ("right of answered", "share"),
    ("same option", "share"),
    ("truncated", "share"),
    ("false calls", "share"),
)
_SUBJECTS = (
    ("model", "words"),
    ("set", "words"),
    ("subject", "words"),
    ("questions", "count"),
    ("right", "share"),
    ("unanswered", "share"),
)
_LOST = (
    ("models", "words"),
    ("set", "words"),
    ("questions", "count"),
    ("right", "points"),
    ("unanswered", "points"),
)
_NOTE = (
    "Read in {mode} mode. Right: the mean over questions of their runs, in percent, with a 95% interval over the "
    "questions (bootstrap-t; Wilson where all runs agree); sd: of the runs' accuracies, in points. Unanswered: no "
    "option, several, or one that is not there; never right. Right of answered: over the questions with an answer, "
    "of their answered runs. Same option: the same answer in every run, wherever it stood. The common tables further "
    "below count each run as an example of its own: their intervals are too narrow."
)
_LOST_NOTE = (
    "Points, the second model minus the first on the same questions (paired bootstrap-t over the questions; Tango "
    "where all runs agree)."
)
