"""Trajectories written by hand, with their scores worked out by hand: full, part, zero, near misses, exploits."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from rlvr.errors import DataError, UsageError
from rlvr.rewards import EfficiencyParams, build_context, load_composition
from rlvr.rewards.trajectory import TrajectorySample, judge_trajectory, read_turns, turn_sizes
from rlvr.rewards.trajectory_functions import score_sample, trajectory_functions, trajectory_samples
from rlvr.testing.file_store import TOOLS

READ = {"name": "read_file", "arguments": {"name": "notes.txt"}}
WRITE = {"name": "write_file", "arguments": {"name": "todo.txt", "text": "buy rice"}}
DELETE = {"name": "delete_file", "arguments": {"name": "notes.txt"}}
ANSWER = {"role": "assistant", "content": "It is copied."}


def calls(*made: dict[str, Any], content: str = "", **more: Any) -> list[dict[str, Any]]:
    """An assistant's turn with calls as TRL leaves it, and their results."""
    turn = {"role": "assistant", "content": content, **more}
    turn["tool_calls"] = [{"type": "function", "function": dict(c)} for c in made]
    return [turn, *({"role": "tool", "name": c["name"], "content": "ok"} for c in made)]


def sample(
    messages: list[dict[str, Any]], gold: Any = (READ, WRITE), turns: Any = (1, 1), **more: Any
) -> TrajectorySample:
    context = build_context(list(TOOLS), list(gold), expects=more.pop("expects", "any"), lang="en")
    read = read_turns(messages, context=context)
    return TrajectorySample(context, read, turn_sizes(list(turns) or None, len(gold)), **more)


def scores(made: TrajectorySample, stage: str = "stage1") -> dict[str, float | None]:
    composition = load_composition("function_calling", stage)
    return {c.name: score_sample(c.name, made, c.params) for c in composition.components}


def total(made: TrajectorySample, stage: str = "stage1") -> float:
    return load_composition("function_calling", stage).total(scores(made, stage))


RIGHT = [*calls(READ), *calls(WRITE), ANSWER]


@pytest.mark.parametrize(
    ("messages", "format_", "correctness", "efficiency", "reason"),
    [
        pytest.param(RIGHT, 1.0, 1.0, 0.1, "the calls match, and an answer follows", id="full"),
        pytest.param([*calls(READ, WRITE), ANSWER], 1.0, 1.0, 0.1, "the calls match", id="full, in one turn"),
        # 0.5 x (1 of 1 equal) / 2 wanted
        pytest.param([*calls(READ), ANSWER], 1.0, 0.25, 0.1, "1 calls were made, 2 are wanted", id="part"),
        pytest.param([ANSWER], 0.0, 0.0, 0.0, "0 calls were made", id="zero"),
        pytest.param([], 0.0, 0.0, 0.0, "0 calls were made", id="nothing at all"),
        # 0.5 x (1 + 1) / 2: every call, in the wrong order
        pytest.param([*calls(WRITE), *calls(READ), ANSWER], 1.0, 0.5, 0.1, "the calls or their", id="near: order"),
        pytest.param([*calls(WRITE, READ), ANSWER], 1.0, 0.5, 0.1, "the calls or their", id="near: order in a turn"),
        pytest.param([*calls(READ), *calls(WRITE)], 1.0, 0.5, 0.0, "no answer follows", id="near: no answer"),
        pytest.param([*RIGHT[:-1], {**ANSWER, "content": "…"}], 1.0, 0.5, 0.0, "no answer", id="near: no words"),
        # the second call: 1 of 2 arguments equal; 0.5 x (1 + 0.5) / 2
        pytest.param(
            [*calls(READ), *calls({**WRITE, "arguments": {"name": "todo.txt", "text": "rent 500"}}), ANSWER],
            1.0, 0.375, 0.1, "the calls or their order", id="near: another text",
        ),
        # four calls: 0.5 x 2 / 4; two calls and two turns too many, capped at 0.2
        pytest.param(
            [*calls(READ), *calls(READ), *calls(WRITE), *calls(WRITE), ANSWER],
            1.0, 0.25, -0.2, "4 calls were made", id="exploit: everything twice",
        ),
        # one call and one turn too many: 0.5 x 2 / 3
        pytest.param(
            [*calls({"name": "list_files", "arguments": {}}), *calls(READ), *calls(WRITE), ANSWER],
            1.0, 1 / 3, -0.2, "3 calls were made", id="exploit: a look around",
        ),
        pytest.param(
            [{"role": "assistant", "content": f"Done. {json.dumps(READ)} {json.dumps(WRITE)}"}],
            0.0, 0.0, 0.0, "a call is broken", id="exploit: calls in the words",
        ),
        pytest.param(
            # 55 characters, of which 20 are free where calls are wanted and none is made
            [{"role": "assistant", "content": "<tool_response>\nbuy rice\n</tool_response> It is copied."}],
            0.0, 0.0, -0.1, "0 calls were made", id="exploit: results made up",
        ),
        # 0.4: neither name nor arguments alone; the loop ran it all the same. 0.5 x 1 / 2
        pytest.param(
            [*calls({**READ, "note": "please"}), *calls(WRITE), ANSWER],
            0.4, 0.25, 0.0, "a call is broken", id="exploit: a place to write in",
        ),
        pytest.param(
            [*calls(READ), *calls({"name": "write_file", "arguments": {"name": "todo.txt"}}), ANSWER],
            0.8, 0.375, 0.1, "the calls or their order", id="invalid arguments",
        ),
    ],
)  # fmt: skip
def test_worked_trajectories(
    messages: list[dict[str, Any]], format_: float, correctness: float, efficiency: float, reason: str
) -> None:
    made = sample(messages)
    found = scores(made)
    assert found == pytest.approx(
        {"format": format_, "correctness": correctness, "refusal": None, "efficiency": efficiency}
    )
    verdict = judge_trajectory(made)
    assert verdict.reason.startswith(reason)
    assert verdict.right == made.right == (correctness == 1.0)


