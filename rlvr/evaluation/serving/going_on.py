"""Whether the rest of the way fits: streams, forced calls, results given back, a further question, counted tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlvr.evaluation.serving.ask import Asked
from rlvr.evaluation.serving.calling import REASONING
from rlvr.evaluation.serving.check import Check, fault, ok, shown, some, unclear
from rlvr.evaluation.serving.probe import Pair, Seen
from rlvr.evaluation.serving.reading import SWALLOWED, Kind, object_of
from rlvr.evaluation.serving.scenes import CONVERT, names

CHARS_A_TOKEN = 20
"""No tokenizer packs more characters of a tool's result into one token; most take 3 to 5."""


def check_stream(seen: Seen, earlier: Sequence[Check] = ()) -> Check:
    """Deltas add up to what a plain reply holds: names whole, arguments a JSON object in a string, one end."""
    refused = next((p.streamed.refused for p in seen.pairs if p.streamed.refused is not None), None)
    if refused is not None and all(p.plain.refused for p in seen.pairs):
        return unclear("stream", "requests with tools are refused (see tools)")
    if refused is not None:
        return fault(
            "stream", "stream_refused", f"a streamed request is refused: {refused}", "Look at the server's log."
        )
    told = any(c.code == REASONING for c in earlier)
    read = [p for p in seen.pairs if p.streamed.calls or not told]
    problems = [problem for p in read for problem in _stream_problems(p)]
    figures: dict[str, Any] = {
        "pairs": len(seen.pairs),
        "with_calls": sum(p.streamed.calls > 0 for p in seen.pairs),
        "calls": sum(p.streamed.calls for p in seen.pairs),
        "equal": sum(p.verdict == "equal" for p in seen.pairs),
        "chunks_with_arguments": sum(p.streamed.reply.deltas for p in seen.pairs if p.streamed.reply is not None),
    }
    if problems:
        return fault(
            "stream",
            "stream",
            some(sorted(set(problems))),
            "Plain replies of this server are read otherwise than streamed ones: take another version of it, or ask it "
            "without stream=True.",
            **figures,
        )
    if not figures["with_calls"]:
        why = ", which end up as reasoning (see reasoning)" if len(read) < len(seen.pairs) else ""
        return unclear("stream", f"no call came in the streams{why}", **figures)
    others = "" if figures["equal"] == len(seen.pairs) else "; the server does not repeat itself in the others"
    return ok(
        "stream",
        f"{figures['calls']} calls in {figures['with_calls']} streams, put together from "
        f"{figures['chunks_with_arguments']} chunks with arguments; {figures['equal']} of {len(seen.pairs)} streams "
        f"bring the calls of the plain reply{others}",
        **figures,
    )


def _stream_problems(pair: Pair) -> list[str]:
    plain, streamed = pair.plain.reply, pair.streamed.reply
    if plain is None or streamed is None or streamed.cut:
        return []
    out = list(streamed.problems)
    left = pair.streamed.kind is Kind.LEFT
    if plain.calls and not streamed.calls and (left or pair.verdict == "differs"):
        where = "in the content" if left else f"nowhere ({pair.streamed.kind})"
        out.append(f"the calls of a plain reply are {where} when it is streamed")
    elif pair.verdict == "differs":
        out.append(
            f"streamed calls are not those of the plain reply, each the same when asked again: "
            f"{shown([(c.name, c.arguments) for c in streamed.calls])} in place of "
            f"{shown([(c.name, c.arguments) for c in plain.calls])}"
        )
    readable = all(object_of(c.arguments) is not None for c in plain.calls)
    for call in streamed.calls:
        if not isinstance(call.name, str) or not call.name:
            out.append("a streamed call has no name")
        if isinstance(call.arguments, dict | list):
            out.append("a delta holds arguments as an object, not as text")
        elif readable and object_of(call.arguments) is None:
            out.append(f"arguments put together from deltas are no JSON object: {shown(call.arguments)!r}")
    return out


