"""Values: drawn from their specification, and said in the query as they stand in the call."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.data.generator import LANGUAGES, load_catalogue
from rlvr.data.generator.catalogue import CatalogueTool, Template
from rlvr.data.generator.values import draw, sample_arguments
from rlvr.tools import validate
from rlvr.types import Tool

PARAMETERS = {"from": {"type": "string"}, "to": {"type": "string"}, "at": {"type": "object"}, "n": {"type": "integer"}}


def tool(values: dict[str, Any]) -> CatalogueTool:
    schema = {"type": "object", "properties": PARAMETERS}
    return CatalogueTool(Tool("f", "F.", schema), "d", "train", {}, {}, values, {})


@settings(max_examples=60, deadline=None)
@given(
    tool=st.sampled_from(load_catalogue()), lang=st.sampled_from(LANGUAGES), seed=st.integers(0, 2**32), data=st.data()
)
def test_any_tool_in_any_language_gives_valid_arguments(tool: CatalogueTool, lang: str, seed: int, data: Any) -> None:
    template = data.draw(st.sampled_from(tool.templates[lang]))
    text, arguments = sample_arguments(tool, template, lang, seed)
    assert (text, arguments) == sample_arguments(tool, template, lang, seed)
    assert validate(tool.tool, arguments) == []
    assert "{" not in text
    order = [n for n in tool.tool.parameters["properties"] if n in arguments]
    assert list(arguments) == order


def test_two_arguments_of_a_query_are_never_said_alike() -> None:
    values = {"from": {"choices": ["A", "B"]}, "to": {"choices": ["A", "B"]}}
    for seed in range(50):
        _, arguments = sample_arguments(tool(values), Template("{from} to {to}"), "en", seed)
        assert arguments["from"] != arguments["to"]


def test_fixed_and_nested_arguments() -> None:
    template = Template("at {at.place} {n}", {"to": "home", "at.level": 2})
    text, arguments = sample_arguments(
        tool({"at.place": {"choices": ["gate"]}, "n": {"integers": [5, 5]}}), template, "en", 0
    )
    assert text == "at gate 5"
    assert arguments == {"to": "home", "at": {"level": 2, "place": "gate"}, "n": 5}


@pytest.mark.parametrize(
    ("spec", "lang", "wanted"),
    [
        ({"choices": ["x"]}, "en", ("x", "x")),
        ({"choices": {"en": ["x"], "vi": ["y"]}}, "vi", ("y", "y")),
        ({"integers": [3, 3]}, "en", (3, "3")),
        ({"integers": [10, 14, 10]}, "en", (10, "10")),
        ({"numbers": [2.0, 2.0, 2]}, "en", (2, "2")),
        ({"numbers": [2.5, 2.5, 2]}, "en", (2.5, "2.5")),
        ([{"value": True, "en": ["on"], "vi": ["bật"]}], "vi", (True, "bật")),
        ({"items": {"choices": ["x"]}, "count": [1, 1]}, "en", (["x"], "x")),
        ({"items": {"choices": ["x"]}, "count": [3, 3]}, "en", (["x"], "x")),
    ],
)
def test_each_kind(spec: Any, lang: str, wanted: tuple[Any, str]) -> None:
    value, said = draw(spec, lang, random.Random(0))
    assert (value, said) == wanted
    assert type(value) is type(wanted[0])


@pytest.mark.parametrize(("lang", "said"), [("en", ", # and #"), ("vi", ", # và #"), ("zh", "、#和#")])
def test_lists_are_said_as_people_say_them(lang: str, said: str) -> None:
    value, words = draw({"items": {"choices": ["1", "2", "3"]}, "count": [3, 3]}, lang, random.Random(0))
    assert sorted(value) == ["1", "2", "3"]
    assert words == f"{value[0]}{said.split('#')[0]}{value[1]}{said.split('#')[1]}{value[2]}"


@pytest.mark.parametrize("spec", ["x", 3, {}, {"pol": "city"}])
def test_an_unknown_specification(spec: Any) -> None:
    with pytest.raises(ValueError, match=r"unknown kind|must be a mapping"):
        draw(spec, "en", random.Random(0))
