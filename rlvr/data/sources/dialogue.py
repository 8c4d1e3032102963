"""A dialogue with tools → examples: every turn of the assistant, with what was said before it, is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Literal

from rlvr.data.answers import AnswerError, NoCallError
from rlvr.data.coercion import coerce
from rlvr.data.rows import Row
from rlvr.data.sources.offered import same_names
from rlvr.data.sources.rejects import NotUnderstood, Reject, Unused
from rlvr.parsers.attempts import MAX_CALLS, MAX_CONTAINERS, hold_too_much
from rlvr.parsers.base import too_deep
from rlvr.rewards.language import read_messages
from rlvr.rewards.words import classify_words, has_words, languages
from rlvr.tools import check_ground_truth
from rlvr.tools.writable import why_not_written
from rlvr.types import Example, GoldCall, Tool, ToolCall, derive_category

MAX_MESSAGES = 1_000
"""Each turn's example holds all that was said before it, so that a dialogue without end would fill the memory."""

_MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. `calls` and `target` are the assistant's: whether it is to be learned.

    `fault` says why its calls could not be read, or are none: neither the turn nor what follows it becomes an example.
    `changes` are repairs that the source made in it (a name restored). `wordless`: the source says that nothing is to
    be called, and gives no words for it. `call_ids` are the ids that the source gives its calls, `answers` the one that
    a result answers. `invalid`: code and reason for which its calls, which can be read, are not to be learned; what
    follows it may be.
    """

    role: str
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    target: bool = True
    name: str = ""
    fault: AnswerError | None = None
    changes: tuple[str, ...] = ()
    wordless: bool = False
    call_ids: tuple[str, ...] = ()
    answers: str = ""
    invalid: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A row taken apart. `id` is the row's own, if it has one; `expects` overrides what is found for turns in words;
    without `calls_allowed`, a turn that calls is wrong."""

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...]
    id: str = ""
    lang: str | None = None
    expects: str | None = None
    calls_allowed: bool = True
    meta: Mapping[str, Any] = field(default_factory=dict)


def to_examples(dialogue: Dialogue, row: Row, source: str, license_: str) -> list[Example | Reject]:
    """The examples of a dialogue, in order, with a `Reject` in the place of a turn that cannot be learned from.

    The ids are "source-id", with "-t" and the number of the assistant's turn where there are several. What a call
    becomes by coercion also stands in the history of the turns after it. Raises `Unused` where there are no tools, or
    nobody answers, `NotUnderstood` where the text could not be written down.
    """
    turns = list(_in_order_of_calls(_merged(dialogue.turns)))
    _check(dialogue, turns, row)
    base = f"{source}-{dialogue.id or row.key}"
    offered = {t.name: t for t in dialogue.tools}
    shared = same_names(dialogue.tools)
    if shared:
        reason = f"{len(shared)} names stand for two different tools: {', '.join(shared)}"[:_MAX_REASON]
        return [Reject(source, base, row.where, "invalid", "tools_share_a_name", reason)]
    answers = _answers(turns)
    if not any(turns[i].target or turns[i].invalid for i in answers):
        raise Unused(row.where, "no_answer", "no turn of the assistant follows a user's")
    meta = _shared_meta(dialogue, row, license_)
    out: list[Example | Reject] = []
    messages: list[Mapping[str, Any]] = []
    said: list[str] = []
    for i, found in enumerate(turns):
        turn = _coerced(found, offered)
        number = answers.get(i)
        if number is not None:
            name, here = (f"{base}-t{number}", {**meta, "turn": number}) if len(answers) > 1 else (base, {**meta})
            if turn.fault:
                out.append(_broken(source, name, row, turn.fault, len(answers) - number - 1))
                return out
            if turn.invalid:
                out.append(Reject(source, name, row.where, "invalid", *turn.invalid))
            elif turn.target:
                here = {**_lang(dialogue, said), **here}
                made = _example(dialogue, turn, tuple(messages), here, name, source)
                out.append(made if isinstance(made, Example) else Reject(source, name, row.where, "invalid", *made))
        messages.append(message_of(turn))
        if turn.role == "user":
            said.append(turn.text)
    return out


