"""What a family of probes starts from: one example in one tool-call format, with its right completion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rlvr.parsers import get_parser
from rlvr.rewards import Context, judge
from rlvr.rewards.words import known_language
from rlvr.tools import stated_default
from rlvr.types import Example, Tool, ToolCall


@dataclass(frozen=True, slots=True)
class Probe:
    """A completion whose truth is known, since it was made to be right or wrong.

    `same`: as good as the ground truth, so that it must earn as much; other right ones (reasoned, with a word beside
    the call) may earn less, but more than every wrong one. `heavy`: about a megabyte, scored alone and timed.
    """

    family: str
    completion: str
    right: bool
    what: str
    same: bool = False
    truncated: bool = False
    heavy: bool = False


@dataclass(frozen=True, slots=True)
class Shell:
    """What stands around the JSON of a call in a format that writes calls as JSON."""

    open: str
    close: str
    arguments_key: str = "arguments"


PHRASES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "refuse": "I'm sorry, I can't do that with the tools I have.",
        "clarify": "Could you tell me more precisely what you need?",
        "answer": "Everything is arranged for tomorrow at noon.",
        "sure": "Sure.",
        "thought": "Let me see which tool fits.",
    },
    "vi": {
        "refuse": "Rất tiếc, tôi không thể làm việc đó với các công cụ hiện có.",
        "clarify": "Bạn có thể cho tôi biết rõ hơn bạn cần gì không?",
        "answer": "Mọi thứ đã được sắp xếp cho trưa mai.",
        "sure": "Vâng.",
        "thought": "Để xem công cụ nào phù hợp.",
    },
    "zh": {
        "refuse": "很抱歉，我無法用現有的工具做到。",
        "clarify": "請問您可以說得更具體一點嗎？",
        "answer": "一切都已經安排好了，明天中午開始。",
        "sure": "好的。",
        "thought": "先看看哪個工具合適。",
    },
}
"""Words of each kind, for examples that bring none of their own."""


@dataclass(frozen=True)
class Subject:
    """One example, seen through one tool-call format."""

    example: Example
    parser: str = "hermes"

    @cached_property
    def gold(self) -> tuple[ToolCall, ...]:
        return tuple(c.canonical() for c in self.example.ground_truth)

    @cached_property
    def _context(self) -> Context:
        return Context.of(self.example)

    @cached_property
    def tools(self) -> Mapping[str, Tool]:
        return {t.name: t for t in self.example.tools}

    @property
    def lang(self) -> str:
        code = known_language(self.example.lang)
        return code if code is not None and code in PHRASES else "en"

    @property
    def wants_words(self) -> str:
        """The kind of words that are right where no call is wanted: any will do as a refusal."""
        return "refuse" if self.example.expects == "any" else self.example.expects

    @property
    def words(self) -> Sequence[str]:
        """Right words where no call is wanted, the canonical ones first."""
        own = self.example.meta.get("words")
        return list(own) if own else [self.phrase(self.wants_words)]

    @cached_property
    def ground_truth(self) -> str:
        return self.render(self.gold) if self.gold else self.words[0]

    def phrase(self, kind: str, lang: str | None = None) -> str:
        return PHRASES[lang or self.lang][kind]

    def render(self, calls: Sequence[ToolCall]) -> str:
        return get_parser(self.parser).render(calls)

    @cached_property
    def shell(self) -> Shell | None:
        """What the format writes around a call's JSON; `None` where it writes calls in another way."""
        return shell_of(self.parser)

    def right(self, completion: str, truncated: bool = False) -> bool:
        """rlvr's own verdict on a completion."""
        parsed = get_parser(self.parser).parse(completion, truncated=truncated, tools=self.example.tools)
        return judge(parsed, self._context).right

    @cached_property
    def instructions(self) -> str:
        """A system prompt as chat templates write one: the tools, and how to call them."""
        tools = "\n".join(json.dumps(t.to_json(), ensure_ascii=False) for t in self.example.tools)
        shell = self.shell
        form = ""
        if shell is not None:
            body = f'{{"name": <function-name>, "{shell.arguments_key}": <args-json-object>}}'
            form = f"\nWrite every call like this:\n{shell.open}{body}{shell.close}"
        return f"You may call these functions to help the user:\n{tools}{form}"


def shell_of(parser: str) -> Shell | None:
    """Find out what a format writes around a call's JSON, by rendering one.

    >>> shell_of("hermes")
    Shell(open='<tool_call>\\n', close='\\n</tool_call>', arguments_key='arguments')
    """
    text = get_parser(parser).render([ToolCall("probe", {"a": 1})])
    start, end = text.find("{"), text.rfind("}") + 1
    try:
        body = json.loads(text[start:end])
    except ValueError:
        return None
    if not isinstance(body, dict) or body.get("name") != "probe":
        return None
    keys = [k for k, v in body.items() if v == {"a": 1}]
    return Shell(text[:start], text[end:], keys[0]) if keys else None


def sample_arguments(tool: Tool, seed: int = 0) -> dict[str, Any]:
    """Valid arguments for a tool's required parameters, as a model that does not read the query would write them."""
    schema = tool.parameters
    properties = schema.get("properties", {})
    return {name: _sample(properties.get(name, {}), seed) for name in schema.get("required", ())}


def _sample(schema: Any, seed: int) -> Any:
    if not isinstance(schema, Mapping):
        return f"value {seed}"
    for default in stated_default(schema):
        return default
    if schema.get("enum"):
        return schema["enum"][seed % len(schema["enum"])]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind in ("integer", "number"):
        return schema.get("minimum", 0) + seed
    if kind == "boolean":
        return seed % 2 == 1
    if kind == "array":
        return []
    if kind == "object":
        inner = schema.get("properties", {})
        return {name: _sample(inner.get(name, {}), seed) for name in schema.get("required", ())}
    return f"value {seed}"
