"""FunctionGemma's format: `<start_function_call>call:f{city:<escape>Hanoi<escape>,days:3}<end_function_call>`.

Strings stand between `<escape>` tokens, all else is bare (ai.google.dev, "FunctionGemma formatting and best
practices").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rlvr.parsers.attempts import Attempts
from rlvr.parsers.bare import without_bare
from rlvr.parsers.base import END_MARKERS, TextParser, read_marked
from rlvr.parsers.literals import Grammar, LiteralError, char_at, read_literal, skip_space, step
from rlvr.parsers.rendering import json_text, refuse
from rlvr.parsers.strict_json import bounded_int, finite_float
from rlvr.types import CallAttempt, Tool, ToolCall

_OPEN, _CLOSE, _ESCAPE = "<start_function_call>", "<end_function_call>", "<escape>"
_HEAD = re.compile(r"\s*+call:[^\S\n]*+([^\s{}<>][^{}<>\n]*+)(?=\{)")
_CUT_HEAD = re.compile(r"\s*+(?:c|ca|cal|call|call:[^{}<>\n]*+)?+\Z")
_UNMARKED = re.compile(r"call:[^{}<>\n]{1,200}+\{")
_UNMARKED_IN_WORDS = re.compile(r"(?<![\w.-])call:[\w.-]{1,200}+\{[^}]*+\}?+")
_KEY = re.compile(r"([^\s:{}\[\]<>,]++)\s*+:")
_PLAIN_KEY = re.compile(r"[^\s:{}\[\]<>,]++")
_NUMBER = re.compile(r"-?+(?:0|[1-9][0-9]*+)(\.[0-9]++)?+([eE][+-]?+[0-9]++)?+")
_WORD = re.compile(r"[A-Za-z]++")
_WORDS = {"true": True, "false": False, "null": None, "None": None}
_OPENERS = r"\[++\{?+|\{"
_PLAIN_STRING = f"{_ESCAPE}[^<]*+{_ESCAPE}"
_PLAIN = rf"{_PLAIN_STRING}|-?+(?:[1-9][0-9]{{0,17}}+|0)(?:\.[0-9]{{1,17}}+)?+|\[\]|\{{\}}|{'|'.join(_WORDS)}"
_RESERVED = re.compile("|".join(map(re.escape, (_ESCAPE, _OPEN, _CLOSE, "<think>", "</think>", *END_MARKERS))))


class GemmaGrammar(Grammar):
    """Strings and, where they need it, keys between `<escape>` tokens; numbers, true, false, null, lists, objects."""

    closers = {"[": "]", "{": "}"}  # noqa: RUF012
    trailing_comma = False
    item = step(_OPENERS, _PLAIN)
    pair = step(_OPENERS, _PLAIN, rf"{_PLAIN_KEY.pattern}|{_PLAIN_STRING}")

    def plain(self, raw: str) -> Any:
        if raw[0] == "<":
            return raw[len(_ESCAPE) : -len(_ESCAPE)]
        if raw[0].isalpha():
            return _WORDS[raw]
        if raw[0] in "[{":
            return {} if raw[0] == "{" else []
        return float(raw) if "." in raw else int(raw)

    def plain_key(self, raw: str) -> str:
        return raw[len(_ESCAPE) : -len(_ESCAPE)] if raw[0] == "<" else raw

    def atom(self, text: str, position: int) -> tuple[Any, int]:
        if text.startswith(_ESCAPE, position):
            return _escaped(text, position)
        number = _NUMBER.match(text, position)
        if number is not None:
            return _number(number), number.end()
        word = _WORD.match(text, position)
        if word is None or word.group() not in _WORDS:
            raise LiteralError(position, "unclosed" if _is_cut(text, position) else "json")
        return _WORDS[word.group()], word.end()

    def key(self, text: str, position: int) -> tuple[str, int]:
        if text.startswith(_ESCAPE, position):
            key, end = _escaped(text, position)
            end = skip_space(text, end)
            if char_at(text, end) != ":":
                raise LiteralError(end)
            return key, end + 1
        found = _KEY.match(text, position)
        if found is None:
            plain = _PLAIN_KEY.match(text, position)
            cut = _is_cut(text, position) or (plain is not None and plain.end() == len(text))
            raise LiteralError(position, "unclosed" if cut else "json")
        return found[1], found.end()


_GEMMA = GemmaGrammar()


class FunctionGemmaParser(TextParser):
    """One marked block a call. The markers are special tokens: trainers that strip those leave text without a call.

    >>> text = "<start_function_call>call:f{city:<escape>Hanoi<escape>,days:3}<end_function_call>"
    >>> FunctionGemmaParser().parse(text).calls
    (ToolCall(name='f', arguments={'city': 'Hanoi', 'days': 3}),)
    """

    name = "functiongemma"

    def render(self, calls: Sequence[ToolCall]) -> str:
        """The calls' blocks, one behind the other. Raises `UsageError` where a name or a string holds markup.

        >>> FunctionGemmaParser().render([ToolCall("f", {"days": 3, "tags": ["a"]})])
        '<start_function_call>call:f{days:3,tags:[<escape>a<escape>]}<end_function_call>'
        """
        for call in calls:
            if not call.name or call.name != call.name.strip() or re.search(r"[{}<>\n]", call.name):
                raise refuse(self.name, "the name", call.name)
        return "".join(f"{_OPEN}call:{c.name}{self._text(dict(c.arguments))}{_CLOSE}" for c in calls)

    def _text(self, value: Any) -> str:
        if isinstance(value, str):
            if _RESERVED.search(value):
                raise refuse(self.name, "the string", value)
            return f"{_ESCAPE}{value}{_ESCAPE}"
        if isinstance(value, Mapping):
            pairs = (f"{k if _PLAIN_KEY.fullmatch(k) else self._text(k)}:{self._text(v)}" for k, v in value.items())
            return f"{{{','.join(pairs)}}}"
        if isinstance(value, (list, tuple)):
            return f"[{','.join(map(self._text, value))}]"
        return json_text(value)

    def _read(self, text: str, attempts: Attempts, tools: Sequence[Tool]) -> str:
        if _OPEN not in text:
            if _UNMARKED.match(text) and text.endswith("}"):
                attempts.append(CallAttempt(text, None, "bare"))
                return ""
            attempts.extend(CallAttempt(m.group(), None, "bare") for m in _UNMARKED_IN_WORDS.finditer(text))
            text = _UNMARKED_IN_WORDS.sub("", text)
        return read_marked(text, _OPEN, attempts, _read_block, _around)


def _around(text: str, attempts: Attempts) -> str:
    pieces = text.split(_CLOSE)
    attempts.extend(CallAttempt(_CLOSE, None, "stray") for _ in pieces[1:])
    return "".join(without_bare(p, attempts) for p in pieces)


def _read_block(text: str, start: int, attempts: Attempts) -> int:
    """Read the block that begins at `start`; returns the position behind it.

    One that cannot be read goes to the next closing marker, or before the next opening one.
    """
    begin = start + len(_OPEN)
    head = _HEAD.match(text, begin)
    try:
        if head is None:
            raise LiteralError(begin, "unclosed" if _CUT_HEAD.match(text, begin) else "json")
        arguments, end = read_literal(text, head.end(), _GEMMA, attempts.room)
        end = skip_space(text, end)
        if text.startswith(_CLOSE, end):
            end += len(_CLOSE)
            attempts.append(CallAttempt(text[start:end], ToolCall(head[1].strip(), arguments)))
            return end
        raise LiteralError(end, "unclosed" if end == len(text) or text.startswith(_OPEN, end) else "json")
    except LiteralError as error:
        opening = text.find(_OPEN, error.position)
        stop = len(text) if opening < 0 else opening
        closing = text.find(_CLOSE, error.position, stop)
        fault = "unclosed" if closing < 0 else error.fault
        end = stop if closing < 0 else closing + len(_CLOSE)
        attempts.append(CallAttempt(text[start:end], None, fault))
        return end


def _escaped(text: str, position: int) -> tuple[str, int]:
    begin = position + len(_ESCAPE)
    end = text.find(_ESCAPE, begin)
    if end < 0:
        raise LiteralError(len(text), "unclosed")
    return text[begin:end], end + len(_ESCAPE)


def _number(found: re.Match[str]) -> int | float:
    try:
        return bounded_int(found.group()) if found[1] is None and found[2] is None else finite_float(found.group())
    except ValueError:
        raise LiteralError(found.start()) from None


def _is_cut(text: str, position: int) -> bool:
    """Whether the text ends at `position` in the middle of an escape token or of a word."""
    rest = text[position : position + len(_ESCAPE)]
    return position + len(rest) == len(text) and any(m.startswith(rest) for m in (_ESCAPE, *_WORDS))
