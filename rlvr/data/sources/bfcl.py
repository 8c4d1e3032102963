"""BFCL's Python single-turn questions and possible answers. For evaluation only: nothing of it goes into training.

The data come from the package `bfcl-eval` in the release below, are checked by their hashes, and stay in the cache.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlvr.data.sources.bfcl_files import CATEGORIES, VERSION, answers_file, data_folder, questions_file, read_checked
from rlvr.errors import DataError, UsageError, did_you_mean
from rlvr.tools import normalise_tools, object_shape
from rlvr.types import Example, GoldCall, OneOf, Tool

__all__ = ["CATEGORIES", "SMALL", "VERSION", "load_suite", "to_example"]

SMALL = ("simple_python", "multiple", "parallel", "irrelevance")
"""The suite `bfcl-small`."""

MARK = ""
"""Among the possible answers of an argument: it may be left out."""

_ID = re.compile(r"(live_)?(simple_python|simple|multiple|parallel_multiple|parallel|irrelevance)_\d")


def load_suite(folder: str | Path | None, categories: Sequence[str] = SMALL) -> list[Example]:
    """The examples of some categories (`CATEGORIES`; `simple` means `simple_python`), in the files' order.

    `folder` holds BFCL's data files; `None` means the cache, which is filled on the first call. Raises `UsageError` on
    an unknown category or where the data cannot be fetched, `DataError` on a missing or altered file.
    """
    names = ["simple_python" if c == "simple" else c for c in categories]
    for name in names:
        if name not in CATEGORIES:
            raise UsageError(f"unknown BFCL category {name!r}.{did_you_mean(name, CATEGORIES)}")
    where = data_folder() if folder is None else Path(folder)
    return [example for name in names for example in _load_category(where, name)]


def to_example(question: Mapping[str, Any], answer: Mapping[str, Any] | None) -> Example:
    """One question with its possible answers (`None` for the irrelevance categories) as an `Example`.

    Each argument's list of accepted values becomes a `OneOf`, inside objects too, and the mark `""` becomes
    `optional`: nothing is lost, and `matching="bfcl"` gives the official verdict. Raises `DataError` on a row of
    another kind (multi-turn, other languages) or without what it needs.
    """
    row_id = str(question.get("id"))
    kind = _ID.match(row_id)
    if kind is None:
        raise DataError(row_id, "only BFCL's Python single-turn and irrelevance categories can be read")
    category = "simple" if kind[2] == "simple_python" else kind[2]
    tools = normalise_tools(question.get("function"), row_id)
    if category != "irrelevance" and answer is None:
        raise DataError(row_id, "has no possible answer")
    meta = {"suite": "bfcl", "suite_category": row_id[: kind.end() - 2], "release": VERSION, "license": "Apache-2.0"}
    if not kind[1]:
        meta["lang"] = "en"  # the live categories hold users' queries in several languages
    return Example(
        id=row_id,
        source="bfcl",
        category=category,
        messages=_messages(question, row_id),
        tools=tools,
        ground_truth=() if answer is None else _gold(answer, {t.name: t for t in tools}, row_id),
        meta=meta,
    )


def _load_category(folder: Path, name: str) -> list[Example]:
    answers: dict[str, Any] = {}
    if "irrelevance" not in name:
        answers = {str(row["id"]): row for row in _rows(folder, answers_file(name))}
    return [to_example(q, answers.get(str(q["id"]))) for q in _rows(folder, questions_file(name))]


def _rows(folder: Path, name: str) -> list[dict[str, Any]]:
    text = read_checked(folder, name).decode("utf-8")
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def _messages(question: Mapping[str, Any], where: str) -> tuple[Mapping[str, Any], ...]:
    turns = question.get("question")
    if not isinstance(turns, list) or len(turns) != 1 or not isinstance(turns[0], list) or not turns[0]:
        raise DataError(where, "question must hold one turn, a list of messages")
    return tuple(turns[0])


def _gold(answer: Mapping[str, Any], tools: Mapping[str, Tool], where: str) -> tuple[GoldCall, ...]:
    calls = answer.get("ground_truth")
    if not isinstance(calls, list):
        raise DataError(where, "ground_truth of a possible answer must be a list")
    out = []
    for call in calls:
        if not isinstance(call, Mapping) or len(call) != 1:
            raise DataError(where, f"a possible answer must map one name to arguments, got {call!r:.80}")
        name, arguments = next(iter(call.items()))
        tool = tools.get(name)
        out.append(GoldCall(name, {k: _argument(k, v, tool, where) for k, v in arguments.items()}))
    return tuple(out)


def _argument(name: str, accepted: Any, tool: Tool | None, where: str) -> OneOf:
    if not isinstance(accepted, list):
        raise DataError(where, f"the accepted values of {name} must be a list, got {accepted!r:.60}")
    schema: Any = {}
    required: frozenset[str] = frozenset()
    if tool is not None:
        shape = object_shape(tool.parameters, tool.parameters)
        schema, required = shape.properties.get(name, {}), shape.required
    values = tuple(_value(v, schema) for v in accepted if v != MARK)
    if MARK not in accepted:
        return OneOf(values)
    # Where a string must be given, the mark can only mean the empty string.
    if name in required and schema.get("type") in ("string", None):
        return OneOf((*values, MARK))
    return OneOf(values, optional=True)


def _value(value: Any, schema: Mapping[str, Any]) -> Any:
    """Objects, and objects in an array, list the accepted values of each key; deeper values are literal."""
    if isinstance(value, dict) and schema.get("type") == "object":
        return {k: _accepted(v) for k, v in value.items()}
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, Mapping) and items.get("type") == "object":
        return [{k: _accepted(v) for k, v in x.items()} if isinstance(x, dict) else x for x in value]
    return value


def _accepted(values: Any) -> Any:
    if not isinstance(values, list):
        return values
    return OneOf(tuple(v for v in values if v != MARK), optional=MARK in values)
