"""Tokens a completion and a right answer, and the share of reasoning, by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rlvr.evaluation.efficiency import efficiency, efficiency_json, efficiency_table, reasoning_share, tokens_per_right
from rlvr.evaluation.records import EvalRecord

Make = Callable[..., EvalRecord]


def test_tokens_a_right_answer_count_what_wrong_ones_cost(make_record: Make) -> None:
    records = [
        make_record(number=i, completion_tokens=t, right=r)
        for i, (t, r) in enumerate([(10, True), (30, False), (20, True)])
    ]
    figure = tokens_per_right(records, 0)
    assert figure.value == 30.0  # 60 tokens, two right answers
    assert figure.n == 3


def test_there_is_no_interval_where_nothing_varies(make_record: Make) -> None:
    """Five answers of 12 tokens do not say that every answer has 12: as for a mean, no interval of no width."""
    figure = tokens_per_right([make_record(number=i, completion_tokens=12, right=True) for i in range(5)], 0)
    assert (figure.value, figure.low, figure.high) == (12.0, None, None)


def test_an_interval_covers_the_true_ratio_about_as_often_as_it_says(make_record: Make) -> None:
    """Tokens of 10 or 50, half and half, right with 0.6: the true ratio is 30 / 0.6 = 50."""
    import random

    rng, covered, times = random.Random(7), 0, 25
    for _ in range(times):
        records = [
            make_record(number=i, completion_tokens=rng.choice((10, 50)), right=rng.random() < 0.6) for i in range(120)
        ]
        figure = tokens_per_right(records, 0)
        assert figure.low is not None
        assert figure.high is not None
        covered += figure.low <= 50 <= figure.high
    assert covered >= 20  # of 25 at 95% each, fewer than 20 has a chance of 1 in 800


def test_no_right_answer_has_no_price_and_few_have_no_interval(make_record: Make) -> None:
    none = tokens_per_right([make_record(number=i) for i in range(3)], 0)
    assert (none.value, none.low) == (None, None)
    one = tokens_per_right([make_record(number=0, right=True), *(make_record(number=i) for i in range(1, 9))], 0)
    assert (one.value, one.low, one.high) == (90.0, None, None)
    assert tokens_per_right([make_record(right=True)], 0).value == 10.0


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("words", 0.0),
        ("<think></think>words", 0.0),
        ("<think>abc</think>d", 0.75),
        ("abc</think>d", 0.75),
        ("<think>cut in the middle", 1.0),
    ],
)
def test_reasoning_is_counted_by_characters(text: str, share: float) -> None:
    assert reasoning_share(text) == share


def test_rows_by_calls_and_no_calls(make_record: Make) -> None:
    records = [
        make_record(number=0, wants_call=True, completion_tokens=10, right=True, completion="<think>ab</think>cd"),
        make_record(number=1, wants_call=False, completion_tokens=30, right=True, completion="Sorry."),
        make_record("other", number=0, completion_tokens=5),
    ]
    rows = efficiency(records, 0)
    assert [(r["model"], r["slice"], r["n"]) for r in rows] == [
        ("m", "all", 2), ("m", "calling", 1), ("m", "no call", 1), ("other", "all", 1),
    ]  # fmt: skip
    whole = rows[0]
    assert (whole["tokens"].value, whole["tokens_per_right"].value) == (20.0, 20.0)
    assert (whole["reasoned"].value, whole["reasoning"].value) == (0.5, 0.5)
    assert rows[2]["reasoning"].value is None
    table = efficiency_table(rows, 0)
    assert table.body[0][:3] == ("m", "all", "2")
    assert table.body[3][4] == "–"
    written: Any = efficiency_json(rows)
    assert written[0]["tokens"]["value"] == 20.0
