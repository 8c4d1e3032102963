"""An example as the exact prompt a model sees: text and token ids.

The model's own chat template writes the tools where it takes them. Where it does not (rendered with the tools, their
names are missing from the text), a system prompt carries them and asks for calls in the parser's format. Prompts are
rendered per example, before any trainer sees them: a trainer that renders on its own would leave a row's tools out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rlvr.errors import DataError
from rlvr.parsers import Parser, get_parser
from rlvr.types import Example, Tool, ToolCall

HERMES_SYSTEM_PROMPT = """\
You may call one or more functions to help with the user's query. The functions are listed within <tools></tools>:
<tools>
{tools}
</tools>
For each call, write a JSON object with the function's name and arguments within <tool_call></tool_call>:
<tool_call>
{{"name": <function-name>, "arguments": <arguments-object>}}
</tool_call>
If no function fits, say so in the user's language and call none."""

SYSTEM_PROMPT = """\
You may call one or more functions to help with the user's query. The functions are listed within <tools></tools>:
<tools>
{tools}
</tools>
Write calls in exactly this form, here two calls of made-up functions:
{sample}
If no function fits, say so in the user's language and call none."""

_SAMPLE = (
    ToolCall("first_function", {"text_argument": "some text", "number_argument": 3}),
    ToolCall("second_function", {"flag_argument": True}),
)


class Tokenizer(Protocol):
    """What of a transformers tokenizer is used here."""

    chat_template: Any
    bos_token: str | None

    def apply_chat_template(self, conversation: Any, **kwargs: Any) -> Any: ...
    def __call__(self, text: Any, **kwargs: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """`token_ids` are those of `text`, nothing added; `reasoning_opened`: it ends in an open reasoning tag."""

    text: str
    token_ids: tuple[int, ...]
    reasoning_opened: bool = False


def render(example: Example, tokenizer: Tokenizer, parser: str = "hermes") -> RenderedPrompt:
    """Render an example's messages and tools, ending where the assistant's turn begins.

    `parser` names the format in which a model whose template takes no tools is asked to call; a template that takes
    them says so itself (`rlvr.parsers.detect` reads which).

    Raises `DataError` naming the example where the chat template refuses it, or where a tool's name did not reach the
    prompt, and `UsageError` on an unknown parser.
    """
    format = get_parser(parser)
    text = _with_template(example, tokenizer)
    if text is None:
        text = _with_system_prompt(example, tokenizer, format)
    for tool in example.tools:
        if not _stands_in(tool.name, text):
            raise DataError(
                example.id, f"tool {tool.name!r} did not reach the rendered prompt. Check the chat template."
            )
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return RenderedPrompt(text, tuple(ids), text.rstrip().endswith("<think>"))


def takes_tools(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer's chat template writes the tools that it is given."""
    if not tokenizer.chat_template:
        return False
    probe = Tool("probe_tool_name", "A probe.", {"type": "object", "properties": {}})
    try:
        text = _apply(tokenizer, [{"role": "user", "content": "probe"}], [_openai(probe)])
    except Exception:  # a template may raise anything on a lone user message; then it is tried on the example itself
        return False
    return probe.name in text


def _with_template(example: Example, tokenizer: Tokenizer) -> str | None:
    if not example.tools:
        return _apply_checked(example, tokenizer, _messages(example), None)
    if not tokenizer.chat_template or not takes_tools(tokenizer):
        return None
    return _apply_checked(example, tokenizer, _messages(example), [_openai(t) for t in example.tools])


def _with_system_prompt(example: Example, tokenizer: Tokenizer, format: Parser) -> str:
    listed = "\n".join(json.dumps(_openai(t), ensure_ascii=False) for t in example.tools)
    if format.name == "hermes":
        system = HERMES_SYSTEM_PROMPT.format(tools=listed)
    else:
        system = SYSTEM_PROMPT.format(tools=listed, sample=format.render(_SAMPLE))
    messages = _messages(example)
    if messages and messages[0]["role"] == "system":
        system = f"{messages[0]['content']}\n\n{system}"
        messages = messages[1:]
    turns = [{"role": "system", "content": system}, *_as_text(messages, format)]
    if not tokenizer.chat_template:
        return _chatml(turns)
    if not _takes_system(tokenizer):
        turns = _into_first_user_turn(turns)
    return _apply_checked(example, tokenizer, turns, None)


def _takes_system(tokenizer: Tokenizer) -> bool:
    """Some templates refuse a system message (Gemma's), others leave it out."""
    try:
        return "probe" in _apply(
            tokenizer, [{"role": "system", "content": "probe"}, {"role": "user", "content": "?"}], None
        )
    except Exception:  # a template may raise anything
        return False


def _into_first_user_turn(turns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Put the system message in front of what the user says first."""
    system, rest = turns[0]["content"], [dict(t) for t in turns[1:]]
    for turn in rest:
        if turn["role"] == "user":
            turn["content"] = f"{system}\n\n{turn['content']}"
            return rest
    return [{"role": "user", "content": system}, *rest]


def _as_text(messages: Iterable[Mapping[str, Any]], format: Parser) -> list[dict[str, Any]]:
    """Write calls and results of earlier turns as text, for templates that know neither."""
    out: list[dict[str, Any]] = []
    for message in messages:
        content = str(message.get("content") or "")
        if message["role"] == "tool":
            out.append({"role": "user", "content": f"<tool_response>\n{content}\n</tool_response>"})
            continue
        functions = [call.get("function", call) for call in message.get("tool_calls") or []]
        if functions:
            content += "\n" + format.render([ToolCall(f["name"], f["arguments"]) for f in functions])
        out.append({"role": message["role"], "content": content.strip()})
    return out


def _chatml(turns: Sequence[Mapping[str, Any]]) -> str:
    body = "".join(f"<|im_start|>{t['role']}\n{t['content']}<|im_end|>\n" for t in turns)
    return body + "<|im_start|>assistant\n"


def _apply_checked(example: Example, tokenizer: Tokenizer, messages: Any, tools: Any) -> str:
    try:
        return _apply(tokenizer, messages, tools)
    except Exception as error:  # a chat template is a program of the model's: whatever it raises, the example is named
        raise DataError(example.id, f"the chat template refuses it: {type(error).__name__}: {error}") from error


def _apply(tokenizer: Tokenizer, messages: Any, tools: Any) -> str:
    text = tokenizer.apply_chat_template(messages, tools=tools, add_generation_prompt=True, tokenize=False)
    return str(text)


def _openai(tool: Tool) -> dict[str, Any]:
    return {"type": "function", "function": tool.to_json()}


def _messages(example: Example) -> list[dict[str, Any]]:
    """Messages as templates read them: a content that is text everywhere, arguments that are objects.

    Raises `DataError` naming the example where an earlier turn's call is not a call.
    """
    out = []
    for message in example.messages:
        copy = {**message, "content": message.get("content") or ""}
        if copy.get("tool_calls"):
            copy["tool_calls"] = [_call(c, example.id) for c in copy["tool_calls"]]
        out.append(copy)
    return out


def _call(call: Any, where: str) -> dict[str, Any]:
    try:
        function = dict(call.get("function", call))
        arguments = function.get("arguments") or {}
        function["arguments"] = json.loads(arguments) if isinstance(arguments, str) else arguments
        return {"type": "function", "function": {"name": str(function.pop("name")), **function}}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(where, f"a call in an earlier turn cannot be read ({error!r}): {call!r:.80}") from error


def _stands_in(name: str, text: str) -> bool:
    return name in text or json.dumps(name)[1:-1] in text or json.dumps(name, ensure_ascii=False)[1:-1] in text
