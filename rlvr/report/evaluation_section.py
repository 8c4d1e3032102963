"""What the page shows of an evaluation's folder: tiles, tables, pictures, the anatomy, samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from rlvr.errors import UsageError
from rlvr.evaluation.anatomy import FAULTS, AnatomyRow, all_faults, anatomy
from rlvr.evaluation.compare import Comparison, compare_successive
from rlvr.evaluation.efficiency import efficiency, efficiency_table
from rlvr.evaluation.metrics import ALL, CALLING, NO_CALL, Row, find, rows
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.refusals import refusal_rows
from rlvr.evaluation.sections import free_records, sections
from rlvr.evaluation.store import EvalStore
from rlvr.evaluation.suites import suite_of
from rlvr.evaluation.tables import Table, comparison_table, detail_table, headline_table, number, points, share
from rlvr.report.eval_figures import anatomy_pictures, category_picture, refusal_picture, tradeoff_picture
from rlvr.report.figures import Picture, accuracy_picture, failures_picture, tokens_picture
from rlvr.report.samples import choose_cards
from rlvr.report.tables import category_table, read_tables, refusal_table

_SIDES = ((True, "Where a call is wanted"), (False, "Where no call is wanted"))


def open_evaluation(folder: Path) -> tuple[EvalStore, list[EvalRecord]]:
    """The folder and its records. Raises `UsageError` where it is missing or holds none."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such evaluation folder. Give the --out folder of `rlvr eval`.")
    store = EvalStore(folder)
    records = store.records()
    if not records:
        raise UsageError(f"{folder}: holds no evaluation records. Run `rlvr eval … --out {folder}` first.")
    return store, records


def evaluation_section(
    store: EvalStore, records: Sequence[EvalRecord], tables: Sequence[Table] = ()
) -> tuple[dict[str, Any], list[Picture]]:
    """What the template needs, and the pictures. `tables` are shown after those that the folder itself holds.

    `to_pack`, the examples and the faults, waits until it is known how much room the pictures leave for samples.
    """
    seed = int(store.settings.get("seed", 0))
    free = free_records(store, records)
    table, comparisons = rows(records, seed), compare_successive(free, seed=seed)
    examples = store.examples()
    found = all_faults(records, examples, str(store.settings.get("parser") or "hermes"))
    dissected, refusals = anatomy(records, found), refusal_rows(records, examples)
    models = list(dict.fromkeys(r.model for r in records))
    drawn: dict[str, list[Picture | None]] = {
        "overview": [tradeoff_picture(table), accuracy_picture(table), category_picture(table)],
        "refusals": [refusal_picture(refusals)],
        "anatomy": [*anatomy_pictures(dissected, models)],
        "more": [tokens_picture(table), failures_picture(table)],
    }
    pictures = {place: [p for p in group if p] for place, group in drawn.items()}
    context = {
        "tables": [headline_table(table, seed), category_table(table)]
        + ([comparison_table(comparisons, seed)] if comparisons else []),
        "detail": detail_table(table, seed),
        "refusal_table": refusal_table(refusals) if pictures["refusals"] else None,
        "extra": [*_of_the_suite(store, records, seed), *read_tables(store.folder), *tables],
        "pictures": pictures,
        "anatomy": anatomy_context(dissected, models),
        "tiles": _tiles([r for r in table if r.model in {f.model for f in free}], comparisons),
        "cards": _by_language(choose_cards(free, examples)),
        "to_pack": (examples, found),
        "unfinished": _unfinished(records, store),
    }
    return context, [p for group in pictures.values() for p in group]


def _of_the_suite(store: EvalStore, records: Sequence[EvalRecord], seed: int) -> list[Table]:
    """The tables of the suite itself, then costs: tokens, latency, structured outputs against free ones."""
    suite = suite_of(store.settings)
    own = list(suite.tables(store)) if suite is not None and suite.tables is not None else []
    return [*own, efficiency_table(efficiency(records, seed), seed), *sections(store, records, seed)[1]]


def anatomy_context(rows: Sequence[AnatomyRow], models: Sequence[str]) -> list[dict[str, Any]]:
    """For each side a table of faults by model, each cell with the link that shows its samples."""
    out = []
    for wants_call, heading in _SIDES:
        mine = {(r.model, r.fault): r for r in rows if r.wants_call is wants_call}
        lines = []
        for fault in (f for f in FAULTS if any(f == name for _, name in mine)):
            cells = [_cell(mine.get((model, fault)), wants_call) for model in models]
            lines.append({"name": fault.replace("_", " "), "meaning": FAULTS[fault], "cells": cells})
        if lines:
            counts = [next((r.first.n for (m, _), r in mine.items() if m == model), 0) for model in models]
            heads = [f"{m} (n {n})" for m, n in zip(models, counts, strict=True)]
            out.append({"title": heading, "models": heads, "lines": lines})
    return out


def _cell(row: AnatomyRow | None, wants_call: bool) -> dict[str, Any] | None:
    if row is None or row.any.value is None or row.first.value is None:
        return None
    count = round(row.any.value * row.any.n)
    query = {"model": row.model, "fault": row.fault, "wants": "call" if wants_call else "none"}
    return {"model": row.model, "share": share(row.first), "count": count, "link": f"#samples?{urlencode(query)}"}


def _tiles(table: Sequence[Row], comparisons: Sequence[Comparison]) -> list[dict[str, str]]:
    """The last model's figures in large, with the difference from the first model where there is one."""
    models = list(dict.fromkeys(r.model for r in table))
    last = comparisons[-1] if comparisons else None
    wanted = (
        ("Strict accuracy", CALLING, "strict_accuracy", "calling_accuracy", "%"),
        ("False calls", NO_CALL, "false_calls", "false_calls", "%"),
        ("Completion tokens", ALL, "completion_tokens", "tokens", ""),
    )
    tiles = []
    for name, category, metric, difference, unit in wanted:
        row = find(table, models[-1], category)
        if row is None:
            continue
        figure = row.figures[metric]
        if figure.value is None:  # none of them was judged
            continue
        shown = (share(figure) if unit else number(figure)).split(" ", 1)
        change = ""
        if last is not None:
            moved = getattr(last, difference)
            text = points(moved) + " points" if unit else number(moved, signed=True)
            change = f"{text} against {last.before}"
        tile = {"name": name, "model": models[-1], "value": shown[0] + unit, "interval": shown[1], "n": str(figure.n)}
        tiles.append(tile | {"change": change})
    return tiles


def _unfinished(records: Sequence[EvalRecord], store: EvalStore) -> str:
    total = store.settings.get("examples")
    counts = {label: sum(r.model == label for r in records) + len(m.dropped) for label, m in store.models.items()}
    short = [f"{label} {n}/{total}" for label, n in counts.items() if isinstance(total, int) and n < total]
    return ", ".join(short)


def _by_language(cards: Sequence[Any]) -> list[tuple[str, str, list[Any]]]:
    out: dict[str, tuple[str, str, list[Any]]] = {}
    for card in cards:
        out.setdefault(card.lang, (card.lang, card.language or "language not given", []))[2].append(card)
    return list(out.values())
