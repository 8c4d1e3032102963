"""Files of questions that a user names: what must not be trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rlvr.errors import DataError, UsageError
from rlvr.jsonl import loads, read_lines, read_objects
from rlvr.tools import normalise_tools
from rlvr.types import Tool

_TEXT_KEYS = ("query", "question", "prompt", "text", "instruction")
_TOOL_KEYS = ("tools", "functions", "function")


def read_reference(path: str | Path) -> Iterator[tuple[str, list[str], tuple[Tool, ...]]]:
    """Yield (id, user messages, tools) of each row of a file.

    JSON lines (`.jsonl`, `.json`, packed with `.gz` too), one object a line, with `messages` (or BFCL's nested
    `question`), or a text under `query`, `question`, `prompt`, `text` or `instruction`, and perhaps `tools`; or `.txt`,
    one question a line. Raises `DataError` naming file and line of a row that holds no question.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(str(path), "no such file. Decontamination takes bfcl or a file of questions.")
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    if kind == "txt":
        for where, line in read_lines(path):
            yield where, [line.strip()], ()
        return
    if kind not in ("jsonl", "json", "ndjson"):
        raise UsageError(
            f"{path}: decontamination reads .jsonl, .json (one object a line) and .txt, packed (.gz) or not."
        )
    for where, row in read_objects(path):
        yield str(row.get("id") or where), _texts(row, where), _tools(row, where)


def _texts(row: Mapping[str, Any], where: str) -> list[str]:
    messages = row.get("messages")
    if messages is None and isinstance(row.get("question"), list):
        messages = row["question"]
    if isinstance(messages, str):
        messages = loads(messages, where, "messages")
    if isinstance(messages, list):
        texts = [m["content"] for m in _flat(messages) if m.get("role") == "user" and isinstance(m.get("content"), str)]
    else:
        texts = [row[key] for key in _TEXT_KEYS if isinstance(row.get(key), str)][:1]
    if not texts:
        raise DataError(where, f"holds no question: expected messages with a user's, or one of {', '.join(_TEXT_KEYS)}")
    return texts


def _flat(messages: list[Any]) -> Iterator[Mapping[str, Any]]:
    """The messages of a list, or of a list of turns as BFCL has them."""
    for message in messages:
        for one in message if isinstance(message, list) else [message]:
            if isinstance(one, Mapping):
                yield one


def _tools(row: Mapping[str, Any], where: str) -> tuple[Tool, ...]:
    value = next((row[key] for key in _TOOL_KEYS if row.get(key)), None)
    if value is None:
        return ()
    return normalise_tools([value] if isinstance(value, Mapping) else value, where)
