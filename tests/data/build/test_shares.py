"""A share of calls that cannot hold is told as early as it can be known: by the recipe, or after the reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.build import How, load_data_recipe
from rlvr.data.build.shares import Bounds, left_over, rows_of, unreachable
from rlvr.errors import ConfigError, UsageError
from tests.data.build.conftest import TINY, Build, base, row, write_rows

A = {"source": "jsonl", "location": "a.jsonl"}


def test_by_hand() -> None:
    assert rows_of(0.607) == (607, 393)
    assert rows_of(0.625) == (5, 3)
    assert rows_of(0) == (0, 1)
    assert unreachable(0.607, [(Bounds.exact(607, 393), "")]) is None
    assert unreachable(0.607, [(Bounds(10_000, 10_000, 999), "")]) is not None
    # 0.61 is 61 and 39 rows: 60 calling ones are too few for it, and enough for 0.6, three and two.
    assert unreachable(0.607, [(Bounds.exact(60, 1_000), "there are 60 and 1,000")]) == (
        "calls_wanted 0.607 holds only in multiples of 1,000 rows (607 that call and 393 that do not), and there are "
        "60 and 1,000. 0.6 would do (5 rows at a time); or give more rows."
    )
    enough, few = (Bounds.exact(61, 39), "train"), (Bounds.exact(60, 40), "heldout")
    assert "0.61 would do (100 rows at a time)" in str(unreachable(0.607, [enough]))
    assert "0.6 would do (5 rows at a time)" in str(unreachable(0.607, [enough, few]))  # for both
    assert "and heldout. 0.6 would do" in str(unreachable(0.61, [enough, few]))
    assert str(unreachable(0.607, [(Bounds.exact(2, 1), "")])).endswith(". Give more rows.")
    assert left_over(0.9, Bounds.exact(90, 90)) == pytest.approx(80 / 180)  # ten of the others stay


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"sources": [{**A, "count": 500}]}, "the recipe takes at most 520 for training. 0.61 would do (100 rows at"),
        (
            {"sources": [{**A, "share": 0.9}], "total": 900, "negatives": {"share": 0.1}},
            "takes at most 900 for training",
        ),
        # Held out are 2% of 20,000 rows, and at most all 20 negatives beside them.
        (
            {"sources": [{**A, "count": 20_000}], "heldout": {"share": 0.02}},
            "the recipe takes at most 420 for the held-out split. 0.61 would do",
        ),
        # Only a.jsonl can call, and 606 rows are one too few.
        (
            {
                "sources": [
                    {**A, "count": 606},
                    {"source": "toucan", "location": "t.jsonl", "subset": "irrelevant", "count": 9_000},
                ],
                "heldout": None,
            },
            "holds only in multiples of 1,000 rows (607 that call",
        ),
        # As many negatives as are needed: the calling rows bound it.
        ({"sources": [{**A, "count": 606}], "negatives": {}, "heldout": None}, "at most 606 that call for training"),
    ],
)
def test_the_recipe_says_it(tmp_path: Path, recipe: dict[str, Any], message: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(json.dumps(base(**{"calls_wanted": 0.607, **recipe})))
    with pytest.raises(ConfigError) as caught:
        load_data_recipe(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "recipe",
    [
        {},  # sources without counts: it is not known how many rows there are
        {"sources": [{**A, "count": 607}, {**A, "count": 373}], "heldout": None},  # and 20 negatives
        {"sources": [{**A, "count": 607}], "negatives": {}, "heldout": None},
        {"sources": [{**A, "count": 50_000}], "heldout": {"share": 0.02}},
        {"sources": [{**A, "count": 30}], "calls_wanted": 0.6},
        # 2% of 30 rows is none: a split without rows has no share, whatever negatives training gets.
        {
            "sources": [{**A, "count": 30}],
            "negatives": {"count": 20, "twins": False},
            "heldout": {"share": 0.02},
            "calls_wanted": 0.6,
        },
    ],
)
def test_what_may_hold_is_not_refused(tmp_path: Path, recipe: dict[str, Any]) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(json.dumps(base(**{"calls_wanted": 0.607, **recipe})))
    assert load_data_recipe(path)[0].calls_wanted in (0.607, 0.6)


def test_after_the_reading_and_before_negatives_are_made(made: Build, inputs: Path) -> None:
    with pytest.raises(UsageError) as caught:
        made(calls_wanted=0.607, heldout=None)
    assert "train has 66 calling and 12 no-call rows, and 20 negatives to come. " in str(caught.value)
    assert "0.6 would do (5 rows at a time); or give more rows." in str(caught.value)
    assert (inputs / "out" / ".build" / "read").is_dir()
    assert not (inputs / "out" / ".build" / "negatives").exists()


def test_a_share_that_costs_most_rows_is_told_while_there_is_time(made: Build, inputs: Path) -> None:
    write_rows(inputs / "few.jsonl", [row(i, calls=i < 3) for i in range(40)])
    notes: list[str] = []
    recipe = {"sources": [{"source": "jsonl", "location": "few.jsonl"}], "negatives": None, "heldout": None}
    manifest = made(how=How(sizes=TINY, note=notes.append), calls_wanted=0.5, **recipe)
    assert manifest["counts"]["rows"]["train"] == 6
    assert notes == ["calls_wanted 0.5: train has 3 calling and 37 no-call rows, so that 85% of them will be left out."]
