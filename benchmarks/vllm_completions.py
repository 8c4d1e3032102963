"""Completions of every format for `against_vllm_parsers.py`: rendered in several ways, then mutated."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rlvr.errors import UsageError
from rlvr.parsers import get_parser
from rlvr.types import Tool, ToolCall


@dataclass(frozen=True)
class Format:
    """A row of the comparison: a parser's name, and tokens of the vocabulary by which vLLM's one tells variants."""

    parser: str
    tokens: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    "hermes": Format("hermes"),
    "llama3_json": Format("llama3_json"),
    "pythonic": Format("pythonic"),
    "mistral": Format("mistral", ("[ARGS]",)),
    "mistral (older)": Format("mistral"),
    "qwen3_coder": Format("qwen3_coder"),
    "functiongemma": Format("functiongemma"),
    "xlam": Format("xlam"),
}

_TYPES: dict[str, dict[str, Any]] = {
    "city": {"type": "string"},
    "days": {"type": "integer"},
    "ratio": {"type": "number"},
    "metric": {"type": "boolean"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "filter": {"type": "object", "properties": {"min": {"type": "number"}, "q": {"type": "string"}}},
    "note": {"type": ["string", "null"]},
    "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
}
_NAMES = (
    "get_weather", "search", "store_set", "convert2", "list_items", "get_user", "book_hotel", "f",
    "store.set", "Market Trends API", "User Feed (Video Posts) V2", "products/list", "resolve-library-id", "thời_tiết",
)  # fmt: skip
_STRINGS = (
    "Hanoi", "臺北", "Đà Lạt", "a, b", "it's", 'say "hi"', "x = (1)", "[1]", "{a}", "5", "true", "null", "1.5", "", " ",
    "C:\\dir", "line\nbreak", "tab\there", "a < b", "🌧️", "2026-01-02", "user@example.com", "50%", "#1", "None",
)  # fmt: skip


def tools() -> list[Tool]:
    """One tool a name, all with the same parameters."""
    return [Tool(name, "", {"type": "object", "properties": _TYPES}) for name in _NAMES]


def completions(name: str, count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    """`count` texts with the name of their mutation; two in five are not mutated."""
    made = 0
    mutations = list(_MUTATIONS.items())
    while made < count:
        calls = [_call(rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        variant, render = rng.choice(_variants(name))
        try:
            text = render(calls, rng)
        except UsageError:  # the format cannot write such a call
            continue
        if rng.random() < 0.4:
            yield variant, text
        else:
            mutation, mutate = rng.choice(mutations)
            yield f"{variant}, {mutation}", mutate(text, rng)
        made += 1


def _call(rng: random.Random) -> ToolCall:
    name = rng.choice(_NAMES[:8]) if rng.random() < 0.85 else rng.choice(_NAMES)
    keys = rng.sample(list(_TYPES), rng.choice((0, 1, 1, 2, 3)))
    return ToolCall(name, {k: _value(_TYPES[k], rng) for k in keys})


def _value(schema: Mapping[str, Any], rng: random.Random) -> Any:
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if "anyOf" in schema:
        return _value(rng.choice(schema["anyOf"]), rng)
    kind = schema["type"] if isinstance(schema["type"], str) else rng.choice(schema["type"])
    makers: dict[str, Callable[[], Any]] = {
        "string": lambda: rng.choice(_STRINGS),
        "integer": lambda: rng.choice((0, 1, -7, 42, 10**12)),
        "number": lambda: rng.choice((0.5, -1.25, 3, 1e-7, 2.0)),
        "boolean": lambda: rng.random() < 0.5,
        "null": lambda: None,
        "array": lambda: [rng.choice(_STRINGS) for _ in range(rng.randrange(3))],
        "object": lambda: {k: _value(v, rng) for k, v in schema["properties"].items() if rng.random() < 0.7},
    }
    return makers[kind]()


Render = Callable[[list[ToolCall], random.Random], str]


def _variants(name: str) -> list[tuple[str, Render]]:
    """The canonical rendering, and what else the format's templates and models write."""
    kind = FORMATS[name].parser

    def canonical(calls: list[ToolCall], rng: random.Random) -> str:
        return get_parser(kind).render(calls)

    out: list[tuple[str, Render]] = [] if name == "mistral (older)" else [("canonical", canonical)] * 2
    return out + list(_OTHERS[name].items())


def _json(call: ToolCall, key: str = "arguments", **options: Any) -> str:
    return json.dumps({"name": call.name, key: dict(call.arguments)}, **options)


def _blocks(body: Callable[[ToolCall], str]) -> Render:
    return lambda calls, rng: "\n".join(f"<tool_call>{body(c)}</tool_call>" for c in calls)


def _python(value: Any) -> str:
    return repr(value)


def _pythonic(calls: list[ToolCall], rng: random.Random, separator: str = ", ") -> str:
    written = [f"{c.name}({separator.join(f'{k}={_python(v)}' for k, v in c.arguments.items())})" for c in calls]
    return f"[{separator.join(written)}]"


def _xml(calls: list[ToolCall], rng: random.Random, line: str = "") -> str:
    out = []
    for c in calls:
        get_parser("qwen3_coder").render([c])
        parameters = "".join(
            f"<parameter={k}>{line}{v if isinstance(v, str) else json.dumps(v)}{line}</parameter>{line}"
            for k, v in c.arguments.items()
        )
        out.append(f"<tool_call>{line}<function={c.name}>{line}{parameters}</function>{line}</tool_call>")
    return line.join(out)


