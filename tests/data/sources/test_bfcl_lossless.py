"""Possible answers go through an example, and through its JSON, and come back as they were."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.data.sources.bfcl import to_example
from rlvr.rewards.matching.bfcl import possible_answer
from rlvr.types import gold_calls_from_json

scalars = st.one_of(
    st.sampled_from(["x", "New York", "5", "2024-01-01"]),
    st.integers(-3, 3),
    st.sampled_from([0.5, 1.0]),
    st.booleans(),
)
literal = st.recursive(
    scalars | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["k", "l"]), inner, max_size=2),
    max_leaves=4,
)


def accepted(value: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """A list of accepted values, the mark at its end where there is one."""
    return st.builds(lambda values, mark: values + [""] * mark, st.lists(value, max_size=3), st.booleans())


objects = st.dictionaries(st.sampled_from(["p", "q", "r"]), accepted(literal), max_size=3)
ARGUMENTS: dict[str, tuple[dict[str, Any], st.SearchStrategy[Any]]] = {
    "text": ({"type": "string"}, scalars),
    "number": ({"type": "float"}, scalars),
    "anything": ({"type": "any"}, literal),
    "list": ({"type": "array", "items": {"type": "string"}}, st.lists(literal, max_size=3)),
    "pair": ({"type": "tuple", "items": {"type": "float"}}, st.lists(scalars, max_size=2)),
    "object": ({"type": "dict", "properties": {"p": {"type": "string"}}}, objects),
    "objects": ({"type": "array", "items": {"type": "dict"}}, st.lists(objects, max_size=2)),
}


@st.composite
def rows(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    names = draw(st.lists(st.sampled_from(sorted(ARGUMENTS)), unique=True))
    required = [n for n in names if draw(st.booleans())]
    schema = {"type": "dict", "properties": {n: ARGUMENTS[n][0] for n in names}, "required": required}
    calls = [
        {"f": {n: draw(accepted(ARGUMENTS[n][1])) for n in names if draw(st.booleans())}}
        for _ in range(draw(st.integers(1, 3)))
    ]
    question = {
        "id": "live_parallel_7-0-0",
        "question": [[{"role": "user", "content": "q"}]],
        "function": [{"name": "f", "description": "", "parameters": schema}],
    }
    return question, calls


@given(rows())
@settings(deadline=None, derandomize=True, max_examples=200)
def test_nothing_is_lost(row: Any) -> None:
    question, calls = row
    example = to_example(question, {"id": question["id"], "ground_truth": calls})
    again = gold_calls_from_json(json.loads(json.dumps([g.to_json() for g in example.ground_truth])))
    assert again == example.ground_truth
    for gold in (example.ground_truth, again):
        # Through text, since in Python 1, 1.0 and True are equal.
        written = [{g.name: possible_answer(g, example.tools[0])} for g in gold]
        assert json.dumps(written, sort_keys=True) == json.dumps(calls, sort_keys=True)