def message_of(turn: Turn) -> dict[str, Any]:
    """A turn in the form that chat templates read."""
    out: dict[str, Any] = {"role": turn.role, "content": turn.text}
    if turn.calls:
        out["tool_calls"] = [{"type": "function", "function": c.to_json()} for c in turn.calls]
    if turn.name:
        out["name"] = turn.name
    return out


def _merged(turns: Sequence[Turn]) -> Iterator[Turn]:
    """Turns of the assistant that follow one another are one: some sources split text and calls."""
    waiting: Turn | None = None
    for turn in turns:
        if turn.role == "assistant" and waiting is not None:
            text = "\n\n".join(t for t in (waiting.text, turn.text) if t)
            waiting = Turn(
                "assistant",
                text,
                waiting.calls + turn.calls,
                waiting.target and turn.target,
                fault=waiting.fault or turn.fault,
                changes=waiting.changes + turn.changes,
                wordless=waiting.wordless and turn.wordless,
                call_ids=waiting.call_ids + turn.call_ids,
                invalid=waiting.invalid or turn.invalid,
            )
            continue
        if waiting is not None:
            yield waiting
        waiting = turn if turn.role == "assistant" else None
        if waiting is None:
            yield turn
    if waiting is not None:
        yield waiting


def _in_order_of_calls(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Results that follow one another in the order of the calls that they answer; chat templates write no ids.

    They stay as they came where one of them names no call before it, or two name the same.
    """
    places: dict[str, int] = {}
    for is_result, run in groupby(turns, lambda t: t.role == "tool"):
        found = list(run)
        keys = {t.answers for t in found}
        if is_result and len(keys) == len(found) and keys <= places.keys():
            found.sort(key=lambda t: places[t.answers])
        for turn in found:
            places.update({key: len(places) + i for i, key in enumerate(turn.call_ids)})
            yield turn


def _answers(turns: Sequence[Turn]) -> dict[int, int]:
    """The places of the assistant's turns that answer a user or a result, each with its number among them."""
    out: dict[int, int] = {}
    asked, before = False, ""  # a note of the system's between a question and its answer parts neither
    for place, turn in enumerate(turns):
        asked = asked or turn.role == "user"
        if turn.role == "assistant" and asked and before in ("user", "tool"):
            out[place] = len(out)
        before = before if turn.role == "system" else turn.role
    return out


def _check(dialogue: Dialogue, turns: Sequence[Turn], row: Row) -> None:
    if len(turns) > MAX_MESSAGES:
        raise Unused(row.where, "too_long", f"a dialogue of {len(turns)} messages; at most {MAX_MESSAGES} are read")
    if not dialogue.tools:
        raise Unused(row.where, "no_tools", "no tools are offered")
    if not any(t.role == "user" for t in turns):
        raise Unused(row.where, "no_user", "nobody asks anything")
    words = [[t.text, t.name, *((c.name, c.arguments) for c in t.calls)] for t in turns]
    odd = why_not_written([words, dialogue.id, dialogue.meta])
    if odd is not None:
        raise NotUnderstood(row.where, "not_writable", f"{odd}: no file of examples could hold it")


def _shared_meta(dialogue: Dialogue, row: Row, license_: str) -> dict[str, Any]:
    provenance = {"location": row.location, "row": row.key}
    return {**dialogue.meta, "license": dialogue.meta.get("license", license_), "provenance": provenance}


def _lang(dialogue: Dialogue, said: Sequence[str]) -> dict[str, str]:
    """The language of a turn, by what the user said up to it: what comes later, no one has read yet."""
    lang = dialogue.lang or read_messages(said)
    return {"lang": lang} if dialogue.lang or lang in languages() else {}


def _coerced(turn: Turn, offered: Mapping[str, Tool]) -> Turn:
    """A turn with its arguments as the schemas want them, the changes noted."""
    calls: list[ToolCall] = []
    changes = list(turn.changes)
    for index, call in enumerate(turn.calls):
        tool = offered.get(call.name)
        if tool is not None:
            arguments, made = coerce(tool, call.arguments)
            at = f"[{index}]" if len(turn.calls) > 1 else ""
            changes += [f"arguments{at}.{change}" for change in made]
            call = ToolCall(call.name, arguments)
        calls.append(call)
    return replace(turn, calls=tuple(calls), changes=tuple(changes)) if calls else turn


def _example(
    dialogue: Dialogue,
    turn: Turn,
    messages: tuple[Mapping[str, Any], ...],
    meta: dict[str, Any],
    name: str,
    source: str,
) -> Example | tuple[str, str]:
    """The example of one turn, or the code and reason for which it is none."""
    gold = tuple(GoldCall(c.name, c.arguments) for c in turn.calls)
    if gold and not dialogue.calls_allowed:
        return "call_in_no_call_row", f"the row is one where nothing is to be called, and {gold[0].name} is called"
    problem = why_invalid(gold, dialogue.tools)
    if problem is not None:
        return problem
    if not gold and not turn.wordless and not has_words(turn.text):
        return "empty_answer", "the assistant neither calls nor says anything"
    if turn.changes:
        meta["coercions"] = list(turn.changes)
    expects = "any"
    if not gold:
        expects = dialogue.expects or "any"
        if turn.text:
            meta["reference_reply"] = turn.text
            expects = dialogue.expects or expected_words(turn.text, messages, meta.get("lang"))
    category = derive_category(messages, len(dialogue.tools), gold)
    return Example(name, source, category, messages, dialogue.tools, gold, expects, meta)


def why_invalid(gold: Sequence[GoldCall], tools: Sequence[Tool]) -> tuple[str, str] | None:
    """Code and reason for which a ground truth cannot be scored; `None` where it can."""
    offered = {t.name: t for t in tools}
    for call in gold:
        if call.name not in offered:
            names = ", ".join(offered)
            return "tool_not_offered", f"{call.name!r} is called and not offered (offered: {names})"[:_MAX_REASON]
        if too_deep(call.canonical()):
            return "too_deep", f"the arguments of {call.name} are nested too deeply"
    if hold_too_much([call.canonical() for call in gold]):
        most = f"{MAX_CALLS:,} calls and {MAX_CONTAINERS:,} lists and objects in their arguments"
        return "too_large", f"the ground truth holds more than a completion may: at most {most}"
    problems = check_ground_truth(gold, offered)
    if not problems:
        return None
    return _code_of(problems[0]), "; ".join(problems)[:_MAX_REASON]


def expected_words(reply: str, messages: Sequence[Mapping[str, Any]], lang: str | None) -> str:
    """What kind of words the source's own reply is; `any` where that is not plain.

    After a result the assistant answers; where it seems to ask, it may as well offer more help, and that is not plain.
    To a user it may refuse or ask for what is missing, where its words do so; thanks and small talk are neither.
    """
    kind = classify_words(reply, lang).kind
    spoken = [m["role"] for m in messages if m["role"] != "system"]
    if spoken[-1] == "tool":
        return "any" if kind == "clarify" else "answer"
    return kind if kind in ("refuse", "clarify") else "any"


def _code_of(problem: str) -> str:
    """What a problem is, for counting."""
    if problem.endswith(": missing"):
        return "missing_argument"
    for mark, code in (
        ("not in the schema", "unknown_argument"),
        ("is not one of", "not_in_enum"),
        ("is not of type", "wrong_type"),
    ):
        if mark in problem:
            return code
    return "breaks_schema"


def _broken(source: str, name: str, row: Row, fault: AnswerError, following: int) -> Reject:
    after = f"; the {following} turns after it stand on it" if following > 1 else ""
    after = "; the turn after it stands on it" if following == 1 else after
    kind: Literal["invalid", "not_understood"] = "invalid" if isinstance(fault, NoCallError) else "not_understood"
    return Reject(source, name, row.where, kind, fault.code, f"{fault}{after}"[:_MAX_REASON])
