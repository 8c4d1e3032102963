"""Finds calls that a completion writes without the markup that its format wants, in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rlvr.parsers.attempts import MAX_CALLS, Attempts, too_large
from rlvr.parsers.strict_json import json_end, loads_strict
from rlvr.types import CallAttempt

_CALL = r"""\{\s{0,64}
      (?:["']\w{1,20}["']\s{0,8}:\s{0,8}(?:["'][^"'\n]{0,80}["']|[\w.]{1,20})\s{0,8},\s{0,8}){0,2}  # an id, a type
      ["'](?:
        name["']\s{0,64}:\s{0,64}["'][^"'\n]{1,200}["']\s{0,64},\s{0,64}["'](?:arguments|parameters)["']
      | (?:arguments|parameters)["']\s{0,64}:\s{0,64}[{"]
      | function["']\s{0,64}:\s{0,64}\{\s{0,64}["']name["']
      | (?:tool_calls|function_call|tool_call)["']\s{0,64}:
      )"""
_MARKUP = r"""(?i:</?(?:tool[-_ ]?calls?|function[-_ ]?calls?)\b[^>\n]{0,40}>?
      | <function\s?= | \[TOOL_CALLS\] | <\|python_tag\|> | <\|tool_calls?[a-z_]{0,20}\|?> | <｜tool▁calls?▁begin｜>
      | <(?:start|end)_function_call> | <\|python_(?:start|end)\|> | <\|START_ACTION\|> | <\|channel\|>commentary
      | <invoke\s)"""
CALL_START = re.compile(_CALL, re.VERBOSE)
"""Where a JSON object begins that is, or tries to be, a call."""

_BARE = re.compile(f"(?P<call>{_CALL})|{_MARKUP}", re.VERBOSE)
_PYTHONIC = re.compile(r"\[\s{0,64}[A-Za-z_][\w.]{0,200}\(")
_NAMED = re.compile(r"""["']name["']\s{0,64}:""")


def find_bare(text: str) -> tuple[list[str], str]:
    """Return the stretches of `text` that are calls without the right markup, and the text without them.

    Taken as such: a JSON call object or a list with one, also in a code fence, also where it does not parse; the
    markup of other formats and misspelt tags; a text that is a bracketed list of calls in Python's form.

    >>> find_bare('Sure: {"name": "f", "arguments": {}}')
    (['{"name": "f", "arguments": {}}'], 'Sure: ')
    >>> find_bare('{"name": "Ann", "age": 5}')
    ([], '{"name": "Ann", "age": 5}')
    """
    if "<" not in text and "{" not in text and "[" not in text:
        return [], text
    whole = text.strip()
    if whole.endswith(")]") and _PYTHONIC.match(whole):
        return [whole], ""
    if whole[:1] in ("{", "[") and _NAMED.search(whole) and _is_call(_try_json(whole)):
        return [whole], ""
    found: list[str] = []
    kept: list[str] = []
    position = 0
    for start, end in _stretches(text):
        if len(found) > MAX_CALLS:  # of which no more are noted
            break
        kept.append(text[position:start])
        found.append(text[start:end])
        position = end
    kept.append(text[position:])
    return found, "".join(kept)


def without_bare(text: str, attempts: Attempts) -> str:
    """Note the bare calls of a text as broken attempts, and return the text without them."""
    found, kept = find_bare(text)
    attempts.extend(CallAttempt(raw, None, "bare") for raw in found)
    return kept


def _stretches(text: str) -> Iterator[tuple[int, int]]:
    """Where bare calls begin and end; the end is that of the balanced braces, or of the text."""
    position = 0
    while position < len(text):
        hit = _BARE.search(text, position)
        if hit is None:
            break
        end = hit.end()
        if hit["call"]:
            end = json_end(text, hit.start())
            end = len(text) if end < 0 else end
        yield hit.start(), end
        position = end


def _try_json(text: str) -> Any:
    try:
        return None if too_large(text) else loads_strict(text)
    except ValueError:
        return None


def _is_call(value: Any) -> bool:
    if isinstance(value, list):
        return any(_is_call(v) for v in value if isinstance(v, dict))
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("function"), dict):
        return "name" in value["function"]
    return isinstance(value.get("name"), str) and ("arguments" in value or "parameters" in value)
