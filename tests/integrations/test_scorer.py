"""What the adapters share: rows in, rewards out, a user's own functions included."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rlvr.errors import DataError, UsageError
from rlvr.integrations import Scored, Scorer, read_row, row_of
from rlvr.rewards import load_composition, score
from rlvr.types import Example


def test_it_pays_what_was_worked_out_by_hand(worked: tuple[Example, str, bool, float, bool]) -> None:
    example, text, cut, reward, right = worked
    scored = Scorer("function_calling", "stage1").one(text, row_of(example), cut)
    assert scored.total == pytest.approx(reward)
    assert scored.right is right


def test_it_pays_what_score_pays_in_every_composition(worked: tuple[Example, str, bool, float, bool]) -> None:
    example, text, cut, _, _ = worked
    row = row_of(example)
    for name, stage in (("function_calling", "stage2"), ("function_calling_gdpo", "stage1")):
        by_hand = score(text, tools=row["tools"], ground_truth=row["ground_truth"], composition=name, stage=stage,
                        expects=row["expects"], lang=row["lang"], truncated=cut)  # fmt: skip
        scored = Scorer(name, stage).one(text, row, cut)
        assert scored.total == by_hand.total
        assert scored.scores == by_hand.scores


def test_a_row_is_json_alone_and_reads_back(examples: dict[str, Example]) -> None:
    row = row_of(examples["wants"])
    assert read_row(json.dumps(row), "row") == row
    assert json.loads(row["ground_truth"]) == [{"name": "get_weather", "arguments": {"city": "Hanoi", "days": 3}}]


def test_every_row_has_the_same_numbers(examples: dict[str, Example]) -> None:
    scored = Scorer("function_calling").batch(["", ""], [row_of(e) for e in examples.values()])
    assert [s.scores["correctness"] for s in scored] == [0.0, None]
    names = [list(s.numbers()) for s in scored]
    assert names[0] == names[1] == ["format", "correctness", "refusal", "efficiency", "score", "acc"]
    assert scored[1].numbers()["correctness"] == 0.0


def test_functions_of_a_users_own_are_run_and_weighed(own: str, examples: dict[str, Example]) -> None:
    rows = [row_of(e) for e in examples.values()]
    one, two = Scorer(own).batch(["please", "no"], rows)
    assert one.scores == {"format": 0.0, "correctness": 0.0, "polite": 0.5, "judge": 1.0, "slow": 0.25}
    assert one.total == pytest.approx(0.1 * 0.5 + 0.3 + 0.4 * 0.25)
    assert two.scores["format"] == 1.0
    assert two.scores["correctness"] is None


def test_a_row_says_by_itself_what_was_cut_and_where_reasoning_began(examples: dict[str, Example]) -> None:
    row = {**row_of(examples["none"]), "truncated": True}
    refusal = "I'm sorry, I can't book flights."
    assert not Scorer().one(refusal, row).right
    assert Scorer().one(refusal, row, truncated=False).right
    assert not Scorer(reasoning_opened=True).one(refusal, row_of(examples["none"])).right
    assert Scorer(reasoning_opened=True).one(refusal, {**row_of(examples["none"]), "reasoning_opened": False}).right


def test_what_cannot_be_scored_says_which(examples: dict[str, Example]) -> None:
    row = row_of(examples["wants"])
    with pytest.raises(DataError, match="wants"):
        Scorer().one("", {**row, "ground_truth": '[{"name": "other", "arguments": {}}]'})
    with pytest.raises(DataError, match="tools is missing"):
        Scorer().one("", {"ground_truth": "[]"})
    with pytest.raises(UsageError, match="2 rows for 1 completions"):
        Scorer().batch([""], [row, row])
    assert Scorer().batch([], []) == []


@pytest.mark.parametrize("value", ["[1]", "nonsense", None, 3])
def test_a_row_that_is_no_object_is_an_error_with_its_place(value: Any) -> None:
    with pytest.raises(DataError, match=r"labels\[0\]"):
        read_row(value, "labels[0]")


def test_a_composition_that_is_loaded_keeps_its_stage() -> None:
    composition = load_composition("function_calling", "stage2")
    assert Scorer(composition).loaded is composition
    with pytest.raises(UsageError, match="is at stage2"):
        _ = Scorer(composition, "stage1").loaded
    with pytest.raises(UsageError, match="Did you mean"):
        _ = Scorer("function_caling").loaded


def test_the_reward_and_the_verdict_are_two_numbers() -> None:
    numbers = Scored(0.47, False, {"format": 1.0}).numbers()
    assert (numbers["score"], numbers["acc"]) == (0.47, 0.0)


OPENED = "<|im_start|>user\nBook a flight.<|im_end|>\n<|im_start|>assistant\n<think>\n"


def test_reasoning_that_a_prompt_opened_is_no_answer(examples: dict[str, Example]) -> None:
    """What stands in a reasoning block that never ends is not said, wherever the block was opened."""
    refusal = "I'm sorry, I can't book flights."
    row = {**row_of(examples["none"]), "prompts": OPENED}
    assert not Scorer().one(refusal, row).right
    assert Scorer().one(f"Hm.</think>{refusal}", row).right
    assert Scorer().one(refusal, {**row, "reasoning_opened": False}).right
    both = Scorer().batch([refusal, refusal], [row, row_of(examples["none"])])
    assert [s.right for s in both] == [False, True]
