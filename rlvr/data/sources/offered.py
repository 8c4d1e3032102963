"""The tools that a row offers, in whatever way its source writes them down."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from rlvr.data.answers import AnswerError, read_value
from rlvr.data.sources.rejects import NotUnderstood
from rlvr.errors import DataError
from rlvr.parsers.strict_json import loads_strict
from rlvr.tools import normalise_tool
from rlvr.types import Tool

_CACHED_LIST_CHARS = 50_000
_CACHED_TOOL_CHARS = 10_000


def offered_tools(value: Any, where: str) -> tuple[Tool, ...]:
    """The tools of a row: a list, or one written as JSON or Python; nothing, `null` or an empty list give none.

    Tools that stand twice are offered once; of two that share a name and differ, both are returned, and no example
    will be made (`same_names`). Raises `NotUnderstood` where something among them is no tool.
    """
    if isinstance(value, str):
        if not value.strip():
            return ()
        found = _from_text(value) if len(value) <= _CACHED_LIST_CHARS else _read(value)
        if isinstance(found, str):
            raise NotUnderstood(where, "tools", found)
        return found
    try:
        return _tools(value)
    except DataError as error:
        raise NotUnderstood(where, "tools", str(error)) from None


def same_names(tools: Sequence[Tool]) -> list[str]:
    """The names that more than one tool has."""
    return [name for name, n in Counter(t.name for t in tools).items() if n > 1]


@lru_cache(maxsize=256)
def _from_text(text: str) -> tuple[Tool, ...] | str:
    return _read(text)


def _read(text: str) -> tuple[Tool, ...] | str:
    """The tools of a text, or why there are none."""
    try:
        return _tools(read_value(text, "the list of tools"))
    except (AnswerError, DataError) as error:
        return str(error)


def _tools(value: Any) -> tuple[Tool, ...]:
    if value is None:
        return ()
    if isinstance(value, Mapping):
        value = [value]
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise DataError("", f"the tools must be a list, got {type(value).__name__}")
    tools: list[Tool] = []
    for item in value:
        tool = _tool(item)
        if tool not in tools:
            tools.append(tool)
    return tuple(tools)


def _tool(item: Any) -> Tool:
    """One tool. The same ones come back in row after row, so that they are kept by their text."""
    try:
        text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    except (TypeError, RecursionError) as error:
        raise DataError("", f"a tool cannot be written as JSON: {error}") from None
    return _kept(text) if len(text) <= _CACHED_TOOL_CHARS else _normalised(text)


@lru_cache(maxsize=4096)
def _kept(text: str) -> Tool:
    return _normalised(text)


def _normalised(text: str) -> Tool:
    try:
        return normalise_tool(loads_strict(text))
    except ValueError as error:
        raise DataError("", f"a tool is not valid JSON ({error}): {text:.80}") from None
