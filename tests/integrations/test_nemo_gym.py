"""NeMo Gym: the documented shape of a verify request, and the real package where it is installed."""

from __future__ import annotations

import asyncio
import json
import sys
from types import ModuleType
from typing import Any

import pytest

from rlvr.errors import DataError, UsageError
from rlvr.integrations import Scorer, nemo_gym
from rlvr.types import Example

THINK = "<think>Which tool fits?</think>\n"
NAME, ARGUMENTS = "get_weather", {"city": "Hanoi", "days": 3}


def items(text: str) -> list[dict[str, Any]]:
    """What a model server makes of a completion: reasoning, calls and text apart."""
    out: list[dict[str, Any]] = []
    if text.startswith(THINK):
        text = text.removeprefix(THINK)
        out.append({"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Which tool fits?"}]})
    if text.startswith("<tool_call>"):
        body = json.loads(text.removeprefix("<tool_call>").removesuffix("</tool_call>"))
        call = {"type": "function_call", "call_id": "c", "name": body["name"]}
        out.append({**call, "arguments": json.dumps(body["arguments"])})
    elif text:
        part = {"type": "output_text", "text": text, "annotations": []}
        out.append({"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]})
    return out


def response(output: list[dict[str, Any]], cut: bool = False) -> dict[str, Any]:
    return {
        "id": "resp_test",
        "created_at": 0.0,
        "model": "dummy",
        "object": "response",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}} if cut else {}),
    }


def body(example: Example, text: str, cut: bool = False) -> dict[str, Any]:
    return {**nemo_gym.to_row(example), "response": response(items(text), cut)}


def test_verify_pays_what_was_worked_out_by_hand(worked: tuple[Example, str, bool, float, bool]) -> None:
    example, text, cut, reward, right = worked
    scored = nemo_gym.verify(body(example, text, cut), Scorer("function_calling", "stage1"))
    assert scored.total == pytest.approx(reward)
    assert scored.right is right


def test_a_row_is_a_line_of_a_resources_server(examples: dict[str, Example]) -> None:
    row = json.loads(json.dumps(nemo_gym.to_row(examples["wants"], agent="weather_agent")))
    params = row["responses_create_params"]
    assert params["input"] == [{"role": "user", "content": "What will the weather be like in Hanoi for 3 days?"}]
    tool = params["tools"][0]
    assert (tool["type"], tool["name"], tool["strict"]) == ("function", NAME, False)
    assert tool["parameters"]["required"] == ["city", "days"]
    assert row["agent_ref"] == {"type": "responses_api_agents", "name": "weather_agent"}
    assert json.loads(row["ground_truth"]) == [{"name": NAME, "arguments": ARGUMENTS}]


def test_a_call_that_the_server_did_not_recognise_is_no_refusal(examples: dict[str, Example]) -> None:
    text = json.dumps({"name": NAME, "arguments": ARGUMENTS})
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]
    scored = nemo_gym.verify({**nemo_gym.to_row(examples["none"]), "response": response(output)}, Scorer())
    assert scored.scores["refusal"] == -1.0


@pytest.mark.parametrize("output", [None, "text", [None, 3], [{"type": "web_search_call"}], [{"type": "message"}]])
def test_output_of_any_shape_is_a_completion(examples: dict[str, Example], output: Any) -> None:
    answer = {**response([]), "output": output}
    scored = nemo_gym.verify({**nemo_gym.to_row(examples["wants"]), "response": answer}, Scorer())
    assert not scored.right


def test_a_refusal_item_is_text(examples: dict[str, Example]) -> None:
    said = {"type": "refusal", "refusal": "I'm sorry, I can't book flights."}
    output = [{"type": "message", "role": "assistant", "content": [said]}]
    assert nemo_gym.verify({**nemo_gym.to_row(examples["none"]), "response": response(output)}, Scorer()).right


def test_what_is_no_request_or_no_single_turn_is_an_error(examples: dict[str, Example]) -> None:
    with pytest.raises(DataError, match="responses_create_params and response"):
        nemo_gym.verify({"response": {}}, Scorer())
    messages = ({"role": "tool", "content": "{}"},)
    with pytest.raises(DataError, match="agent of its own"):
        nemo_gym.to_row(Example("t", "", "multi_turn", messages, (), ()))


def test_the_servers_class_answers_with_the_reward_and_each_score(
    monkeypatch: pytest.MonkeyPatch, examples: dict[str, Example]
) -> None:
    """On base classes of the documented names, where pydantic is there to check what goes in and out."""
    pydantic = pytest.importorskip("pydantic", reason="NeMo Gym's requests are pydantic models")

    class Request(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        responses_create_params: dict[str, Any]
        response: dict[str, Any]

    class Response(Request):
        reward: float

    class Server:
        pass

    module = ModuleType("nemo_gym.base_resources_server")
    module.__dict__.update(BaseVerifyRequest=Request, BaseVerifyResponse=Response, SimpleResourcesServer=Server)
    monkeypatch.setitem(sys.modules, "nemo_gym.base_resources_server", module)
    cls = nemo_gym.resources_server("function_calling", stage="stage1")
    request = cls.verify.__annotations__["body"].model_validate(body(examples["wants"], ""))
    answer = asyncio.run(cls().verify(request))
    assert answer.reward == 0.0
    assert answer.model_extra["acc"] == 0.0
    assert answer.model_extra["refusal"] == 0.0
    assert issubclass(cls, Server)
    with pytest.raises(UsageError, match="Did you mean"):
        nemo_gym.resources_server("function_caling")


@pytest.mark.trainers
def test_the_real_server_verifies(worked: tuple[Example, str, bool, float, bool]) -> None:
    pytest.importorskip("nemo_gym", reason="needs nemo-gym, which asks for Python 3.12")
    from unittest.mock import MagicMock

    from nemo_gym.base_resources_server import BaseResourcesServerConfig
    from nemo_gym.server_utils import ServerClient

    example, text, cut, reward, right = worked
    cls = nemo_gym.resources_server("function_calling", stage="stage1")
    config = BaseResourcesServerConfig(host="127.0.0.1", port=8080, entrypoint="", name="")
    built = cls(config=config, server_client=MagicMock(spec=ServerClient))
    request = cls.verify.__annotations__["body"].model_validate(body(example, text, cut))
    answer = asyncio.run(built.verify(request))
    assert answer.reward == pytest.approx(reward)
    assert answer.acc == float(right)


@pytest.mark.parametrize("kind", ["mcp_call", "custom_tool_call", "web_search_call"])
def test_a_refusal_beside_a_call_of_another_kind_is_no_refusal(examples: dict[str, Example], kind: str) -> None:
    said = {"type": "output_text", "text": "I'm sorry, I can't book flights."}
    output = [{"type": "message", "role": "assistant", "content": [said]}, {"type": kind, "name": "book"}]
    assert not nemo_gym.verify({**nemo_gym.to_row(examples["none"]), "response": response(output)}, Scorer()).right
