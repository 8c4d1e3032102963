"""Structured outputs from an example's own tools: free text stays free, and what begins as a call is a valid one.

The constraint is a structural tag, as vLLM's `StructuredOutputsParams(structural_tag=…)` takes it: text runs freely
until a trigger, and from there on only calls of the offered tools are possible, their arguments by the tool's JSON
Schema. So a refusal, or a sentence before a call, is as possible as before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from rlvr.errors import UsageError
from rlvr.types import Tool

FORMATS = ("hermes", "llama3_json")
ANY_OBJECT: Mapping[str, Any] = {"type": "object"}


def structural_tag(
    tools: Sequence[Tool], parser: str = "hermes", usable: Callable[[Mapping[str, Any]], bool] | None = None
) -> str:
    """The structural tag of a list of tools as JSON, in a parser's format; empty where no tool is offered.

    Of a tool whose schema is not `usable` the arguments may be any object: the grammar could not be built.

    Raises `UsageError` for a format that has no tag here.

    >>> tool = Tool("add", "", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    >>> made = json.loads(structural_tag([tool]))["format"]
    >>> made["triggers"], made["tags"][0]["begin"], made["tags"][0]["end"]
    (['<tool_call>'], '<tool_call>\\n{"name": "add", "arguments": ', '}\\n</tool_call>')
    """
    if parser not in FORMATS:
        raise UsageError(f"structured outputs are for {' and '.join(FORMATS)}, got the format {parser!r}.")
    if not tools:
        return ""
    tags = [_tag(tool, parser, usable is None or usable(tool.parameters)) for tool in tools]
    # An opening brace begins a call under llama3_json: there is no markup, and our parser reads it so.
    trigger = "<tool_call>" if parser == "hermes" else "{"
    shape = {"type": "triggered_tags", "triggers": [trigger], "tags": tags, "at_least_one": False}
    return json.dumps({"type": "structural_tag", "format": shape}, ensure_ascii=False)


def _tag(tool: Tool, parser: str, usable: bool) -> dict[str, Any]:
    name = json.dumps(tool.name, ensure_ascii=False)
    if parser == "hermes":
        begin, end = f'<tool_call>\n{{"name": {name}, "arguments": ', "}\n</tool_call>"
    else:
        begin, end = f'{{"name": {name}, "parameters": ', "}"
    schema = dict(tool.parameters) if usable else dict(ANY_OBJECT)
    return {"type": "tag", "begin": begin, "content": {"type": "json_schema", "json_schema": schema}, "end": end}


def usable_by_xgrammar(schema: Mapping[str, Any]) -> bool:
    """Whether xgrammar, which vLLM takes for structural tags, can make a grammar of a JSON Schema."""
    return _usable(json.dumps(schema, sort_keys=True))


@lru_cache(maxsize=4096)
def _usable(schema: str) -> bool:
    import xgrammar

    try:
        xgrammar.Grammar.from_json_schema(schema)
    except Exception:  # a compiler of C++: RuntimeError and kinds of its own
        return False
    return True