_OTHERS: dict[str, dict[str, Render]] = {
    "hermes": {
        "one line": _blocks(_json),
        "ASCII": _blocks(lambda c: f"\n{_json(c, ensure_ascii=True)}\n"),
        "indented": _blocks(lambda c: _json(c, indent=2, ensure_ascii=False)),
        "a list in one block": lambda calls, rng: f"<tool_call>\n[{', '.join(map(_json, calls))}]\n</tool_call>",
    },
    "llama3_json": {
        "arguments": lambda calls, rng: "; ".join(map(_json, calls)),
        "tagged": lambda calls, rng: "<|python_tag|>" + "; ".join(_json(c, "parameters") for c in calls),
        "lines": lambda calls, rng: "\n".join(_json(c, "parameters", indent=1) for c in calls),
        "a list": lambda calls, rng: f"[{', '.join(_json(c, 'parameters') for c in calls)}]",
        "with type": lambda calls, rng: "; ".join(
            json.dumps({"type": "function", "name": c.name, "parameters": dict(c.arguments)}) for c in calls
        ),
    },
    "pythonic": {
        "Python's quotes": _pythonic,
        "lines": lambda calls, rng: _pythonic(calls, rng, ",\n  "),
    },
    "mistral": {
        "no [ARGS]": lambda calls, rng: "".join(
            f"[TOOL_CALLS]{c.name}{json.dumps(dict(c.arguments), ensure_ascii=False)}" for c in calls
        ),
        "indented": lambda calls, rng: "".join(
            f"[TOOL_CALLS]{c.name}[ARGS]{json.dumps(dict(c.arguments), indent=2)}" for c in calls
        ),
    },
    "mistral (older)": {
        "a list": lambda calls, rng: f"[TOOL_CALLS] [{', '.join(map(_json, calls))}]",
        "with ids": lambda calls, rng: (
            "[TOOL_CALLS] " + json.dumps([{**c.to_json(), "id": "a1b2c3d4e"} for c in calls], ensure_ascii=False)
        ),
    },
    "qwen3_coder": {
        "no line breaks": _xml,
        "lines": lambda calls, rng: _xml(calls, rng, "\n"),
        "Python's booleans": lambda calls, rng: _xml(calls, rng, "\n").replace("\ntrue\n", "\nTrue\n"),
    },
    "functiongemma": {},
    "xlam": {
        "indented": lambda calls, rng: json.dumps([c.to_json() for c in calls], indent=2, ensure_ascii=False),
        "fenced": lambda calls, rng: f"```json\n[{', '.join(map(_json, calls))}]\n```",
    },
}


def _cut(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text))]


def _drop(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text))
    return text[:at] + text[at + 1 :]


def _double(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text))
    return text[:at] + text[at] + text[at:]


def _insert(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(_INSERTED) + text[at:]


def _duplicate_key(text: str, rng: random.Random) -> str:
    for key in rng.sample(list(_TYPES), len(_TYPES)):
        for written, again in (
            (f'"{key}": ', f'"{key}": 1, "{key}": '),
            (f"{key}=", f"{key}=1, {key}="),
            (f"<parameter={key}>", f"<parameter={key}>1</parameter><parameter={key}>"),
            (f"{key}:", f"{key}:1,{key}:"),
        ):
            if written in text:
                return text.replace(written, again, 1)
    return text


def _replace_one(pairs: Mapping[str, str]) -> Callable[[str, random.Random], str]:
    def mutate(text: str, rng: random.Random) -> str:
        for old, new in rng.sample(list(pairs.items()), len(pairs)):
            if old in text:
                return text.replace(old, new, 1)
        return text

    return mutate


_INSERTED = ("\n", " ", "{", "}", "[", "]", '"', "'", ",", "<", "</tool_call>", "<tool_call>", "[TOOL_CALLS]", "(", ")",
             "<end_function_call>", "</function>", "</parameter>", "\\", "NaN", "null", "```", "\ufeff")  # fmt: skip

_MUTATIONS: dict[str, Callable[[str, random.Random], str]] = {
    "text before": lambda text, rng: f"{rng.choice(('Sure.', '我來查。', 'Let me see: '))}\n{text}",
    "text behind": lambda text, rng: f"{text}\n{rng.choice(('Done.', 'Anything else?'))}",
    "text around": lambda text, rng: f"Sure. {text} Done.",
    "cut": _cut,
    "a character dropped": _drop,
    "a character doubled": _double,
    "something inserted": _insert,
    "twice": lambda text, rng: f"{text}\n{text}",
    "a key twice": _duplicate_key,
    "a value changed": _replace_one(
        {"42": "NaN", "0.5": "1e999", "true": "True", "null": "None", "-7": "--7", "1000000000000": "1" * 400,
         "3": "03", "False": "false", "None": "undefined", "Hanoi": "Ha\\ud800noi", "2.0": "Infinity"}
    ),
    "markup changed": _replace_one(
        {"<tool_call>": "<toolcall>", "</tool_call>": "", "[TOOL_CALLS]": "", "<function=": "<function ",
         "</parameter>": "", "[ARGS]": " ", "<end_function_call>": "", "<escape>": "", "call:": "", "]": "", "[": "",
         '"arguments"': '"args"', '"parameters"': '"params"', '"name"': '"tool"', ")": "", "</function>": ""}
    ),
    "a key more": _replace_one(
        {'{"name"': '{"why": "x", "name"', "(": "(5, ", "<parameter=": "why <parameter=", "{city": "{why:x,city"}
    ),
    "quotes changed": lambda text, rng: text.replace('"', "'"),
    "arguments as text": _replace_one({'"arguments": {': '"arguments": "{', '"parameters": {}': '"parameters": null'}),
    "fenced": lambda text, rng: f"```\n{text}\n```",
    "words alone": lambda text, rng: rng.choice(
        ("I'm sorry, none of my tools can do that.", "It is 5 degrees (41 F) in Hanoi.", "Use {x} and [y].", "[]", "{}")
    ),
}  # fmt: skip
