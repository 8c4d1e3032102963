"""Answers that a benchmark's own checker alone can judge count in no accuracy, wherever figures are made of records."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rlvr.evaluation.anatomy import all_faults, anatomy
from rlvr.evaluation.compare import compare_successive
from rlvr.evaluation.contrast import Contrast, contrasts
from rlvr.evaluation.contrast_tables import accuracy_table, families, tables
from rlvr.evaluation.efficiency import efficiency, efficiency_table
from rlvr.evaluation.metrics import rows
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.sides import Side
from rlvr.evaluation.tables import comparison_table, headline_table
from rlvr.report.compare_page import compare_page
from rlvr.report.explorer import pack
from rlvr.report.model_card.results import changes
from rlvr.report.samples import choose_cards
from rlvr.report.tables import category_table

MakeRecord = Callable[..., EvalRecord]
OPEN = {"judged": False, "outcome": "calls", "reason": "scored by the official checker only", "category": "java"}


@pytest.fixture
def before(make_record: MakeRecord) -> list[EvalRecord]:
    """Right, wrong, right, not judged, not judged."""
    rest = [make_record("b", 2, right=True, category="java"), *(make_record("b", i, **OPEN) for i in (3, 4))]
    return [make_record("b", 0, right=True), make_record("b", 1), *rest]


@pytest.fixture
def after(make_record: MakeRecord) -> list[EvalRecord]:
    """Right, right, not judged, right, not judged: one example is won, and nothing is lost."""
    rest = [make_record("a", 2, **OPEN), make_record("a", 3, right=True, category="java"), make_record("a", 4, **OPEN)]
    return [make_record("a", 0, right=True), make_record("a", 1, right=True), *rest]


@pytest.fixture
def found(before: list[EvalRecord], after: list[EvalRecord]) -> list[Contrast]:
    return contrasts([Side(r[0].model, r[0].model, Path("e"), {one.id: one for one in r}) for r in (before, after)])


def test_a_comparison_counts_what_both_sides_were_judged_on(found: list[Contrast]) -> None:
    for name in ("calling_accuracy", "accuracy"):
        cell = found[0].top.cells[name]
        assert (cell.n, cell.only_before, cell.only_after, cell.difference.value) == (2, 0, 1, 0.5)
        assert (cell.before.value, cell.after.value) == (0.5, 1.0)
    assert found[0].top.cells["malformed"].n == 5
    assert (found[0].won, found[0].lost) == (("ex-001",), ())
    assert any(note.startswith("3 of 5 examples have no verdict of ours") for note in found[0].pairing.notes)


def test_a_slice_of_which_nothing_was_judged_has_no_test(found: list[Contrast]) -> None:
    java = next(part for part in found[0].slices if part.category == "java")
    assert (java.n, java.cells["accuracy"].n, java.cells["accuracy"].p) == (3, 0, None)
    assert families(found)[1] == len(found[0].slices) - 2, "neither the slice of all nor java's"
    assert any("java" in table.text() for table in tables(found, 0))
    assert "java" in compare_page(found, 0)


def test_a_right_answer_costs_the_tokens_of_judged_ones(before: list[EvalRecord]) -> None:
    (row,) = efficiency(before, 0)
    assert (row["n"], row["right"].n, row["right"].value) == (5, 3, 2 / 3)
    assert row["tokens_per_right"].value == sum(r.completion_tokens for r in before[:3]) / 2
    assert "(of 3 judged)" in efficiency_table([row], 0).text()


def test_errors_are_of_judged_answers(before: list[EvalRecord]) -> None:
    faults = all_faults(before, [])
    assert [name for _, name in faults] == ["ex-001"]
    assert {row.first.n for row in anatomy(before, faults)} == {3}


def test_a_card_tells_of_judged_answers(before: list[EvalRecord], after: list[EvalRecord]) -> None:
    assert [(c.what, c.difference.n) for c in changes(before, after, "b")] == [("simple", 2)]


def test_the_report_calls_them_not_judged(before: list[EvalRecord], after: list[EvalRecord]) -> None:
    examples = [{"id": r.id, "messages": [], "tools": [], "ground_truth": []} for r in before]
    packed = json.loads(gzip.decompress(base64.b64decode(pack([*before, *after], examples, {}, 100_000).text)))
    said = [[answer[0] for answer in column] for column in packed["answers"]]
    assert said == [[1, 0, 1, None, None], [1, 1, None, 1, None]]
    assert {card.id for card in choose_cards([*before, *after], examples)} == {"ex-000", "ex-001"}
    assert choose_cards(before[3:], examples) == []


def test_n_beside_an_accuracy_is_of_the_judged(
    before: list[EvalRecord], after: list[EvalRecord], found: list[Contrast]
) -> None:
    table = rows(before, 0)
    assert "66.7 [20.8, 93.9] (of 3 judged)" in headline_table(table, 0).text()
    assert "(of 1 judged)" in category_table(table).text()
    assert "(of 2 judged)" in comparison_table(compare_successive([*before, *after]), 0).text()
    by_slice = accuracy_table(found[0], 1)
    assert by_slice is not None
    assert next(line[:3] for line in by_slice.body if line[0] == "java") == ("java", "all", "0")
