"""The words of the library as types: Tool, ToolCall, GoldCall, Example, ParsedCompletion, Outcome.

All are immutable. JSON values are plain Python objects (`None`, `bool`, `int`, `float`, `str`, `list`, `dict`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rlvr.errors import DataError

CATEGORIES = ("simple", "multiple", "parallel", "parallel_multiple", "irrelevance", "multi_turn")
CALLING_CATEGORIES = ("simple", "multiple", "parallel", "parallel_multiple")
EXPECTS = ("refuse", "clarify", "answer", "any")


class Outcome(StrEnum):
    """What a completion is: exactly one of four."""

    CALLS = "calls"
    ABSTAIN = "abstain"
    MALFORMED = "malformed"
    EMPTY = "empty"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool as the model is shown it: `parameters` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call as a completion makes it."""

    name: str
    arguments: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "arguments": dict(self.arguments)}


@dataclass(frozen=True, slots=True)
class OneOf:
    """Several acceptable values of one argument, the first being the canonical one.

    It may stand wherever a value may, also inside an object or an array. `optional` means that the argument (or the
    object's key) may be left out; with no values at all it may only be left out.
    In JSON: `{"$one_of": [v1, v2], "$optional": true}`.
    """

    values: tuple[Any, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class GoldCall:
    """One call that is wanted: each argument is a JSON value or a `OneOf`."""

    name: str
    arguments: Mapping[str, Any]

    def canonical(self) -> ToolCall:
        """The call with the first acceptable value everywhere; what may be left out and has no value is left out."""
        return ToolCall(self.name, _canonical_object(self.arguments))

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "arguments": {k: gold_value_to_json(v) for k, v in self.arguments.items()}}


def content_text(content: Any) -> str:
    """A message's content as text: `None` is none, parts of text are joined, anything else is written as JSON.

    >>> content_text(None), content_text([{"type": "text", "text": "five"}]), content_text({"ok": True})
    ('', 'five', '{"ok": true}')
    """
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, (list, tuple)) and content:
        parts = [p.get("text", p.get("refusal")) if isinstance(p, Mapping) else None for p in content]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) == len(parts):
            return "".join(texts)
    return json.dumps(content, ensure_ascii=False, default=str)


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to learn or to be tested on: a dialogue so far, the tools on offer, and what is right now.

    `ground_truth` is empty where the right thing is to call nothing; `expects` then says what kind of words are right.
    `meta` holds provenance; `meta["lang"]` is `en`, `vi` or `zh` where it is known.
    """

    id: str
    source: str
    category: str
    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[Tool, ...]
    ground_truth: tuple[GoldCall, ...]
    expects: str = "any"
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """The last user message's text."""
        for message in reversed(self.messages):
            if message.get("role") == "user":
                return content_text(message.get("content"))
        return ""

    @property
    def user_texts(self) -> list[str]:
        """The texts of all user messages, in order: a later one alone may be no more than "yes, please"."""
        return [content_text(m.get("content")) for m in self.messages if m.get("role") == "user"]

    @property
    def lang(self) -> str | None:
        value = self.meta.get("lang")
        return str(value) if value else None

    def to_json(self) -> dict[str, Any]:
        """A JSON object in our own form; `rlvr.data.sources.jsonl` reads it back."""
        return {
            "id": self.id,
            "source": self.source,
            "category": self.category,
            "messages": [dict(m) for m in self.messages],
            "tools": [t.to_json() for t in self.tools],
            "ground_truth": [c.to_json() for c in self.ground_truth],
            "expects": self.expects,
            "meta": dict(self.meta),
        }


@dataclass(frozen=True, slots=True)
class CallAttempt:
    """One stretch of a completion that is, or tried to be, a call.

    `fault` is `None` for a well-formed call, else how far it came, by the first thing that is wrong:
    `unclosed` (markup opened, never closed), `bare` (a call object without the markup that the format wants),
    `json` (what is inside does not parse), `shape` (it parses, and is not an object with a name and an object of
    arguments), `stray` (a closing tag without its opening).
    """

    raw: str
    call: ToolCall | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedCompletion:
    """A completion taken apart. `calls` are the well-formed ones, also where the outcome is malformed.

    `text` is what stands outside calls and outside reasoning, stripped at both ends; `reasoning` likewise.
    `truncated` stands beside the outcome: such a completion is never right.
    """

    outcome: Outcome
    attempts: tuple[CallAttempt, ...] = ()
    text: str = ""
    reasoning: str = ""
    truncated: bool = False

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(a.call for a in self.attempts if a.call is not None)


