"""Columns of a batch → one parsed completion and one context a row."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any

from rlvr.errors import DataError, UsageError
from rlvr.parsers.base import PlainReader
from rlvr.rewards.context import Context, build_context, check_mode, language_of
from rlvr.rewards.judge import Sample, SampleCall
from rlvr.rewards.parsing import decoded, parse_completion, parser_of
from rlvr.rewards.told import column, flags, truncation
from rlvr.rewards.wordlists import changes
from rlvr.rewards.words import known_language

_LOOKED_AT = 40
_Column = Sequence[Any]


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a batch's samples are made from: its columns as they were given, and what was read from others.

    A trainer hands the same rows to one component after the other; what was parsed for the first is at hand for the
    rest. Only strings are trusted to be what they were: other objects may have been changed in between.
    """

    settings: tuple[str, str, str, int]
    held: tuple[list[Any], ...]
    """Completions, tools, ground truths, what is expected, and the languages as they were told."""
    flags: tuple[list[bool], list[bool]]
    """Which completions were cut, and which prompts ended in an opened reasoning block."""
    read_languages: list[str | None] | None
    """The queries' languages, where not all of them were told."""

    @property
    def languages(self) -> list[str | None]:
        told = self.held[-1]
        return query_languages(len(told), {"lang": told}) if self.read_languages is None else self.read_languages

    def rows(self) -> Iterator[tuple[Any, tuple[Any, Any, str | None, str | None], bool, bool]]:
        """Of each row: the completion, what its context is made from, and the flags."""
        completions, tools, gold, expects, _ = self.held
        return zip(completions, zip(tools, gold, expects, self.languages, strict=True), *self.flags, strict=True)

    def may_be_kept(self) -> bool:
        kinds = [set(map(type, column)) for column in self.held]
        return all(kind == {str} for kind in kinds[:3]) and all(kind <= {str, NoneType} for kind in kinds[3:])

    def copy(self) -> _Batch:
        """The same with lists of its own, which nobody changes later."""
        return replace(self, held=tuple(map(list, self.held)))


_RECENT: deque[tuple[_Batch, list[Sample]]] = deque(maxlen=2)


