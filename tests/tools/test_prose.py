"""Defaults told in words: which are seen, and what they change about what is required."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rlvr.tools import normalise_tool
from rlvr.tools.prose import default_in


@pytest.mark.parametrize(
    ("text", "default"),
    [
        ("Permittivity of the space, default is 8.854e-12.", 8.854e-12),
        ("How many rows. Defaults to 20", 20),
        ("Defaults to -1.5.", -1.5),
        ("The unit (default: 'km').", "km"),
        ('str, default "a b"', "a b"),
        ("Default value is true", True),
        ("default=False", False),
        ("Defaults to None.", None),
        ("Default is [].", []),
    ],
)
def test_a_default_in_words(text: str, default: Any) -> None:
    found, value = default_in(text)
    assert found
    assert value == default
    assert type(value) is type(default)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The default language",
        "By default all rows",
        "Default is the user's city",
        "defaulted to 5",
        "Default is 5th",
    ],
)
def test_words_that_tell_none(text: str) -> None:
    assert default_in(text) == (False, None)


def flat(spec: dict[str, Any]) -> dict[str, Any]:
    return dict(normalise_tool({"name": "f", "parameters": {"a": spec}}).parameters)


def test_an_argument_with_a_default_in_words_is_not_required() -> None:
    assert flat({"type": "int", "description": "Rows."})["required"] == ["a"]
    told = flat({"type": "int", "description": "Rows. Default is 5."})
    assert (told["required"], told["properties"]["a"]["default"]) == ([], 5)
    in_type = flat({"type": "str, default 'x'", "description": ""})
    assert (in_type["required"], in_type["properties"]["a"]["default"]) == ([], "x")
    unfitting = flat({"type": "int", "description": "Default is 'x'."})
    assert unfitting["required"] == []
    assert "default" not in unfitting["properties"]["a"]


def test_what_the_schema_says_of_default_and_required_counts_for_more() -> None:
    assert flat({"type": "int", "description": "Default is 5.", "default": ""})["required"] == ["a"]
    assert flat({"type": "int", "description": "Default is 5.", "required": True})["required"] == ["a"]
    assert flat({"type": "int", "description": "", "default": 5, "required": True})["required"] == ["a"]


def test_long_texts_take_linear_time() -> None:
    def seconds(size: int) -> float:
        started = time.process_time()
        for unit in ("default ", "default is ", "default: '", "default 1", "default   "):
            default_in(unit * (size // len(unit)))
        return time.process_time() - started

    seconds(1000)
    assert min(seconds(200_000) for _ in range(2)) < 60 * max(min(seconds(10_000) for _ in range(3)), 1e-3)
