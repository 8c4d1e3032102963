"""Wrong completions on examples that want calls: the right calls, changed in one way each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlvr.audit.subject import Subject, sample_arguments
from rlvr.tools import property_schema
from rlvr.types import Tool, ToolCall

Made = Iterator[tuple[str, str]]
"""What was done, and the completion."""

_MANY = 50


def junk_calls(s: Subject) -> Made:
    """The right calls among nine calls of no use."""
    junk = [_junk(s, i) for i in range(9)]
    yield "the right calls, then nine of no use", s.render([*s.gold, *junk])
    yield "nine calls of no use, then the right ones", s.render([*junk, *s.gold])


def right_and_wrong_call(s: Subject) -> Made:
    """The right calls and one more that is wrong."""
    yield "the right calls, then a call of no use", s.render([*s.gold, _junk(s, 3)])
    for what, call in _wrong_values(s, s.gold[0]):
        yield f"the right calls, then one with {what}", s.render([*s.gold, call])
        break


def duplicate_calls(s: Subject) -> Made:
    """The right calls, more than once."""
    for times in (2, 3, _MANY):
        yield f"the right calls, {times} times", s.render(list(s.gold) * times)


def too_few_calls(s: Subject) -> Made:
    """Some of the calls that are wanted."""
    if len(s.gold) > 1:
        yield "the last call left out", s.render(s.gold[:-1])
        yield "the first call left out", s.render(s.gold[1:])


def boolean_for_integer(s: Subject) -> Made:
    """`true` for 1, and 1 for `true`: equal in Python, and not in any schema."""
    for at, name, value in _arguments(s):
        if isinstance(value, bool):
            yield f"{name}: {int(value)} for {str(value).lower()}", _with(s, at, name, int(value))
        elif isinstance(value, (int, float)):
            put = value != 0
            yield f"{name}: {str(put).lower()} for {value}", _with(s, at, name, put)


def quoted_value(s: Subject) -> Made:
    """A number or a boolean in quotes."""
    for at, name, value in _arguments(s):
        if isinstance(value, bool):
            yield f'{name}: "{str(value).lower()}"', _with(s, at, name, str(value).lower())
        elif isinstance(value, (int, float)):
            yield f'{name}: "{value}"', _with(s, at, name, str(value))


def float_for_integer(s: Subject) -> Made:
    """5.0 where the schema says integer: the official BFCL checker rejects it, and so do we."""
    for at, name, value in _arguments(s):
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and _type(s.tools[s.gold[at].name], name) == "integer"
        ):
            yield f"{name}: {float(value)}", _with(s, at, name, float(value))


def null_argument(s: Subject) -> Made:
    """`null` for a value that is wanted."""
    for at, name, _ in _arguments(s, most=1):
        yield f"{name}: null", _with(s, at, name, None)


def invented_argument(s: Subject) -> Made:
    """An argument that the tool does not have."""
    first = s.gold[0]
    for name, value in (("verbose", True), ("query", s.example.query), ("confirm", "yes")):
        if name not in s.tools[first.name].parameters.get("properties", {}):
            call = ToolCall(first.name, {**first.arguments, name: value})
            yield f"{name} added", s.render([call, *s.gold[1:]])


def missing_argument(s: Subject) -> Made:
    """An argument that is wanted, left out."""
    for at, name, _ in _arguments(s):
        rest = {k: v for k, v in s.gold[at].arguments.items() if k != name}
        yield f"{name} left out", _replaced(s, at, ToolCall(s.gold[at].name, rest))
    if s.gold[0].arguments:
        yield "every argument left out", s.render([ToolCall(c.name, {}) for c in s.gold])


def wrong_value(s: Subject) -> Made:
    """A near miss: another number, one letter, another entry of the enum."""
    for at, call in enumerate(s.gold):
        for what, changed in _wrong_values(s, call):
            yield what, _replaced(s, at, changed)


def swapped_arguments(s: Subject) -> Made:
    """The values of two arguments, or of two calls, exchanged."""
    for at, call in enumerate(s.gold):
        names = [n for n, v in call.arguments.items() if isinstance(v, str)]
        if len(names) > 1 and call.arguments[names[0]] != call.arguments[names[1]]:
            a, b = names[:2]
            swapped = {**call.arguments, a: call.arguments[b], b: call.arguments[a]}
            yield f"{a} and {b} exchanged", _replaced(s, at, ToolCall(call.name, swapped))
            return


def wrong_tool(s: Subject) -> Made:
    """The right arguments for another tool, one that does not exist, or a name in other case."""
    first, rest = s.gold[0], s.gold[1:]
    for name in s.tools:
        if name not in {c.name for c in s.gold}:
            yield f"{name} for {first.name}", s.render([ToolCall(name, first.arguments), *rest])
            break
    invented = f"{first.name}_v2"
    if invented not in s.tools:
        yield f"{invented}, which is not offered", s.render([ToolCall(invented, first.arguments), *rest])
    upper = first.name.upper()
    if upper not in s.tools:
        yield f"{upper} for {first.name}", s.render([ToolCall(upper, first.arguments), *rest])


def words_for_call(s: Subject) -> Made:
    """A refusal, a question or a claim where a call could be made."""
    for kind, what in (("refuse", "a refusal"), ("clarify", "a question"), ("answer", "a claim that it is done")):
        yield what, s.phrase(kind)


def first_wrong_call(s: Subject) -> str:
    """One near miss, for reports that show a typical wrong call."""
    for _, text in wrong_value(s):
        return text
    return s.render([_junk(s, 1)])


def _junk(s: Subject, i: int) -> ToolCall:
    tool = list(s.tools.values())[i % len(s.tools)]
    return ToolCall(tool.name, sample_arguments(tool, seed=i + 1))


def _arguments(s: Subject, most: int = 4) -> list[tuple[int, str, Any]]:
    """Arguments of the wanted calls: place of the call, name, value."""
    found = [(at, name, value) for at, call in enumerate(s.gold) for name, value in call.arguments.items()]
    return found[:most] if most < len(found) else found


def _with(s: Subject, at: int, name: str, value: Any) -> str:
    return _replaced(s, at, ToolCall(s.gold[at].name, {**s.gold[at].arguments, name: value}))


def _replaced(s: Subject, at: int, call: ToolCall) -> str:
    return s.render([*s.gold[:at], call, *s.gold[at + 1 :]])


def _type(tool: Tool, name: str) -> str | None:
    """The one type that an argument has beside null."""
    kinds: set[str] = set()
    for schema in property_schema(tool, [name]):
        found = schema.get("type")
        kinds.update(map(str, found if isinstance(found, (list, tuple)) else [found]))
    kinds.discard("null")
    return kinds.pop() if len(kinds) == 1 else None


def _wrong_values(s: Subject, call: ToolCall) -> Iterator[tuple[str, ToolCall]]:
    tool = s.tools[call.name]
    for name, value in list(call.arguments.items())[:4]:
        schema = next(iter(property_schema(tool, [name])), {})
        other = other_value(value, schema)
        if other != value:
            what = f"{name}: {other!r:.40} for {value!r:.40}"
            yield what, ToolCall(call.name, {**call.arguments, name: other})


def other_value(value: Any, schema: Mapping[str, Any]) -> Any:
    """Another value of the same kind, as near as can be, and allowed by simple schemas.

    >>> other_value(3, {}), other_value(100, {"maximum": 100}), other_value("06:49", {}), other_value("Rome", {})
    (4, 99, '06:40', 'Xome')
    """
    options: Sequence[Any] = schema.get("enum") or ()
    if options:
        return next((o for o in options if o != value), value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        up = value + 1
        if up <= schema.get("maximum", up):
            return up
        return value - 1 if isinstance(value, int) else value / 2
    if isinstance(value, str):
        return _other_string(value)
    if isinstance(value, list):
        return value[:-1] if value else [0]
    if isinstance(value, Mapping) and value:
        name, inner = next(iter(value.items()))
        return {**value, name: other_value(inner, {})}
    return value


def _other_string(text: str) -> str:
    for i in reversed(range(len(text))):
        if text[i].isascii() and text[i].isdigit():
            return f"{text[:i]}{(int(text[i]) + 1) % 10}{text[i + 1 :]}"
    for i, letter in enumerate(text):
        if letter.isalpha():
            new = "某" if ord(letter) > 0x2E80 else ("Y" if letter.lower() == "x" else "X")
            return f"{text[:i]}{new}{text[i + 1 :]}"
    return text + "x"