def _canonical_object(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _canonical_value(v) for k, v in arguments.items() if not (isinstance(v, OneOf) and not v.values)}


def _canonical_value(value: Any) -> Any:
    if isinstance(value, OneOf):
        return _canonical_value(value.values[0]) if value.values else None
    if isinstance(value, Mapping):
        return _canonical_object(value)
    if isinstance(value, (list, tuple)):
        return [_canonical_value(v) for v in value]
    return value


def gold_value_to_json(value: Any) -> Any:
    """Write an argument of a `GoldCall` as JSON."""
    if isinstance(value, OneOf):
        out: dict[str, Any] = {"$one_of": [gold_value_to_json(v) for v in value.values]}
        if value.optional:
            out["$optional"] = True
        return out
    if isinstance(value, Mapping):
        return {k: gold_value_to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [gold_value_to_json(v) for v in value]
    return value


def gold_value_from_json(value: Any, where: str = "") -> Any:
    """Read an argument of a `GoldCall` from JSON. Raises `DataError` on a malformed `$one_of`."""
    if isinstance(value, str):  # what most are; to ask for a Mapping takes four times as long
        return value
    if isinstance(value, Mapping):
        if "$one_of" in value:
            extra = set(value) - {"$one_of", "$optional"}
            if extra or not isinstance(value["$one_of"], list):
                raise DataError(where, "`$one_of` must hold a list, with nothing but `$optional` beside it")
            optional = value.get("$optional", False)
            if not isinstance(optional, bool):
                raise DataError(where, "`$optional` must be true or false")
            return OneOf(tuple(gold_value_from_json(v, where) for v in value["$one_of"]), optional)
        return {k: gold_value_from_json(v, where) for k, v in value.items()}
    if isinstance(value, list):
        return [gold_value_from_json(v, where) for v in value]
    return value


def gold_call_from_json(value: Any, where: str = "") -> GoldCall:
    """Read one wanted call: `{"name", "arguments"}`; without `arguments` it has none. Raises `DataError` where it is
    not one, also where its arguments stand under another name: it would count as a call without any."""
    if isinstance(value, GoldCall):
        return value
    if isinstance(value, Mapping) and "name" not in value and isinstance(value.get("function"), Mapping):
        raise DataError(
            where, "a ground-truth call in OpenAI's form: give what stands under 'function', its arguments as an object"
        )
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise DataError(where, f"a ground-truth call must be an object with a name, got {value!r:.80}")
    if "arguments" not in value:
        _no_other_arguments(value, where)
    arguments = value.get("arguments", {})
    if not isinstance(arguments, Mapping):
        told = f"the arguments of ground-truth call {value['name']} must be an object, got {arguments!r:.80}"
        raise DataError(where, told + (": read that JSON first" if isinstance(arguments, str) else ""))
    return GoldCall(value["name"], {k: gold_value_from_json(v, where) for k, v in arguments.items()})


def _no_other_arguments(value: Mapping[str, Any], where: str) -> None:
    for key, other in value.items():
        if isinstance(other, Mapping) or (isinstance(other, str) and other.lstrip().startswith("{")):
            raise DataError(where, f"ground-truth call {value['name']} has {key!r}, and no 'arguments': rename it")


MAX_GOLD_CALLS = 64
"""An example that wants more calls than this is refused: so many are not compared, and no completion could be right."""


def gold_calls_from_json(value: Any, where: str = "") -> tuple[GoldCall, ...]:
    """Read a list of at most `MAX_GOLD_CALLS` wanted calls; the empty list means that nothing is to be called."""
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise DataError(where, f"ground_truth must be a list of calls, got {type(value).__name__}")
    if len(value) > MAX_GOLD_CALLS:
        raise DataError(
            where, f"ground_truth wants {len(value)} calls, at most {MAX_GOLD_CALLS} are compared: split it"
        )
    return tuple(gold_call_from_json(v, f"{where} ground_truth[{i}]".strip()) for i, v in enumerate(value))


def derive_category(messages: Sequence[Mapping[str, Any]], n_tools: int, gold: Sequence[GoldCall]) -> str:
    """BFCL's word for an example; whatever stands inside a longer dialogue is `multi_turn`."""
    if any(m.get("role") in ("assistant", "tool", "function") for m in messages):
        return "multi_turn"
    if not gold:
        return "irrelevance"
    if len(gold) == 1:
        return "simple" if n_tools == 1 else "multiple"
    return "parallel" if len({c.name for c in gold}) == 1 else "parallel_multiple"
