"""Completions of any shape → ParsedCompletion, once for all components: a bounded cache that they share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from rlvr.errors import DataError, UsageError
from rlvr.parsers import Parser, get_parser, parse_messages, text_of
from rlvr.parsers.messages import REASONING_KEYS
from rlvr.types import ParsedCompletion, Tool

PARSE_CACHE_SIZE = 4096
"""Enough for the completions of one training step, which each component sees in turn."""


def parse_completion(
    completion: str | Sequence[Mapping[str, Any]],
    parser: str = "hermes",
    *,
    truncated: bool = False,
    reasoning_opened: bool = False,
    tools: Mapping[str, Tool] | None = None,
    reasoning_parser: str = "think",
) -> ParsedCompletion:
    """Parse a completion that is a string, or a list of messages as conversational trainers hand over.

    `tools` are the offered ones by name, for the formats that are read by them. Raises `DataError` where the completion
    is neither, and `UsageError` for an unknown parser.

    >>> parse_completion([{"role": "assistant", "content": "Hello."}]).text
    'Hello.'
    """
    read = parser_of(parser, reasoning_parser)
    offered = _Offered(tools) if tools and read.reads_tools else None
    if isinstance(completion, str):
        return _parse_text(completion, parser, reasoning_parser, truncated, reasoning_opened, offered)
    if isinstance(completion, Sequence) and all(isinstance(m, Mapping) for m in completion):
        messages = [dict(cast("Mapping[str, Any]", m)) for m in completion]
        try:
            key = _key(messages)
            return _parse_messages(key, parser, reasoning_parser, truncated, reasoning_opened, offered)
        except RecursionError:  # arguments nested deeper than JSON can be written: the model's doing, so it is scored
            of = _tools(offered)
            return parse_messages(messages, read, truncated=truncated, reasoning_opened=reasoning_opened, tools=of)
    raise DataError("", f"a completion must be a string or a list of messages, got {type(completion).__name__}")


def decoded(completion: Any, completion_ids: Sequence[int] | None, tokenizer: Any) -> Any:
    """A completion as its token ids have it, special tokens included, where it is text and both are given.

    A message list counts as text where it is one assistant message that carries nothing but its content. Raises
    `UsageError` for a tokenizer that decodes nothing.
    """
    if tokenizer is None or completion_ids is None:
        return completion
    if not hasattr(tokenizer, "decode"):
        raise UsageError(f"tokenizer must be a loaded one, got {tokenizer!r:.60}")
    if isinstance(completion, str):
        return text_of(completion_ids, tokenizer)
    if isinstance(completion, Sequence) and len(completion) == 1 and isinstance(completion[0], Mapping):
        message = completion[0]
        if message.get("role", "assistant") == "assistant" and not any(
            message.get(k) for k in ("tool_calls", *REASONING_KEYS)
        ):
            return text_of(completion_ids, tokenizer)
    return completion


def _key(messages: list[dict[str, Any]]) -> str:
    try:
        return json.dumps(messages, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise DataError("", f"a completion's messages must be plain JSON: {error}") from error


class _Offered:
    """The offered tools as a key of the cache: by identity, since the contexts that hold them are shared by a group."""

    __slots__ = ("tools",)

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self.tools = tools

    def __hash__(self) -> int:
        return id(self.tools)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Offered) and self.tools is other.tools


def _tools(offered: _Offered | None) -> tuple[Tool, ...]:
    return () if offered is None else tuple(offered.tools.values())


def parser_of(parser: str, reasoning: str) -> Parser:
    """A parser by its name, made once. Raises `UsageError` where a name is none, be it text or not."""
    if not (isinstance(parser, str) and isinstance(reasoning, str)):
        raise UsageError(f"parser and reasoning_parser must be names, got {parser!r:.60} and {reasoning!r:.60}")
    return _parser(parser, reasoning)


_parser = lru_cache(maxsize=64)(get_parser)


@lru_cache(maxsize=PARSE_CACHE_SIZE)
def _parse_text(
    text: str, parser: str, reasoning: str, truncated: bool, opened: bool, offered: _Offered | None
) -> ParsedCompletion:
    read = parser_of(parser, reasoning)
    return read.parse(text, truncated=truncated, reasoning_opened=opened, tools=_tools(offered))


@lru_cache(maxsize=PARSE_CACHE_SIZE)
def _parse_messages(
    messages: str, parser: str, reasoning: str, truncated: bool, opened: bool, offered: _Offered | None
) -> ParsedCompletion:
    read = parser_of(parser, reasoning)
    return parse_messages(
        json.loads(messages), read, truncated=truncated, reasoning_opened=opened, tools=_tools(offered)
    )
