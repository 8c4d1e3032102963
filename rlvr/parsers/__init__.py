"""Completion → ParsedCompletion, one file a tool-call format; also renders calls back to text.

get_parser, PARSERS, REASONING   the parser of a format, by the name that vLLM gives it
detect                           the format's name, from a tokenizer's chat template
text_of                          the text of token ids, where markup is made of special tokens
parse_messages                   completions that are message lists
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from rlvr.errors import UsageError, did_you_mean
from rlvr.parsers.attempts import MAX_CALLS, MAX_CONTAINERS
from rlvr.parsers.base import MAX_CHARS, Parser, ParserName
from rlvr.parsers.detect import detect
from rlvr.parsers.messages import parse_messages
from rlvr.parsers.reasoning import REASONING
from rlvr.parsers.token_ids import text_of

__all__ = [
    "MAX_CALLS",
    "MAX_CHARS",
    "MAX_CONTAINERS",
    "PARSERS",
    "REASONING",
    "Parser",
    "ParserName",
    "detect",
    "get_parser",
    "parse_messages",
    "text_of",
]


def _lazy(module: str, name: str) -> Callable[[str], Parser]:
    """Most people read one format: the others are not imported."""

    def make(reasoning: str = "think") -> Parser:
        made: Parser = getattr(import_module(f"rlvr.parsers.{module}"), name)(reasoning)
        return made

    return make


PARSERS: dict[str, Callable[[str], Parser]] = {
    "hermes": _lazy("hermes", "HermesParser"),
    "llama3_json": _lazy("llama3_json", "Llama3JsonParser"),
    "pythonic": _lazy("pythonic", "PythonicParser"),
    "mistral": _lazy("mistral", "MistralParser"),
    "qwen3_coder": _lazy("qwen3_coder", "Qwen3CoderParser"),
    "functiongemma": _lazy("functiongemma", "FunctionGemmaParser"),
    "xlam": _lazy("xlam", "XlamParser"),
}


def get_parser(name: ParserName, reasoning: str = "think") -> Parser:
    """The parser of a tool-call format, by the name that vLLM gives it.

    `reasoning` is `think` (`<think>…</think>` is reasoning), `none` (nothing is), or `deepseek_r1` or `qwen3`, which
    take as reasoning what vLLM's reasoning parsers of these names do.
    Raises `UsageError` on an unknown name of either.

    >>> get_parser("hermes").parse("Hello.").outcome
    <Outcome.ABSTAIN: 'abstain'>
    """
    if name not in PARSERS:
        raise UsageError(f"unknown parser {name!r}.{did_you_mean(str(name), PARSERS)}")
    if reasoning not in REASONING:
        raise UsageError(f"unknown reasoning parser {reasoning!r}.{did_you_mean(str(reasoning), REASONING)}")
    return PARSERS[name](reasoning)
