"""Rows in our own form: one JSON object a line, plain or gzipped.

    {"messages": […], "tools": […], "ground_truth": […], "id"?, "source"?, "category"?, "expects"?, "lang"?, "meta"?}

`messages`, `tools` and `ground_truth` may be JSON strings, as they are in Arrow and Parquet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from rlvr.data.sources.parts import text_of_parts
from rlvr.errors import DataError, UsageError, did_you_mean
from rlvr.jsonl import loads, read_lines
from rlvr.tools import check_ground_truth, normalise_tools
from rlvr.types import CATEGORIES, EXPECTS, Example, derive_category, gold_calls_from_json

FIELDS = ("id", "source", "category", "messages", "tools", "ground_truth", "expects", "lang", "meta")
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_LANGUAGES = ("en", "vi", "zh")


def read_jsonl(
    path: str | Path, *, on_error: str = "raise", errors: list[DataError] | None = None
) -> Iterator[Example]:
    """Yield the examples of a file, in order; blank lines are skipped.

    `on_error="raise"` stops at the first bad row with a `DataError` that names file, line and reason.
    `on_error="collect"` goes on, and appends the errors of the rows left out to `errors`.
    """
    if on_error not in ("raise", "collect"):
        raise UsageError(f"on_error: got {on_error!r}, expected 'raise' or 'collect'")
    if on_error == "collect" and errors is None:
        raise UsageError("on_error='collect' needs a list in `errors`, else bad rows would vanish unseen")
    path = Path(path)
    if path.is_dir():
        raise DataError(str(path), "is a folder; give a .jsonl file (source: parquet reads the folder of a data build)")
    if not path.is_file():
        raise DataError(str(path), "no such file")
    for where, line in read_lines(path):
        try:
            yield example_from_row(_loads(line, where), where)
        except DataError as error:
            if on_error == "raise" or errors is None:
                raise
            errors.append(error)


def example_from_row(row: Any, where: str) -> Example:
    """Make one row an `Example`. Raises `DataError(where, …)` on a row that cannot be scored.

    That is: no messages, tools or ground truth, broken JSON in one of them, a ground truth whose tool is not offered
    or whose arguments break its schema, an unknown `category` or `expects`, or a key that looks like a misspelt field.
    Further keys are kept in `meta`. A missing category is derived from the calls, the tools and the dialogue.
    """
    example = unchecked_example(row, where)
    problems = check_ground_truth(example.ground_truth, example.tools)
    if problems:
        raise DataError(where, "; ".join(problems))
    return example


def unchecked_example(row: Any, where: str) -> Example:
    """The same, with a ground truth that need not fit its tools' schemas yet."""
    if not isinstance(row, Mapping):
        raise DataError(where, f"a row must be an object, got {type(row).__name__}")
    _check_keys(row, where)
    messages = _messages(row, where)
    tools = normalise_tools(_need(row, "tools", where), where)
    if not tools:
        raise DataError(where, "tools is empty")
    gold = gold_calls_from_json(_structured(_need(row, "ground_truth", where), "ground_truth", where), where)
    return Example(
        id=_string(row, "id", where) or where.rpartition("/")[2],
        source=_string(row, "source", where) or "jsonl",
        category=_choice(row, "category", CATEGORIES, where) or derive_category(messages, len(tools), gold),
        messages=messages,
        tools=tools,
        ground_truth=gold,
        expects=_choice(row, "expects", EXPECTS, where) or "any",
        meta=_meta(row, where),
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _loads(text: str, where: str, what: str = "the row") -> Any:
    return loads(text, where, what, _no_constant)


def _check_keys(row: Mapping[str, Any], where: str) -> None:
    for key in row:
        hint = did_you_mean(str(key), [f for f in FIELDS if f not in row]) if key not in FIELDS else ""
        if hint.startswith(" Did you mean"):
            raise DataError(where, f"{key}: unknown field.{hint}")


def _need(row: Mapping[str, Any], key: str, where: str) -> Any:
    value = row.get(key)
    if value is None:
        raise DataError(where, f"no {key}")
    return value


def _structured(value: Any, what: str, where: str) -> Any:
    return _loads(value, where, what) if isinstance(value, str) else value


def _messages(row: Mapping[str, Any], where: str) -> tuple[Mapping[str, Any], ...]:
    value = _structured(_need(row, "messages", where), "messages", where)
    if not isinstance(value, list) or not value:
        raise DataError(where, "messages must be a list with at least one message")
    for i, message in enumerate(value):
        if not isinstance(message, Mapping) or message.get("role") not in _ROLES:
            raise DataError(where, f"messages[{i}] must be an object with a role ({', '.join(_ROLES)})")
    if not any(m["role"] == "user" for m in value):
        raise DataError(where, "messages hold no user message")
    if value[-1]["role"] == "assistant":
        raise DataError(where, "messages end with the assistant: what it should say next is the ground truth")
    return tuple(_with_text(m, f"messages[{i}]", where) for i, m in enumerate(value))


def _with_text(message: Mapping[str, Any], what: str, where: str) -> Mapping[str, Any]:
    """A message whose text is a string: parts are joined, since only a string is decontaminated, compared and shown."""
    content = message.get("content")
    if content is None or isinstance(content, str) or message["role"] in ("tool", "function"):
        return message
    return {**message, "content": text_of_parts(content, where, what)}


def _string(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise DataError(where, f"{key}: got {value!r:.60}, expected a string")
    return str(value)


def _choice(row: Mapping[str, Any], key: str, known: tuple[str, ...], where: str) -> str:
    value = _string(row, key, where)
    if value and value not in known:
        raise DataError(where, f"{key}: got {value!r:.60}, expected one of {', '.join(known)}.")
    return value


def _meta(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    given = _structured(row.get("meta") or {}, "meta", where)
    if not isinstance(given, Mapping):
        raise DataError(where, f"meta: got {type(given).__name__}, expected an object")
    meta = {**{k: v for k, v in row.items() if k not in FIELDS}, **given}
    tag = row.get("lang") or given.get("lang")
    meta.pop("lang", None)
    if isinstance(tag, str):
        base = tag.replace("_", "-").split("-")[0].lower()
        if base in _LANGUAGES:
            meta["lang"] = base
        if tag and tag not in _LANGUAGES:
            meta["lang_tag"] = tag
    return meta
