"""Which call of a task the others cannot do without, and which one is all that the user wants.

A call *depends* on an earlier one where it takes a value that only the earlier one's result tells: the user never said
it, and it is an identifier or a number that nobody knows by heart. Among calls of one turn, whose results are not
there yet, a call depends on another whose result it refers to (`"$get_user.id"`); where it takes an identifier that
stands in no message and that the other's description says it returns; or where the other makes the thing that it
works on, and the query says in what order (`create_folder(name="X")`, then `move_file(folder="X")`). That two calls
take an equal value proves nothing: the user said it, and it serves the second call without the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.negatives.words import load_verbs, name_words, stem
from rlvr.types import Example, Tool, ToolCall

STEPS = "steps"
"""The key of `meta` that names the tools of a task in order, where the user asks for what the last one does alone."""
STEP_ABILITIES = "step_abilities"
"""The key of `meta` that says what each of these tools does, in the language of the query: words for a refusal."""

_TOKEN = re.compile(r"[\w.:/@+-]+")
_TOKEN_NAME = re.compile(r"[A-Za-z_]\w*")
_ID_NAME = frozenset(("id", "ids", "uuid", "key", "token", "code", "slug", "handle", "hash", "ref", "no", "number"))
# What a large model knows by heart, or can work out: where Paris lies, its airport, its currency, a substance's number.
_WELL_KNOWN = frozenset(
    """cid isbn asin doi ticker symbol iata icao zip postal postcode country currency language lang locale timezone tz
    airport state year month day date time datetime lat latitude lon lng longitude coordinates""".split()  # noqa: SIM905
)
_CALENDAR = re.compile(r"(19|20)\d\d([-/.]\d{1,2}([-/.]\d{1,2})?)?([t ].*)?|\d{1,2}:\d{2}")
_NAMING = frozenset(("name", "title", "filename", "label", "id", "path"))
_MAKING = frozenset(("create", "move"))  # the classes of the openers that make a thing; a login makes none
ORDER = re.compile(
    r"\b(then|after|afterwards|once|first|next|finally|new|into it|to it|in it|inside it|there)\b"
    r"|\b(rồi|sau đó|xong|trước tiên|tiếp theo|mới|vào đó)\b|然後|然后|之後|之后|接著|接着|再|先|新",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"[$<{\[]")
_MOST_CALLS = 32
_MOST_RESULT_CHARS = 200_000


@dataclass(frozen=True, slots=True)
class MissingStep:
    """A call without which the others are of no use, how that shows, and the dialogue before any of them.

    With `is_last` it is the one that all the others prepare, else the one that all the others depend on.
    """

    call: ToolCall
    others: tuple[ToolCall, ...]
    how: str
    messages: tuple[Mapping[str, Any], ...]
    is_last: bool = False

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """All of them, in order."""
        return (*self.others, self.call) if self.is_last else (self.call, *self.others)


def first_step(example: Example) -> MissingStep | None:
    """The first call of the user's last request, where every other call of it depends on that one; else `None`."""
    wanted = [call.canonical() for call in example.ground_truth]
    if not wanted or len(wanted) > _MOST_CALLS:
        return None
    if example.messages[-1].get("role") == "user":
        return _within(wanted, example)
    return _along(wanted, example)


def last_step(example: Example) -> MissingStep | None:
    """The last call of a task whose user asks for nothing but what that one does (`meta["steps"]`); else `None`.

    What the calls before it do, the user did not ask for: they are of use to it alone.
    """
    step = first_step(example)
    if step is None or len(step.others) < 1:
        return None
    names = [call.name for call in step.calls]
    if example.meta.get(STEPS) != names or len(set(names)) < len(names):
        return None
    *before, last = step.calls
    how = f"{', '.join(c.name for c in before)} only looks up what {last.name} takes"
    return MissingStep(last, tuple(before), how, step.messages, is_last=True)


def deeds_of(example: Example) -> tuple[Tool, ...]:
    """The offered tools that the user's request takes: those of the ground truth, and where the user asks for what the
    last step of a task does (`meta["steps"]`) those of all its steps, whichever call is next."""
    steps = example.meta.get(STEPS)
    names = {c.name for c in example.ground_truth} | set(steps if isinstance(steps, (list, tuple)) else ())
    return tuple(t for t in example.tools if t.name in names)