def check_none(seen: Seen, earlier: Sequence[Check]) -> Check:
    """`tool_choice: none` brings no calls."""
    asked = seen.none
    if asked is None or asked.refused is not None:
        return _refused("choice none", asked, earlier)
    if asked.calls:
        return fault(
            "choice none",
            "choice_none",
            f"tool_choice none brought {asked.calls} calls",
            "The server does not look at tool_choice: leave the tools out of requests that want words.",
        )
    beside = "; the model wrote one all the same, and it stays text" if asked.kind is Kind.LEFT else ""
    return ok("choice none", f"no calls{beside}")


def check_required(seen: Seen, earlier: Sequence[Check]) -> Check:
    """`tool_choice: required` brings a call, whatever the model would have done."""
    return _forced("choice required", "choice_required", seen.required, names(), earlier)


def check_named(seen: Seen, earlier: Sequence[Check]) -> Check:
    """A tool that `tool_choice` names is the one that is called."""
    return _forced("choice named", "choice_named", seen.named, [CONVERT.name], earlier)


def _forced(name: str, code: str, asked: Asked | None, allowed: Sequence[str], earlier: Sequence[Check]) -> Check:
    if asked is None or asked.reply is None:
        return _refused(name, asked, earlier)
    if asked.kind is Kind.CUT or (asked.reply.cut and not asked.calls):
        return unclear(name, "the forced call came to no end within the limit", "Give more with --max-tokens.")
    called = [c.name for c in asked.reply.calls]
    way = (
        "The server does not force calls: do not rely on it, or take one that does (vLLM with its structured outputs)."
    )
    told = {c.code: c.name for c in earlier}
    if not called and asked.kind in SWALLOWED:
        return unclear(name, "the reply was taken for reasoning (see reasoning)")
    if not called and REASONING in told:  # vLLM forces nothing before the end of reasoning, which never comes
        return unclear(name, f"no call came, but {asked.kind}: replies end up as reasoning (see reasoning)")
    if not called and asked.kind is Kind.LEFT and "wrong_parser" in told:
        return unclear(name, "the call stays in the content (see calls)")
    if not called:
        return fault(name, code, f"no call came, but {asked.kind}: {shown(asked.reply.content)!r}", way)
    other = [c for c in called if c not in allowed]
    if other and REASONING in told:
        return unclear(name, f"called {other[0]!r}: nothing is forced before the end of reasoning (see reasoning)")
    if other:
        return fault(name, code, f"called {other[0]!r}, which is not {' or '.join(allowed)}", way)
    broken = [c for c in asked.reply.calls if isinstance(c.arguments, str) and object_of(c.arguments) is None]
    if broken and not asked.reply.cut and "arguments_no_json" not in told:
        return fault(
            name, code, f"the forced call has no JSON object as arguments: {shown(broken[0].arguments)!r}", way
        )
    return ok(name, f"{len(called)} call{'s' if len(called) > 1 else ''}: {', '.join(map(str, called[:4]))}")


def _refused(name: str, asked: Asked | None, earlier: Sequence[Check]) -> Check:
    if asked is None or asked.refused is None:
        return unclear(name, "was not asked")
    if any(c.code == "tools_refused" for c in earlier):
        return unclear(name, "requests with tools are refused (see tools)")
    if any(c.code == REASONING for c in earlier):
        return unclear(name, f"refused, as replies end up as reasoning (see reasoning): {asked.refused}")
    return fault(
        name,
        f"{name.replace(' ', '_')}_refused",
        f"the request is refused: {asked.refused}",
        "The server knows no such tool_choice: leave it out, or take another version.",
    )


