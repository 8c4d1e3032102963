"""What is counted over what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rlvr.evaluation.metrics import ALL, CALLING, METRICS, NO_CALL, figures, find, headline, languages, rows
from rlvr.evaluation.records import EvalRecord

MakeRecord = Callable[..., EvalRecord]


@pytest.fixture
def mixed(make_record: MakeRecord) -> list[EvalRecord]:
    """Four that want a call (two right, one malformed, one abstained), three that want none (two false calls)."""
    silent = {"category": "irrelevance", "wants_call": False}
    return [
        make_record("m", 0, right=True, completion_tokens=10),
        make_record("m", 1, right=True, lang="vi", completion_tokens=20),
        make_record("m", 2, outcome="malformed", malformed=True, truncated=True, completion_tokens=30),
        make_record("m", 3, outcome="abstain", abstained=True, category="parallel", completion_tokens=40),
        make_record("m", 4, outcome="calls", false_call=True, **silent),
        make_record("m", 5, outcome="malformed", malformed=True, false_call=True, **silent),
        make_record("m", 6, outcome="abstain", abstained=True, right=True, lang="vi", **silent),
    ]


def test_shares_by_hand(mixed: list[EvalRecord]) -> None:
    got = figures(mixed, seed=0)
    assert set(got) == set(METRICS)
    assert {k: (f.value, f.n) for k, f in got.items()} == {
        "strict_accuracy": (3 / 7, 7),
        "abstained": (2 / 7, 7),
        "malformed": (2 / 7, 7),
        "truncated": (1 / 7, 7),
        "false_calls": (2 / 3, 3),
        "no_valid_call": (2 / 3, 3),
        "completion_tokens": (130 / 7, 7),
    }


def test_malformed_is_never_abstained_but_is_what_bfcl_counts(mixed: list[EvalRecord]) -> None:
    broken = [mixed[5]]
    got = figures(broken, seed=0)
    assert got["abstained"].value == 0
    assert got["false_calls"].value == 1
    assert got["no_valid_call"].value == 1


def test_false_calls_are_undefined_where_every_example_wants_a_call(mixed: list[EvalRecord]) -> None:
    got = figures(mixed[:4], seed=0)
    assert (got["false_calls"].value, got["false_calls"].n) == (None, 0)


def test_rows_hold_every_slice_and_their_counts_add_up(mixed: list[EvalRecord]) -> None:
    table = rows(mixed, seed=0)
    counts = {(r.category, r.lang): r.n for r in table}
    assert counts == {
        (ALL, ALL): 7, (ALL, "en"): 5, (ALL, "vi"): 2,
        (CALLING, ALL): 4, (CALLING, "en"): 3, (CALLING, "vi"): 1,
        (NO_CALL, ALL): 3, (NO_CALL, "en"): 2, (NO_CALL, "vi"): 1,
        ("simple", ALL): 3, ("simple", "en"): 2, ("simple", "vi"): 1,
        ("parallel", ALL): 1, ("parallel", "en"): 1,
        ("irrelevance", ALL): 3, ("irrelevance", "en"): 2, ("irrelevance", "vi"): 1,
    }  # fmt: skip
    assert [r.n for r in headline(table)] == [7]
    assert find(table, "m", "multiple") is None
    assert languages(mixed) == ["en", "vi"]


def test_models_keep_their_order_and_unknown_categories_come_last(make_record: MakeRecord) -> None:
    records = [make_record("z", 0, category="zoo"), make_record("z", 1), make_record("a", 0)]
    table = rows(records, seed=0)
    assert [r.model for r in headline(table)] == ["z", "a"]
    assert [r.category for r in table if r.model == "z"] == [ALL, CALLING, "simple", "zoo"]


def test_rows_as_json_carry_n_interval_method_and_seed(mixed: list[EvalRecord]) -> None:
    row = rows(mixed, seed=4)[0].to_json()
    assert row["figures"]["completion_tokens"]["seed"] == 4
    assert set(row["figures"]["abstained"]) == {"value", "low", "high", "n", "method", "seed"}
