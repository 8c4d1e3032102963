"""The tables that only the report has, and tables that others leave in an evaluation's folder for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rlvr.errors import DataError
from rlvr.evaluation.metrics import ALL, CALLING, NO_CALL, Row, find
from rlvr.evaluation.refusals import RefusalRow
from rlvr.evaluation.store import write_json
from rlvr.evaluation.tables import NONE, Table, judged_of, points, share

EXTRA = "tables.json"
"""In an evaluation's folder: a list of tables that the report shows, each `{title, header, body, left?, notes?}`."""


def category_table(rows: Sequence[Row], metric: str = "strict_accuracy") -> Table:
    """One line a model, one column a category, with what they add up to; n stands in the header."""
    models = list(dict.fromkeys(r.model for r in rows))
    single = [c for c in dict.fromkeys(r.category for r in rows) if c not in (ALL, CALLING, NO_CALL)]
    summaries = [c for c in (CALLING, NO_CALL, ALL) if not any(_same(rows, c, other) for other in single)]
    columns = [c for c in (*single, *summaries) if any(find(rows, m, c) for m in models)]
    header = [f"{c.replace('_', ' ')} (n {_span(rows, c)})" for c in columns]
    body = []
    for model in models:
        found = [find(rows, model, c) for c in columns]
        body.append((model, *(NONE if row is None else share(row.figures[metric]) + judged_of(row) for row in found)))
    notes = (
        "Strict accuracy in percent with 95% intervals (Wilson). “calling” is every example that wants a call. Where "
        "none is wanted, the right words count.",
    )
    return Table("By category", ("model", *header), tuple(body), notes=notes)


def refusal_table(rows: Sequence[RefusalRow]) -> Table:
    """One line a model and slice: called nothing where none fits and where one fits, and the difference."""
    body = []
    for row in rows:
        name = row.name.replace("_", " ") if row.by == ALL else f"{row.by}: {row.name.replace('_', ' ')}"
        counts = f"{row.none_fits.n} / {row.one_fits.n}"
        cells = share(row.none_fits), share(row.one_fits), points(row.difference), share(row.right)
        body.append((row.model, name, counts, *cells))
    header = ("model", "slice", "n, none / one fits", "called nothing, none fits", "called nothing, one fits",
              "difference", "right refusals")  # fmt: skip
    notes = (
        "Percent with 95% intervals (Wilson; the difference in points: Newcombe). “Called nothing” is clean text "
        "without a call; a right refusal also has the words that are wanted, in the query's language. A kind of "
        "negative stands against all examples that want a call.",
    )
    return Table("Calibration of refusals", header, tuple(body), left=2, notes=notes)


def write_tables(folder: Path, tables: Iterable[Table]) -> Path:
    """Leave tables for the report in an evaluation's folder; those that are there are replaced."""
    write_json(folder / EXTRA, [asdict(table) for table in tables])
    return folder / EXTRA


def read_tables(folder: Path) -> list[Table]:
    """The tables that were left in an evaluation's folder; none where there is no such file.

    Raises `DataError` for what is no table, naming its place.
    """
    path = folder / EXTRA
    if not path.is_file():
        return []
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(str(path), f"broken JSON: {error}") from error
    if not isinstance(value, list):
        raise DataError(str(path), f"must hold a list of tables, got {type(value).__name__}")
    return [_table(item, f"{path}: table {i + 1}") for i, item in enumerate(value)]


def _table(value: Any, where: str) -> Table:
    if not isinstance(value, dict) or not {"title", "header", "body"} <= set(value):
        raise DataError(where, "must be an object with title, header and body")
    unknown = set(value) - {"title", "header", "body", "left", "notes"}
    if unknown:
        raise DataError(where, f"{', '.join(sorted(unknown))}: unknown field")
    header, notes = _texts(value["header"], f"{where}: header"), _texts(value.get("notes", []), f"{where}: notes")
    if not isinstance(value["body"], list):
        raise DataError(f"{where}: body", "must be a list of rows")
    body = tuple(_texts(row, f"{where}: row {i + 1}") for i, row in enumerate(value["body"]))
    uneven = next((i for i, row in enumerate(body) if len(row) != len(header)), None)
    if uneven is not None:
        raise DataError(f"{where}: row {uneven + 1}", f"has {len(body[uneven])} cells under {len(header)} columns")
    left = value.get("left", 1)
    if not isinstance(left, int) or isinstance(left, bool) or left < 0:
        raise DataError(where, f"left: got {left!r}, expected how many columns hold words")
    return Table(str(value["title"]), header, body, left, notes)


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DataError(where, "must be a list of texts")
    return tuple(value)


def _same(rows: Sequence[Row], summary: str, category: str) -> bool:
    """Whether a summary holds the very examples of one category: with every model as many, wanting calls alike."""
    counts = [{(r.model, r.n, r.figures["false_calls"].n) for r in rows if r.lang == ALL and r.category == c}
              for c in (summary, category)]  # fmt: skip
    return counts[0] == counts[1]


def _span(rows: Sequence[Row], category: str) -> str:
    counts = sorted({r.n for r in rows if r.category == category and r.lang == ALL})
    return " to ".join(map(str, counts[:1] + counts[1:][-1:]))
