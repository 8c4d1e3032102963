"""Wrong completions on examples that want no call, and the right ones of every example."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from rlvr.audit.subject import PHRASES, Subject, sample_arguments
from rlvr.tools import property_schema, stated_default
from rlvr.types import GoldCall, OneOf, ToolCall

Made = Iterator[tuple[str, str]]

_ANSWERS: Mapping[str, str] = {
    "en": "But the best one in town is Luigi's in Main Street, and it opens at 6.",
    "vi": "Nhưng quán ngon nhất thành phố là quán Hoa ở đường Lê Lợi, mở cửa lúc 6 giờ.",
    "zh": "不過城裡最好的一家是中山路 12 號的老王餐館，6 點開門。",
}
_MOST = 5


def call_where_none_fits(s: Subject) -> Made:
    """A valid call where nothing is to be called."""
    for tool in s.example.tools[:2]:
        yield f"{tool.name}, valid", s.render([ToolCall(tool.name, sample_arguments(tool, 1))])
    yield "a tool that is not offered", s.render([ToolCall("search_web", {"query": s.example.query})])


def refusal_then_call(s: Subject) -> Made:
    """Right words, and a call all the same."""
    tool = s.example.tools[0] if s.example.tools else None
    call = ToolCall(tool.name, sample_arguments(tool, 1)) if tool else ToolCall("search_web", {})
    yield "words, then a call", f"{s.words[0]}\n{s.render([call])}"
    yield "a call, then words", f"{s.render([call])}\n{s.words[0]}"


def written_out_call(s: Subject) -> Made:
    """Right words, and a call written out as Python, JSON, tags, YAML or ReAct would have it."""
    for tool in s.example.tools:
        arguments = sample_arguments(tool, 1)
        if arguments:  # a name with empty brackets is talked about
            for what, text in _written_out(tool.name, arguments).items():
                yield what, f"{s.words[0]}\n{text}"
            return


def _written_out(name: str, arguments: Mapping[str, Any]) -> Mapping[str, str]:
    body = json.dumps(arguments, ensure_ascii=False)
    python = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    return {
        "as Python": f"{name}({python})",
        "as Python, with an object": f"{name}({body})",
        "as JSON": json.dumps({"tool": name, "args": dict(arguments)}, ensure_ascii=False),
        "as JSON, the arguments first": json.dumps({"args": dict(arguments), "tool": name}, ensure_ascii=False),
        "as a key": json.dumps({name: dict(arguments)}, ensure_ascii=False),
        "as the name and an object": f"{name} {body}",
        "in a code block": f"```python\n{name}({python})\n```",
        "in tags": f"<function={name}>{body}</function>",
        "in tags of its name": f"<{name}>" + "".join(f"<{k}>{v}</{k}>" for k, v in arguments.items()) + f"</{name}>",
        "as ReAct": f"Action: {name}\nAction Input: {body}",
        "as YAML": f"tool: {name}\n" + "\n".join(f"{k}: {json.dumps(v)}" for k, v in arguments.items()),
    }


def refusal_then_answer(s: Subject) -> Made:
    """A refusal that answers all the same."""
    if s.example.expects == "refuse":
        yield "a refusal, then an answer", f"{s.words[0]} {_ANSWERS[s.lang]}"


def wrong_language(s: Subject) -> Made:
    """Right words, in another language than the query's."""
    if s.example.expects == "any" or s.example.lang not in PHRASES:
        return
    for lang in PHRASES:
        if lang != s.lang:
            yield f"in {lang}, asked in {s.lang}", s.phrase(s.example.expects, lang)


def other_words(s: Subject) -> Made:
    """Words of another kind than wanted: an answer for a refusal, a question for an answer."""
    if s.example.expects == "any":
        return
    for kind in ("refuse", "clarify", "answer"):
        if kind != s.example.expects:
            yield f"{kind}, where {s.example.expects} is right", s.phrase(kind)


