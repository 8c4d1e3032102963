"""Calls that are written out among words: no parser reads them as calls, and they are no clean words either.

Every mention of an offered tool is looked at, with what stands before and behind it: arguments as Python, JSON, tags,
YAML or ReAct would write them make it a call. A tool that is named, or shown with its parameters' names, is talked
about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from rlvr.types import Tool

_WINDOW = 400
_MOST_MENTIONS = 200
_ARGUMENTS = frozenset({"arguments", "args", "parameters", "params", "input", "inputs", "kwargs", "tool_input"})
_VALUE = r"""["'“”‘’「『{\[]"""
# Behind a name: f(a=1), f (a: "x"), f("x"), f({…}), f(3), f.call(…).
_BRACKET = re.compile(
    rf"(?:\.call)?(?:\s{{0,40}}[(（]\s{{0,200}}[^\W\d]\w{{0,60}}\s{{0,9}}(?:[=＝](?!=)|[:：]\s{{0,9}}(?:{_VALUE}|[-+]?\d))"
    rf"|[(（]\s{{0,200}}(?:{_VALUE}|[-+]?\d[\d.]*\s{{0,9}}[,，)）]|(?:true|false|null|None|True|False)\b))"
)
# Behind a name: {"a": 1}, also as the value of the name, behind an index, or behind tokens of another model's template.
_OBJECT = re.compile(
    r"""["'`*]{0,3}\s{0,9}(?:[:：=,]|->|=>)?\s{0,9}\d{0,3}(?:<\|\w{1,40}\|>|json\b|\s){0,9}\{\s{0,40}(?:\}|["'](\w{1,60})["']\s{0,9}:)"""
)
_KEY = re.compile(r"""["'](\w{1,60})["']\s{0,9}:(?!\s{0,9}\{\s{0,9}["']type["'])""")
_KEY_BEFORE = re.compile(r"""["']\w{1,40}["']\s{0,9}:\s{0,9}["']$""")
_TAG_BEFORE = re.compile(r"""<(?:\w{1,20}[:=])?$""")
_TAG_BEHIND = re.compile(r"\s{0,9}/?>\s{0,40}</?[A-Za-z]|\s{1,9}\w{1,60}\s{0,9}=")
_NAMED_TAG_BEFORE = re.compile(r"""<[^<>]{0,60}\bname\s{0,3}=\s{0,3}["']$|<\w{1,30}=$|<(?:\w{1,20}_)?name>\s{0,9}$""")
_KEY_TAG_BEHIND = re.compile(r"\s{0,9}<arg_key>")
_ACTION_BEFORE = re.compile(r"""\bAction\s{0,3}[:：]\s{0,9}["'`*]{0,3}$""")
_INPUT_BEHIND = re.compile(r"""["'`*]{0,3}\s{0,9}Action Input\s{0,3}[:：]""")
_LINE_BEFORE = re.compile(
    r"(?:^|\n)[-\s]{0,9}(?:tool|tool_name|function|function_name|action|name|call)\s{0,3}:\s{0,9}$"
)
_LINE_BEHIND = re.compile(r"[ \t]{0,9}\n\s{0,9}(\w{1,60})\s{0,3}:")


def writes_call(text: str, tools: Mapping[str, Tool]) -> bool:
    """Whether a text writes a call of one of `tools`, with its arguments, as Python, JSON, tags or ReAct would.

    A tool that is only named, or shown with its parameters' names, is talked about; so is a call without arguments,
    `w()`. Linear in the text's length; of a tool that is named more often than 200 times the first 200 are looked at.

    >>> tools = {"w": Tool("w", "", {"properties": {"city": {"type": "string"}}})}
    >>> writes_call('Calling w(city="Hanoi").', tools), writes_call("I only have w(city).", tools)
    (True, False)
    >>> writes_call('{"args": {"city": "Hanoi"}, "tool": "w"}', tools)
    True
    """
    return any(_is_call(text, at, at + len(name), tool) for name, tool in tools.items() for at in _mentions(text, name))


def _mentions(text: str, name: str) -> Iterator[int]:
    """Where a name stands as a word of its own; behind a dot it may have a module before it."""
    start, found = text.find(name) if name else -1, 0
    while start >= 0 and found < _MOST_MENTIONS:
        if not (_joins(text[max(0, start - 1) : start]) or _joins(text[start + len(name) : start + len(name) + 1])):
            found += 1
            yield start
        start = text.find(name, start + len(name))


def _joins(character: str) -> bool:
    """Whether a character beside a name makes it a part of a longer one; scripts without spaces join nothing."""
    return character in ("_", "-") or (character.isascii() and character.isalnum())


def _is_call(text: str, start: int, end: int, tool: Tool) -> bool:
    before, behind = text[max(0, start - _WINDOW) : start], text[end : end + _WINDOW]
    keys = _ARGUMENTS | set(tool.parameters.get("properties") or ())
    return (
        _BRACKET.match(behind) is not None
        or ((found := _OBJECT.match(behind)) is not None and (found[1] is None or found[1] in keys))
        or _in_json(before, behind, keys)
        or _in_tags(before, behind)
        or (_ACTION_BEFORE.search(before) is not None and _INPUT_BEHIND.match(behind) is not None)
        or (_LINE_BEFORE.search(before) is not None and _key_of_line(behind) in keys)
    )


def _in_json(before: str, behind: str, keys: frozenset[str] | set[str]) -> bool:
    """The name is the value of some key, and arguments stand beside it."""
    if behind[:1] not in ("'", '"') or _KEY_BEFORE.search(before[-64:]) is None:
        return False
    return any(found[1] in keys for part in (before, behind) for found in _KEY.finditer(part))


def _in_tags(before: str, behind: str) -> bool:
    near = before[-96:]
    if _NAMED_TAG_BEFORE.search(near) or _KEY_TAG_BEHIND.match(behind):
        return True
    return _TAG_BEFORE.search(near) is not None and _TAG_BEHIND.match(behind) is not None


def _key_of_line(behind: str) -> str | None:
    found = _LINE_BEHIND.match(behind)
    return found[1] if found else None
