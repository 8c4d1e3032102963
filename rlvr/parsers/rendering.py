"""What renderers share: JSON that holds no markup, and the refusal of what a format cannot write."""

from __future__ import annotations

import json
import re
from typing import Any

from rlvr.errors import UsageError
from rlvr.parsers.base import END_MARKERS
from rlvr.types import ToolCall

_ANGLED = ("<tool_call>", "</tool_call>", "<think>", "</think>", "<|python_tag|>", *END_MARKERS)
_SQUARE = ("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
_MARKUP = re.compile("|".join(re.escape(m) for m in (*_ANGLED, *_SQUARE)))


def call_json(call: ToolCall, key: str = "arguments") -> str:
    """A call as one JSON object, its arguments under `key`."""
    return json_text({"name": call.name, key: dict(call.arguments)})


def json_text(value: Any) -> str:
    """A value as JSON, as it reads in its own script. Where a string holds markup, its brackets are escaped.

    >>> json_text({"q": "what is <think> in 臺北?"})
    '{"q": "what is \\\\u003cthink> in 臺北?"}'
    """
    text = json.dumps(value, ensure_ascii=False)
    if _MARKUP.search(text):
        text = text.replace("<", "\\u003c")
        for mark in _SQUARE:
            text = text.replace(mark, f"\\u005b{mark[1:]}")
    return text


def refuse(format_name: str, what: str, text: str) -> UsageError:
    """The error for a name, key or value that a format has no way to write."""
    return UsageError(f"{format_name} cannot write {what} {text!r:.80}. Another format can: hermes writes any call.")
