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
_ARGUMENTS = frozenset(
    {
        "arguments",
        "args",
        "parameters",
        "params",
        "input",
        "inputs",
        "kwargs",
        "tool_input",
        "tool_args",
        "action_input",
    }
)
_SPOKEN = frozenset(
    {"parameter", "param", "argument", "arg", "arguments", "parameters", "params", "input", "inputs", "note"}
)
"""Words that say what stands behind them, in a bracket behind a tool's name: `w (parameter: "city")`."""
# Signs of Markdown, and its escapes, hide no call.
_MARKDOWN = re.compile(r"`{1,3}|\*{1,3}|\\(?=[_*])")
_QUOTED = (
    r"""(?:"[^"]{0,400}(?:"|\Z)|'[^']{0,400}(?:'|\Z)|“[^”]{0,400}(?:”|\Z)|‘[^’]{0,400}(?:’|\Z)"""
    r"""|「[^」]{0,400}(?:」|\Z)|『[^』]{0,400}(?:』|\Z))"""
)
_PLAIN = rf"(?:{_QUOTED}|[-+]?\d[\d.]{{0,40}}|(?:true|false|null|None|True|False)\b)"
# Behind a name: f(a=1), f (a: "x"), f("x"), f({…}), f(3), f["x"], f.call(…).
_BRACKET = re.compile(r"(?:\.call)?(\s{0,40})([(（\[])\s{0,200}")
_KEYWORD = re.compile(r"([^\W\d]\w{0,60})\s{0,9}([=＝](?!=)|[:：])\s{0,9}")
_VALUES = re.compile(
    rf"{_PLAIN}(?:\s{{0,9}}[,，、]\s{{0,40}}(?:\w{{1,60}}\s{{0,9}}[=:]\s{{0,9}})?{_PLAIN}){{0,20}}"
    r"\s{0,40}(?:[,，]\s{0,40})?(?:[)）\]{\[]|\w{1,60}\s{0,9}=|\Z)"
)
_STRING = re.compile(_QUOTED)
# Behind a name: {"a": 1}, also as the value of the name, behind an index, or behind tokens of another model's template.
_OBJECT = re.compile(
    r"""["'`*]{0,3}\s{0,9}(?:[:：=,]|->|=>)?\s{0,9}\d{0,3}(?:<\|\w{1,40}\|>|json\b|\s){0,9}\{\s{0,40}"""
    r"""(?:\}|["'](\w{1,60})["']\s{0,9}:|(\w{1,60})\s{0,9}:\s{0,9}(?:["'{\[]|[-+]?\d|true\b|false\b|null\b))"""
)
_KEY = re.compile(r"""(?:["']|[{,]\s{0,9})(\w{1,60})["']?\s{0,9}:(?!\s{0,9}\{\s{0,9}["']?type\b)""")
_KEY_BEFORE = re.compile(r"""(?:["']\w{1,40}["']|[{,]\s{0,9}\w{1,40})\s{0,9}:\s{0,9}["']$""")
_TAG_BEFORE = re.compile(r"""<(?:\w{1,20}[:=])?$""")
_TAG_BEHIND = re.compile(r"\s{0,9}/?>\s{0,40}</?[A-Za-z]|\s{1,9}\w{1,60}\s{0,9}=")
_TOOL_TAG_BEFORE = re.compile(r"<(?:tool|function|action|call|invoke)(?:_name|_call)?>\s{0,9}$")
_TOOL_TAG_BEHIND = re.compile(r"\s{0,9}</\w{1,30}>\s{0,40}[<{]")
_NAMED_TAG_BEFORE = re.compile(r"""<[^<>]{0,60}\bname\s{0,3}=\s{0,3}["']$|<\w{1,30}=$|<(?:\w{1,20}_)?name>\s{0,9}$""")
_KEY_TAG_BEHIND = re.compile(r"\s{0,9}<arg_key>")
_ACTION_BEFORE = re.compile(r"""\bAction\s{0,3}[:：]\s{0,9}["'`*]{0,3}$""")
_INPUT_BEHIND = re.compile(r"""["'`*]{0,3}\s{0,9}(?:Action )?Input\s{0,3}[:：]""", re.IGNORECASE)
_LINE_BEFORE = re.compile(
    r"(?:^|\n)[-\s]{0,9}(?:tool|tool_name|function|function_name|action|name|call)\s{0,3}:\s{0,9}$"
)
_LINE_BEHIND = re.compile(r"[ \t]{0,9}\n\s{0,9}(\w{1,60})\s{0,3}:([^\n]{0,200})")
_WORD = re.compile(r"\w+")


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
    if "`" in text or "*" in text or "\\" in text:
        text = _MARKDOWN.sub("", text)
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters have no lower form of their length
        lowered = text
    return any(
        _is_call(text, at, at + len(name), tool)
        for name, tool in tools.items()
        for at in _mentions(lowered, name.lower())
    )


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
    properties = frozenset(tool.parameters.get("properties") or ())
    keys = _ARGUMENTS | properties
    return (
        _in_brackets(behind, properties)
        or ((found := _OBJECT.match(behind)) is not None and _first_key(found) in (None, *keys))
        or _in_json(before, behind, keys)
        or _in_tags(before, behind)
        or (_ACTION_BEFORE.search(before) is not None and _INPUT_BEHIND.match(behind) is not None)
        or (_LINE_BEFORE.search(before) is not None and _in_lines(behind, keys, properties))
    )


def _first_key(found: re.Match[str]) -> str | None:
    return found[1] or found[2]


def _in_brackets(behind: str, properties: frozenset[str]) -> bool:
    """Whether values stand in a bracket behind the name, and not what the tool takes, or how it is to be used."""
    opened = _BRACKET.match(behind)
    if opened is None:
        return False
    close, at = not opened[1], opened.end()
    key = _KEYWORD.match(behind, at) if opened[2] != "[" else None
    if key is not None:
        if key[2] in ("=", "＝"):
            return True
        if not close and key[1] not in properties:
            return False
        at = key.end()
    elif not close:
        return False
    if behind[at : at + 1] in ("{", "["):
        return True
    values = _VALUES.match(behind, at)
    if values is None:
        return False
    said = [text[1:-1] for text in _STRING.findall(values[0])]
    if opened[2] == "[" and not said:
        return False
    if key is not None and key[1] not in properties and (not key[1].isascii() or key[1].lower() in _SPOKEN):
        return not said
    return not said or not properties.issuperset(said)


def _in_json(before: str, behind: str, keys: frozenset[str]) -> bool:
    """The name is the value of some key, and arguments stand beside it."""
    if behind[:1] not in ("'", '"') or _KEY_BEFORE.search(before[-64:]) is None:
        return False
    return any(found[1] in keys for part in (before, behind) for found in _KEY.finditer(part))


def _in_tags(before: str, behind: str) -> bool:
    near = before[-96:]
    if _NAMED_TAG_BEFORE.search(near) or _KEY_TAG_BEHIND.match(behind):
        return True
    if _TOOL_TAG_BEFORE.search(near) and _TOOL_TAG_BEHIND.match(behind):
        return True
    return _TAG_BEFORE.search(near) is not None and _TAG_BEHIND.match(behind) is not None


def _in_lines(behind: str, keys: frozenset[str], properties: frozenset[str]) -> bool:
    """Whether the line below gives an argument; one that lists the parameters' names gives none."""
    found = _LINE_BEHIND.match(behind)
    if found is None or found[1] not in keys:
        return False
    return found[1] in properties or not found[2].strip() or not properties.issuperset(_WORD.findall(found[2]))
