"""Filters that look at one example: what each drops, and the code that it gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.filters import (
    ExactDuplicates,
    OwnSchema,
    PromptLength,
    ToolCount,
    first_reason,
    first_reason_in_words,
)
from rlvr.errors import UsageError
from rlvr.types import Example, Tool

Make = Callable[..., Example]


class Words:
    """A tokenizer without a template: each word is a token."""

    chat_template = None
    bos_token = None

    def apply_chat_template(self, conversation: Any, **kwargs: Any) -> Any:
        raise AssertionError("has no template")

    def __call__(self, text: Any, **kwargs: Any) -> Any:
        return {"input_ids": text.split()}


class Refusing(Words):
    chat_template = "x"

    def apply_chat_template(self, conversation: Any, **kwargs: Any) -> Any:
        raise ValueError("no user message")


def test_a_prompt_is_dropped_whole_from_the_first_token_too_many(example: Make) -> None:
    length = PromptLength(Words(), 1).length(example())
    assert length > 20  # the tools are in it
    assert PromptLength(Words(), length).why_not(example()) is None
    assert PromptLength(Words(), length - 1).why_not(example()) == "too_long"


def test_a_prompt_that_cannot_be_rendered_is_dropped_with_a_code_of_its_own(example: Make) -> None:
    assert PromptLength(Refusing(), 100).why_not(example()) == "not_rendered"


def test_a_real_tokenizer_counts_what_the_model_sees(tiny_model: Path, example: Make) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(tiny_model))
    length = PromptLength(tokenizer, 10_000).length(example())
    assert length > PromptLength(tokenizer, 10_000).length(example(tools=(), calls=()))


@pytest.mark.parametrize(
    ("offered", "least", "most", "reason"),
    [(0, 1, None, "too_few_tools"), (1, 1, None, None), (3, 1, 3, None), (4, 1, 3, "too_many_tools"), (0, 0, 0, None)],
)
def test_tool_count(
    example: Make, tool: Callable[..., Tool], offered: int, least: int, most: int | None, reason: str | None
) -> None:
    made = example(tools=[tool(f"t{i}") for i in range(offered)], calls=())
    assert ToolCount(least, most).why_not(made) == reason


def test_bounds_that_keep_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="least <= most"):
        ToolCount(3, 2)
    with pytest.raises(UsageError, match="at least 1"):
        PromptLength(Words(), 0)


def test_a_ground_truth_that_its_schema_rejects_is_dropped(example: Make) -> None:
    assert OwnSchema().why_not(example()) is None
    assert OwnSchema().why_not(example(calls=())) is None
    wrong = example(calls=[("get_weather", {"city": 5})])
    assert OwnSchema().why_not(wrong) == "own_schema"
    assert OwnSchema().problems(wrong) == ["ground_truth[0] get_weather: city: 5 is not of type 'string'"]
    assert OwnSchema().why_not(example(calls=[("other", {})])) == "own_schema"


def test_the_first_filter_that_drops_names_the_reason_and_later_ones_remember_nothing(example: Make) -> None:
    duplicates = ExactDuplicates()
    filters = [ToolCount(2), duplicates]
    assert first_reason(filters, example()) == ("tool_count", "too_few_tools")
    assert first_reason([duplicates], example()) is None
    assert first_reason([duplicates], example()) == ("exact_duplicates", "duplicate")


def test_the_reason_in_words_says_what_was_found(example: Make) -> None:
    wrong = example(calls=[("get_weather", {"city": 5})])
    found = "ground_truth[0] get_weather: city: 5 is not of type 'string'"
    assert first_reason_in_words([ExactDuplicates(), OwnSchema()], wrong) == ("own_schema", "own_schema", found)
    few = ("tool_count", "too_few_tools", "1 tools; at least 2 are wanted")
    assert first_reason_in_words([ToolCount(2), OwnSchema()], wrong) == few
    duplicates = ExactDuplicates()
    assert first_reason_in_words([duplicates], wrong) is None
    assert first_reason_in_words([duplicates], wrong) == ("exact_duplicates", "duplicate", "duplicate")
