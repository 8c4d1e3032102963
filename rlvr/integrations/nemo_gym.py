"""NeMo Gym: a resources server whose `verify` is a composition, and the pure function behind it.

    # app.py of a resources server
    from rlvr.integrations.nemo_gym import resources_server
    if __name__ == "__main__":
        resources_server("function_calling", stage="stage1").run_webserver()

A row of its JSONL is what `to_row` writes: `responses_create_params` with the dialogue and the tools, and beside it
`ground_truth`, `expects` and `lang`. Calls arrive parsed by the model server, as `function_call` items; the text of a
message item is parsed all the same, so a call that the server did not recognise is no refusal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from rlvr.errors import DataError
from rlvr.integrations.scorer import Scored, Scorer, row_of
from rlvr.types import Example

ROW_FIELDS = ("id", "ground_truth", "expects", "lang", "query")


def verify(body: Mapping[str, Any], scorer: Scorer) -> Scored:
    """Score the response of a verify request, both as plain JSON.

    Tools are those of `responses_create_params`. A response that is `incomplete` for its length was cut.
    Raises `DataError` for a row that cannot be scored.
    """
    params = body.get("responses_create_params")
    response = body.get("response")
    if not isinstance(params, Mapping) or not isinstance(response, Mapping):
        raise DataError("verify request", "expected responses_create_params and response, both objects")
    row = {name: body.get(name) for name in ROW_FIELDS}
    row["tools"] = [t for t in params.get("tools") or () if not isinstance(t, Mapping) or _is_function(t)]
    return scorer.one([message_of(response.get("output"))], row, _was_cut(response))


def message_of(output: Any) -> dict[str, Any]:
    """The items of a response as one assistant message: text, calls and reasoning.

    >>> message_of([{"type": "function_call", "name": "f", "arguments": "{}"}])["tool_calls"]
    [{'type': 'function', 'function': {'name': 'f', 'arguments': '{}'}}]
    """
    texts: list[str] = []
    reasonings: list[str] = []
    calls = []
    for item in output if isinstance(output, Sequence) and not isinstance(output, str) else ():
        if not isinstance(item, Mapping):
            continue
        kind = item.get("type", "message")
        if str(kind).endswith("_call"):  # mcp_call and others too: they call, and what they call is not offered
            body = {"name": item.get("name") or kind, "arguments": item.get("arguments")}
            calls.append({"type": "function", "function": body})
        elif kind == "reasoning":
            reasonings += [_text(item.get("summary")), _text(item.get("content"))]
        elif kind == "message" and item.get("role", "assistant") == "assistant":
            texts.append(_text(item.get("content")))
    message: dict[str, Any] = {"role": "assistant", "content": "\n".join(t for t in texts if t)}
    if calls:
        message["tool_calls"] = calls
    if any(reasonings):
        message["reasoning_content"] = "\n".join(r for r in reasonings if r)
    return message


def to_row(example: Example, agent: str = "simple_agent") -> dict[str, Any]:
    """One row of a resources server's JSONL; `agent` is the name of the agent server that runs it."""
    row = row_of(example)
    tools = [{"type": "function", "strict": False, **tool} for tool in json.loads(row.pop("tools"))]
    params = {"input": [_item(m) for m in example.messages], "tools": tools, "parallel_tool_calls": True}
    return {"responses_create_params": params, "agent_ref": {"type": "responses_api_agents", "name": agent}, **row}


def resources_server(
    composition: Any = "function_calling",
    *,
    stage: str | None = None,
    parser: str = "hermes",
    reasoning_parser: str = "think",
) -> type[Any]:
    """The class of a resources server with this reward; needs nemo-gym. `verify` answers with `reward`, `acc` and the
    score of each component, which NeMo Gym averages by itself."""
    scorer = Scorer(composition, stage, parser, reasoning_parser)
    scorer.loaded  # noqa: B018 - a wrong name shows before a server runs
    base, pydantic = import_module("nemo_gym.base_resources_server"), import_module("pydantic")
    extra = {"model_config": pydantic.ConfigDict(extra="allow")}
    request = type("VerifyRequest", (base.BaseVerifyRequest,), dict(extra))
    answer = type("VerifyResponse", (base.BaseVerifyResponse,), dict(extra))

    async def verify_(self: Any, body: Any) -> Any:
        plain = body.model_dump(mode="json")
        numbers = verify(plain, scorer).numbers()
        return answer(**plain, reward=numbers.pop("score"), **numbers)

    verify_.__name__ = "verify"
    verify_.__annotations__ = {"body": request, "return": answer}
    return type("FunctionCallingResourcesServer", (base.SimpleResourcesServer,), {"verify": verify_})


def _item(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if message.get("tool_calls") or message.get("role") == "tool":
        raise DataError("messages", "a dialogue with tool calls needs an agent of its own; this writes one turn")
    return {"role": str(message.get("role")), "content": content if isinstance(content, str) else _text(content)}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = (p.get("text") or p.get("refusal") for p in content if isinstance(p, Mapping))
    return "".join(p for p in parts if isinstance(p, str))


def _is_function(tool: Mapping[str, Any]) -> bool:
    return bool(tool.get("type", "function") == "function")


def _was_cut(response: Mapping[str, Any]) -> bool:
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    return bool(response.get("status") == "incomplete" or reason == "max_output_tokens")
