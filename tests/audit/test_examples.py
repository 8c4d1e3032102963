"""The examples of the audit: its own cover what it needs, a user's are checked when they are read."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rlvr.audit import Subject, audit, built_in_examples, composition_target, load_examples
from rlvr.errors import DataError
from rlvr.rewards import load_composition
from rlvr.types import CATEGORIES, EXPECTS, Example

TOOL = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}


def row(**own: Any) -> dict[str, Any]:
    base = {"tools": [TOOL], "ground_truth": [{"name": "f", "arguments": {"a": 1}}], "query": "Do f with 1, please."}
    return {**base, **own}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    return path


def test_the_built_in_examples_cover_every_category_language_and_kind_of_words(examples: list[Example]) -> None:
    assert len(examples) >= 40
    counts = Counter((e.category, e.lang) for e in examples)
    assert all(counts[c, lang] >= 1 for c in CATEGORIES for lang in ("en", "vi", "zh"))
    assert {e.expects for e in examples if not e.ground_truth} == set(EXPECTS)
    assert len({e.id for e in examples}) == len(examples)
    assert len({e.query for e in examples}) == len(examples)


def test_the_built_in_examples_hold_what_the_families_need(examples: list[Example]) -> None:
    arguments = [v for e in examples for c in e.ground_truth for v in c.canonical().arguments.values()]
    assert any(v == 1 and isinstance(v, int) and not isinstance(v, bool) for v in arguments)
    assert any(v == 0 and isinstance(v, int) and not isinstance(v, bool) for v in arguments)
    assert any(isinstance(v, bool) for v in arguments)
    assert any(isinstance(v, float) for v in arguments)
    assert any(isinstance(v, list) for v in arguments)
    assert any(isinstance(v, dict) for v in arguments)
    assert any(len(e.ground_truth) >= 3 for e in examples)


def test_every_right_word_of_an_example_is_right(examples: list[Example]) -> None:
    for example in examples:
        subject = Subject(example)
        assert subject.right(subject.ground_truth), example.id
        if not example.ground_truth:
            assert [w for w in subject.words if not subject.right(w)] == [], example.id


def test_a_users_rows_are_read_as_objects_or_strings(tmp_path: Path) -> None:
    plain = row(id="a")
    strings = {**plain, "tools": json.dumps(plain["tools"]), "ground_truth": json.dumps(plain["ground_truth"])}
    dialogue = {**plain, "query": None, "messages": [{"role": "user", "content": "Do f with 1, please."}]}
    read = load_examples(write(tmp_path / "d.jsonl", plain, strings, dialogue))
    assert read[0] == read[1] == read[2]
    assert read[0].query == "Do f with 1, please."
    assert read[0].lang == "en"


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(row()).encode()))
    assert len(load_examples(path)) == 1


def test_what_the_library_writes_is_read_back(tmp_path: Path, examples: list[Example]) -> None:
    path = write(tmp_path / "d.jsonl", *(e.to_json() for e in examples))
    read = load_examples(path)
    assert [(e.id, e.tools, e.ground_truth, e.expects, e.lang) for e in read] == [
        (e.id, e.tools, e.ground_truth, e.expects, e.lang) for e in examples
    ]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"tools": None}, "no tools"),
        ({"ground_truth": None}, "no ground_truth"),
        ({"query": None}, "no messages"),
        ({"ground_truth": [{"name": "g", "arguments": {}}]}, "not offered"),
        ({"ground_truth": [{"name": "f", "arguments": {"a": "x"}}]}, "not of type 'integer'"),
        ({"ground_truth": "{"}, "not valid JSON"),
        ({"expects": "shrug"}, "expects: got 'shrug'"),
        ({"category": "odd"}, "category: got 'odd'"),
        ({"meta": ["en"]}, "meta: got ['en'], expected an object"),
        ({"meta": {"words": [5]}}, "meta.words: got [5], expected a list of texts"),
        ({"ground_truth": [{"name": "f", "parameters": {"a": 1}}]}, "has 'parameters', and no 'arguments'"),
    ],
)
def test_a_row_that_cannot_be_scored_is_named_with_its_line(tmp_path: Path, bad: dict[str, Any], says: str) -> None:
    path = write(tmp_path / "d.jsonl", row(), row(**bad))
    with pytest.raises(DataError, match=r"d\.jsonl:2") as caught:
        load_examples(path)
    assert says in str(caught.value)


def test_one_right_word_may_stand_without_a_list_and_a_language_may_have_a_region(tmp_path: Path) -> None:
    asked = {"ground_truth": [], "expects": "refuse", "query": "請幫我訂一張去巴黎的機票。"}
    said = row(**asked, meta={"lang": "zh-TW", "words": "很抱歉，我沒有訂機票的工具。"})
    unsaid = row(**asked, meta={"lang": "zh-TW"})
    for example in load_examples(write(tmp_path / "d.jsonl", said, unsaid)):
        subject = Subject(example)
        assert subject.lang == "zh"
        assert subject.ground_truth.startswith("很抱歉")
        assert subject.right(subject.ground_truth)


def test_an_example_that_a_format_cannot_write_is_left_out_and_told(tmp_path: Path) -> None:
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"a b": {"type": "integer"}}}}
    spaced = row(id="spaced", tools=[tool], ground_truth=[{"name": "f", "arguments": {"a b": 1}}])
    examples = load_examples(write(tmp_path / "d.jsonl", row(id="plain"), spaced))
    target = composition_target(load_composition("function_calling"), "pythonic")
    result = audit(target, examples, parser="pythonic", only=["empty"])
    assert result.clean
    assert [note for note in result.notes if "1 examples were left out" in note and "spaced" in note]
    tool["parameters"]["required"] = ["a b"]  # type: ignore[index]
    offered = load_examples(write(tmp_path / "d.jsonl", row(id="none", tools=[tool], ground_truth=[])))
    probed = audit(target, offered, parser="pythonic", margin=0.1, skip=["very_long"])
    assert probed.clean
    assert {f.family for f in probed.families} >= {"empty", "copied_instructions", "policy:nothing"}


@pytest.mark.parametrize("text", ["", "\n\n", "{", "[1]"])
def test_a_file_without_examples_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError):
        load_examples(path)
    with pytest.raises(DataError):
        load_examples(tmp_path / "absent.jsonl")


def test_the_examples_are_the_same_each_time() -> None:
    assert built_in_examples() == built_in_examples()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["integer", "null"]},
        {"type": "integer", "nullable": True},
        True,
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    ],
)
def test_an_argument_that_may_be_null_can_be_audited(tmp_path: Path, schema: Any) -> None:
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": schema}}}
    examples = load_examples(write(tmp_path / "d.jsonl", row(tools=[tool])))
    result = audit(composition_target(load_composition("function_calling")), examples, skip=["very_long"])
    assert [f.message for f in result.findings if f.kind == "contract"] == []


def test_a_query_in_parts_is_text(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "Do f "}, {"type": "text", "text": "with 1."}]}]
    assert load_examples(write(tmp_path / "d.jsonl", row(messages=messages)))[0].query == "Do f with 1."
