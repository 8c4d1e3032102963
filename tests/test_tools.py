"""Tool descriptions of every kind become the same Tool; validation says what is wrong, and opens no connection."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import DataError
from rlvr.parsers import get_parser
from rlvr.tools import check_ground_truth, normalise_tool, normalise_tools, object_shape, property_schema, validate
from rlvr.tools.type_names import schema_of
from rlvr.types import GoldCall, OneOf, Tool, ToolCall

SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "data" / "samples"

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
WEATHER = Tool("weather", "d", SCHEMA)


@pytest.mark.parametrize(
    "description",
    [
        {"type": "function", "function": {"name": "weather", "description": "d", "parameters": SCHEMA}},
        {"name": "weather", "description": "d", "parameters": SCHEMA},
        {"name": "weather", "description": "d", "inputSchema": SCHEMA},
        {"name": "weather", "description": "d", "input_schema": {"$schema": "http://json-schema.org/x", **SCHEMA}},
        {
            "name": "weather",
            "description": "d",
            "parameters": {"city": {"type": "str"}, "days": {"type": "int, optional"}},
        },
        {"name": "weather", "description": "d", "parameters": {**SCHEMA, "type": "dict"}, "required": None},
        json.dumps({"name": "weather", "description": "d", "parameters": SCHEMA}),
    ],
    ids=["openai", "bare", "mcp", "mcp_snake", "xlam", "toolace", "json_string"],
)
def test_every_form_gives_the_same_tool(description: object) -> None:
    tool = normalise_tool(description)
    assert tool.name == "weather"
    assert tool.description == "d"
    assert tool.parameters == SCHEMA


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("str", {"type": "string"}),
        ("dict", {"type": "object"}),
        ("float", {"type": "number"}),
        ("tuple", {"type": "array"}),
        ("any", {}),
        ("Callable[[float], float]", {}),
        ("set", {"type": "array", "uniqueItems": True}),
        ("List[List[int]]", {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}),
        ("Dict[str, float]", {"type": "object", "additionalProperties": {"type": "number"}}),
        ("Optional[int]", {"type": "integer"}),
        ("int | None", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("Literal['a', 'b']", {"enum": ["a", "b"]}),
        ("List[", {"type": "array"}),
    ],
)
def test_type_names(name: str, schema: dict[str, object]) -> None:
    assert schema_of(name) == schema


def test_xlam_defaults_are_read_by_their_type() -> None:
    spec = {
        "n": {"type": "int, optional", "default": "5"},
        "flag": {"type": "bool, optional", "default": "True"},
        "s": {"type": "str", "default": "us"},
        "needed": {"type": "str", "default": ""},
        "odd": {"type": "int, optional", "default": "many"},
    }
    parameters = normalise_tool({"name": "f", "parameters": spec}).parameters
    assert parameters["required"] == ["needed"]
    assert {k: v.get("default") for k, v in parameters["properties"].items()} == {
        "n": 5, "flag": True, "s": "us", "needed": None, "odd": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "default"),
    [
        ({"type": "List[float]", "default": 0.05}, None),  # that of the argument behind, as xLAM has it
        ({"type": "int", "default": 0.95}, None),
        ({"type": "int", "default": True}, None),
        ({"type": "str", "default": 10000}, None),
        ({"type": "int", "default": 1e9}, 1_000_000_000),
        ({"type": "float", "default": 3}, 3),
        ({"type": ["integer", "null"], "default": "5"}, 5),
        ({"type": "Union[int, str]", "default": "5"}, "5"),
    ],
)
def test_a_default_that_is_none_of_its_type_goes(spec: dict[str, object], default: object) -> None:
    parameters = normalise_tool({"name": "f", "parameters": {"a": spec}}).parameters
    assert parameters["required"] == []
    assert parameters["properties"]["a"].get("default") == default
    assert type(parameters["properties"]["a"].get("default")) is type(default)


def test_required_names_among_or_beside_the_arguments() -> None:
    arguments = {"city": {"type": "str"}, "days": {"type": "int"}}
    among = {"type": "object", **arguments, "required": ["city"]}
    for tool in (
        {"parameters": among},
        {"parameters": {**arguments, "required": ["city"]}},
        {"parameters": arguments, "required": ["city"]},
    ):
        parameters = normalise_tool({"name": "f", **tool}).parameters
        assert parameters == {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        }
    assert normalise_tool({"name": "f", "parameters": {**arguments, "required": None}}).parameters["required"] == [
        "city",
        "days",
    ]
    loose = {"type": "object", "additionalProperties": {"type": "string"}}
    assert normalise_tool({"name": "f", "parameters": loose}).parameters == {**loose, "properties": {}}


def test_parameters_named_type_or_properties_are_arguments() -> None:
    flat = normalise_tool({"name": "f", "parameters": {"type": {"type": "str"}, "properties": {"type": "str"}}})
    assert sorted(flat.parameters["properties"]) == ["properties", "type"]
    nested = normalise_tool({"name": "f", "parameters": {"type": "object", "properties": {"type": {"type": "string"}}}})
    assert nested.parameters["properties"] == {"type": {"type": "string"}}


def test_old_drafts_are_rewritten() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "required": True},
            "b": {"type": "array", "items": [{"type": "string"}, {"type": "integer"}]},
            "c": {"type": "string", "nullable": True},
            "required": ["b"],
        },
    }
    parameters = normalise_tool({"name": "f", "parameters": schema}).parameters
    assert parameters["required"] == ["a", "b"]
    assert parameters["properties"]["a"] == {"type": "integer", "exclusiveMinimum": 0}
    assert parameters["properties"]["b"]["prefixItems"] == [{"type": "string"}, {"type": "integer"}]
    assert parameters["properties"]["c"]["type"] == ["string", "null"]


def test_the_input_is_not_changed() -> None:
    raw = {"name": "f", "parameters": {"type": "dict", "properties": {"x": {"type": "float"}}, "required": None}}
    before = json.dumps(raw)
    normalise_tool(raw)
    assert json.dumps(raw) == before


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[{", "not valid JSON"),
        ("5", "must be a list"),
        ({"name": "f"}, "must be a list"),
        ([5], "must be an object"),
        ([{"description": "x"}], "has no name"),
        ([{"name": "f"}, {"name": "f"}], "two tools are named 'f'"),
        ([{"name": "f", "parameters": 3}], "parameters must be an object"),
        ([{"name": "f", "parameters": {"type": "object", "properties": {"x": {"minimum": "a"}}}}], "must be a number"),
        ([{"name": "f", "parameters": {"type": "object", "properties": {"x": {"enum": "a"}}}}], "must be a list"),
        ([{"name": "f", "parameters": {"type": "object", "$ref": "https://example.org/x"}}], "outside the schema"),
        ([{"name": "f", "parameters": {"type": "object", "$ref": "#/$defs/none"}}], "points at nothing"),
        ([{"name": "f", "parameters": {"type": "object", "$ref": "#"}}], "points at itself"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(value: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        normalise_tools(value, "rows.jsonl:7")
    assert str(caught.value).startswith("rows.jsonl:7")


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        ({"city": "Paris"}, []),
        ({"city": "Paris", "days": 3}, []),
        ({}, ["city: missing"]),
        ({"city": "Paris", "days": "x"}, ["days: 'x' is not of type 'integer'"]),
        ({"city": "Paris", "days": 5.0}, ["days: 5.0 is not of type 'integer'"]),
        ({"city": "Paris", "days": True}, ["days: True is not of type 'integer'"]),
        ({"city": "Paris", "foo": 1}, ["foo: not in the schema"]),
    ],
)
def test_validate_names_each_problem(arguments: dict[str, object], problems: list[str]) -> None:
    assert validate(WEATHER, arguments) == problems


def test_additional_properties_open_the_schema_only_where_it_says_so() -> None:
    closed = Tool("f", "", {"type": "object", "properties": {}})
    typed = Tool("f", "", {"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}})
    patterned = Tool("f", "", {"type": "object", "patternProperties": {"^x_": {}}})
    unread = Tool("f", "", {"type": "object", "patternProperties": {"^\\p{L}+$": {"type": "integer"}, "(": {}}})
    assert validate(closed, {"a": 1}) == ["a: not in the schema"]
    assert validate(typed, {"a": 1}) == []
    assert validate(typed, {"a": "1"}) == ["a: '1' is not of type 'integer'"]
    assert validate(patterned, {"x_a": 1, "b": 1}) == ["b: not in the schema"]
    assert validate(unread, {"b": 1}) == [], "what cannot be searched for is not asserted"


def test_nested_problems_carry_their_path_and_stay_short() -> None:
    tool = normalise_tool(
        {"name": "f", "parameters": {"type": "object", "properties": {"l": {"type": "array", "items": SCHEMA}}}}
    )
    assert validate(tool, {"l": [{"city": "x"}, {}]}) == ["l[1].city: missing"]
    assert all(len(p) < 200 for p in validate(tool, {"l": "x" * 100_000}))


def test_hostile_arguments_and_patterns_do_not_raise() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "number", "multipleOf": 0.5}, "p": {"type": "string", "pattern": r"\p{L}+"}},
        "$defs": {"loop": {"anyOf": [{"$ref": "#/$defs/loop"}]}},
    }
    tool = normalise_tool({"name": "f", "parameters": schema})
    assert validate(tool, {"p": "x"}) == []
    assert len(validate(tool, {"n": 10**400})) <= 1
    looped = normalise_tool(
        {"name": "f", "parameters": {**schema, "properties": {"x": {"anyOf": [{"$ref": "#/$defs/loop"}]}}}}
    )
    assert validate(looped, {"x": 1}) == ["cannot be checked: RecursionError"]


def test_no_connection_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(DataError, match="cannot be checked"):
        normalise_tool({"name": "f", "parameters": {"type": "object", "properties": {"x": {"$ref": "http://a.b/c"}}}})
    assert validate(Tool("f", "", {"$schema": "https://nowhere.invalid/s", **SCHEMA}), {"city": "x"}) == []


def test_references_and_alternatives_are_resolved() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/node"}},
        "anyOf": [{"properties": {"b": {"type": "integer"}}, "required": ["b"]}, {"properties": {"c": {}}}],
        "$defs": {
            "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "v": {"type": "number"}}}
        },
    }
    tool = normalise_tool({"name": "f", "parameters": schema})
    assert property_schema(tool, ["a", "next", "next", "v"]) == ({"type": "number"},)
    assert set(object_shape(tool.parameters, tool.parameters).properties) == {"a", "b", "c"}
    assert property_schema(tool, ["a", "unknown"]) == ({},)


def test_what_two_schemas_say_of_one_property_holds_together() -> None:
    schema = {
        "type": "object",
        "properties": {"unit": {"description": "Unit."}, "n": {"description": "N."}, "own": {"type": "string"}},
        "allOf": [{"$ref": "#/$defs/base"}],
        "$defs": {
            "base": {
                "type": "object",
                "properties": {"unit": {"type": "string", "enum": ["metric"]}, "n": {"type": "integer"}},
            }
        },
    }
    tool = normalise_tool({"name": "f", "parameters": schema})
    assert property_schema(tool, ["unit"]) == ({"description": "Unit.", "type": "string", "enum": ["metric"]},)
    assert property_schema(tool, ["own"]) == ({"type": "string"},)
    written = get_parser("qwen3_coder").render([ToolCall("f", {"n": 5})])
    assert get_parser("qwen3_coder").parse(written, tools=[tool]).calls == (ToolCall("f", {"n": 5}),)


@pytest.mark.parametrize("value", ["123", "true", "null", "1.5", '"hi"', '{"a": 1}', "plain", ["a", "b"]])
def test_text_stays_text_where_a_list_may_stand_too(value: object) -> None:
    schema = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    tool = normalise_tool({"name": "f", "parameters": {"type": "object", "properties": {"q": schema}}})
    written = get_parser("qwen3_coder").render([ToolCall("f", {"q": value})])
    assert get_parser("qwen3_coder").parse(written, tools=[tool]).calls == (ToolCall("f", {"q": value}),)


def test_check_ground_truth() -> None:
    assert (
        check_ground_truth([GoldCall("weather", {"city": OneOf(("Paris", 5)), "days": OneOf((), True)})], [WEATHER])
        == []
    )
    problems = check_ground_truth([GoldCall("other", {}), GoldCall("weather", {"days": "2"})], {"weather": WEATHER})
    assert problems[0] == "ground_truth[0] other: the tool is not offered (offered: weather)"
    assert "ground_truth[1] weather: city: missing" in problems


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the shared data are not beside the checkout")
def test_the_xlam_sample_reads_and_its_nine_known_bad_rows_are_found() -> None:
    bad = 0
    rows = [json.loads(line) for line in (SAMPLES / "xlam.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        calls = [GoldCall(a["name"], a["arguments"]) for a in json.loads(row["answers"])]
        bad += bool(check_ground_truth(calls, normalise_tools(row["tools"], f"xlam:{row['id']}")))
    assert (len(rows), bad) == (200, 9)  # a tenth leaves out what its description gives a default for


def test_a_multiple_is_told_by_the_numbers_as_they_are_written() -> None:
    def tool(step: Any) -> Tool:
        return Tool("f", "", {"type": "object", "properties": {"n": {"type": "number", "multipleOf": step}}})

    cents = tool(0.01)
    assert [c for c in range(1, 10_000) if validate(cents, {"n": c / 100})] == []
    assert validate(cents, {"n": 19.995}) == ["n: 19.995 is not a multiple of 0.01"]
    assert validate(tool(0.1), {"n": 0.30000000000000004}) != []
    assert validate(tool(2), {"n": 4.0}) == validate(tool(2), {"n": 6}) == []
    assert validate(tool(2), {"n": 5}) == ["n: 5 is not a multiple of 2"]
    assert validate(tool(1e-300), {"n": 1e300}) == []


SMS = {"properties": {"mode": {"const": "sms"}}}
PHONE = {"properties": {"phone": {}}, "required": ["phone"]}
ADDRESS = {"mode": {"properties": {"addr": {}}}}
SEVERAL = [{"if": {"required": ["mode"]}, "then": {"properties": {name: {}}}} for name in ("a", "b")]


@pytest.mark.parametrize(
    ("more", "arguments"),
    [
        ({"if": SMS, "then": PHONE}, {"mode": "sms", "phone": "1"}),
        ({"if": SMS, "else": {"properties": {"mail": {}}}}, {"mode": "post", "mail": "x"}),
        ({"dependentSchemas": ADDRESS}, {"mode": "sms", "addr": "x"}),
        ({"dependencies": ADDRESS}, {"mode": "sms", "addr": "x"}),
        ({"allOf": SEVERAL}, {"mode": "sms", "a": 1, "b": 2}),
        ({"allOf": [{"properties": {"x": {}}}], "unevaluatedProperties": {"type": "integer"}}, {"mode": "sms", "y": 1}),
    ],
    ids=["then", "else", "dependentSchemas", "dependencies", "several", "unevaluated"],
)
def test_what_a_condition_adds_is_known(more: dict[str, Any], arguments: dict[str, Any]) -> None:
    tool = normalise_tool({"name": "f", "parameters": {"type": "object", "properties": {"mode": {}}, **more}})
    assert validate(tool, arguments) == []
    assert validate(tool, {**arguments, "other": "z"}) != []


def test_a_condition_still_asks_for_what_it_wants() -> None:
    schema = {
        "type": "object",
        "properties": {"mode": {}},
        "if": {"properties": {"mode": {"const": "sms"}}},
        "then": {"properties": {"phone": {"type": "string"}}, "required": ["phone"]},
        "dependencies": {"mode": ["phone"]},
    }
    tool = normalise_tool({"name": "f", "parameters": schema})
    assert any("phone" in problem for problem in validate(tool, {"mode": "post"}))
    assert validate(tool, {"mode": "sms", "phone": 5}) == ["phone: 5 is not of type 'string'"]


def test_what_everything_was_allowed_counts_as_seen() -> None:
    inner = {"allOf": [{"properties": {"a": {}}, "additionalProperties": True}], "unevaluatedProperties": False}
    tool = Tool("f", "", {"type": "object", "properties": {"o": inner}})
    assert validate(tool, {"o": {"a": 1, "b": 2}}) == []
    closed = Tool("f", "", {"type": "object", "properties": {"o": {**inner, "allOf": [{"properties": {"a": {}}}]}}})
    assert validate(closed, {"o": {"a": 1, "b": 2}}) != []


def test_an_argument_is_typed_by_the_pattern_that_it_matches() -> None:
    schema = {
        "type": "object",
        "patternProperties": {"^p_": {"type": "integer"}},
        "additionalProperties": {"type": "string"},
    }
    tool = Tool("f", "", schema)
    assert [dict(s) for s in property_schema(tool, ["p_x"])] == [{"type": "integer"}]
    assert [dict(s) for s in property_schema(tool, ["q"])] == [{"type": "string"}]
    parser = get_parser("qwen3_coder")
    call = ToolCall("f", {"p_x": 5})
    assert parser.parse(parser.render([call]), tools=[tool]).calls == (call,)


@pytest.mark.parametrize("wrong", [["a"], "a", 5])
def test_dependencies_that_are_none_are_told(wrong: Any) -> None:
    with pytest.raises(DataError, match="dependencies must be an object"):
        normalise_tool({"name": "f", "parameters": {"type": "object", "properties": {"a": {}}, "dependencies": wrong}})


def test_dependencies_of_draft_7_are_told_apart() -> None:
    more = {"dependencies": {"a": ["b"], "b": "c", "c": {"properties": {"d": {"type": "int"}}}}}
    tool = normalise_tool({"name": "f", "parameters": {"type": "object", "properties": {n: {} for n in "abc"}, **more}})
    assert "dependencies" not in tool.parameters
    assert tool.parameters["dependentRequired"] == {"a": ["b"], "b": ["c"]}
    assert validate(tool, {"c": 1, "d": 5}) == []
    assert validate(tool, {"c": 1, "d": "5"}) == ["d: '5' is not of type 'integer'"]
    assert any("b" in problem for problem in validate(tool, {"a": 1}))


@pytest.mark.parametrize("step", [0, -1, float("nan"), float("inf")])
def test_a_step_that_is_none_is_told(step: float) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "number", "multipleOf": step}}}
    with pytest.raises(DataError, match="multipleOf must be above 0"):
        normalise_tool({"name": "f", "parameters": schema})
