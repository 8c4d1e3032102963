"""Whether calls reach the client: tools in the prompt, calls out of the text, reasoning apart, ids, arguments."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rlvr.evaluation.serving.ask import Asked
from rlvr.evaluation.serving.check import Check, fault, ok, shown, some, unclear
from rlvr.evaluation.serving.probe import Seen
from rlvr.evaluation.serving.reading import SWALLOWED, Kind, counted, object_of
from rlvr.evaluation.serving.reply import Reply, WireCall
from rlvr.evaluation.serving.scenes import TOOLS, offered
from rlvr.tools import is_valid

CHARS_A_TOKEN = 20
"""No tokenizer packs more characters of a tool's JSON into one token; most take 3 to 5."""

REASONING = "reasoning_swallows"
"""The fault from which others follow: whatever is looked for in a reply is not there."""

_THINK = "</think>"


def check_tools(seen: Seen) -> Check:
    """The prompt grows by the tools: the same question with and without them, counted by the server."""
    with_tools = next((a for a in seen.auto if a.text == seen.bare.text), None)
    refused = next((a.refused for a in seen.auto if a.refused is not None), None)
    if refused is not None and all(a.refused for a in seen.auto):
        return fault(
            "tools",
            "tools_refused",
            f"a request with tools is refused: {refused}",
            "Start vLLM with --enable-auto-tool-choice and --tool-call-parser; which parser, `rlvr serve-check MODEL "
            "--print-command` says.",
        )
    without, grown = seen.bare.prompt_tokens, with_tools.prompt_tokens if with_tools is not None else None
    if without is None or grown is None:
        return unclear("tools", "the server does not count the prompt's tokens, so whether tools reach it is not seen")
    least = len(json.dumps(offered())) // CHARS_A_TOKEN
    figures: dict[str, Any] = {"without": without, "with": grown, "least_growth": least}
    said = f"the prompt has {without} tokens without tools and {grown} with them"
    if grown - without < least:
        return fault(
            "tools",
            "template_without_tools",
            f"{said}: the chat template leaves them out, and the model never sees a tool",
            "Serve with a chat template that writes tools (--chat-template FILE); `rlvr serve-check MODEL "
            "--print-command` writes one where the model's own has none.",
            **figures,
        )
    return ok("tools", said, **figures)


def check_calls(seen: Seen, tools: Check) -> Check:
    """Calls that the model writes come in `tool_calls`, not in the text. A model that does not call is no fault."""
    asked = [a for a in seen.auto if a.refused is None]
    called = [a for a in asked if a.kind is Kind.CALLS]
    left = [a for a in asked if a.reading.left and a.kind in (Kind.LEFT, Kind.CALLS)]
    figures: dict[str, Any] = {"queries": len(asked), "with_calls": len(called), "left_in_text": len(left)}
    if not asked:
        return unclear("calls", "every request with tools was refused (see tools)")
    if left and (not called or any(a.reading.canonical for a in left)):
        return _left(left, asked, called, figures)
    if called:
        beside = f"; {len(left)} held a call in another form, which stayed text" if left else ""
        thoughts = sum(_THINK in a.reply.content for a in asked if a.reply is not None)
        talk = f"; {thoughts} show their reasoning as text" if thoughts else ""
        return ok("calls", f"{len(called)} of {len(asked)} queries brought calls{beside}{talk}", **figures)
    if any(a.kind in SWALLOWED for a in asked):
        return unclear("calls", "no call arrives, since replies end up as reasoning (see reasoning)", **figures)
    why = "the tools never reach it (see tools)" if tools.status == "fault" else "this is the model's choice"
    way = "" if tools.status == "fault" else "Check a model that calls; tool_choice required, below, needs no choice."
    if any(a.kind is Kind.CUT for a in asked):
        way = "Some replies were cut at the limit: give them more with --max-tokens."
    return unclear(
        "calls",
        f"the model called in none of {len(asked)} queries ({counted(a.kind for a in asked)}): {why}",
        way,
        **figures,
    )


