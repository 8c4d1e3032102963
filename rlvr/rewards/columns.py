"""Columns of a batch → one parsed completion and one context a row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rlvr.errors import DataError, UsageError
from rlvr.rewards.context import Context, build_context, check_mode
from rlvr.rewards.parsing import parse_completion
from rlvr.rewards.words import detect_language, known_language
from rlvr.types import ParsedCompletion

Sample = tuple[ParsedCompletion, Context]


def batch_samples(
    completions: Sequence[Any],
    tools: Sequence[Any],
    ground_truth: Sequence[Any],
    parser: str,
    matching: str,
    columns: Mapping[str, Any],
) -> list[Sample]:
    """Bring a batch's columns together, row by row.

    Raises `UsageError` where a column is no sequence of the batch's length, and `DataError` for a row that cannot be
    scored, with the row's id where an `id` column is there, else its place.
    """
    if isinstance(completions, (str, bytes)) or not isinstance(completions, Sequence):
        raise UsageError(f"completions must be a list, got {type(completions).__name__}")
    check_mode(matching)
    n = len(completions)
    tool_column = _column("tools", tools, n, required=True)
    gold_column = _column("ground_truth", ground_truth, n, required=True)
    expects = _column("expects", columns.get("expects"), n)
    ids = _column("id", columns.get("id"), n)
    truncated = truncation(n, columns)
    opened = _flags("reasoning_opened", columns.get("reasoning_opened"), n)
    langs = query_languages(n, columns)
    samples = []
    for i, completion in enumerate(completions):
        where = f"row {i}" if ids[i] is None else str(ids[i])
        try:
            parsed = parse_completion(completion, parser, truncated=truncated[i], reasoning_opened=opened[i])
        except DataError as error:
            raise DataError(where, str(error)) from error
        context = build_context(
            tool_column[i], gold_column[i], expects=expects[i], lang=langs[i], matching=matching, where=where
        )
        samples.append((parsed, context))
    return samples


def truncation(n: int, columns: Mapping[str, Any]) -> list[bool]:
    """Which completions were cut: by a `truncated` column, else where `completion_ids` hold none of `eos_token_ids`."""
    if columns.get("truncated") is not None:
        return _flags("truncated", columns["truncated"], n)
    rows = _column("completion_ids", columns.get("completion_ids"), n)
    ends = columns.get("eos_token_ids")
    if isinstance(ends, int):
        ends = (ends,)
    if ends is not None and not isinstance(ends, Collection):
        raise UsageError(f"eos_token_ids must be a list of token ids, got {type(ends).__name__}")
    if not ends:
        return [False] * n
    wanted = frozenset(ends)
    return [row is not None and wanted.isdisjoint(row) for row in rows]


def query_languages(n: int, columns: Mapping[str, Any]) -> list[str | None]:
    """The queries' languages: by a `lang` column, else read from `query` or the last user message of `prompts`.

    A prompt that is a rendered string tells nothing: its system text and tools may be in another language.
    """
    langs = _column("lang", columns.get("lang"), n)
    queries = _column("query", columns.get("query"), n)
    prompts = _column("prompts", columns.get("prompts"), n)
    return [query_language(*row) for row in zip(langs, queries, prompts, strict=True)]


def query_language(lang: Any, query: Any, prompt: Any) -> str | None:
    """One query's language; a stated one that rlvr does not know counts as not known."""
    if lang is not None:
        if not isinstance(lang, str):
            raise DataError("", f"lang: got {lang!r:.60}, expected a language code")
        return known_language(lang)
    text = query if isinstance(query, str) else last_user_text(prompt)
    return detect_language(text) if text else None


def last_user_text(messages: Any) -> str:
    """The text of a dialogue's last user message; empty where `messages` is no dialogue."""
    if isinstance(messages, (str, bytes)) or not isinstance(messages, Sequence):
        return ""
    for message in reversed(messages):
        if isinstance(message, Mapping) and message.get("role") == "user":
            return _content_text(message.get("content"))
    return ""


def _content_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = (p.get("text") or p.get("value") for p in content if isinstance(p, Mapping))
    return " ".join(p for p in parts if isinstance(p, str))


def _column(name: str, values: Any, n: int, required: bool = False) -> Sequence[Any]:
    if values is None:
        if required:
            raise UsageError(f"{name} is missing: a list with one entry a completion is needed ({n} here)")
        return [None] * n
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__len__"):
        kind = type(values).__name__
        raise UsageError(f"{name} must be a list with one entry a completion ({n} here), got {kind}")
    if len(values) != n:
        raise UsageError(f"{name} has {len(values)} entries for {n} completions; it needs one a completion")
    return list(values)


def _flags(name: str, values: Any, n: int) -> list[bool]:
    if values is None or isinstance(values, bool):
        return [bool(values)] * n
    return [bool(v) for v in _column(name, values, n)]
