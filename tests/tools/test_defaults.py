"""What a schema's default says, where its author wrote it in another type."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rlvr.rewards import score
from rlvr.tools import stated_default


@pytest.mark.parametrize(
    ("schema", "stated"),
    [
        ({"type": "integer", "default": 1}, (1,)),
        ({"type": "integer", "default": "1"}, (1,)),
        ({"type": "integer", "default": " 28800 "}, (28800,)),
        ({"type": "integer", "default": 2.0}, (2,)),
        ({"type": "integer", "default": "2.0"}, (2,)),
        ({"type": "number", "default": "0.5"}, (0.5,)),
        ({"type": "boolean", "default": "True"}, (True,)),
        ({"type": "array", "default": "[1, 2]"}, ([1, 2],)),
        ({"type": "string", "default": "1"}, ("1",)),
        ({"type": ["string", "null"], "default": None}, (None,)),
        ({"type": ["integer", "null"], "default": "3"}, (3,)),
        ({"default": "1"}, ("1",)),
        ({"default": None}, (None,)),
        ({"type": "string", "enum": ["km", "mi"], "default": "km"}, ("km",)),
        # none of these says what leaving the argument out means
        ({"type": "string"}, ()),
        ({"type": "string", "default": None}, ()),
        ({"type": "string", "default": 1}, ()),
        ({"type": "integer", "default": "one"}, ()),
        ({"type": "integer", "default": '"1"'}, ()),
        ({"type": "integer", "default": True}, ()),
        ({"type": "integer", "default": 0.05}, ()),
        ({"type": "number", "default": "NaN"}, ()),
        ({"type": "array", "default": "[" * 5000}, ()),
        ({"type": "string", "enum": ["km", "mi"], "default": "KM"}, ()),
        ({"enum": [1], "default": True}, ()),
    ],
)
def test_a_default_is_a_value_of_its_type_or_none(schema: dict[str, Any], stated: tuple[Any, ...]) -> None:
    found = stated_default(schema)
    assert found == stated
    assert [type(v) for v in found] == [type(v) for v in stated]


TOOLS = [
    {
        "name": "w",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "default": None},
                "days": {"type": "integer", "default": "1"},
                "page": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
            },
            "required": ["city"],
        },
    }
]


@pytest.mark.parametrize(
    ("given", "wanted", "right"),
    [
        ({}, {}, True),
        ({"days": 1}, {}, True),
        ({}, {"days": 1}, True),
        ({"days": "1"}, {}, False),
        ({"days": "1"}, {"days": 1}, False),
        ({"days": 2}, {}, False),
        ({"unit": None}, {}, False),
        ({"page": None}, {}, True),
        ({}, {"page": None}, True),
    ],
)
def test_the_default_counts_in_the_type_of_its_schema(
    given: dict[str, Any], wanted: dict[str, Any], right: bool
) -> None:
    call = json.dumps({"name": "w", "arguments": {"city": "Hanoi", **given}})
    gold = [{"name": "w", "arguments": {"city": "Hanoi", **wanted}}]
    assert score(f"<tool_call>\n{call}\n</tool_call>", tools=TOOLS, ground_truth=gold).right is right
