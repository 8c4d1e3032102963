"""The shortcut for what most completions of a trained model are: calls as the format's `render` writes them, alone.

A parser's `plain_reader` reads such a text with a few searches and one pass of the JSON scanner, and builds nothing but
its result. It takes only what is quickly shown to hold nothing odd; any other text, right or wrong, is left to `parse`,
which says the same of the texts that are taken: `tests/parsers/test_plain.py` holds the one against the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from rlvr.parsers.base import MAX_CHARS, PlainCall
from rlvr.parsers.strict_json import MAX_ARGUMENTS_DEPTH, MAX_DIGITS, finite_float, may_hold_long_number, no_constant

_BEGIN, _BETWEEN, _END = "<tool_call>\n", "\n</tool_call>\n<tool_call>\n", "\n</tool_call>"
_NOT_READ = (StopIteration, ValueError, RecursionError)
"""What the scanner raises."""
_NAME = re.compile(r"[\w.\-/]++")
_APART = re.compile(r'"[ \t\r\n]+:')
_decoder: Any = json.JSONDecoder(parse_constant=no_constant, parse_float=finite_float)
_SCAN: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once


def hermes_calls(text: str) -> list[PlainCall] | None:
    """Blocks of one object each, every tag in a line of its own. A `<` inside may be markup of any kind: not taken."""
    if not text.startswith(_BEGIN) or len(text) > MAX_CHARS:
        return None
    values: list[Any] = []
    at = len(_BEGIN)
    try:
        while True:
            value, at = _SCAN(text, at)
            values.append(value)
            if not text.startswith(_BETWEEN, at):
                break
            at += len(_BETWEEN)
    except _NOT_READ:
        return None
    if not text.startswith(_END, at) or at + len(_END) != len(text) or text.count("<") != 2 * len(values):
        return None
    return _calls(values, text)


def xlam_calls(text: str) -> list[PlainCall] | None:
    """A list of objects and nothing beside it."""
    if len(text) > MAX_CHARS or "<" in text or not (text.startswith("[") and text.endswith("]")):
        return None
    values = _scanned(text)
    return _calls(values, text) if values else None


def llama3_calls(text: str) -> list[PlainCall] | None:
    """One object."""
    if len(text) > MAX_CHARS or "<" in text or not (text.startswith("{") and text.endswith("}")):
        return None
    return _calls([_scanned(text)], text, "parameters")


def mistral_calls(text: str) -> list[PlainCall] | None:
    """A name of letters, digits and `_.-/`, `[ARGS]` and an object behind each marker."""
    if len(text) > MAX_CHARS or "<" in text or not (text.startswith("[TOOL_CALLS]") and text.endswith("}")):
        return None
    calls = []
    for stretch in text[len("[TOOL_CALLS]") :].split("[TOOL_CALLS]"):
        name, _, written = stretch.partition("[ARGS]")
        arguments = _scanned(written)
        if type(arguments) is not dict or _NAME.fullmatch(name) is None:
            return None
        calls.append((name, arguments))
    return calls if _is_plain(_keys([arguments for _, arguments in calls]), text) else None


def _scanned(text: str) -> Any:
    """The one value of a text; `None` where it is no JSON."""
    try:
        value, end = _SCAN(text, 0)
    except _NOT_READ:
        return None
    return value if end == len(text) else None


def _calls(values: list[Any], text: str, key: str = "arguments") -> list[PlainCall] | None:
    """The calls that JSON values of `text` are: objects of a name and an object of arguments, and nothing else."""
    calls = []
    keys = 0
    for value in values:
        if type(value) is not dict or len(value) != 2:
            return None
        name, arguments = value.get("name"), value.get(key)
        if type(name) is not str or type(arguments) is not dict or not name:
            return None
        calls.append((name, arguments))
        keys += 2 + len(arguments)
    if text.count("{") != 2 * len(calls) or text.find("[", 1) > 0:  # not just the calls' brackets and their arguments'
        keys = _keys(values)
    return calls if _is_plain(keys, text) else None


def _is_plain(keys: int, text: str) -> bool:
    """Whether JSON of so many keys holds nothing that `loads_strict` would refuse, and none of its keys stands twice.

    Behind each key stands a colon. Where strings hold colons too, `":` is counted, unless a key stands apart from it.
    """
    if keys != text.count(":") and (keys != text.count('":') or _APART.search(text) is not None):
        return False
    if "\\u" in text or (len(text) > MAX_DIGITS and may_hold_long_number(text)):
        return False
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate
            return False
    return True


def _keys(values: list[Any]) -> int:
    """How many keys the objects have that some values are made of; -1 where that may be too many in one another."""
    keys = brackets = 0
    todo = list(values)
    for here in todo:  # which grows meanwhile
        if type(here) is dict:
            keys += len(here)
            todo += here.values()
        elif type(here) is list:
            todo += here
        else:
            continue
        brackets += 1
    return keys if brackets < MAX_ARGUMENTS_DEPTH else -1
