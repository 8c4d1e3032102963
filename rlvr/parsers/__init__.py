"""Completion → ParsedCompletion, one file a tool-call format; also renders calls back to text."""

from __future__ import annotations

from collections.abc import Callable

from rlvr.errors import UsageError, did_you_mean
from rlvr.parsers.base import MAX_CHARS, Parser, ParserName
from rlvr.parsers.hermes import HermesParser
from rlvr.parsers.messages import parse_messages
from rlvr.parsers.reasoning import REASONING

__all__ = ["MAX_CHARS", "PARSERS", "REASONING", "Parser", "ParserName", "get_parser", "parse_messages"]

PARSERS: dict[str, Callable[[str], Parser]] = {"hermes": HermesParser}


def get_parser(name: ParserName, reasoning: str = "think") -> Parser:
    """The parser of a tool-call format, by the name that vLLM gives it.

    `reasoning` is `think` (`<think>…</think>` is reasoning) or `none` (nothing is).
    Raises `UsageError` on an unknown name of either.

    >>> get_parser("hermes").parse("Hello.").outcome
    <Outcome.ABSTAIN: 'abstain'>
    """
    if name not in PARSERS:
        raise UsageError(f"unknown parser {name!r}.{did_you_mean(str(name), PARSERS)}")
    if reasoning not in REASONING:
        raise UsageError(f"unknown reasoning parser {reasoning!r}.{did_you_mean(str(reasoning), REASONING)}")
    return PARSERS[name](reasoning)
