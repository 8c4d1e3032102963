"""One generation → its record: strict, and malformed apart from abstained."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rlvr.evaluation.judging import judge_generation
from rlvr.evaluation.records import EvalRecord
from rlvr.types import Example

MakeExample = Callable[..., Example]
REFUSAL = "I'm sorry, none of my tools can do that."


def judged(example: Example, text: str, *, truncated: bool = False, opened: bool = False) -> EvalRecord:
    return judge_generation(
        example,
        text,
        model="m",
        completion_tokens=7,
        prompt_tokens=20,
        truncated=truncated,
        reasoning_opened=opened,
    )


@pytest.mark.parametrize(
    ("text", "outcome", "right", "abstained", "malformed"),
    [
        ('<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>', "calls", True, False, False),
        ('<tool_call>{"name": "add", "arguments": {"a": 2}}</tool_call>', "calls", False, False, False),
        ('<tool_call>{"name": "add", "arguments": {"a": 1}}', "malformed", False, False, True),
        ('{"name": "add", "arguments": {"a": 1}}', "malformed", False, False, True),
        (REFUSAL, "abstain", False, True, False),
        ("", "empty", False, False, False),
        ('<think><tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call></think>', "empty", False, False, False),
    ],
)
def test_where_a_call_is_wanted(
    example: MakeExample, text: str, outcome: str, right: bool, abstained: bool, malformed: bool
) -> None:
    got = judged(example(1), text)
    assert (got.outcome, got.right, got.abstained, got.malformed) == (outcome, right, abstained, malformed)
    assert got.wants_call
    assert not got.false_call


@pytest.mark.parametrize(
    ("text", "right", "abstained", "false_call"),
    [
        (REFUSAL, True, True, False),
        ('<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>', False, False, True),
        ("<tool_call>{", False, False, True),
        ("", False, False, False),
    ],
)
def test_where_no_call_is_wanted(
    example: MakeExample, text: str, right: bool, abstained: bool, false_call: bool
) -> None:
    got = judged(example(1, call=False, expects="refuse"), text)
    assert (got.right, got.abstained, got.false_call) == (right, abstained, false_call)


def test_a_refusal_in_another_language_abstained_but_is_not_right(example: MakeExample) -> None:
    got = judged(example(1, call=False, lang="vi", expects="refuse"), REFUSAL)
    assert got.abstained
    assert not got.right


def test_truncated_is_never_right_and_never_abstained(example: MakeExample, right_call: str) -> None:
    assert not judged(example(1), right_call, truncated=True).right
    cut = judged(example(1, call=False), REFUSAL, truncated=True)
    assert not cut.right
    assert not cut.abstained
    assert cut.truncated


def test_a_prompt_that_opened_the_reasoning(example: MakeExample, right_call: str) -> None:
    assert judged(example(1), "hm.\n</think>\n" + right_call, opened=True).right
    assert judged(example(1), right_call, opened=True).outcome == "empty"


def test_scores_stand_beside_the_verdict_unweighted(example: MakeExample, right_call: str) -> None:
    got = judged(example(1), right_call)
    assert got.scores["format"] == 1.0
    assert got.scores["correctness"] == 1.0
    assert got.scores["refusal"] is None
    assert (got.completion_tokens, got.prompt_tokens, got.matching) == (7, 20, "typed")
