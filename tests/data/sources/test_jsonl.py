"""Rows in our form: what is read, what is derived, and how a bad row is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.sources.jsonl import example_from_row, read_jsonl
from rlvr.errors import DataError, UsageError
from rlvr.types import Example, GoldCall, OneOf

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
TOOL = {
    "name": "weather",
    "description": "",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
OTHER = {"name": "other", "description": "", "parameters": {"type": "object", "properties": {}}}
USER = {"role": "user", "content": "Weather in Hà Nội?"}
CALL = {"name": "weather", "arguments": {"city": "Hà Nội"}}


def row(**changes: Any) -> dict[str, Any]:
    out = {"messages": [USER], "tools": [TOOL], "ground_truth": [CALL], **changes}
    return {k: v for k, v in out.items() if v != "absent"}


def test_a_row_becomes_an_example() -> None:
    example = example_from_row(
        row(id=7, source="s", expects="clarify", lang="zh-Hans", license="MIT", meta={"seed": 1}), "f:3"
    )
    assert isinstance(example, Example)
    assert (example.id, example.source, example.category, example.expects) == ("7", "s", "simple", "clarify")
    assert example.meta == {"license": "MIT", "seed": 1, "lang": "zh", "lang_tag": "zh-Hans"}
    assert example.ground_truth == (GoldCall("weather", {"city": "Hà Nội"}),)
    assert example_from_row(example.to_json(), "f:3") == example


@pytest.mark.parametrize(
    ("tag", "meta"),
    [
        ("en", {"lang": "en"}),
        ("zh_TW", {"lang": "zh", "lang_tag": "zh_TW"}),
        ("fr", {"lang_tag": "fr"}),  # a language that rlvr does not know is told all the same
        ("", {}),
    ],
)
def test_what_a_row_says_of_its_language_is_kept(tag: str, meta: dict[str, str]) -> None:
    example = example_from_row(row(lang=tag), "f:1")
    assert isinstance(example, Example)
    assert example.meta == meta
    assert example_from_row(example.to_json(), "f:1") == example


def test_columns_may_be_json_strings() -> None:
    plain = example_from_row(row(), "f:1")
    columns = {k: json.dumps(row()[k]) for k in ("messages", "tools", "ground_truth")}
    assert example_from_row(columns, "f:1") == plain
    assert plain.id == "f:1"


def test_accepted_values_survive() -> None:
    gold = [
        {
            "name": "weather",
            "arguments": {"city": {"$one_of": ["Hanoi", "Hà Nội"]}, "days": {"$one_of": [1], "$optional": True}},
        }
    ]
    example = example_from_row(row(ground_truth=gold), "f:1")
    assert example.ground_truth[0].arguments == {"city": OneOf(("Hanoi", "Hà Nội")), "days": OneOf((1,), True)}
    assert example_from_row(example.to_json(), "f:1") == example


TURNS = [USER, {"role": "assistant", "content": "?"}, USER]


@pytest.mark.parametrize(
    ("changes", "category"),
    [
        ({}, "simple"),
        ({"tools": [TOOL, OTHER]}, "multiple"),
        ({"ground_truth": [CALL, CALL]}, "parallel"),
        ({"ground_truth": [CALL, {"name": "other", "arguments": {}}], "tools": [TOOL, OTHER]}, "parallel_multiple"),
        ({"ground_truth": []}, "irrelevance"),
        ({"ground_truth": [], "messages": TURNS}, "multi_turn"),
        ({"messages": TURNS}, "multi_turn"),
        ({"category": "irrelevance"}, "irrelevance"),
    ],
)
def test_the_category_is_derived_where_absent(changes: dict[str, Any], category: str) -> None:
    assert example_from_row(row(**changes), "f:1").category == category


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"messages": "absent"}, "no messages"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"content": "x"}]}, r"messages\[0\] must be an object with a role"),
        ({"messages": [{"role": "system", "content": ""}]}, "no user message"),
        ({"messages": [USER, {"role": "assistant", "content": "x"}]}, "end with the assistant"),
        ({"messages": "[{"}, "messages is not valid JSON"),
        ({"tools": "absent"}, "no tools"),
        ({"tools": []}, "tools is empty"),
        ({"tools": "[{]"}, "tools are not valid JSON"),
        ({"ground_truth": "absent"}, "no ground_truth"),
        ({"ground_truth": "[oops]"}, "ground_truth is not valid JSON"),
        ({"ground_truth": {}}, "must be a list of calls"),
        ({"ground_truth": [{"name": "wether", "arguments": {}}]}, "wether: the tool is not offered .offered: weather."),
        ({"ground_truth": [{"name": "weather", "arguments": {"days": "2"}}]}, "days: '2' is not of type 'integer'"),
        ({"ground_truth": [{"name": "weather", "arguments": {"city": "x", "t": 1}}]}, "t: not in the schema"),
        ({"category": "simpel"}, "category: got 'simpel', expected one of simple"),
        ({"expects": "refusal"}, "expects: got 'refusal', expected one of refuse"),
        ({"expect": "refuse"}, "expect: unknown field. Did you mean expects?"),
        ({"meta": [1]}, "meta: got list"),
        ({"id": [1]}, "id: got"),
    ],
)
def test_a_row_that_cannot_be_scored_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        example_from_row(row(**changes), "rows.jsonl:4")
    assert str(caught.value).startswith("rows.jsonl:4")
    assert caught.value.exit_code == 2


def write(path: Path, *lines: str) -> Path:
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_files_are_read_in_order(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, json.dumps(row(id="a")), "", json.dumps(row(id="b"), ensure_ascii=False))
    assert [e.id for e in read_jsonl(path)] == ["a", "b"]


def test_a_bad_row_stops_the_reading_or_is_collected(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl", json.dumps(row(id="a")), "{broken", json.dumps(row(tools=[])), json.dumps(row(id="b"))
    )
    with pytest.raises(DataError, match=r"a\.jsonl:2: the row is not valid JSON"):
        list(read_jsonl(path))
    errors: list[DataError] = []
    assert [e.id for e in read_jsonl(path, on_error="collect", errors=errors)] == ["a", "b"]
    assert [e.where.rpartition(":")[2] for e in errors] == ["2", "3"]


def test_misuse_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a list"):
        list(read_jsonl(tmp_path / "a", on_error="collect"))
    with pytest.raises(UsageError, match="expected 'raise' or 'collect'"):
        list(read_jsonl(tmp_path / "a", on_error="skip"))
    with pytest.raises(DataError, match="no such file"):
        list(read_jsonl(tmp_path / "none.jsonl"))
    (tmp_path / "bad.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cannot be read"):
        list(read_jsonl(tmp_path / "bad.jsonl.gz"))
    (tmp_path / "latin.jsonl").write_bytes(b'{"a": "\xe9"}\n')
    with pytest.raises(DataError, match=r"latin\.jsonl:1: not valid UTF-8"):
        list(read_jsonl(tmp_path / "latin.jsonl"))
    with pytest.raises(DataError, match="a row must be an object"):
        list(read_jsonl(write(tmp_path / "list.jsonl", "[1]")))
    with pytest.raises(DataError, match="NaN is no JSON"):
        list(read_jsonl(write(tmp_path / "nan.jsonl", '{"x": NaN}')))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside the checkout")
@pytest.mark.parametrize(("name", "n"), [("train_real", 1613), ("train_sgd", 1732), ("nocall_real", 224)])
def test_the_shared_files_load_whole(name: str, n: int) -> None:
    examples = list(read_jsonl(SHARED / f"{name}.jsonl.gz"))
    assert len(examples) == n
    assert all(e.meta["license"] and e.meta["provenance"] for e in examples)
    assert {e.lang for e in examples} <= {"en", "zh"}
    assert all(bool(e.ground_truth) != (name == "nocall_real") for e in examples)


def test_content_in_parts_is_one_string() -> None:
    parts = [{"type": "text", "text": "Weather in "}, {"type": "text", "text": "Hà Nội?"}]
    example = example_from_row(row(messages=[{"role": "user", "content": parts}]), "f:1")
    assert example.messages == (USER,)
    for content, said in (
        ([{"type": "image_url", "image_url": "x"}], "no text"),
        (5, "messages\\[0\\] has no text: got 5"),
        ({"text": "x"}, "has no text"),
    ):
        with pytest.raises(DataError, match=said):
            example_from_row(row(messages=[{"role": "user", "content": content}]), "f:1")