def _left(left: Sequence[Asked], asked: Sequence[Asked], called: Sequence[Asked], figures: dict[str, Any]) -> Check:
    formats = Counter(a.reading.format for a in left)
    format = formats.most_common(1)[0][0]
    first = left[0].reply.content if left[0].reply is not None else ""
    rest = f", and {len(called)} brought calls as they should" if called else " and none in tool_calls"
    return fault(
        "calls",
        "wrong_parser",
        f"{len(left)} of {len(asked)} replies hold whole calls in their content, written in {format}'s form{rest}: "
        f"{shown(first)!r}",
        "The server does not read what the model writes: start it with --enable-auto-tool-choice "
        f"--tool-call-parser {format}.",
        format=format,
        **figures,
    )


def check_reasoning(seen: Seen) -> Check:
    """Direct replies are not taken for reasoning: a finished reply has a content or calls."""
    asked = [a for a in (seen.plain, *seen.auto, *(p.streamed for p in seen.pairs)) if a.reply is not None]
    calls = [a for a in asked if a.kind is Kind.SWALLOWED_CALLS]
    words = [a for a in asked if a.kind is Kind.SWALLOWED_WORDS]
    figures: dict[str, Any] = {"replies": len(asked), "calls_taken": len(calls), "answers_taken": len(words)}
    if calls or words:
        what = " and ".join(
            t for t in (f"{len(calls)} whole calls" if calls else "", f"{len(words)} answers" if words else "") if t
        )
        first = (calls or words)[0].reply
        return fault(
            "reasoning",
            REASONING,
            f"of {len(asked)} finished replies the server took {what} for reasoning: content and tool_calls are empty, "
            f"all stands in reasoning_content: {shown(first.reasoning if first is not None else '')!r}",
            "The model answers without thinking, and this --reasoning-parser takes everything before </think>. Start "
            "the server without it, or with one that ends at a call (qwen3); or make the model think.",
            **figures,
        )
    apart = sum(bool(a.reply is not None and a.reply.reasoning) for a in asked)
    cut = sum(a.kind is Kind.CUT for a in asked)
    if cut == len(asked):
        return unclear(
            "reasoning", f"all {cut} replies were cut at the limit", "Give more with --max-tokens.", **figures
        )
    said = f"{apart} of {len(asked)} replies have reasoning beside their answer" if apart else "no reply is lost in it"
    return ok("reasoning", said, **figures)


def with_calls(seen: Seen, streams: bool = False) -> list[Reply]:
    """Every reply that brought calls: plain ones, and the streamed ones where they are asked for."""
    asked = [*seen.auto, *(a for a in (seen.required, seen.named) if a is not None)]
    if seen.dialogue is not None:
        asked += [*seen.dialogue.after, *([seen.dialogue.follow] if seen.dialogue.follow is not None else [])]
    if streams:
        asked += [p.streamed for p in seen.pairs]
    return [a.reply for a in asked if a.reply is not None and a.reply.calls]


def check_ids(seen: Seen) -> Check:
    """Every call has an id of its own, within its reply and within its dialogue."""
    replies = with_calls(seen, streams=True)
    if not replies:
        return unclear("ids", "no call to look at")
    problems = [p for r in replies for p in id_problems(r.calls)]
    turns = [] if seen.dialogue is None else [seen.dialogue.first, *seen.dialogue.after, seen.dialogue.follow]
    ids = [c.id for a in turns if a is not None and a.reply is not None for c in a.reply.calls]
    if not problems and len(set(ids)) < len(ids):
        problems.append(f"a later turn of one dialogue gives the id {_twice(ids)!r} again")
    total = sum(len(r.calls) for r in replies)
    if problems:
        return fault(
            "ids",
            "ids",
            f"{some(sorted(set(problems)))} ({total} calls in {len(replies)} replies)",
            "A result is matched to its call by id: without one of its own for every call, results of parallel calls "
            "are mixed up. The server makes the ids: take another version of it, or let a proxy make them.",
            calls=total,
        )
    return ok("ids", f"{total} calls in {len(replies)} replies, each with an id of its own", calls=total)


def id_problems(calls: Sequence[WireCall]) -> list[str]:
    """What is wrong with the ids of one reply's calls.

    >>> id_problems([WireCall("a", "function", "f", "{}"), WireCall("a", "function", "f", "{}")])
    ["two calls of one reply have the id 'a'"]
    """
    ids = [c.id for c in calls]
    out = [f"the id of a call is {'missing' if i is None else repr(i)}" for i in ids if not isinstance(i, str) or not i]
    if not out and len(set(ids)) < len(ids):
        out.append(f"two calls of one reply have the id {_twice(ids)!r}")
    return out


