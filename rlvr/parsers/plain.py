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

from rlvr.parsers.attempts import MAX_CONTAINERS
from rlvr.parsers.base import PlainCall, PlainReader
from rlvr.parsers.strict_json import MAX_ARGUMENTS_DEPTH, MAX_DIGITS, finite_float, may_hold_long_number, no_constant

_BEGIN, _BETWEEN, _END = "<tool_call>\n", "\n</tool_call>\n<tool_call>\n", "\n</tool_call>"
_ROOM = slice(len(_BEGIN), -len(_END))
_MARK, _ARGS = "[TOOL_CALLS]", "[ARGS]"
_MOST_CHARS = 2 * MAX_CONTAINERS
"""Longer texts are left to `parse`, which counts: in this many characters there is room neither for `MAX_CONTAINERS`
and more nor for `MAX_CALLS`, whose shortest form takes 21 (mistral's)."""
_NOT_READ = (StopIteration, ValueError, RecursionError)
"""What the scanner raises."""
_NAME = re.compile(r"[\w.\-/]++")
_APART = re.compile(r'"[ \t\r\n]+:')
_decoder: Any = json.JSONDecoder(parse_constant=no_constant, parse_float=finite_float)
_SCAN: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once


def _hermes_blocks(text: str) -> list[str] | None:
    """What stands in blocks whose tags have lines of their own. A `<` inside may be markup of any kind: not taken."""
    if not (text.startswith(_BEGIN) and text.endswith(_END)) or len(text) > _MOST_CHARS:
        return None
    blocks = text[_ROOM].split(_BETWEEN)
    return blocks if text.count("<") == 2 * len(blocks) else None


def _xlam_list(text: str) -> tuple[str] | None:
    whole = text.startswith("[") and text.endswith("]") and "<" not in text and len(text) <= _MOST_CHARS
    return (text,) if whole else None


def _llama3_object(text: str) -> tuple[str] | None:
    whole = text.startswith("{") and text.endswith("}") and "<" not in text and len(text) <= _MOST_CHARS
    return (text,) if whole else None


def _mistral_calls(text: str) -> list[str] | None:
    """What follows each marker."""
    whole = text.startswith(_MARK) and text.endswith("}") and "<" not in text and len(text) <= _MOST_CHARS
    return text[len(_MARK) :].split(_MARK) if whole else None


def _one_call(text: str, key: str = "arguments") -> tuple[PlainCall] | None:
    """An object of a name and an object of arguments, and nothing else."""
    value = _scanned(text)
    if type(value) is not dict or len(value) != 2:
        return None
    name, arguments = value.get("name"), value.get(key)
    if type(name) is not str or type(arguments) is not dict or not name:
        return None
    return ((name, arguments),) if _is_plain(text, 2 + len(arguments), value) else None


def _parameters_call(text: str) -> tuple[PlainCall] | None:
    return _one_call(text, "parameters")


def _listed_calls(text: str) -> list[PlainCall] | None:
    """A list of such objects."""
    values = _scanned(text)
    if type(values) is not list or not values:
        return None
    calls = []
    keys = 0
    for value in values:
        if type(value) is not dict or len(value) != 2:
            return None
        name, arguments = value.get("name"), value.get("arguments")
        if type(name) is not str or type(arguments) is not dict or not name:
            return None
        calls.append((name, arguments))
        keys += 2 + len(arguments)
    return calls if _is_plain(text, keys, values) else None


def _named_call(text: str) -> tuple[PlainCall] | None:
    """A name of letters, digits and `_.-/`, `[ARGS]` and an object."""
    name, _, written = text.partition(_ARGS)
    arguments = _scanned(written)
    if type(arguments) is not dict or _NAME.fullmatch(name) is None:
        return None
    return ((name, arguments),) if _is_plain(written, len(arguments), arguments) else None


HERMES = PlainReader(_hermes_blocks, _one_call)
XLAM = PlainReader(_xlam_list, _listed_calls)
LLAMA3 = PlainReader(_llama3_object, _parameters_call)
MISTRAL = PlainReader(_mistral_calls, _named_call)


def _scanned(text: str) -> Any:
    """The one value of a text; `None` where it is no JSON."""
    try:
        value, end = _SCAN(text, 0)
    except _NOT_READ:
        return None
    return value if end == len(text) else None


def _is_plain(text: str, keys: int, value: Any) -> bool:
    """Whether the JSON of a value holds nothing that `loads_strict` would refuse, and none of its keys stands twice.

    Behind each key stands a colon, so that as many colons as keys show that no key was lost. `keys` are those of the
    calls and of their arguments; where there are more colons, or a list, all of the value's are counted. Where strings
    hold colons too, `":` is counted, unless a key stands apart from it.
    """
    colons = text.count(":")
    if keys != colons or text.find("[", 1) > 0:
        keys = _keys(value)
        if keys != colons and (keys != text.count('":') or _APART.search(text) is not None):
            return False
    if "\\u" in text or (len(text) > MAX_DIGITS and may_hold_long_number(text)):
        return False
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate
            return False
    return True


def _keys(value: Any) -> int:
    """How many keys the objects have that a value is made of; -1 where that may be too many in one another."""
    keys = brackets = 0
    todo = [value]
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
