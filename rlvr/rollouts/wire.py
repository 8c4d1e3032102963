"""An example as OpenAI's chat API takes it, and an answer's message as text.

The text is in the Hermes format, whatever the served model writes: the server has read its calls already. `as_text`
keeps what `rlvr.parsers.messages` sees in a message: the same outcome, and the same calls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.parsers import get_parser
from rlvr.parsers.messages import arguments_of, calls_of, name_of, thoughts_of, words_of
from rlvr.parsers.reasoning import split_reasoning
from rlvr.parsers.rendering import json_text
from rlvr.parsers.strict_json import loads_strict
from rlvr.prompts import RenderedPrompt
from rlvr.types import Example, ToolCall


@dataclass(frozen=True, slots=True)
class ChatPrompt(RenderedPrompt):
    """A prompt that the server renders: `text` is only for people, and there are no token ids."""

    id: str = ""
    messages: tuple[Mapping[str, Any], ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()


def chat_prompt(example: Example) -> ChatPrompt:
    """An example's messages and tools on the wire."""
    messages = wire_messages(example.messages)
    tools = [{"type": "function", "function": tool.to_json()} for tool in example.tools]
    shown = json.dumps({"messages": messages, "tools": tools}, ensure_ascii=False)
    return ChatPrompt(shown, (), id=example.id, messages=tuple(messages), tools=tuple(tools))


def wire_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages as the API takes them: arguments are JSON strings, calls have ids, and results name theirs.

    >>> calls = [{"function": {"name": "f", "arguments": {"a": 1}}}]
    >>> made = wire_messages([{"role": "assistant", "tool_calls": calls}, {"role": "tool", "content": "2"}])
    >>> made[0]["tool_calls"][0]["function"], made[1]["tool_call_id"]
    ({'name': 'f', 'arguments': '{"a": 1}'}, 'call_0')
    """
    out: list[dict[str, Any]] = []
    waiting: list[str] = []  # ids of calls whose results have not come
    made = 0
    for message in messages:
        copy = {**message, "content": message.get("content") or ""}
        if copy.get("tool_calls"):
            copy["tool_calls"] = calls = [_wire_call(c, made + i) for i, c in enumerate(copy["tool_calls"])]
            made += len(calls)
            waiting = [call["id"] for call in calls]
        elif copy.get("role") == "tool":
            known = copy.get("tool_call_id")
            copy["tool_call_id"] = known if known in waiting or not waiting else waiting[0]
            waiting = [w for w in waiting if w != copy["tool_call_id"]]
        out.append(copy)
    return out


def _wire_call(call: Any, number: int) -> dict[str, Any]:
    function = call.get("function", call)
    arguments = function.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    body = {"name": function.get("name"), "arguments": text}
    return {"id": call.get("id") or f"call_{number}", "type": "function", "function": body}


def as_text(message: Mapping[str, Any]) -> str:
    """An assistant's message as one completion in the Hermes format: reasoning, words, calls.

    A call that cannot be read (arguments that are no JSON object, no name) is written as a block that cannot be either.

    >>> call = {"function": {"name": "f", "arguments": '{"a": 1}'}}
    >>> print(as_text({"reasoning_content": "One.", "content": "Yes.", "tool_calls": [call]}))
    <think>
    One.
    </think>
    Yes.
    <tool_call>
    {"name": "f", "arguments": {"a": 1}}
    </tool_call>
    """
    apart = thoughts_of(message).strip()
    inside, said = split_reasoning(words_of(message.get("content")), "think", False)
    words = "\n".join(part for part in (said, words_of(message.get("refusal"))) if part)
    reasoning = "\n".join(part.replace("think>", "think >") for part in (apart, inside) if part)
    calls = "\n".join(map(_block, calls_of(message)))
    parts = [f"<think>\n{reasoning}\n</think>" if reasoning else "", words, calls]
    if "<" in words:  # a tag that the words open must not take in the calls
        parts[1:] = [calls, words]
    return "\n".join(part for part in parts if part)


def _block(call: Any) -> str:
    body = call.get("function", call) if isinstance(call, Mapping) else {}
    body = body if isinstance(body, Mapping) else {}
    name, arguments = name_of(body), arguments_of(body)
    try:
        read = loads_strict(arguments if isinstance(arguments, str) else json.dumps(arguments))
    except (TypeError, ValueError, RecursionError):
        read = None
    if isinstance(name, str) and isinstance(read, dict):
        return get_parser("hermes").render([ToolCall(name, read)])
    shown = arguments if isinstance(arguments, str) else str(arguments)
    return f"<tool_call>\n{json_text({'name': name, 'arguments': shown})}\n</tool_call>"