def check_arguments(seen: Seen) -> Check:
    """Arguments are a JSON object in a string."""
    calls = [c for r in with_calls(seen) if not r.cut for c in r.calls]
    if not calls:
        return unclear("arguments", "no call to look at")
    objects = [c for c in calls if isinstance(c.arguments, dict | list)]
    if objects:
        return fault(
            "arguments",
            "arguments_object",
            f"{len(objects)} of {len(calls)} calls have their arguments as a JSON {_kind(objects[0].arguments)}, not "
            f"as a string that holds one: {shown(json.dumps(objects[0].arguments))}",
            "Clients call json.loads on them, which fails. vLLM gives strings; a proxy before it, or another server, "
            "must give them too.",
        )
    wrong = [c for c in calls if object_of(c.arguments) is None]
    if wrong and (len(wrong) == len(calls) or any(_is_python(c.arguments) for c in wrong)):
        return fault(
            "arguments",
            "arguments_no_json",
            f"{len(wrong)} of {len(calls)} calls have arguments that are no JSON object: {shown(wrong[0].arguments)!r}",
            "The server passes on what it must write as JSON: take the --tool-call-parser of the model's format.",
        )
    fitting = sum(_fits(c) for c in calls)
    said = f"{len(calls) - len(wrong)} of {len(calls)} are JSON objects in strings, {fitting} fit their tool's schema"
    return ok("arguments", said, calls=len(calls), objects=len(calls) - len(wrong), fitting=fitting)


def check_finish(seen: Seen) -> Check:
    """`finish_reason` says `tool_calls` where the model called, and `stop` where it only spoke."""
    streams = [p.streamed for p in seen.pairs if p.streamed.reply is not None and p.streamed.reply.finish]
    asked = [a for a in (seen.plain, *seen.auto, *streams) if a.reply is not None and not a.reply.cut]
    if not any(a.calls for a in asked):
        return unclear("finish", "no call to look at")
    wrong = [a for a in asked if a.reply is not None and a.reply.finish != _finish(a)]
    if wrong and wrong[0].reply is not None:
        return fault(
            "finish",
            "finish_reason",
            f"{len(wrong)} of {len(asked)} replies end with another finish_reason than they should: "
            f"{wrong[0].reply.finish!r} in place of {_finish(wrong[0])!r}",
            "Agents go on while finish_reason is tool_calls: look at tool_calls in place of it, or mend the server.",
        )
    return ok("finish", f"tool_calls or stop, as it should be, in {len(asked)} replies")


def check_parallel(seen: Seen) -> Check:
    """Several calls of one reply all arrive."""
    asked = [a for a in seen.parallel if a.refused is None]
    several = [a for a in asked if a.calls > 1]
    lost = [a for a in asked if a.kind is Kind.CALLS and a.reading.left]
    figures: dict[str, Any] = {"queries": len(asked), "with_two_or_more": len(several)}
    if lost and not several:
        return fault(
            "parallel",
            "parallel_lost",
            f"{len(lost)} of {len(asked)} replies bring one call, and leave more of them in the content",
            "The server reads only the first call: take another --tool-call-parser, or another version.",
            **figures,
        )
    if several:
        most = max(a.calls for a in several)
        return ok(
            "parallel", f"{len(several)} of {len(asked)} queries brought two calls or more (at most {most})", **figures
        )
    if not any(a.calls for a in asked):
        return unclear("parallel", "no call to look at", **figures)
    return unclear("parallel", f"the model made one call at a time in all of {len(asked)} queries", **figures)


def _finish(asked: Asked) -> str:
    return "tool_calls" if asked.calls else "stop"


def _twice(ids: Sequence[Any]) -> Any:
    return Counter(ids).most_common(1)[0][0]


def _kind(value: object) -> str:
    return "object" if isinstance(value, dict) else "array"


def _is_python(text: object) -> bool:
    """Whether a text is a dict as Python writes it, which no model was asked for."""
    try:
        return isinstance(text, str) and len(text) < 10_000 and isinstance(ast.literal_eval(text), dict)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def _fits(call: WireCall) -> bool:
    """Whether a call's arguments are valid for its tool."""
    tool = next((t for t in TOOLS if t.name == call.name), None)
    value = object_of(call.arguments)
    return tool is not None and value is not None and is_valid(tool, value)