def test_the_totals_of_both_stages() -> None:
    part = [*calls(READ), ANSWER]
    assert total(sample(RIGHT)) == pytest.approx(0.2 + 1.0 + 0.2 * 0.1)
    assert total(sample(part)) == pytest.approx(0.2 + 0.25 + 0.2 * 0.1)
    assert total(sample(RIGHT), "stage2") == pytest.approx(0.1 + 0.5 + 0.1)
    assert total(sample(part), "stage2") == pytest.approx(0.1 + 0.5 * 0.25 - 1.0)  # gated: not right


def test_within_a_turn_any_order_is_right() -> None:
    backwards = [*calls(WRITE, READ), ANSWER]
    assert sample(backwards, turns=(2,)).right
    assert sample(backwards, turns=()).right  # nothing said: one turn
    three = [*calls(READ), *calls(DELETE, WRITE), ANSWER]
    assert sample(three, (READ, WRITE, DELETE), (1, 2)).right
    assert not sample(three, (READ, WRITE, DELETE), (1, 1, 1)).right
    assert not sample([*calls(DELETE), *calls(READ, WRITE), ANSWER], (READ, WRITE, DELETE), (1, 2)).right


def test_talk_and_reasoning_of_all_turns_count() -> None:
    params = EfficiencyParams()
    talk = [*calls(READ, content="a" * 15), *calls(WRITE, content="b" * 15), ANSWER]
    assert score_sample("efficiency", sample(talk), params) == -0.1  # 31 characters with the line break, 20 are free
    thought = [*calls(READ, reasoning_content="Which file?"), *calls(WRITE, content="<think>Now.</think>"), ANSWER]
    assert score_sample("efficiency", sample(thought), params) == -0.3
    long_answer = [*RIGHT[:-1], {"role": "assistant", "content": "word " * 100}]  # 499 characters, 400 are free
    assert score_sample("efficiency", sample(long_answer), params) == -0.2


