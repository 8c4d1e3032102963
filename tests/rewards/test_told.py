"""What a trainer tells beside the completions: ids of every kind are read alike, and what is none is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlvr.errors import DataError, UsageError
from rlvr.rewards import correctness_reward, load_composition, score, score_file
from rlvr.rewards.told import end_ids
from rlvr.rewards.trajectory_functions import trajectory_functions


class Item:
    """An item of a tensor: an index, equal to its number, and hashed by identity."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number

    __int__ = __index__

    def __eq__(self, other: object) -> bool:
        return self.number == other

    __hash__ = object.__hash__


class Tensor:
    """What of a tensor is looked at."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Any:
        return (Tensor(v) if isinstance(v, list) else Item(v) for v in self.values)

    def __getitem__(self, place: int) -> Any:
        return list(self)[place]

    def tolist(self) -> list[Any]:
        return self.values


@pytest.fixture
def row(call: Any, gold: Any, weather: Any) -> dict[str, Any]:
    wanted = [gold("get_weather", city="Paris")]
    return {"completions": [call("get_weather", city="Paris")], "tools": [[weather]], "ground_truth": [wanted]}


IDS = {
    "a list": lambda ids: [ids],
    "a tuple": lambda ids: [tuple(ids)],
    "an array": lambda ids: np.array([ids]),
    "a tensor": lambda ids: Tensor([ids]),
    "a list of tensors": lambda ids: [Tensor(ids)],
    "a list of a tensor's items": lambda ids: [[Item(i) for i in ids]],
}


@pytest.mark.parametrize("how", IDS)
@pytest.mark.parametrize("ends", [2, [2], {2}, np.int64(2), np.array([2]), Tensor([2]), [Item(2)]])
def test_whole_and_cut_are_told_apart_whatever_ids_are_made_of(row: dict[str, Any], how: str, ends: Any) -> None:
    for ids, earned in (([7, 2], 1.0), ([2, 0], 1.0), ([7, 8], 0.5)):
        assert correctness_reward(**row, completion_ids=IDS[how](ids), eos_token_ids=ends) == [earned]


def test_trajectories_read_ids_alike(row: dict[str, Any], call: Any) -> None:
    said = [call("get_weather", city="Paris"), "It is sunny in Paris."]
    asked, answered = ({"role": "assistant", "content": text} for text in said)
    trajectory = {**row, "completions": [[asked, {"role": "tool", "content": "sunny"}, answered]]}
    functions = trajectory_functions(load_composition("function_calling"), eos_token_ids=(2,))
    correctness = next(f for f in functions if f.__name__ == "correctness")
    for how in IDS.values():
        assert correctness(**trajectory, completion_ids=how([7, 2])) == [1.0]
        assert correctness(**trajectory, completion_ids=how([7, 8])) == [0.5]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"completion_ids": [5], "eos_token_ids": 2}, "completion_ids must hold a list of token ids for each"),
        ({"completion_ids": ["12"], "eos_token_ids": 2}, "completion_ids must hold a list of token ids for each"),
        (
            {"completion_ids": [[1.5]], "eos_token_ids": 2},
            "completion_ids: expected token ids, which are whole",
        ),
        ({"completion_ids": [[1]], "eos_token_ids": "2"}, "eos_token_ids must be a list of token ids, got str"),
        ({"completion_ids": [[1]], "eos_token_ids": [None]}, r"eos_token_ids: expected token ids.* got \[None\]"),
        ({"truncated": ["false"]}, "truncated: got 'false', expected true or false"),
        ({"reasoning_opened": ["no"]}, "reasoning_opened: got 'no', expected true or false"),
        ({"parser": ["hermes"]}, r"must be names, got \['hermes'\]"),
        ({"reasoning_parser": ["think"]}, r"must be names, got .* and \['think'\]"),
        ({"tokenizer": "a/name", "completion_ids": [[1]]}, "tokenizer must be a loaded one, got 'a/name'"),
        ({"params": {"partial": 0.3}}, r"params must be a CorrectnessParams, got \{"),
    ],
)
def test_what_is_none_is_refused(row: dict[str, Any], columns: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        correctness_reward(**row, **columns)


def test_one_completion_refuses_the_same(row: dict[str, Any], tmp_path: Path) -> None:
    one = {name: values[0] for name, values in row.items()}
    completion = one.pop("completions")
    with pytest.raises(UsageError, match="truncated: got 'no', expected true or false"):
        score(completion, **one, truncated="no")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="completion_ids must hold a list"):
        score(completion, **one, completion_ids=5, eos_token_ids=[2])  # type: ignore[arg-type]
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"completion": completion, **one, "truncated": "false"}) + "\n")
    with pytest.raises(DataError, match=r"rows.jsonl:1: truncated: got 'false'"):
        list(score_file(file))


def test_no_ends_are_none() -> None:
    assert end_ids(None) == end_ids([]) == frozenset()


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("number", float("nan"), "nan is no JSON number, so no completion can hold it"),
        ("number", float("inf"), "inf is no JSON number"),
        ("string", "\ud800", "half a surrogate pair"),
        ("integer", 10**400, "more than 308 digits"),
    ],
)
def test_a_ground_truth_that_no_completion_can_hold_is_refused(kind: str, value: Any, message: str) -> None:
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": kind}}}}
    for written in (value, [value]):
        if isinstance(written, list):
            tool["parameters"]["properties"]["a"] = {"type": "array"}  # type: ignore[index]
        with pytest.raises(DataError, match=message):
            correctness_reward([""], tools=[[tool]], ground_truth=[[{"name": "f", "arguments": {"a": written}}]])


def test_nesting_that_no_format_carries_is_refused_and_what_it_carries_earns_all(call: Any) -> None:
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "array"}}}}
    value: Any = []
    for _ in range(60):
        value = [value]
    wanted = [[{"name": "f", "arguments": {"a": value}}]]
    assert correctness_reward([call("f", a=value)], tools=[[tool]], ground_truth=wanted) == [1.0]
    wanted[0][0]["arguments"]["a"] = [value]  # type: ignore[index]
    with pytest.raises(DataError, match="nested more than 62 deep"):
        correctness_reward([""], tools=[[tool]], ground_truth=wanted)
    for _ in range(3000):
        value = [value]
    wanted[0][0]["arguments"]["a"] = value  # type: ignore[index]
    with pytest.raises(DataError, match="ground_truth is not JSON"):
        correctness_reward([""], tools=[[tool]], ground_truth=wanted)


def test_functions_for_a_trainer_take_one_end_as_well() -> None:
    composition = load_composition("function_calling")
    for functions in (
        composition.reward_functions(eos_token_ids=2),
        trajectory_functions(composition, eos_token_ids=2),
    ):
        assert {f.eos_token_ids for f in functions} == {(2,)}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "call",
    [
        {"name": "f", "parameters": {"a": 1}},
        {"name": "f", "args": {"a": 1}},
        {"name": "f", "args": '{"a": 1}'},
        {"name": "f", "Arguments": {}},
    ],
)
def test_arguments_under_another_name_are_not_taken_for_none(call: dict[str, Any]) -> None:
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    with pytest.raises(DataError, match=r"row 0: ground_truth\[0\]: ground-truth call f has .* and no 'arguments'"):
        correctness_reward([""], tools=[[tool]], ground_truth=[[call]])
    bare = [{"name": "f", "id": "call_1"}]
    empty = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    assert correctness_reward([empty], tools=[[tool]], ground_truth=[bare]) == [1.0]


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        ({"$one_of": []}, True),
        ([{"$one_of": []}], True),
        ({"$one_of": [[{"$one_of": []}]]}, True),
        ({"$one_of": [], "$optional": True}, False),
        ({"$one_of": ["x"]}, False),
    ],
)
def test_a_ground_truth_that_accepts_no_value_is_refused(value: Any, refused: bool) -> None:
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}
    gold = [{"name": "f", "arguments": {"a": value}}]
    if not refused:
        assert score("<tool_call>\n{}\n</tool_call>", tools=[tool], ground_truth=gold).outcome == "malformed"
        return
    with pytest.raises(DataError, match="a: no accepted value"):
        score("Sure.", tools=[tool], ground_truth=gold)