def batch_samples(
    completions: Sequence[Any],
    tools: Sequence[Any] | None,
    ground_truth: Sequence[Any] | None,
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
    n = len(completions)
    tokenizer = columns.get("tokenizer")
    told = column("lang", columns.get("lang"), n)
    batch = _Batch(
        (parser, check_mode(matching), columns.get("reasoning_parser") or "think", changes()),
        (
            column("completions", completions, n),
            column("tools", tools, n, required=True),
            column("ground_truth", ground_truth, n, required=True),
            column("expects", columns.get("expects"), n),
            told,
        ),
        (truncation(n, columns), opened_reasoning(n, columns)),
        query_languages(n, columns) if None in told else None,
    )
    ids, *_ = (column(name, columns.get(name), n) for name in ("id", "query", "prompts"))  # all of one length
    if tokenizer is None:
        for known, samples in tuple(_RECENT):
            if known == batch:
                return samples
    if tokenizer is not None or not n or not batch.may_be_kept():
        id_column = column("completion_ids", columns.get("completion_ids") if tokenizer is not None else None, n)
        return _samples(batch, ids, id_column, tokenizer)
    samples = _samples_of_strings(batch, ids)
    _RECENT.append((batch.copy(), samples))
    return samples


class _Group:
    """Completions of one example that stand beside each other. A call that several of them make is read once."""

    def __init__(self, context: Context, reader: PlainReader) -> None:
        self._context = context
        self._reader = reader
        self._known: dict[str, list[SampleCall]] = {}

    def calls(self, completion: str) -> list[SampleCall] | None:
        """The calls of a completion that is nothing else; `None` where that does not show quickly."""
        stretches = self._reader.split(completion)
        if stretches is None:
            return None
        calls: list[SampleCall] = []
        for stretch in stretches:
            known = self._known.get(stretch)
            if known is None:
                found = self._reader.read(stretch)
                if found is None:
                    return None
                known = [SampleCall(name, arguments, self._context) for name, arguments in found]
                self._known[stretch] = known
            calls += known
        return calls


def _samples_of_strings(batch: _Batch, ids: _Column) -> list[Sample]:
    """The samples of a batch that is kept, so that nothing needs to be remembered by its text."""
    parser, matching, reasoning, _ = batch.settings
    read = parser_of(parser, reasoning)
    reader = read.plain_reader
    samples: list[Sample] = []
    of: tuple[Any, ...] = ()
    group: _Group | None = None
    for completion, example, truncated, opened in batch.rows():
        if example != of:
            context = _context_of(len(samples), ids, *example, matching)
            of = example  # the completions of a group stand beside each other
            group = None if reader is None else _Group(context, reader)
        calls = None if opened or group is None else group.calls(completion)
        if calls is None:
            offered = tuple(context.tools.values()) if read.reads_tools else ()
            parsed = read.parse(completion, truncated=truncated, reasoning_opened=opened, tools=offered)
            samples.append(Sample.of(parsed, context))
        else:
            samples.append(Sample(context, calls, truncated))
    return samples


def _context_of(
    row: int, ids: _Column, tools: Any, gold: Any, expects: str | None, lang: str | None, matching: str
) -> Context:
    try:
        return build_context(tools, gold, expects=expects, lang=lang, matching=matching)
    except DataError as error:
        raise _named(row, ids, error) from error


def _named(row: int, ids: _Column, error: DataError) -> DataError:
    return DataError(f"row {row}" if ids[row] is None else str(ids[row]), str(error))


def _samples(batch: _Batch, ids: _Column, completion_ids: _Column, tokenizer: Any) -> list[Sample]:
    parser, matching, reasoning, _ = batch.settings
    samples: list[Sample] = []
    of: tuple[Any, ...] = ()
    for i, (completion, example, truncated, opened) in enumerate(batch.rows()):
        if not of or not all(map(_is_same, example, of)):
            context = _context_of(i, ids, *example, matching)
            of = example
        try:
            parsed = parse_completion(
                decoded(completion, completion_ids[i], tokenizer),
                parser,
                truncated=truncated,
                reasoning_opened=opened,
                tools=context.tools,
                reasoning_parser=reasoning,
            )
        except DataError as error:
            raise _named(i, ids, error) from error
        samples.append(Sample.of(parsed, context))
    return samples


def _is_same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is str and bool(a == b))


def opened_reasoning(n: int, columns: Mapping[str, Any]) -> list[bool]:
    """Which prompts ended in an opened reasoning block: as `reasoning_opened` says (a column, or one value for all).

    Where it says nothing, prompts that are rendered strings are looked at: those that end with `<think>` did.
    """
    if columns.get("reasoning_opened") is not None:
        return flags("reasoning_opened", columns["reasoning_opened"], n)
    if columns.get("prompts") is None:
        return [False] * n
    prompts = column("prompts", columns.get("prompts"), n)
    return [isinstance(p, str) and p[-_LOOKED_AT:].rstrip().endswith("<think>") for p in prompts]


def query_languages(n: int, columns: Mapping[str, Any]) -> list[str | None]:
    """The queries' languages: by a `lang` column, else read from `query` or the last user message of `prompts`.

    A prompt that is a rendered string tells nothing: its system text and tools may be in another language.
    """
    langs = column("lang", columns.get("lang"), n)
    queries = column("query", columns.get("query"), n)
    prompts = column("prompts", columns.get("prompts"), n)
    if all(columns.get(name) is None for name in ("lang", "query", "prompts")):
        return [None] * n
    if set(map(type, langs)) == {str}:
        known = {lang: known_language(lang) for lang in set(langs)}
        return [known[lang] for lang in langs]
    return [query_language(*row, where=f"row {i}") for i, row in enumerate(zip(langs, queries, prompts, strict=True))]


def query_language(lang: Any, query: Any, prompt: Any, where: str = "") -> str | None:
    """One query's language; a stated one that rlvr does not know counts as not known."""
    if lang is not None:
        if not isinstance(lang, str):
            raise DataError(where, f"lang: got {lang!r:.60}, expected a language code")
        return language_of(lang, "")
    return language_of(None, query if isinstance(query, str) else last_user_text(prompt))


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
