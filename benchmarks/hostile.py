"""Completions that are long and meant to be slow: each family grows with `n` characters, and holds something hostile.

They answer `EXAMPLE`, whose ground truth has several calls, strings to compare and a pattern in its schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rlvr.errors import UsageError
from rlvr.parsers import get_parser
from rlvr.parsers.strict_json import loads_strict
from rlvr.types import ToolCall

TOOLS: list[dict[str, Any]] = [
    {
        "name": "note",
        "parameters": {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "code": {"type": "string", "pattern": "^(a+)+$"},
                "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
                "n": {"type": "integer", "default": 1},
            },
            "required": ["text"],
        },
    }
]
GOLD: list[dict[str, Any]] = [
    {"name": "note", "arguments": {"text": f"Lunch with {who}", "tags": ["food", who]}} for who in ("Ann", "Bo", "Chi")
]
EXAMPLE = {"tools": json.dumps(TOOLS), "ground_truth": json.dumps(GOLD)}


def call(**arguments: Any) -> str:
    body = json.dumps({"name": "note", "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"


def _written(arguments: str) -> str:
    return f'<tool_call>{{"name": "note", "arguments": {arguments}}}</tool_call>'


def _pythonic(unit: str, n: int) -> str:
    return f"[note(text='x', tags=[{_fill(unit, n)}])]"


def _fill(unit: str, n: int) -> str:
    return unit * (n // len(unit))


def _nested(depth: int) -> list[Any]:
    out: list[Any] = []
    for _ in range(depth - 1):
        out = [out]
    return out


HOSTILE: dict[str, Callable[[int], str]] = {
    "letters": lambda n: _fill("a", n),
    "words": lambda n: _fill("I can't do that. ", n),
    "opening tags": lambda n: _fill("<tool_call>", n),
    "closing tags": lambda n: _fill("</tool_call>", n),
    "reasoning tags": lambda n: _fill("<think></think>", n),
    "brackets": lambda n: "<tool_call>" + _fill("[", n),
    "braces": lambda n: '<tool_call>{"name": "note", "arguments": ' + _fill('{"a":', n),
    "bare calls": lambda n: _fill('{"name": "note", "arguments": {', n),
    "empty blocks": lambda n: _fill("<tool_call></tool_call>", n),
    "calls": lambda n: _fill(call(text="Lunch with Bob"), n),
    "sixty long calls": lambda n: _fill(call(text="Lunch with Anna" * (n // 900)), n),
    "a long string": lambda n: call(text=_fill("Lunch with Ann", n)),
    "a word without an end": lambda n: call(text=_fill("a", n)),
    "dots": lambda n: call(text=_fill("a.", n)),
    "digits apart": lambda n: call(text=_fill("1 ", n)),
    "spaces in a name": lambda n: call(text="Lunch with " + _fill(" ", n) + "Ann"),
    "accents out of order": lambda n: call(text="a" + _fill("\u0301\u0323", n)),
    "a pattern": lambda n: call(text="x", code=_fill("a", n) + "b"),
    "invented arguments": lambda n: call(**{f"k{i}": 1 for i in range(n // 14)}),
    "a long list": lambda n: call(text="x", tags=["ab"] * (n // 6)),
    "a list of objects": lambda n: call(text="x", tags=[{"a": i} for i in range(n // 14)]),
    "a list of numbers": lambda n: call(text="x", tags=[1] * (n // 3 - 40)),
    "a list of different numbers": lambda n: call(text="x", tags=list(range(100_000, 100_000 + n // 8 - 20))),
    "a list of empty objects": lambda n: call(text="x", tags=[{}] * (n // 4 - 40)),
    "small objects": lambda n: call(text="x", tags=[{"": 1}] * (n // 9 - 20)),
    "lists in lists": lambda n: call(text="x", tags=[_nested(50)] * (n // 102 - 2)),
    "lists in lists in twenty calls": lambda n: _fill(call(text="x", tags=[_nested(50)] * (n // 2_100 - 2)), n),
    "lists in a string": lambda n: call(text=_fill('[{"a": []}, ', n // 6 * 5)),
    "numbers in a block": lambda n: "<tool_call>[" + _fill("1,", n) + "1]</tool_call>",
    "quotes in a list": lambda n: call(text="x", tags=["'", '"'] * (n // 11 - 20)),
    "short calls": lambda n: _fill('<tool_call>{"name": "f", "arguments": {}}</tool_call>', n),
    "a huge number": lambda n: _written('{"n": ' + _fill("9", n) + "}"),
    "escapes": lambda n: _written('{"text": "' + _fill("\\ud800", n) + '"}'),
    "duplicate keys": lambda n: _written("{" + _fill('"a":1,', n) + '"b":1}'),
    "quotes": lambda n: _fill('"', n),
    "a byte-order mark": lambda n: "\ufeff" + _fill("\ufeff ", n),
    "lone surrogates": lambda n: _fill("\ud800", n),
    "numbers in parentheses": lambda n: _pythonic("(1),", n),
    "short floats": lambda n: _pythonic(".5,", n),
    "commas before brackets": lambda n: _pythonic("[1,],", n),
    "numbers in hexadecimals": lambda n: _pythonic("0x1,", n),
    "keywords": lambda n: "[note(" + ",".join(f"k{i}=1" for i in range(n // 9)) + ")]",
    "strings apart": lambda n: _pythonic("''\"\",", n),
    "a list that stops": lambda n: "[note(tags=[" + _fill("1,", n),
    "arguments without names": lambda n: "[note(" + _fill("1,", n) + ")]",
    "calls among words": lambda n: "See " + _fill("[f(1)] ", n),
    "brackets before words": lambda n: "See " + _fill("[a", n),
    "calls that stop": lambda n: "See " + _fill("[f(x=1 ", n),
    "empty objects": lambda n: _fill("{};", n),
    "Chinese": lambda n: _fill("很抱歉，我無法訂披薩。", n),
}
"""Name → a text of about `n` characters, never 200 more."""


def _calls_of(text: str) -> list[ToolCall]:
    """The calls of a text's blocks, also of one that holds more than is read of a completion."""
    calls: list[ToolCall] = []
    for block in text.split("<tool_call>")[1:]:
        body, closed, _ = block.partition("</tool_call>")
        try:
            value = loads_strict(body) if closed else None
        except ValueError:
            return []
        if isinstance(value, dict):
            calls.append(ToolCall(value["name"], value["arguments"]))
    return calls


def written_in(parser: str, name: str, n: int) -> str:
    """A family's text of about `n` characters, its calls written as another format writes them.

    What holds no calls, or calls that the format cannot write, stays as it is: text that was not made for a format is
    hostile too.
    """
    text = HOSTILE[name](n)
    calls = _calls_of(text) if parser != "hermes" else []
    try:
        written = get_parser(parser).render(calls) if calls else text
    except UsageError:
        return text
    return written if len(written) <= n + 200 else written_in(parser, name, n * n // len(written))
