"""The tables of a folder of dialogues: the official verdicts by category, and what official figures do not tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlvr.evaluation.multi_turn.dialogue import FINISHED
from rlvr.evaluation.multi_turn.official_results import command
from rlvr.evaluation.multi_turn.rows import CATEGORIES
from rlvr.evaluation.multi_turn.transcripts import read_transcripts
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.statistics import Figure, mean_length, wilson
from rlvr.evaluation.store import EvalStore
from rlvr.evaluation.tables import NONE, Table, number, share
from rlvr.types import Outcome

OFFICIAL_N = 200
"""Dialogues of each category on the leaderboard."""
_OVERALL = "Multi Turn Overall (V4)"

Accuracies = Mapping[str, Mapping[str, Figure]]


def accuracies(records: Sequence[EvalRecord]) -> dict[str, dict[str, Figure]]:
    """By model and category: the share that the official checker finds right."""
    out: dict[str, dict[str, Figure]] = {}
    for model in dict.fromkeys(r.model for r in records):
        for category in CATEGORIES:
            right = [r.right for r in records if (r.model, r.category) == (model, category)]
            if right:
                out.setdefault(model, {})[category] = wilson(sum(right), len(right))
    return out


def overall(found: Mapping[str, Figure]) -> Figure | None:
    """The leaderboard's multi-turn figure, the mean of its four categories; `None` where a dialogue is missing.

    The categories are of one size, so that it is a share of all 800 dialogues, and has that share's interval.
    """
    if any(category not in found or found[category].n != OFFICIAL_N for category in CATEGORIES):
        return None
    return wilson(round(sum((found[c].value or 0.0) * OFFICIAL_N for c in CATEGORIES)), OFFICIAL_N * len(CATEGORIES))


def tables(store: EvalStore) -> list[Table]:
    records = store.records()
    seed = int(store.settings.get("seed", 0))
    rows = list(read_transcripts(store.folder).values())
    commands = [f"bfcl evaluate scores {label} by: {command(store.folder, label)}" for label in store.models]
    return [accuracy_table(accuracies(records), commands), detail_table(records, rows, seed)]


def accuracy_table(found: Accuracies, more: Sequence[str] = ()) -> Table:
    names = [c.removeprefix("multi_turn_").replace("_", " ") for c in CATEGORIES]
    body = []
    for model, figures in found.items():
        cells = [f"{share(figures[c])} ({figures[c].n})" if c in figures else NONE for c in CATEGORIES]
        total = overall(figures)
        body.append((model, *cells, share(total) if total is not None else NONE))
    notes = (
        "Percent right (n) with 95% intervals (Wilson), by the official executors and checker: state and responses "
        f"after every turn. {_OVERALL} only where all {OFFICIAL_N} dialogues of each category were played.",
        *more,
    )
    return Table("BFCL multi-turn", ("model", *names, _OVERALL), tuple(body), notes=notes)


def detail_table(records: Sequence[EvalRecord], rows: Sequence[Mapping[str, Any]], seed: int) -> Table:
    """One line a model and category: turns that want no call, malformed completions, broken dialogues, tokens."""
    body = []
    for model in dict.fromkeys(r.model for r in records):
        for category in CATEGORIES:
            mine = [r for r in records if (r.model, r.category) == (model, category)]
            if not mine:
                continue
            told = [row for row in rows if (row["model"], row["category"]) == (model, category)]
            silent = [_kind(turn) for row in told for turn in row["turns"] if turn["steps"] and not turn["wants_call"]]
            steps = [sum(len(turn["steps"]) for turn in row["turns"]) for row in told]
            body.append(
                (
                    model,
                    category.removeprefix("multi_turn_"),
                    str(len(mine)),
                    str(len(silent)) if silent else NONE,
                    *(share(wilson(silent.count(kind), len(silent))) for kind in ("abstained", "called")),
                    share(wilson(sum(r.malformed for r in mine), len(mine))),
                    share(wilson(sum(r.truncated for r in mine), len(mine))),
                    str(sum(row["ending"] != FINISHED for row in told)),
                    number(mean_length(steps, seed)),
                    number(mean_length([r.completion_tokens for r in mine], seed)),
                )
            )
    header = (
        "model", "category", "n", "silent turns", "abstained there", "false calls there", "malformed", "truncated",
        "broken off", "steps", "tokens",
    )  # fmt: skip
    notes = (
        "Silent turns: played ones in which the official answer calls nothing, for want of a tool or a value; "
        "malformed attempts count as false calls there, and empty completions as neither. Malformed, truncated: "
        f"dialogues with such a completion. Steps and tokens: means a dialogue (bootstrap, seed {seed}).",
        *_endings(rows),
    )
    return Table("BFCL multi-turn, turn by turn", header, tuple(body), left=2, notes=notes)


def _kind(turn: Mapping[str, Any]) -> str:
    outcomes = {step["outcome"] for step in turn["steps"]}
    if outcomes & {Outcome.CALLS.value, Outcome.MALFORMED.value}:
        return "called"
    return "abstained" if Outcome.ABSTAIN.value in outcomes else "empty"


def _endings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a model whose dialogues did not all come to their ends."""
    out = []
    for model in dict.fromkeys(row["model"] for row in rows):
        endings = [row["ending"] for row in rows if row["model"] == model and row["ending"] != FINISHED]
        if endings:
            counts = ", ".join(f"{name} {endings.count(name)}" for name in sorted(set(endings)))
            out.append(f"{model}: broken off, and failed as the leaderboard fails them: {counts}.")
    return out
