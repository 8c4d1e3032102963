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

from rlvr.errors import DataError, UsageError
from rlvr.parsers import Parser, get_parser
from rlvr.types import Example, Tool, ToolCall, content_text

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

THINKING = "enable_thinking"
"""What the chat templates of Qwen3 and GLM call it."""

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
    """`token_ids` are those of `text`, nothing added; `reasoning_opened`: it ends in an open reasoning tag.

    `structure`: a structural tag (`rlvr.rollouts.structured`) that a completion is held to; empty where none is.
    """

    text: str
    token_ids: tuple[int, ...]
    reasoning_opened: bool = False
    structure: str = ""


def render(
    example: Example,
    tokenizer: Tokenizer,
    parser: str = "hermes",
    template_kwargs: Mapping[str, Any] | None = None,
) -> RenderedPrompt:
    """Render an example's messages and tools, ending where the assistant's turn begins.

    `parser` names the format in which a model whose template takes no tools is asked to call; a template that takes
    them says so itself (`rlvr.parsers.detect` reads which). `template_kwargs` are handed to the chat template
    (`thinking_kwargs`).

    Raises `DataError` naming the example where the chat template refuses it, or where a tool's name did not reach the
    prompt, and `UsageError` on an unknown parser.
    """
    format = get_parser(parser)
    if template_kwargs:
        tokenizer = _Told(tokenizer, template_kwargs)
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


class _Told:
    """A tokenizer whose chat template is told something beside the messages and the tools."""

    def __init__(self, tokenizer: Tokenizer, template_kwargs: Mapping[str, Any]) -> None:
        self._tokenizer, self._kwargs = tokenizer, dict(template_kwargs)
        self.chat_template, self.bos_token = tokenizer.chat_template, tokenizer.bos_token

    def apply_chat_template(self, conversation: Any, **kwargs: Any) -> Any:
        return self._tokenizer.apply_chat_template(conversation, **{**self._kwargs, **kwargs})

    def __call__(self, text: Any, **kwargs: Any) -> Any:
        return self._tokenizer(text, **kwargs)


def thinking_kwargs(tokenizer: Tokenizer, thinking: bool | None) -> dict[str, Any]:
    """What a chat template is told to turn thinking on or off; nothing where `thinking` is `None`.

    Raises `UsageError` where the template does not look at it: the setting would do nothing.
    """
    if thinking is None:
        return {}
    texts = set()
    for value in (True, False):
        try:
            texts.add(_apply(_Told(tokenizer, {THINKING: value}), [{"role": "user", "content": "probe"}], None))
        except Exception as error:  # a chat template is a program of the model's
            raise UsageError(f"thinking: the chat template cannot be asked: {type(error).__name__}: {error}") from error
    if len(texts) == 1:
        raise UsageError(
            f"thinking: {str(thinking).lower()}: this model's chat template has no switch for it (`{THINKING}`). "
            "Leave thinking out."
        )
    return {THINKING: thinking}


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
        turns = _messages(example)
        if not tokenizer.chat_template:
            return _beginning(tokenizer) + _chatml(turns)
        if turns and turns[0]["role"] == "system" and not takes_system(tokenizer):
            turns = _into_first_user_turn(turns)
        return _apply_checked(example, tokenizer, turns, None)
    if not tokenizer.chat_template or not takes_tools(tokenizer):
        return None
    return _apply_checked(example, tokenizer, _messages(example), [_openai(t) for t in example.tools])


def _with_system_prompt(example: Example, tokenizer: Tokenizer, format: Parser) -> str:
    turns = system_turns(example, format)
    if not tokenizer.chat_template:
        return _beginning(tokenizer) + _chatml(turns)
    if not takes_system(tokenizer):
        turns = _into_first_user_turn(turns)
    return _apply_checked(example, tokenizer, turns, None)


def system_turns(example: Example, format: Parser) -> list[dict[str, Any]]:
    """An example's turns as texts, its tools in a system prompt that asks for calls in `format`."""
    listed = "\n".join(json.dumps(_openai(t), ensure_ascii=False) for t in example.tools)
    if format.name == "hermes":
        system = HERMES_SYSTEM_PROMPT.format(tools=listed)
    else:
        system = SYSTEM_PROMPT.format(tools=listed, sample=format.render(_SAMPLE))
    messages = _messages(example)
    if messages and messages[0]["role"] == "system":
        system = f"{messages[0]['content']}\n\n{system}"
        messages = messages[1:]
    return [{"role": "system", "content": system}, *_as_text(messages, format)]


def takes_system(tokenizer: Tokenizer) -> bool:
    """Whether a chat template writes a system message: some refuse it (Gemma's), others leave it out."""
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
        content = content_text(message.get("content"))
        if message["role"] == "tool":
            out.append({"role": "user", "content": f"<tool_response>\n{content}\n</tool_response>"})
            continue
        functions = [call.get("function", call) for call in message.get("tool_calls") or []]
        if functions:
            content += "\n" + format.render([ToolCall(f["name"], f["arguments"]) for f in functions])
        out.append({"role": message["role"], "content": content.strip()})
    return out


def _beginning(tokenizer: Tokenizer) -> str:
    """The beginning-of-sequence token where the tokenizer puts it before a text: a base model knows no other."""
    begin = tokenizer.bos_token or ""
    own = tokenizer(begin, add_special_tokens=False)["input_ids"] if begin else []
    return begin if own and list(tokenizer("a")["input_ids"][: len(own)]) == list(own) else ""


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
        copy = {**message, "content": content_text(message.get("content"))}
        if copy.get("tool_calls"):
            copy["tool_calls"] = [_call(c, example.id) for c in copy["tool_calls"]]
        out.append(copy)
    return out


def _call(call: Any, where: str) -> dict[str, Any]:
    try:
        function = dict(call.get("function", call))
        arguments = function.get("arguments") or {}
        function["arguments"] = json.loads(arguments) if isinstance(arguments, str) else arguments
        kept = {"id": call["id"]} if call.get("id") else {}  # Mistral's templates refuse a call without one
        return {**kept, "type": "function", "function": {"name": str(function.pop("name")), **function}}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(where, f"a call in an earlier turn cannot be read ({error!r}): {call!r:.80}") from error


def _stands_in(name: str, text: str) -> bool:
    return name in text or json.dumps(name)[1:-1] in text or json.dumps(name, ensure_ascii=False)[1:-1] in text