def _within(calls: Sequence[ToolCall], example: Example) -> MissingStep | None:
    """Calls of one turn: the others take the first one's result, or work on what it makes."""
    first, *others = calls
    if not others or any(c.name == first.name for c in others):
        return None
    tools = {t.name: t for t in example.tools}
    said = _tokens("\n".join(_text(m) for m in example.messages))
    if all(_refers(c, first.name) or _yields(tools.get(first.name), c, tools.get(c.name), said) for c in others):
        how = f"the other calls take the result of {first.name}"
        return MissingStep(first, tuple(others), how, example.messages)
    made = _made(first)
    if made is None or not ORDER.search(example.query) or not all(_works_on(c, *made) for c in others):
        return None
    how = f"{first.name} makes {made[0]!r}, which the other calls work on"
    return MissingStep(first, tuple(others), how, example.messages)


def _refers(call: ToolCall, name: str) -> bool:
    texts = [v for _, v in _leaves(call.arguments) if isinstance(v, str)]
    return any(_REFERENCE.search(t) and name in _TOKEN_NAME.findall(t) for t in texts)


def _yields(first: Tool | None, call: ToolCall, tool: Tool | None, said: set[str]) -> bool:
    """Whether a required argument is an identifier that nobody said, and `first` says that it returns such a one."""
    if first is None:
        return False
    told = {stem(w) for w in name_words(f"{first.name} {first.description}")}
    unsaid = [key for key, text in _identifiers(call, tool) if text not in said and any(c.isdigit() for c in text)]
    return any({stem(w) for w in name_words(key)} <= told for key in unsaid)


def _made(call: ToolCall) -> tuple[str, frozenset[str]] | None:
    """What a call makes: its name, and the nouns that say what it is; `None` where the verb makes nothing."""
    verbs = load_verbs()
    verb, *nouns = (stem(w) for w in name_words(call.name))
    things = frozenset(n for n in nouns if n not in verbs.classes)
    if not things or verb not in verbs.openers or verbs.classes.get(verb) not in _MAKING:
        return None
    for key, value in call.arguments.items():
        named = {stem(w) for w in name_words(key)}
        is_name = isinstance(value, str) and len(value) > 2 and "@" not in value and any(c.isalpha() for c in value)
        if is_name and (named & things or named <= _NAMING):
            return str(value), things
    return None


def _works_on(call: ToolCall, value: str, things: frozenset[str]) -> bool:
    """Whether a call takes the thing of this name: the parameter says what it is, or the tool does."""
    verb, *nouns = (stem(w) for w in name_words(call.name))
    if verb in load_verbs().openers:
        return False
    for key, taken in _leaves(call.arguments):
        named = {stem(w) for w in name_words(key)}
        if taken == value and (named & things or (named <= _NAMING and set(nouns) & things)):
            return True
    return False


def _along(wanted: Sequence[ToolCall], example: Example) -> MissingStep | None:
    """Calls one after another: each later one takes what an earlier one's result told."""
    last = max((i for i, m in enumerate(example.messages) if m.get("role") == "user"), default=-1)
    if last < 0:
        return None
    said = _tokens("\n".join(_text(m) for m in example.messages[: last + 1]))
    steps = list(_steps(example.messages[last + 1 :]))
    if not steps or any(m.get("tool_calls") or m.get("role") in ("tool", "function") for m in example.messages[:last]):
        return None  # an earlier request was served by calls: nobody would believe that its tool is gone
    first = steps[0][0]
    made = _made(first)
    tools = {t.name: t for t in example.tools}
    reached = _tokens(steps[0][1]) - said
    later = [*steps[1:], *((call, "") for call in wanted)]
    how = ""
    for call, result in later:
        taken = _takes(call, tools.get(call.name), reached)
        if call.name == first.name or (taken is None and (made is None or not _works_on(call, *made))):
            return None
        why = f"{call.name} works on {made[0]!r}, which only {first.name} makes" if made else ""
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
    return next((f"{k} = {call.arguments[k]!r:.60}" for k, text in _identifiers(call, tool) if text in reached), None)


def _identifiers(call: ToolCall, tool: Tool | None) -> Iterator[tuple[str, str]]:
    """The required arguments that are identifiers or numbers, lower case: none that one could know without being told,
    such as a date or an airport's code, and none that the tool's own schema gives away."""
    schema = tool.parameters if tool else {}
    properties = schema.get("properties") or {}
    for key, value in call.arguments.items():
        if key not in schema.get("required", ()) or isinstance(value, bool) or not isinstance(value, (str, int, float)):
            continue
        text, words = str(value).lower(), {*name_words(key)}
        is_identifier = any(c.isdigit() for c in text) or bool(words & _ID_NAME)
        if not is_identifier or len(text) < 3 or words & _WELL_KNOWN or _CALENDAR.fullmatch(text):
            continue
        if not _TOKEN.fullmatch(text):
            continue  # several words are a name
        if text not in _tokens(json.dumps(properties.get(key), ensure_ascii=False, default=str)):
            yield key, text


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