def test_where_no_call_is_wanted_the_words_count() -> None:
    refusal = {"role": "assistant", "content": "I'm sorry, none of my tools can print."}
    right = sample([refusal], (), (), expects="refuse")
    assert scores(right) == {"format": 1.0, "correctness": None, "refusal": 1.0, "efficiency": 0.1}
    called = sample([*calls(READ), refusal], (), (), expects="refuse")
    assert scores(called)["refusal"] == -1.0
    assert scores(called)["format"] == 0.0
    assert not called.right
    assert judge_trajectory(right).right
    assert judge_trajectory(right).reason == "nothing was called, as wanted"
    assert judge_trajectory(called).reason == "no call is wanted"
    answered = sample([{"role": "assistant", "content": "Paris is the capital of France."}], (), (), expects="refuse")
    assert judge_trajectory(answered).reason == "nothing was called, and the words are not those wanted"
    assert judge_trajectory(sample([{"role": "assistant", "content": ""}], (), ())).reason == "nothing was said"
    assert total(right) - total(called) > 0.1


def test_a_broken_call_that_the_loop_left_as_text_is_malformed() -> None:
    broken = {"role": "assistant", "content": '<tool_call>\n{"name": "read_file", "arguments": {"name": \n</tool_call>'}
    made = sample([broken])
    assert scores(made) == {"format": 0.2, "correctness": 0.0, "refusal": None, "efficiency": 0.0}
    assert judge_trajectory(made).reason == "a call is broken"


def test_what_is_right_earns_more_than_everything_else() -> None:
    wrong = (RIGHT[:-1], [ANSWER], [*calls(READ), ANSWER], [*calls(WRITE), *calls(READ), ANSWER], [*RIGHT, *RIGHT])
    for stage in ("stage1", "stage2"):
        assert all(total(sample(RIGHT), stage) >= total(sample(m), stage) + 0.1 for m in wrong)


def columns(n: int, **more: Any) -> dict[str, Any]:
    gold = json.dumps([READ, WRITE])
    return {"tools": [json.dumps(list(TOOLS))] * n, "ground_truth": [gold] * n, "turns": ["[1, 1]"] * n, **more}


def test_a_batch_is_scored_like_its_rows_and_the_functions_pickle() -> None:
    composition = load_composition("function_calling", "stage1")
    functions = trajectory_functions(composition, eos_token_ids=(2,))
    assert [f.__name__ for f in functions] == [c.name for c in composition.components]
    batch = [RIGHT, [ANSWER], RIGHT]
    ids = [[5, 2, 6, 2], [2], [5, 2, 6]]  # the third was cut in its last turn, though a turn of it ended
    found = {}
    for function in functions:
        again = pickle.loads(pickle.dumps(function))
        found[function.__name__] = again(batch, completion_ids=ids, lang=["en"] * 3, prompts=[[]] * 3, **columns(3))
    assert found["format"] == [1.0, 0.0, 1.0]
    assert found["correctness"] == [1.0, 0.0, 0.5]
    assert found["refusal"] == [None, None, None]
    assert found["efficiency"] == [0.1, 0.0, 0.0]


def test_rows_that_cannot_be_scored_are_named() -> None:
    with pytest.raises(DataError, match=r"t-1: turns: got \[2, 1\], expected numbers above 0 that add up to the 2"):
        trajectory_samples([RIGHT], **columns(1, turns=["[2, 1]"], id=["t-1"]))
    with pytest.raises(DataError, match="turns: not JSON"):
        trajectory_samples([RIGHT], **columns(1, turns=["[2"]))
    with pytest.raises(UsageError, match="a trajectory must be a list of messages"):
        trajectory_samples(["text"], **columns(1))
    for completions, message in ((None, "completions must be a list"), ([None], "a trajectory must be a list")):
        with pytest.raises(UsageError, match=message):
            trajectory_samples(completions, **columns(1))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="tools is missing"):
        trajectory_samples([RIGHT], **{**columns(1), "tools": None})
    with pytest.raises(UsageError, match="turns has 1 entries for 2 completions"):
        trajectory_samples([RIGHT, RIGHT], **columns(2, turns=["[1, 1]"]))


@pytest.mark.parametrize("content", [None, 3, [], {}, "\ud800"])
@pytest.mark.parametrize("made", [None, 3, "x", [None], [{}], [{"function": 3}], [{"function": {"name": "read_file"}}]])
def test_whatever_a_message_holds_nothing_is_raised(content: Any, made: Any) -> None:
    odd = [{"role": "assistant", "content": content, "tool_calls": made}, {"role": "tool", "content": 3}, ANSWER]
    found = scores(sample(odd))
    assert found["correctness"] == 0.0
    assert not sample(odd).right
