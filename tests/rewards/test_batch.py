"""The batch functions: what a trainer calls, and what a person calls by hand."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from rlvr.errors import DataError, UsageError
from rlvr.rewards import (
    EfficiencyParams,
    RefusalParams,
    RewardComponent,
    correctness_reward,
    efficiency_reward,
    format_reward,
    load_composition,
    refusal_reward,
)
from rlvr.types import gold_call_from_json

FUNCTIONS = [format_reward, correctness_reward, refusal_reward, efficiency_reward]
REFUSAL = "I'm sorry, I can't do that."


@pytest.fixture
def rows(call: Any, gold: Any, weather: Any) -> dict[str, Any]:
    return {
        "completions": [call("get_weather", city="Paris"), call("get_weather", city="Oslo"), REFUSAL, ""],
        "tools": [[weather]] * 4,
        "ground_truth": [[gold("get_weather", city="Paris")]] * 2 + [[], []],
        "expects": ["any", "any", "refuse", "refuse"],
    }


def test_one_score_a_completion(rows: dict[str, Any]) -> None:
    assert format_reward(**rows) == [1.0, 1.0, 1.0, 0.0]
    assert correctness_reward(**rows) == [1.0, 0.0, None, None]
    assert refusal_reward(**rows) == [None, None, 1.0, 0.0]
    assert efficiency_reward(**rows) == [0.1, 0.1, 0.1, 0.0]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_json_strings_objects_and_types_are_the_same(function: Any, rows: dict[str, Any]) -> None:
    as_strings = {
        **rows,
        "tools": [json.dumps(t) for t in rows["tools"]],
        "ground_truth": [json.dumps(g) for g in rows["ground_truth"]],
    }
    as_types = {**rows, "ground_truth": [tuple(map(gold_call_from_json, g)) for g in rows["ground_truth"]]}
    openai = {**rows, "tools": [[{"type": "function", "function": t} for t in ts] for ts in rows["tools"]]}
    assert function(**rows) == function(**as_strings) == function(**as_types) == function(**openai)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_empty_batch_is_fine(function: Any) -> None:
    assert function([], tools=[], ground_truth=[]) == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_message_lists_score_like_their_text(function: Any, rows: dict[str, Any]) -> None:
    messages = {**rows, "completions": [[{"role": "assistant", "content": c}] for c in rows["completions"]]}
    assert function(**messages) == function(**rows)


def test_structured_calls_of_a_message_are_calls(gold: Any, weather: Any) -> None:
    function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    message = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}
    wanted = [[gold("get_weather", city="Paris")]]
    assert correctness_reward([[message]], tools=[[weather]], ground_truth=wanted) == [1.0]


def test_columns_that_trainers_add_are_ignored(rows: dict[str, Any]) -> None:
    more = {"trainer_state": object(), "log_extra": print, "log_metric": print, "source": ["x"] * 4}
    assert correctness_reward(**rows, **more) == [1.0, 0.0, None, None]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "column", ["tools", "ground_truth", "expects", "prompts", "completion_ids", "lang", "query", "truncated", "id"]
)
def test_a_column_of_another_length_is_named(function: Any, column: str, rows: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=rf"{column} has 3 entries for 4 completions"):
        function(**{**rows, "eos_token_ids": [1], "truncated": None, column: [[]] * 3})


@pytest.mark.parametrize(("column", "value"), [("tools", "[]"), ("ground_truth", "[]"), ("expects", "refuse")])
def test_one_value_for_a_whole_column_is_no_column(column: str, value: str, rows: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=rf"{column} must be a list with one entry a completion"):
        format_reward(**{**rows, column: value})


def test_completions_must_be_a_list_of_texts(rows: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="completions must be a list"):
        format_reward(**{**rows, "completions": "hello"})
    with pytest.raises(UsageError, match="a completion must be a string or a list of messages, got int"):
        format_reward(**{**rows, "completions": [1, 2, 3, 4]})


def test_an_example_that_cannot_be_scored_is_named(rows: dict[str, Any], gold: Any) -> None:
    bad = {**rows, "ground_truth": [*rows["ground_truth"][:3], [gold("get_time", city="Paris")]]}
    with pytest.raises(DataError, match=r"row 3: .*get_time"):
        correctness_reward(**bad)
    with pytest.raises(DataError, match=r"ex-9: .*get_time"):
        correctness_reward(**bad, id=["a", "b", "c", "ex-9"])
    with pytest.raises(DataError, match="row 0: expects: got 'refusal'"):
        refusal_reward(**{**rows, "expects": ["refusal", "any", "any", "any"]})
    with pytest.raises(DataError, match="row 1: "):
        format_reward(**{**rows, "tools": [rows["tools"][0], "{broken", *rows["tools"][2:]]})
    with pytest.raises(DataError, match="row 2: ground_truth is not valid JSON"):
        format_reward(**{**rows, "ground_truth": [*rows["ground_truth"][:2], "[", "[]"]})
    with pytest.raises(DataError, match="row 2: ground_truth is missing"):
        format_reward(**{**rows, "ground_truth": [*rows["ground_truth"][:2], None, "[]"]})


def test_what_a_trainer_does_not_hand_over_is_named(rows: dict[str, Any]) -> None:
    for name in ("tools", "ground_truth"):
        columns = {key: value for key, value in rows.items() if key != name}
        for reward in (format_reward, correctness_reward, *load_composition("function_calling").reward_functions()):
            with pytest.raises(UsageError, match=f"{name} is missing: a list .* columns by their names"):
                reward(**columns)
    with pytest.raises(DataError, match="row 1: lang: got 3"):
        refusal_reward(**rows, lang=["en", 3, None, None])
    with pytest.raises(UsageError, match=r"unknown parser 'hermess'\. Did you mean hermes\?"):
        load_composition("function_calling").reward_functions(parser="hermess")


def test_a_ground_truth_in_another_form_is_told_the_way_out(rows: dict[str, Any]) -> None:
    call = {"name": "get_weather", "arguments": {"city": "Paris"}}
    others = [*rows["ground_truth"][1:]]
    with pytest.raises(DataError, match="OpenAI's form: give what stands under 'function'"):
        format_reward(**{**rows, "ground_truth": [[{"type": "function", "function": call}], *others]})
    with pytest.raises(DataError, match=r"must be an object, got .*: read that JSON first"):
        format_reward(**{**rows, "ground_truth": [[{**call, "arguments": '{"city": "Paris"}'}], *others]})


def test_rows_that_went_through_arrow_as_objects_are_told_so(weather: Any, gold: Any) -> None:
    padded = {**weather, "parameters": {**weather["parameters"], "properties": {
        **weather["parameters"]["properties"], "zip": None}}}  # fmt: skip
    with pytest.raises(DataError, match=r"zip: a schema must be an object, got None.*Arrow.*JSON strings"):
        format_reward(["x"], tools=[[padded]], ground_truth=[[]])
    wanted = gold("get_weather", city="Paris", zip=None)
    with pytest.raises(DataError, match=r"zip: not in the schema.*Arrow.*JSON strings"):
        format_reward(["x"], tools=[[weather]], ground_truth=[[wanted]])


def test_unknown_names_are_usage_errors(rows: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"unknown parser 'hermess'\. Did you mean hermes\?"):
        format_reward(**rows, parser="hermess")
    with pytest.raises(UsageError, match=r"unknown matching 'typd'\. Did you mean typed\?"):
        correctness_reward(**rows, matching="typd")


def test_a_completion_without_an_end_token_is_truncated(rows: dict[str, Any]) -> None:
    ids = [[5, 2], [5, 7], [5, 6], [2]]
    assert format_reward(**rows, completion_ids=ids, eos_token_ids=[2]) == [1.0, 1.0, 0.0, 0.0]
    assert correctness_reward(**rows, completion_ids=[[7], [7], [7], [7]], eos_token_ids=2) == [0.5, 0.0, None, None]
    assert correctness_reward(**rows, completion_ids=ids) == [1.0, 0.0, None, None], "no end tokens given: not known"
    assert refusal_reward(**rows, truncated=[False, False, True, False]) == [None, None, 0.0, 0.0]


def test_the_language_of_the_query_is_stated_or_read(weather: Any) -> None:
    def run(**columns: Any) -> list[float | None]:
        return refusal_reward([REFUSAL], tools=[[weather]], ground_truth=[[]], expects=["refuse"], **columns)

    zh = "請幫我訂一份披薩"
    assert run() == [1.0]
    assert run(lang=["zh-Hant"]) == run(query=[zh]) == [0.2]
    assert run(prompts=[[{"role": "system", "content": "Be brief."}, {"role": "user", "content": zh}]]) == [0.2]
    assert run(prompts=[[{"role": "user", "content": [{"type": "text", "text": zh}]}]]) == [0.2]
    assert run(prompts=[f"<|im_start|>user\n{zh}<|im_end|>"]) == [1.0], "a rendered string tells nothing"
    assert run(lang=["en"], query=[zh]) == [1.0], "what is stated wins"
    assert run(lang=[None], query=[zh]) == [0.2]
    assert run(lang=["fr"]) == [1.0], "a language that is not known is not checked"


def test_parameters_can_be_given_by_hand(rows: dict[str, Any]) -> None:
    assert efficiency_reward(**rows, params=EfficiencyParams(gated=True)) == [0.1, -1.0, 0.1, -1.0]
    rows["completions"][0] = REFUSAL
    assert refusal_reward(**rows, params=RefusalParams(penalty_for_refusing=-0.5)) == [-0.5, 0.0, 1.0, 0.0]


def test_reward_components_pickle_and_carry_their_names(rows: dict[str, Any]) -> None:
    composition = load_composition("function_calling", stage="stage2")
    functions = composition.reward_functions(eos_token_ids=(2,))
    assert [f.__name__ for f in functions] == ["format", "correctness", "refusal", "efficiency"]
    assert len(functions) == len(composition.weights())
    for function in functions:
        again = pickle.loads(pickle.dumps(function))
        assert isinstance(again, RewardComponent)
        assert again == function
        assert again.__name__ == function.__name__
        ids = [[5, 2], [5, 7], [5, 2], [2]]
        assert again(**rows, completion_ids=ids, prompts=[""] * 4) == function(**rows, completion_ids=ids)
    assert functions[3](**rows) == [0.1, -1.0, 0.1, -1.0]


def test_components_share_one_parse(rows: dict[str, Any]) -> None:
    from rlvr.rewards import parsing

    parsing._parse_text.cache_clear()
    for function in load_composition("function_calling").reward_functions():
        function(**rows)
    assert parsing._parse_text.cache_info().misses == 4


def test_reasoning_that_the_prompt_opened(call: Any, rows: dict[str, Any]) -> None:
    text = "The user wants the weather.</think>" + call("get_weather", city="Paris")
    row = {k: v[:1] for k, v in rows.items()} | {"completions": [text]}
    bound = load_composition("function_calling").reward_functions(reasoning_opened=True)
    assert [f(**row) for f in bound] == [[1.0], [1.0], [None], [-0.3]]
    assert efficiency_reward(**row, reasoning_opened=True) == [-0.3]
    nothing_said = {**row, "completions": ["I will call get_weather."]}
    assert format_reward(**nothing_said, reasoning_opened=[True]) == [0.0]


def test_odd_columns_are_refused_with_their_names(rows: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="eos_token_ids must be a list of token ids, got float"):
        format_reward(**rows, completion_ids=[[1]] * 4, eos_token_ids=2.0)
    with pytest.raises(UsageError, match="tools is missing"):
        format_reward(**{**rows, "tools": None})
    with pytest.raises(DataError, match="row 0: tools is not JSON"):
        format_reward(**{**rows, "tools": [[object()]] * 4})
    with pytest.raises(DataError, match="row 0: a completion's messages must be plain JSON"):
        format_reward(**{**rows, "completions": [[{"role": "assistant", "content": object()}]] * 4})


def test_a_prompt_without_a_user_message_tells_no_language(weather: Any) -> None:
    for prompt in ([], [{"role": "system", "content": "請用中文"}], [{"role": "user", "content": 5}], None):
        got = refusal_reward([REFUSAL], tools=[[weather]], ground_truth=[[]], expects=["refuse"], prompts=[prompt])
        assert got == [1.0]


def test_what_is_kept_between_two_components_is_never_stale(call: Any, gold: Any, weather: Any) -> None:
    """A trainer passes the same columns to each component, and they share one parse; what changed is read again."""
    right, wrong = call("get_weather", city="Paris"), call("get_weather", city="Oslo")
    paris, oslo = (json.dumps([gold("get_weather", city=city)]) for city in ("Paris", "Oslo"))
    completions, truth, cut, expects = [right, right], [paris, oslo], [False, False], ["any", "any"]
    columns = {"tools": [json.dumps([weather])] * 2, "ground_truth": truth, "truncated": cut, "expects": expects}
    assert correctness_reward(completions, **columns) == [1.0, 0.0]
    assert correctness_reward(completions, **columns) == [1.0, 0.0]
    completions[1] = wrong
    assert correctness_reward(completions, **columns) == [1.0, 1.0]
    truth[0] = oslo
    assert correctness_reward(completions, **columns) == [0.0, 1.0]
    cut[1] = True
    assert correctness_reward(completions, **columns) == [0.0, 0.5]
    assert correctness_reward(completions, matching="exact", **columns) == [0.0, 0.5]
    truth[:] = ["[]", "[]"]
    completions[:] = [REFUSAL, REFUSAL]
    assert refusal_reward(completions, **columns) == [1.0, 0.0]
    expects[0] = "answer"
    assert refusal_reward(completions, **columns) == [0.2, 0.0]


def test_objects_that_change_in_place_are_read_again(call: Any, gold: Any) -> None:
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    tools, truth = [[tool]], [[gold("f", a=1)]]
    completions = [call("f", a=2)]
    assert format_reward(completions, tools=tools, ground_truth=truth) == [1.0]
    assert correctness_reward(completions, tools=tools, ground_truth=truth) == [0.0]
    truth[0][0]["arguments"]["a"] = 2
    assert correctness_reward(completions, tools=tools, ground_truth=truth) == [1.0]
    tool["parameters"]["properties"]["a"]["maximum"] = 2  # type: ignore[index]
    completions[0] = call("f", a=3)
    assert format_reward(completions, tools=tools, ground_truth=truth) == [0.8]


def test_the_rows_of_a_group_need_not_stand_together(call: Any, gold: Any, weather: Any) -> None:
    cities = ["Paris", "Oslo", "Paris", "Rome", "Oslo", "Oslo"]
    completions = [call("get_weather", city=city) for city in cities]
    for wanted in ("Paris", "Oslo", "Rome"):
        truth = [json.dumps([gold("get_weather", city=wanted)])] * len(cities)
        scores = correctness_reward(completions, tools=[json.dumps([weather])] * len(cities), ground_truth=truth)
        assert scores == [float(city == wanted) for city in cities]
    each = [json.dumps([gold("get_weather", city=city)]) for city in cities]
    assert correctness_reward(completions, tools=[[weather]] * len(cities), ground_truth=each) == [1.0] * len(cities)
