"""Whole examples: query and arguments change alike, and what is compared as written does not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.data.sources.jsonl import read_jsonl
from rlvr.data.text import TextOptions, normalise_example
from rlvr.tools import check_ground_truth
from rlvr.types import Example, GoldCall, OneOf, Tool

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
BOTH = TextOptions(spacing=True, punctuation=True)


def tool(**properties: Any) -> Tool:
    return Tool("find", "查詢city的資料", {"type": "object", "properties": properties})


def example(query: str, arguments: dict[str, Any], *more: dict[str, Any], given_tool: Tool | None = None) -> Example:
    offered = given_tool or tool(**{k: {"type": "string"} for k in arguments})
    messages = ({"role": "user", "content": query}, *more)
    return Example("e", "t", "simple", messages, (offered,), (GoldCall("find", arguments),), "any", {"lang": "zh"})


def test_query_and_argument_change_alike() -> None:
    out = normalise_example(example("請查台北weather站,謝謝", {"place": "台北weather站"}), BOTH)
    assert out.query == "請查台北 weather 站，謝謝"
    assert out.ground_truth[0].arguments == {"place": "台北 weather 站"}


def test_a_value_is_normalised_by_itself_and_put_in_as_a_whole() -> None:
    # By itself "A店" begins with Latin; the comma after it belongs to the sentence.
    out = normalise_example(example("去A店,B店", {"a": "A店", "b": "B店"}), BOTH)
    assert out.query == "去 A 店，B 店"
    assert out.ground_truth[0].arguments == {"a": "A 店", "b": "B 店"}


def test_a_latin_value_that_ends_in_a_mark_stays_whole_beside_chinese() -> None:
    out = normalise_example(example("找Yahoo!的新聞,再找1,北", {"a": "Yahoo!", "b": "1,"}), BOTH)
    assert out.query == "找 Yahoo!的新聞，再找 1,北"
    assert normalise_example(out, BOTH) == out


def test_every_accepted_value_changes() -> None:
    gold = {"a": OneOf(("A店", "A 店"), optional=True), "b": [{"c": "B店"}]}
    out = normalise_example(example("去A店和B店", gold), BOTH)
    assert out.ground_truth[0].arguments == {"a": OneOf(("A 店",), optional=True), "b": [{"c": "B 店"}]}


@pytest.mark.parametrize(
    "schema",
    [{"type": "string", "enum": ["A店", "B店"]}, {"type": "string", "pattern": "^.店$"}, {"const": "A店"},
     {"type": "array", "items": {"enum": ["A店"]}}],
)  # fmt: skip
def test_what_a_schema_pins_stays_in_the_query_too(schema: dict[str, Any]) -> None:
    value: Any = ["A店"] if "items" in schema else "A店"
    out = normalise_example(example("去A店,再去B店", {"a": value}, given_tool=tool(a=schema)), BOTH)
    assert out.query == "去 A店，再去 B 店"
    assert out.ground_truth[0].arguments == {"a": value}


@pytest.mark.parametrize("value", ["訂單_A", "A店_1", "王@例.tw"])
def test_identifiers_addresses_and_dates_stay(value: str) -> None:
    out = normalise_example(example(f"查{value},謝謝", {"a": value}), BOTH)
    assert out.ground_truth[0].arguments == {"a": value}
    assert value in out.query


def test_results_and_values_taken_from_them_stay() -> None:
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"function": {"name": "find", "arguments": {"a": "B店"}}}],
    }
    result = {"role": "tool", "content": '{"店A":"A店"}'}
    out = normalise_example(example("去B店", {"a": "A店"}, call, result, {"role": "user", "content": "好,去A店"}), BOTH)
    assert out.messages[0]["content"] == "去 B 店"
    assert out.messages[1]["tool_calls"] == [{"function": {"name": "find", "arguments": {"a": "B 店"}}}]
    assert out.messages[2] == result
    assert out.messages[3]["content"] == "好，去 A店"
    assert out.ground_truth[0].arguments == {"a": "A店"}


def test_descriptions_change_and_names_keys_enums_and_defaults_stay() -> None:
    given_tool = tool(城市A={"type": "string", "description": "城市A,例如B店", "enum": ["B店"], "default": "B店"})
    out = normalise_example(example("去x店", {"城市A": "B店"}, given_tool=given_tool), BOTH)
    assert out.tools[0].description == "查詢 city 的資料"
    assert out.tools[0].name == "find"
    assert out.tools[0].parameters["properties"] == {
        "城市A": {"type": "string", "description": "城市 A，例如 B店", "enum": ["B店"], "default": "B店"}
    }


def test_what_needs_nothing_comes_back_itself() -> None:
    english = Example("e", "t", "simple", ({"role": "user", "content": "hi, you"},), (), ())
    assert normalise_example(english, BOTH) is english
    chinese = example("去A店", {"a": "A店"})
    assert normalise_example(chinese, TextOptions()) is chinese


def test_a_reference_reply_changes_too() -> None:
    made = example("去A店", {})
    made = Example(
        made.id, made.source, "irrelevance", made.messages, made.tools, (), "any", {"reference_reply": "好,去A店"}
    )
    assert normalise_example(made, BOTH).meta["reference_reply"] == "好，去 A 店"


_TEXT = st.text(st.sampled_from("台北店头发A1b,.:;?!()（），。：？ _/`\n"), max_size=12)


@settings(max_examples=300, deadline=None)
@given(before=_TEXT, values=st.lists(_TEXT, min_size=1, max_size=3), after=_TEXT, traditional=st.booleans())
def test_a_value_that_stood_in_the_query_still_does(
    before: str, values: list[str], after: str, traditional: bool
) -> None:
    if traditional:
        pytest.importorskip("opencc", reason="needs the data extra")
    options = TextOptions(spacing=True, punctuation=True, traditional=traditional)
    arguments = {f"a{i}": value for i, value in enumerate(values)}
    made = example(before + after.join(values) + after, arguments)
    out = normalise_example(made, options)
    for name, value in out.ground_truth[0].arguments.items():
        assert value in out.query or arguments[name] not in made.query
    assert normalise_example(out, options) == out or out.query == made.query


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside the checkout")
@pytest.mark.parametrize("traditional", [False, True])
def test_real_chinese_rows_keep_their_values_and_their_schemas(traditional: bool) -> None:
    if traditional:
        pytest.importorskip("opencc", reason="needs the data extra")
    options = TextOptions(spacing=True, punctuation=True, traditional=traditional)
    rows = [
        e for name in ("train_real", "nocall_real") for e in read_jsonl(SHARED / f"{name}.jsonl.gz") if e.lang == "zh"
    ]
    assert len(rows) == 220
    changed = 0
    for row in rows:
        out = normalise_example(row, options)
        changed += out.query != row.query
        assert check_ground_truth(out.ground_truth, out.tools) == []
        for before, after in zip(row.ground_truth, out.ground_truth, strict=True):
            for name, value in before.arguments.items():
                if isinstance(value, str) and value in row.query:
                    assert after.arguments[name] in out.query
        assert normalise_example(out, options) == out
    assert changed > (180 if traditional else 30)