def check_results(seen: Seen, ids: Check) -> Check:
    """Results go back under their calls' ids, reach the prompt, and bring an answer in words."""
    dialogue = seen.dialogue
    if dialogue is None or not dialogue.after:
        return unclear("results", "no call whose result could be given back")
    first = dialogue.after[0]
    figures: dict[str, Any] = {"rounds": len(dialogue.after), "results": dialogue.first.calls}
    if first.refused is not None:
        if ids.status == "fault":
            return unclear(
                "results", f"results are refused ({first.refused}), since calls have no ids to answer to (see ids)"
            )
        return fault(
            "results",
            "results_refused",
            f"the results of {dialogue.first.calls} calls are refused: {first.refused}",
            "The chat template, or the server, takes no role tool after an assistant's tool_calls: serve with a "
            "template that writes tool results (--chat-template FILE).",
            **figures,
        )
    before = first.prompt_tokens
    after = dialogue.longer.prompt_tokens if dialogue.longer is not None else None
    if before is not None and after is not None and after - before < dialogue.padded // CHARS_A_TOKEN:
        return fault(
            "results",
            "results_dropped",
            f"the prompt has {before} tokens, and {after} with {dialogue.padded} characters more in the results: the "
            "chat template leaves them out",
            "Serve with a chat template that writes messages of the role tool (--chat-template FILE).",
            **figures,
        )
    if dialogue.answer is None:
        last = dialogue.after[-1]
        return unclear(
            "results",
            f"the results of {dialogue.first.calls} calls are taken, but no answer in words came ({last.kind}): this "
            "is the model's choice",
            **figures,
        )
    said = dialogue.answer.reply.content if dialogue.answer.reply is not None else ""
    return ok("results", f"{dialogue.first.calls} results under their ids, then words: {shown(said, 60)!r}", **figures)


def check_turns(seen: Seen) -> Check:
    """A further question in the same dialogue is taken, and may be answered by a call."""
    follow = seen.dialogue.follow if seen.dialogue is not None else None
    if follow is None:
        return unclear("turns", "the dialogue did not come to a further question (see results)")
    if follow.refused is not None:
        return fault(
            "turns",
            "turns_refused",
            f"a further question after an answer is refused: {follow.refused}",
            "The chat template does not take such a dialogue: serve with another one (--chat-template FILE).",
        )
    if follow.calls:
        return ok("turns", f"a further question brought {follow.calls} call{'s' if follow.calls > 1 else ''}")
    if follow.kind is Kind.WORDS:
        return ok("turns", "a further question was answered in words")
    return unclear("turns", f"a further question brought {follow.kind}")


def check_usage(asked: Sequence[Asked], streamed: Sequence[Asked]) -> Check:
    """Tokens are counted in every reply, streamed ones too, and the counts add up."""
    problems: list[str] = []
    seen = 0
    for what, group in (("", asked), (" of a streamed reply", streamed)):
        for one in group:
            if one.reply is None:
                continue
            seen += 1
            problems += [f"{text}{what}" for text in usage_problems(one)]
    if problems:
        return fault(
            "usage",
            "usage",
            f"{some(sorted(set(problems)))} ({len(problems)} times in {seen} replies)",
            "What is paid by tokens, or kept within a context by them, goes wrong: do not rely on these counts.",
        )
    return ok("usage", f"prompt and completion are counted in {seen} replies, and add up")


def usage_problems(asked: Asked) -> list[str]:
    """What is wrong with the counted tokens of one reply."""
    reply = asked.reply
    if reply is None:
        return []
    if reply.usage is None:
        return ["no usage"]
    prompt, completion, total = (reply.usage.get(f"{k}_tokens") for k in ("prompt", "completion", "total"))
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return ["usage without prompt_tokens or completion_tokens"]
    out = []
    if prompt <= 0:
        out.append("prompt_tokens is 0")
    if completion <= 0 and (reply.content or reply.calls or reply.reasoning):
        out.append("completion_tokens is 0 for a reply that says something")
    if asked.limit and completion > asked.limit:
        out.append("completion_tokens is above the limit that was asked for")
    if total != prompt + completion:
        out.append("total_tokens is not the sum of both")
    return out
