"""Completion → ParsedCompletion, one file a tool-call format; also renders calls back to text.

get_parser, PARSERS, REASONING   the parser of a format, by the name that vLLM gives it
detect                           the format's name, from a tokenizer's chat template
text_of                          the text of token ids, where markup is made of special tokens
parse_messages                   completions that are message lists
"""

from __future__ import annotations

from collections.abc import Callable

from rlvr.errors import UsageError, did_you_mean
from rlvr.parsers.base import MAX_CHARS, Parser, ParserName
from rlvr.parsers.detect import detect
from rlvr.parsers.functiongemma import FunctionGemmaParser
from rlvr.parsers.hermes import HermesParser
from rlvr.parsers.llama3_json import Llama3JsonParser
from rlvr.parsers.messages import parse_messages
from rlvr.parsers.mistral import MistralParser
from rlvr.parsers.pythonic import PythonicParser
from rlvr.parsers.qwen3_coder import Qwen3CoderParser
from rlvr.parsers.reasoning import REASONING
from rlvr.parsers.token_ids import text_of
from rlvr.parsers.xlam import XlamParser

__all__ = [
    "MAX_CHARS",
    "PARSERS",
    "REASONING",
    "Parser",
    "ParserName",
    "detect",
    "get_parser",
    "parse_messages",
    "text_of",
]

PARSERS: dict[str, Callable[[str], Parser]] = {
    "hermes": HermesParser,
    "llama3_json": Llama3JsonParser,
    "pythonic": PythonicParser,
    "mistral": MistralParser,
    "qwen3_coder": Qwen3CoderParser,
    "functiongemma": FunctionGemmaParser,
    "xlam": XlamParser,
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