def reordered_calls(s: Subject) -> Made:
    """Parallel calls in another order."""
    for order in itertools.islice(itertools.permutations(s.gold), 1, _MOST + 1):
        if list(order) != list(s.gold):
            yield "in another order", s.render(order)


def key_order(s: Subject) -> Made:
    """Arguments, or the call's own keys, in another order."""
    turned = [ToolCall(c.name, dict(reversed(list(c.arguments.items())))) for c in s.gold]
    if any(len(c.arguments) > 1 for c in s.gold):
        yield "arguments in another order", s.render(turned)
    if s.shell is not None and len(s.gold) == 1:
        body = {s.shell.arguments_key: dict(s.gold[0].arguments), "name": s.gold[0].name}
        yield "arguments before the name", s.shell.open + json.dumps(body, ensure_ascii=False) + s.shell.close


def json_spelling(s: Subject) -> Made:
    """The same JSON with other white space and escapes."""
    if s.shell is None or len(s.gold) != 1:
        return
    body = {"name": s.gold[0].name, s.shell.arguments_key: dict(s.gold[0].arguments)}
    spelt = {
        "without spaces": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        "over several lines": json.dumps(body, ensure_ascii=False, indent=2),
        "with escapes": json.dumps(body, ensure_ascii=True),
    }
    for what, text in spelt.items():
        yield what, s.shell.open + text + s.shell.close


def other_right_values(s: Subject) -> Made:
    """Another acceptable value; a default that is given, or left out."""
    for at, call in enumerate(s.example.ground_truth):
        for name, value in call.arguments.items():
            for other in (value.values[1:] if isinstance(value, OneOf) else ())[:_MOST]:
                if not isinstance(other, (OneOf, Mapping, list, tuple)):
                    yield f"{name}: {other!r:.40}", _with(s, at, {**s.gold[at].arguments, name: other})
        yield from _defaults(s, at, call)


def number_spelling(s: Subject) -> Made:
    """250 and 250.0 where the schema says number."""
    for at, call in enumerate(s.gold):
        for name, value in call.arguments.items():
            kinds = [schema.get("type") for schema in property_schema(s.tools[call.name], [name])]
            if (
                kinds not in (["number"], [["number", "null"]])
                or isinstance(value, bool)
                or not isinstance(value, (int, float))
            ):
                continue
            if value == int(value):
                other = float(value) if isinstance(value, int) else int(value)
                yield f"{name}: {other} for {value}", _with(s, at, {**call.arguments, name: other})


def other_right_words(s: Subject) -> Made:
    """Right words, in other words."""
    for words in s.words[1:]:
        yield "other words", words


def reasoned(s: Subject) -> Made:
    """The right completion after some reasoning."""
    yield "after a line of reasoning", f"<think>{s.phrase('thought')}</think>\n{s.ground_truth}"


def word_beside_call(s: Subject) -> Made:
    """A word before the right calls."""
    yield "a word before it", f"{s.phrase('sure')}\n{s.ground_truth}"


def _defaults(s: Subject, at: int, call: GoldCall) -> Made:
    properties: Mapping[str, Any] = s.tools[call.name].parameters.get("properties", {})
    required = s.tools[call.name].parameters.get("required", ())
    given = s.gold[at].arguments
    for name, schema in properties.items():
        stated = stated_default(schema) if isinstance(schema, Mapping) and name not in required else ()
        if not stated:
            continue
        if name not in call.arguments:
            yield f"{name}: its default, given", _with(s, at, {**given, name: stated[0]})
        elif name in given and given[name] == stated[0]:
            yield f"{name}: its default, left out", _with(s, at, {k: v for k, v in given.items() if k != name})


def _with(s: Subject, at: int, arguments: Mapping[str, Any]) -> str:
    changed = ToolCall(s.gold[at].name, arguments)
    return s.render([*s.gold[:at], changed, *s.gold[at + 1 :]])
