"""Completions of any shape → ParsedCompletion, once for all components: a bounded cache that they share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from rlvr.errors import DataError
from rlvr.parsers import get_parser, parse_messages
from rlvr.types import ParsedCompletion

PARSE_CACHE_SIZE = 4096
"""Enough for the completions of one training step, which each component sees in turn."""


def parse_completion(
    completion: str | Sequence[Mapping[str, Any]],
    parser: str = "hermes",
    *,
    truncated: bool = False,
    reasoning_opened: bool = False,
) -> ParsedCompletion:
    """Parse a completion that is a string, or a list of messages as conversational trainers hand over.

    Raises `DataError` where it is neither, and `UsageError` for an unknown parser.

    >>> parse_completion([{"role": "assistant", "content": "Hello."}]).text
    'Hello.'
    """
    if isinstance(completion, str):
        return _parse_text(completion, parser, truncated, reasoning_opened)
    if isinstance(completion, Sequence) and all(isinstance(m, Mapping) for m in completion):
        try:
            key = json.dumps([dict(cast("Mapping[str, Any]", m)) for m in completion], ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise DataError("", f"a completion's messages must be plain JSON: {error}") from error
        return _parse_messages(key, parser, truncated, reasoning_opened)
    raise DataError("", f"a completion must be a string or a list of messages, got {type(completion).__name__}")


@lru_cache(maxsize=PARSE_CACHE_SIZE)
def _parse_text(text: str, parser: str, truncated: bool, reasoning_opened: bool) -> ParsedCompletion:
    return get_parser(parser).parse(text, truncated=truncated, reasoning_opened=reasoning_opened)


@lru_cache(maxsize=PARSE_CACHE_SIZE)
def _parse_messages(messages: str, parser: str, truncated: bool, reasoning_opened: bool) -> ParsedCompletion:
    loaded = json.loads(messages)
    return parse_messages(loaded, get_parser(parser), truncated=truncated, reasoning_opened=reasoning_opened)
