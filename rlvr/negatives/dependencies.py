"""Which call of a task the others cannot do without.

A call *depends* on an earlier one where it takes a value that only the earlier one's result tells: the user never
said it, and it is an identifier or a number, so that no words of the user could stand in for it. Among calls of one
turn, a call depends on another that makes the very thing it works on (`create_folder(name="X")`,
`move_file(folder="X")`), or whose result it refers to (`"$get_user.id"`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.negatives.words import load_verbs, name_words, stem
from rlvr.types import Example, Tool, ToolCall

_TOKEN = re.compile(r"[\w.:/@+-]+")
_TOKEN_NAME = re.compile(r"[A-Za-z_]\w*")
_ID_NAME = frozenset(
    ("id", "ids", "uuid", "key", "token", "code", "slug", "handle", "hash", "ref", "cid", "isbn", "asin")
)
_NAMING = frozenset(("name", "title", "username", "filename", "label", "id", "path", "email", "user"))
_REFERENCE = re.compile(r"[$<{\[]")
_MOST_CALLS = 32
_MOST_RESULT_CHARS = 200_000


@dataclass(frozen=True, slots=True)
class MissingStep:
    """The call that all the others depend on, how that shows, and the dialogue before any of them."""

    call: ToolCall
    others: tuple[ToolCall, ...]
    how: str
    messages: tuple[Mapping[str, Any], ...]


def first_step(example: Example) -> MissingStep | None:
    """The first call of the user's last request, where every other call of it depends on that one; else `None`."""
    wanted = [call.canonical() for call in example.ground_truth]
    if not wanted or len(wanted) > _MOST_CALLS:
        return None
    if example.messages[-1].get("role") == "user":
        return _within(wanted, example)
    return _along(wanted, example)


def _within(calls: Sequence[ToolCall], example: Example) -> MissingStep | None:
    """Calls of one turn: the first makes what the others work on, or they refer to its result."""
    first, *others = calls
    if not others or any(c.name == first.name for c in others):
        return None
    if all(_refers(c, first.name) for c in others):
        how = f"the other calls take the result of {first.name}"
        return MissingStep(first, tuple(others), how, example.messages)
    made = next((v for v in _makes(first) if all(_works_on(c, v) for c in others)), None)
    if made is None:
        return None
    how = f"{first.name} makes {made!r}, which the other calls work on"
    return MissingStep(first, tuple(others), how, example.messages)


def _makes(call: ToolCall) -> list[str]:
    """The names and identifiers of what a call makes or makes ready; none where its verb does no such thing."""
    if not {stem(w) for w in name_words(call.name)[:1]} & load_verbs().openers:
        return []
    texts = [(k, v) for k, v in call.arguments.items() if isinstance(v, str) and len(v) > 2]
    return [v for k, v in texts if {*name_words(k)} & _NAMING or any(c.isdigit() for c in v)]


def _refers(call: ToolCall, name: str) -> bool:
    texts = [v for _, v in _leaves(call.arguments) if isinstance(v, str)]
    return any(_REFERENCE.search(t) and name in _TOKEN_NAME.findall(t) for t in texts)


def _works_on(call: ToolCall, value: str) -> bool:
    opens = {stem(w) for w in name_words(call.name)[:1]} & load_verbs().openers
    return not opens and any(v == value for _, v in _leaves(call.arguments))


def _along(wanted: Sequence[ToolCall], example: Example) -> MissingStep | None:
    """Calls one after another: each later one takes what an earlier one's result told."""
    last = max(i for i, m in enumerate(example.messages) if m.get("role") == "user")
    said = _tokens("\n".join(_text(m) for m in example.messages[: last + 1]))
    steps = list(_steps(example.messages[last + 1 :]))
    if not steps or any(m.get("tool_calls") or m.get("role") in ("tool", "function") for m in example.messages[:last]):
        return None  # an earlier request was served by calls: nobody would believe that its tool is gone
    first, told = steps[0][0], _tokens(steps[0][1])
    tools = {t.name: t for t in example.tools}
    reached = told - said
    later = [*((call, result) for call, result in steps[1:]), *((call, "") for call in wanted)]
    how = ""
    for call, result in later:
        taken = _takes(call, tools.get(call.name), reached)
        made = next((v for v in _makes(first) if _works_on(call, v)), None)
        if call.name == first.name or (taken is None and made is None):
            return None
        why = f"{call.name} works on {made!r}, which only {first.name} makes ready"
        how = how or (f"{call.name} takes {taken}, which only {first.name} tells" if taken else why)
        reached |= _tokens(result) - said
    others = tuple(call for call, _ in later)
    return MissingStep(first, others, how, tuple(example.messages[: last + 1]))


def _steps(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[ToolCall, str]]:
    """Each call after the last request with its result; nothing at all where they cannot be paired."""
    calls: list[ToolCall] = []
    results: list[str] = []
    for message in messages:
        calls.extend(_called(message))
        if message.get("role") in ("tool", "function"):
            results.append(_text(message))
    if len(calls) == len(results) <= _MOST_CALLS:
        yield from zip(calls, results, strict=True)


def _called(message: Mapping[str, Any]) -> Iterator[ToolCall]:
    for entry in message.get("tool_calls") or ():
        body = entry.get("function", entry) if isinstance(entry, Mapping) else {}
        arguments = body.get("arguments")
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except (ValueError, RecursionError):
                arguments = None
        if isinstance(body.get("name"), str):
            yield ToolCall(body["name"], arguments if isinstance(arguments, Mapping) else {})


def _takes(call: ToolCall, tool: Tool | None, reached: set[str]) -> str | None:
    """`argument = value` of a required argument whose value is an identifier that only results told."""
    required = tool.parameters.get("required", ()) if tool else ()
    for key, value in call.arguments.items():
        if key not in required or isinstance(value, bool) or not isinstance(value, (str, int, float)):
            continue
        text = str(value).lower()
        is_identifier = any(c.isdigit() for c in text) or bool({*name_words(key)} & _ID_NAME)
        if is_identifier and len(text) > 2 and text in reached:
            return f"{key} = {value!r:.60}"
    return None


def _tokens(text: str) -> set[str]:
    """What stands in a text between spaces and marks, whole and in its parts."""
    found: set[str] = set()
    for match in _TOKEN.finditer(text[:_MOST_RESULT_CHARS].lower()):
        token = match[0].strip(".:/-+")
        found.add(token)
        found.update(re.findall(r"\w+", token))
    return found


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value inside an object or a list, with the key it stands under; level by level, without recursion."""
    queue = [(key, value)]
    while queue:
        name, at = queue.pop()
        if isinstance(at, Mapping):
            queue.extend((str(k), v) for k, v in at.items())
        elif isinstance(at, (list, tuple)):
            queue.extend((name, v) for v in at)
        else:
            yield name, at
