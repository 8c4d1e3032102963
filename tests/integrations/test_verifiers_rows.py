"""verifiers: rows of a dataset, what of them an environment reads, and the real package where it is installed."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.data.plain_turns import plain_turns
from rlvr.errors import DataError, UsageError
from rlvr.integrations import verifiers
from rlvr.types import Example, GoldCall, Tool


def earlier(tool: str, arguments: Any, result: str, **more: Any) -> Example:
    """A dialogue in which a tool was called before, as the readers of data write it: objects, and no ids."""
    asked = {"role": "user", "content": "First this."}
    called = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": tool, "arguments": arguments}}]}
    answer = {"role": "tool", "content": result, **more}
    offered = Tool(tool, f"What {tool} does.", {"type": "object", "properties": {key: {} for key in arguments}})
    return Example(tool, "test", "multi_turn", (asked, called, answer), (offered,), (GoldCall(tool, arguments),))


EARLIER = (earlier("find_song", {"title": "Hạ"}, "[]", name="find_song"), earlier("find_bus", {"seats": 2}, "[1]"))


def test_tools_stand_where_an_environment_reads_them(examples: dict[str, Example]) -> None:
    """`init_state` of 0.3.1: `info["tool_defs"]`, each with name, description and parameters, and no `oai_tools`."""
    tool = examples["wants"].tools[0]
    info = json.loads(verifiers.to_row(examples["wants"])["info"])
    shown = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    assert info["tool_defs"] == [shown]
    assert json.loads(info["tools"]) == [shown], "what the reward reads"
    assert "oai_tools" not in info, "0.3 refuses it"
    bare = Example("bare", "test", "irrelevance", examples["wants"].messages, (), (), "refuse")
    assert json.loads(verifiers.to_row(bare)["info"])["tool_defs"] == [], "not those of the environment"


def test_earlier_calls_come_through_arrow_with_their_own_arguments(examples: dict[str, Example]) -> None:
    """As objects each call would have the arguments of the others too, with nulls."""
    arrow = pytest.importorskip("pyarrow", reason="needs the data extra")
    rows = [verifiers.to_row(e) for e in (examples["wants"], *EARLIER)]
    read = [row["prompt"] for row in arrow.Table.from_pylist(rows).to_pylist()]
    song, bus = ([{k: v for k, v in m.items() if v is not None} for m in prompt] for prompt in read[1:])
    # verifiers/legacy/types.py of 0.3.1: `ToolCall` has id, name and arguments, all text; `ToolMessage` a tool_call_id
    assert song == [
        {"role": "user", "content": "First this."},
        {"role": "assistant", "content": "",
         "tool_calls": [{"id": "call_0", "name": "find_song", "arguments": '{"title": "Hạ"}'}]},
        {"role": "tool", "content": "[]", "tool_call_id": "call_0", "name": "find_song"},
    ]  # fmt: skip
    assert bus[1]["tool_calls"] == [{"id": "call_0", "name": "find_bus", "arguments": '{"seats": 2}'}]
    assert bus[2] == {"role": "tool", "content": "[1]", "tool_call_id": "call_0"}


def said(*messages: Any) -> list[dict[str, Any]]:
    return verifiers.turns(Example("one", "test", "multi_turn", messages, (), ()))


@pytest.mark.parametrize(
    ("ids", "named", "answered"),
    [
        ((None, None), (None, None), ["call_0", "call_1"]),  # in order
        (("a", "b"), ("b", "a"), ["b", "a"]),  # as they say
        (("a", "b"), (None, None), ["a", "b"]),
        (("a", None), ("x", "x"), ["a", "call_1"]),  # an unknown name is none
        (("a", "b"), ("b", "b"), ["b", "a"]),
        (("a",), (None, None), ["a", "a"]),  # more results than calls
        ((), (None,), ["call_0"]),
    ],
)
def test_results_name_the_call_that_they_answer(ids: Any, named: Any, answered: list[str]) -> None:
    calls = [{"id": i, "function": {"name": "f", "arguments": {}}} for i in ids]
    made = said({"role": "assistant", "tool_calls": calls}, *({"role": "tool", "tool_call_id": n} for n in named))
    assert [m["tool_call_id"] for m in made[1:]] == answered
    if calls:
        assert [c["id"] for c in made[0]["tool_calls"]] == [i or f"call_{n}" for n, i in enumerate(ids)]


def test_later_calls_have_ids_of_their_own() -> None:
    call = {"name": "f", "arguments": {}}
    made = said(*[{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "1"}] * 2)
    assert [m["tool_calls"][0]["id"] for m in made[::2]] == ["call_0", "call_1"]
    assert [m["tool_call_id"] for m in made[1::2]] == ["call_0", "call_1"]


@pytest.mark.parametrize(("given", "text"), [('{"a": 1}', '{"a": 1}'), ({"a": "ở"}, '{"a": "ở"}'), (None, "{}")])
def test_arguments_are_text_in_any_case(given: Any, text: str) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": given}}
    assert said({"role": "assistant", "tool_calls": [call]})[0]["tool_calls"][0]["arguments"] == text


def test_roles_and_contents_are_those_that_verifiers_takes() -> None:
    made = said(
        {"role": "developer", "content": "Be brief."},
        {"role": "assistant", "content": None, "reasoning": "Hm.", "tool_calls": []},
        {"role": "function", "content": {"ok": True}, "name": "f"},
    )
    assert made == [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "", "reasoning_content": "Hm."},
        {"role": "tool", "content": '{"ok": true}', "tool_call_id": "call_0", "name": "f"},
    ]


@pytest.mark.parametrize("call", ["f", {"function": "f"}, {"function": {"arguments": {}}}, {"name": None}])
def test_an_earlier_call_that_is_none_is_named(call: Any) -> None:
    with pytest.raises(DataError, match=r"one.*earlier turn has no name"):
        said({"role": "assistant", "tool_calls": [call]})


@pytest.mark.trainers
def test_the_real_environment_hands_over_tools_and_earlier_calls(examples: dict[str, Example]) -> None:
    """One turn of `SingleTurnEnv`, as its own client would send it to a server that reads calls."""
    vf = pytest.importorskip("verifiers", reason="needs verifiers")
    try:
        rubric = verifiers.rubric("function_calling", stage="stage1")
    except UsageError:
        pytest.skip("verifiers 0.4 and later have no rubrics")
    from datasets import Dataset
    from openai.types.chat import ChatCompletion
    from verifiers.clients import OpenAIChatCompletionsClient

    seen: list[tuple[Any, Any]] = []

    class Server(OpenAIChatCompletionsClient):
        async def get_native_response(self, prompt: Any, model: Any, args: Any, tools: Any = None, **_: Any) -> Any:
            seen.append((prompt, tools))
            function = {"name": "find_bus", "arguments": '{"seats": 2}'}
            message = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": function}]}
            choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
            whole = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
            return ChatCompletion.model_validate(whole)

    given = (examples["wants"], *EARLIER)
    env = vf.SingleTurnEnv(dataset=Dataset.from_list([verifiers.to_row(e) for e in given]), rubric=rubric)
    states = [asyncio.run(env.rollout(row, Server(SimpleNamespace()), "m")) for row in env.get_dataset()]
    assert [s.get("error") for s in states] == [None] * 3
    tools = [[{"type": "function", "function": t.to_json()} for t in example.tools] for example in given]
    assert [shown for _, shown in seen] == tools
    for (prompt, _), example in zip(seen[1:], EARLIER, strict=True):
        call = prompt[1]["tool_calls"][0]
        assert json.loads(call["function"]["arguments"]) == example.ground_truth[0].arguments
        assert prompt[2]["tool_call_id"] == call["id"]
    asyncio.run(env.rubric.score_rollout(states[2]))
    assert states[2]["metrics"]["right"] == 1.0


@pytest.mark.trainers
def test_the_real_task_takes_the_turns_and_tools_as_text() -> None:
    pytest.importorskip("verifiers", reason="needs verifiers")
    if importlib.util.find_spec("verifiers.v1") is None:
        pytest.skip("needs verifiers 0.3 or later")
    import verifiers.v1 as vf

    made = verifiers.task(vf.Task[vf.TaskData, vf.State, vf.TaskConfig], "function_calling", stage="stage1")
    prompt = made(vf.TaskData(idx=0, prompt=verifiers.turns(EARLIER[1]))).data.prompt
    assert prompt[1].tool_calls[0].arguments == '{"seats": 2}'
    text = made(vf.TaskData(idx=0, prompt=plain_turns(EARLIER[1]))).data.prompt[0].content
    assert '"name": "find_bus"' in text
