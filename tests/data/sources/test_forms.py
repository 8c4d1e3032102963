"""Every source's published form: one row made by hand, and exactly what it becomes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.data.sources import SOURCES, NotUnderstood, Reject, Row, Unused
from rlvr.tools import check_ground_truth
from rlvr.types import Example

PARIS = ("get_weather", {"city": "Paris", "days": 3})
ROME = ("get_weather", {"city": "Rome"})
TOUCAN = "weather-server-get_weather"


def convert(source: str, value: dict[str, Any], location: str = "f.jsonl") -> list[Example]:
    found = SOURCES[source].examples(Row(f"{location}:1", copy.deepcopy(value), "0", location))
    assert not [r for r in found if isinstance(r, Reject)], found
    return [e for e in found if isinstance(e, Example)]


def calls(example: Example) -> list[tuple[str, dict[str, Any]]]:
    return [(c.name, dict(c.arguments)) for c in example.ground_truth]


def roles(example: Example) -> list[str]:
    return [m["role"] for m in example.messages]


# source, row, ids, the first example's calls, its roles, and what the last example expects
FORMS = [
    ("xlam", "XLAM", ["xlam-7"], [PARIS], ["user"], "any"),
    (
        "toolace",
        "TOOLACE",
        ["toolace-0-t0", "toolace-0-t1"],
        [("Get Weather (v2)", {"city": "Paris", "days": 3})],
        ["user"],
        "answer",
    ),
    (
        "toucan",
        "TOUCAN",
        ["toucan-u1-t0", "toucan-u1-t1"],
        [(TOUCAN, {"city": "Paris", "days": 3}), (TOUCAN, {"city": "Rome"})],
        ["user"],
        "answer",
    ),
    ("toucan", "TOUCAN_SFT", ["toucan-u2"], [], ["user"], "refuse"),
    (
        "toucan",
        "TOUCAN_SFT_CALLING",
        ["toucan-u3-t0", "toucan-u3-t1"],
        [(TOUCAN, {"city": "Paris", "days": 3})],
        ["user"],
        "answer",
    ),
    ("hermes", "HERMES", ["hermes-h1-t0", "hermes-h1-t1"], [PARIS], ["user"], "answer"),
    ("glaive", "GLAIVE", ["glaive-0-t0", "glaive-0-t1"], [PARIS], ["user"], "answer"),
    ("glaive", "SHAREGPT", ["glaive-0-t0", "glaive-0-t1"], [PARIS], ["system", "user"], "answer"),
    ("apigen_mt", "SHAREGPT", ["apigen_mt-0-t0", "apigen_mt-0-t1"], [PARIS], ["system", "user"], "answer"),
    ("sharegpt", "SHAREGPT", ["sharegpt-0-t0", "sharegpt-0-t1"], [PARIS], ["system", "user"], "answer"),
    ("rlla", "RLLA", ["rlla-0-t1"], [PARIS, ("other tool", {})], ["user", "assistant", "user"], "any"),
    ("rlla", "RLLA_RL", ["rlla-0-t1"], [PARIS, ("other tool", {})], ["user", "assistant", "user"], "any"),
    ("hammer", "HAMMER", ["hammer-0"], [PARIS], ["user"], "any"),
    ("openai", "OPENAI", ["openai-0-t0"], [PARIS], ["system", "user"], "any"),
    ("llamafactory", "LLAMAFACTORY", ["llamafactory-0-t0", "llamafactory-0-t1"], [PARIS], ["system", "user"], "answer"),
    ("ms_swift", "MS_SWIFT", ["ms_swift-0-t0", "ms_swift-0-t1"], [PARIS, ROME], ["user"], "answer"),
    ("traces", "ANTHROPIC", ["traces-a1-t0", "traces-a1-t1"], [PARIS], ["system", "user"], "answer"),
    ("traces", "RESPONSES", ["traces-0-t0", "traces-0-t1"], [PARIS], ["system", "user"], "answer"),
    ("traces", "CHAT_LOG", ["traces-0"], [PARIS], ["system", "user"], "any"),
    ("traces", "OPENAI", ["traces-0-t0"], [PARIS], ["system", "user"], "any"),
]


@pytest.mark.parametrize(("source", "form", "ids", "gold", "before", "expects"), FORMS)
def test_a_row_becomes_its_turns(
    source: str, form: str, ids: list[str], gold: Any, before: list[str], expects: str, forms: SimpleNamespace
) -> None:
    examples = convert(source, getattr(forms, form))
    assert [e.id for e in examples] == ids
    assert calls(examples[0]) == gold
    assert roles(examples[0]) == before
    assert examples[-1].expects == expects
    for example in examples:
        assert example.source == source
        assert example.meta["license"]
        assert example.meta["provenance"] == {"location": "f.jsonl", "row": "0"}
        assert check_ground_truth(example.ground_truth, example.tools) == []
        assert json.loads(json.dumps(example.to_json())) == example.to_json()


def test_every_source_has_a_form_here_or_a_test_of_its_own() -> None:
    own = {"jsonl", "parquet", "builtin", "bfcl", "mcp", "sgd"}
    assert {f[0] for f in FORMS} | own == set(SOURCES)


def test_the_history_holds_calls_results_and_no_declarations(forms: SimpleNamespace) -> None:
    first, last = convert("toucan", forms.TOUCAN)
    assert first.meta["server"] == "Weather Server"
    assert first.meta["coercions"] == ["arguments[0].days: '3' → 3"]
    assert roles(last) == ["user", "assistant", "tool", "tool"]
    called = last.messages[1]
    assert called["content"] == "Let me look."
    assert [c["function"] for c in called["tool_calls"]] == [
        {"name": TOUCAN, "arguments": {"city": "Paris", "days": 3}},
        {"name": TOUCAN, "arguments": {"city": "Rome"}},
    ]
    assert last.messages[2] == {"role": "tool", "content": forms.RESULT, "name": TOUCAN}
    assert "coercions" not in last.meta
    assert last.meta["reference_reply"] == forms.REPLY
    assert (first.category, last.category) == ("parallel", "multi_turn")


def two_results_turned(form: str, forms: SimpleNamespace) -> tuple[str, dict[str, Any]]:
    """A form with two parallel calls, whose results came in the other order."""
    row = copy.deepcopy(getattr(forms, form))
    if form == "OPENAI":
        call = copy.deepcopy(row["messages"][2]["tool_calls"][0])
        row["messages"][2]["tool_calls"].append({**call, "id": "c2"})
        row["messages"].insert(3, {"role": "tool", "tool_call_id": "c2", "content": "the second's"})
        return "openai", row
    if form == "ANTHROPIC":
        asked, brought = row["request"]["messages"][1:]
        asked["content"].append({**asked["content"][-1], "id": "t2"})
        brought["content"].insert(0, {"type": "tool_result", "tool_use_id": "t2", "content": "the second's"})
        return "traces", row
    row["input"].insert(3, {**row["input"][2], "call_id": "c2"})
    row["input"].insert(4, {"type": "function_call_output", "call_id": "c2", "output": "the second's"})
    return "traces", row


@pytest.mark.parametrize("form", ["OPENAI", "ANTHROPIC", "RESPONSES"])
def test_results_are_tied_to_their_calls_by_their_ids(form: str, forms: SimpleNamespace) -> None:
    source, row = two_results_turned(form, forms)
    if form == "OPENAI":
        del row["messages"][-1]["weight"]
    last = convert(source, row)[-1]
    assert [m["content"] for m in last.messages if m["role"] == "tool"] == [forms.RESULT, "the second's"]


def test_an_irrelevant_row_of_toucan_that_calls_is_no_example(forms: SimpleNamespace) -> None:
    row = {**forms.TOUCAN_SFT_CALLING, "subset_name": "irrelevant"}
    found = SOURCES["toucan"].examples(Row("f:1", row))
    assert isinstance(found[0], Reject)
    assert (found[0].kind, found[0].code) == ("invalid", "call_in_no_call_row")


def test_toucan_without_metadata_knows_its_server_by_the_names(forms: SimpleNamespace) -> None:
    row = {**forms.TOUCAN, "metadata": ""}
    assert convert("toucan", row)[0].meta["server"] == "weather-server"
    row["target_tools"] = "Weather Server::get_weather, Other::x"
    meta = convert("toucan", row)[0].meta
    assert "server" not in meta
    assert meta["servers"] == ["Weather Server", "Other"]


def test_hermes_reads_parallel_results_and_a_column_of_tools(forms: SimpleNamespace) -> None:
    row = copy.deepcopy(forms.HERMES)
    row["tools"] = json.dumps([forms.OPENAI_WEATHER])
    row["conversations"][0]["value"] = "You are a cook."
    row["conversations"][2]["value"] += '<tool_call>{"name": "get_weather", "arguments": {"city": "Rome"}}</tool_call>'
    row["conversations"][3]["value"] *= 2
    first, last = convert("hermes", row)
    assert calls(first) == [PARIS, ROME]
    assert roles(last) == ["system", "user", "assistant", "tool", "tool"]
    assert last.messages[-1]["content"] == forms.RESULT


@pytest.mark.parametrize(
    "inner", ['{"city": "Cote d\'Ivoire"}', '{"city": "Cote d\\\'Ivoire"}', '{"city": "a \\"b\\""}']
)
def test_glaive_arguments_in_single_quotes(inner: str, forms: SimpleNamespace) -> None:
    call = f'{{"name": "get_weather", "arguments": \'{inner}\'}}'
    chat = f"USER: Weather? <|endoftext|>ASSISTANT: Yes. <functioncall> {call}"
    (example,) = convert("glaive", {**forms.GLAIVE, "chat": chat})
    expected = "Cote d'Ivoire" if "Ivoire" in inner else 'a "b"'
    assert calls(example) == [("get_weather", {"city": expected})]


def test_toolace_restores_a_name_that_was_cut(forms: SimpleNamespace) -> None:
    tools = [{**forms.WEATHER, "name": "City Weather API"}, {"name": "Stock API", "parameters": {}}]
    row = {
        "system": f"functions:\n{json.dumps(tools)}. ",
        "conversations": [
            {"from": "human", "value": "Weather?"},
            {"from": "function_call", "value": '{"name": "API", "arguments": {"city": "Rome"}}'},
        ],
        "tools": "[]",
    }
    (example,) = convert("toolace", row)
    assert calls(example) == [("City Weather API", {"city": "Rome"})]
    assert example.meta["coercions"] == ["name: 'API' → 'City Weather API'"]
    row["conversations"][1]["value"] = '{"name": "API", "arguments": {}}'
    found = SOURCES["toolace"].examples(Row("f:1", row))[0]
    assert isinstance(found, Example)
    assert calls(found) == [("Stock API", {})], "only one of the two takes no arguments"


def test_an_empty_list_of_answers_wants_no_call(forms: SimpleNamespace) -> None:
    for source, row in (
        ("xlam", {**forms.XLAM, "answers": "[]"}),
        ("hammer", {**forms.HAMMER, "output": "```\n[]\n```"}),
    ):
        (example,) = convert(source, row)
        assert (example.ground_truth, example.expects, example.category) == ((), "any", "irrelevance")
        assert "reference_reply" not in example.meta


def test_nemo_gym_rows_of_xlam(forms: SimpleNamespace) -> None:
    row = {
        "id": 3,
        "responses_create_params": {
            "input": [{"role": "user", "content": forms.ASKED}],
            "tools": [{"type": "function", **forms.WEATHER}],
        },
        "expected_answers": [forms.CALL],
    }
    (example,) = convert("xlam", row)
    assert (example.id, calls(example)) == ("xlam-3", [PARIS])


def test_sgd_needs_the_schema_beside_the_file(tmp_path: Path, forms: SimpleNamespace) -> None:
    location = str(tmp_path / "dialogues_001.json")
    with pytest.raises(Unused, match=r"no schema\.json"):
        convert("sgd", forms.SGD, str(tmp_path / "elsewhere" / "d.json"))
    (tmp_path / "schema.json").write_text(json.dumps(forms.SGD_SCHEMA), encoding="utf-8")
    first, last = convert("sgd", forms.SGD, location)
    assert first.tools[0].parameters["properties"]["days"] == {
        "type": "integer",
        "description": "",
        "enum": [1, 2, 3],
        "default": 1,
    }
    assert calls(first) == [("GetWeather", {"city": "Paris", "days": 3})], "typed, and dontcare left out"
    assert first.meta["coercions"] == ["arguments.days: '3' → 3"]
    assert (last.expects, last.meta["reference_reply"]) == ("answer", forms.REPLY)
    unsaid = copy.deepcopy(forms.SGD)
    unsaid["turns"][1]["frames"][0]["service_call"]["parameters"]["city"] = "Oslo"
    reject, later = SOURCES["sgd"].examples(Row(f"{location}:1", unsaid, "0", location))
    assert isinstance(reject, Reject)
    assert isinstance(later, Example)
    assert (reject.id, reject.code, reject.reason) == ("sgd-1_0-t0", "unsaid_value", "nobody said 'Oslo'")
    assert later.id == "sgd-1_0-t1"


BROKEN = [
    ("xlam", "XLAM", {"answers": "[{'name'"}, "answers"),
    ("xlam", "XLAM", {"tools": "[{]"}, "tools"),
    ("toolace", "TOOLACE", {"system": 5}, "system"),
    ("toolace", "TOOLACE", {"conversations": [{"from": "asistant", "value": ""}]}, "role"),
    ("toucan", "TOUCAN", {"messages": "[]"}, "messages"),
    ("hermes", "HERMES", {"conversations": "x"}, "messages"),
    ("glaive", "GLAIVE", {"chat": "hello"}, "messages"),
    ("rlla", "RLLA", {"output": "I think so"}, "answer"),
    ("rlla", "RLLA_RL", {"prompt": []}, "messages"),
    ("hammer", "HAMMER", {"instruction": "hello"}, "instruction"),
    ("openai", "OPENAI", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "no_text"),
    ("llamafactory", "LLAMAFACTORY", {"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "message"),
    ("traces", "CHAT_LOG", {"request": {"messages": 5}}, "messages"),
    ("sgd", "SGD", {"services": []}, "services"),
]


@pytest.mark.parametrize(("source", "form", "change", "code"), BROKEN)
def test_a_row_in_another_form_is_not_understood(
    source: str, form: str, change: dict[str, Any], code: str, forms: SimpleNamespace
) -> None:
    with pytest.raises(NotUnderstood) as caught:
        SOURCES[source].examples(Row("f.jsonl:1", {**getattr(forms, form), **change}))
    assert caught.value.code == code
    assert caught.value.where == "f.jsonl:1"


@pytest.mark.parametrize(("source", "form"), [("hermes", "HERMES"), ("glaive", "SHAREGPT"), ("ms_swift", "MS_SWIFT")])
def test_rows_without_tools_are_unused_and_not_misunderstood(source: str, form: str, forms: SimpleNamespace) -> None:
    row = copy.deepcopy(getattr(forms, form))
    row["tools"] = ""
    if source == "hermes":
        row["conversations"][0]["value"] = "You answer in JSON."
    with pytest.raises(Unused) as caught:
        SOURCES[source].examples(Row("f:1", row))
    assert caught.value.code == "no_tools"
