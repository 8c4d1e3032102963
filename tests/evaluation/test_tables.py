"""Tables: aligned, rounded only for the eye, safe in Markdown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rlvr.evaluation.compare import compare_successive
from rlvr.evaluation.metrics import rows
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.statistics import Figure
from rlvr.evaluation.tables import Table, comparison_table, detail_table, headline_table, number, points, share

MakeRecord = Callable[..., EvalRecord]


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(0.5, 0.25, 0.75, 4, "w"), "50.0 [25.0, 75.0]"),
        (Figure(None, None, None, 0, "w"), "–"),
        (Figure(0.12345, 0.12344, 0.99999, 4, "w"), "12.3 [12.3, 100.0]"),
    ],
)
def test_shares(figure: Figure, text: str) -> None:
    assert share(figure) == text


def test_signs_and_no_minus_zero() -> None:
    assert points(Figure(-0.00001, -0.02, 0.01, 9, "n")) == "+0.0 [-2.0, +1.0]"
    assert number(Figure(-1e-9, -1.0, 2.0, 9, "b"), signed=False) == "+0.0 [-1.0, 2.0]"
    assert number(Figure(3.0, None, None, 1, "b"), signed=True) == "+3.0 [–]"


def test_columns_align_with_wide_letters() -> None:
    table = Table("t", ("model", "n"), (("臺北", "1"), ("abcdef", "10")))
    assert table.text().splitlines() == ["t", "model    n", "------  --", "臺北     1", "abcdef  10"]


def test_markdown_escapes_what_would_break_a_cell() -> None:
    text = Table("", ("a|b",), (("<script>\nx",),), notes=("note",)).markdown()
    assert text.splitlines() == ["| a\\|b |", "| --- |", "| &lt;script> x |", "", "note"]


def test_the_tables_of_an_evaluation(make_record: MakeRecord) -> None:
    silent = {"category": "irrelevance", "wants_call": False, "outcome": "malformed", "malformed": True}
    records = [make_record(m, i, right=i < 2, lang=("en", "vi")[i % 2]) for m in ("b", "a") for i in range(4)]
    records += [make_record(m, 9, false_call=True, **silent) for m in ("b", "a")]
    table = rows(records, seed=0)
    top = headline_table(table, 0)
    assert [row[:2] for row in top.body] == [("b", "5"), ("a", "5")]
    assert "over 4 examples that want a call" in top.notes[0]
    assert "over 1 that want none" in top.notes[0]
    detail = detail_table(table, 0)
    shown = [row[1:4] for row in detail.body if row[0] == "b"]
    assert ("simple", "all", "4") in shown
    assert ("calling", "all", "4") not in shown, "a row that repeats a narrower one is left out"
    assert "b 100.0 [20.7, 100.0]; a" in detail.notes[1]
    paired = comparison_table(compare_successive(records), 0)
    assert paired.body[0][0] == "b → a"
    assert paired.body[0][-1].startswith("0.0 [")


def test_categories_with_equal_figures_each_have_their_row(make_record: MakeRecord) -> None:
    kinds = ("simple", "multiple", "parallel", "multi_turn")
    records = [make_record("m", i, category=kinds[i % 4], wants_call=i != 3) for i in range(8)]
    shown = [row[1] for row in detail_table(rows(records, 0), 0).body]
    assert shown == ["all", "calling", "no call", "simple", "multiple", "parallel", "multi_turn"]


def test_unpaired_examples_are_told(make_record: MakeRecord) -> None:
    records = [make_record("b", 0), make_record("b", 1), make_record("a", 0)]
    table = comparison_table(compare_successive(records), 0)
    assert "1 unpaired examples" in table.notes[1]


def test_a_model_without_calling_examples_shows_dashes(make_record: MakeRecord) -> None:
    records = [make_record("m", 0, wants_call=False, category="irrelevance", outcome="abstain", abstained=True)]
    assert headline_table(rows(records, 0), 0).body[0][2] == "–"
