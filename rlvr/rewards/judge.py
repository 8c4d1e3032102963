"""Right or wrong, without shades: what gates stage 2 and what evaluation counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.rewards.context import Context, check_mode
from rlvr.rewards.matching import Match, TypedCall, compare_calls, compare_typed, match_calls
from rlvr.rewards.words import WordKind, classify_words, has_words, speaks
from rlvr.rewards.written import writes_call
from rlvr.types import Outcome, ParsedCompletion, ToolCall


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a completion is right for its example, and why.

    `matched` is about the calls alone (false where none are wanted or none are made); `abstained` about saying
    something, whole, without a call; `words` is what an abstention's words do. `reason` is one plain sentence.
    """

    right: bool
    outcome: Outcome
    matched: bool
    truncated: bool
    reason: str
    abstained: bool = False
    words: WordKind | None = None
    match: Match | None = None


def judge(parsed: ParsedCompletion, context: Context, matching: str | None = None) -> Verdict:
    """Judge one parsed completion.

    Formula: where calls are wanted, right = well-formed calls that match one to one, not truncated. Where none are
    wanted, right = clean words of the kind that `expects` asks for, in the query's language where that is known, not
    truncated; `expects="any"` takes any words in any language. Words that write out a call of an offered tool are
    never clean.
    Not checked: what the words say beyond their kind, reasoning, and text beside the calls.
    Raises `UsageError` where `matching` (the context's own by default) is no mode.

    >>> from rlvr.parsers import get_parser
    >>> judge(get_parser("hermes").parse("I'm sorry, I can't book flights."), Context({}, expects="refuse")).right
    True
    """
    mode = check_mode(context.matching if matching is None else matching)
    if context.gold:
        return _judge_calls(parsed, context, mode)
    return _judge_words(parsed, context)


class SampleCall(TypedCall):
    """A well-formed call beside its context; validated and compared once, however many completions of a group make it.

    `fault` is `"tool"` where its tool is not offered, `"arguments"` where they are not valid for it, else `None`.
    """

    __slots__ = ("_context", "_fault")

    def __init__(self, name: str, arguments: Mapping[str, Any], context: Context) -> None:
        super().__init__(name, arguments, context.wanted if context.matching == "typed" else ())
        self._context = context
        self._fault: str | None = _NOT_LOOKED

    @property
    def fault(self) -> str | None:
        found = self._fault
        if found is _NOT_LOOKED:
            valid = self._context.validators[self.name]
            found = "tool" if valid is None else None if valid(self.arguments) else "arguments"
            self._fault = found
        return found


_NOT_LOOKED = "not looked at"


class Sample:
    """What the components look at of a completion, beside its context; compared once, however many of them ask.

    `calls` are those that are well formed; `faults` says how far the others came, as `CallAttempt.fault` does. One that
    is calls and nothing else is made from them alone: a `ParsedCompletion` takes longer to make than to score.

    >>> from rlvr.parsers import get_parser
    >>> parsed = get_parser("hermes").parse("I'm sorry, I can't book flights.")
    >>> Sample.of(parsed, Context({}, expects="refuse")).right
    True
    """

    outcome = Outcome.CALLS
    faults: Sequence[str] = ()
    text = reasoning = ""
    _compared: tuple[bool, float] | None = None
    _right: bool | None = None

    def __init__(self, context: Context, calls: Sequence[SampleCall], truncated: bool) -> None:
        self.context = context
        self.calls = calls
        self.truncated = truncated
        self.attempted = len(calls)

    @classmethod
    def of(cls, parsed: ParsedCompletion, context: Context) -> Sample:
        """The sample of a completion that was parsed, whatever it holds."""
        calls = [SampleCall(call.name, call.arguments, context) for call in parsed.calls]
        made = cls(context, calls, parsed.truncated)
        made.outcome = parsed.outcome
        made.faults = [a.fault or "shape" for a in parsed.attempts if a.call is None or a.fault is not None]
        made.attempted = len(parsed.attempts)
        made.text, made.reasoning = parsed.text, parsed.reasoning
        return made

    @property
    def compared(self) -> tuple[bool, float]:
        """Whether the calls match, and their credit: `judge(…).match` without its reasons."""
        found = self._compared
        if found is None:
            context = self.context
            if context.matching == "typed":
                found = compare_typed(self.calls, len(context.gold))
            else:
                calls = [ToolCall(call.name, call.arguments) for call in self.calls]
                found = compare_calls(calls, context.gold, context.tools, context.matching)
            self._compared = found
        return found

    @property
    def right(self) -> bool:
        """`judge(…).right` without its reasons."""
        found = self._right
        if found is None:
            if not self.context.gold:
                found = self._right_words()
            else:
                found = self.outcome is Outcome.CALLS and not self.truncated and self.compared[0]
            self._right = found
        return found

    def _right_words(self) -> bool:
        """`_judge_words` without its reasons."""
        if self.outcome is not Outcome.ABSTAIN or self.truncated or not has_words(self.text):
            return False
        context = self.context
        if writes_call(self.text, context.tools):
            return False
        if context.expects == "any":
            return True
        kind = classify_words(self.text, context.lang).kind
        return kind == context.expects and fits_language(self.text, context)


def _judge_calls(parsed: ParsedCompletion, context: Context, mode: str) -> Verdict:
    match = match_calls(parsed.calls, context.gold, context.tools, mode)
    matched = match.matched and parsed.outcome is Outcome.CALLS
    if parsed.truncated:
        reason = "cut at the length limit"
    elif matched:
        reason = "the calls match"
    elif parsed.outcome is Outcome.CALLS:
        reason = _MISMATCH.get(match.reason, "the calls do not match")
    else:
        reason = {
            Outcome.ABSTAIN: "calls are wanted, and none was made",
            Outcome.EMPTY: "calls are wanted, and nothing was said",
            Outcome.MALFORMED: "a call is broken",
        }[parsed.outcome]
    right = matched and not parsed.truncated
    abstained = parsed.outcome is Outcome.ABSTAIN and not parsed.truncated
    return Verdict(right, parsed.outcome, matched, parsed.truncated, reason, abstained, None, match)


def _judge_words(parsed: ParsedCompletion, context: Context) -> Verdict:
    outcome = parsed.outcome
    if outcome is not Outcome.ABSTAIN:
        reason = {
            Outcome.CALLS: "no call is wanted, and one was made",
            Outcome.MALFORMED: "no call is wanted, and a broken one was made",
            Outcome.EMPTY: "nothing was said",
        }[outcome]
        return Verdict(False, outcome, False, parsed.truncated, reason)
    words = classify_words(parsed.text, context.lang)
    said = has_words(parsed.text)
    if parsed.truncated:
        right, reason = False, "cut at the length limit"
    elif not said:
        right, reason = False, "text without a letter or digit"
    elif writes_call(parsed.text, context.tools):
        right, reason = False, "a call is written out as text"
    elif context.expects == "any":
        right, reason = True, "called nothing, as wanted"
    elif words.kind != context.expects:
        right, reason = False, f"the words {_VERBS[words.kind]}, and should {context.expects}"
    elif not fits_language(parsed.text, context):
        right, reason = False, f"the words are not in the query's language ({context.lang})"
    else:
        right, reason = True, f"the words {_VERBS[words.kind]}, as wanted"
    return Verdict(right, outcome, False, parsed.truncated, reason, said and not parsed.truncated, words)


_MISMATCH = {
    "wrong_count": "another number of calls than wanted",
    "wrong_calls": "the calls are not the wanted ones",
    "too_many_calls": "more calls than are compared",
}
_VERBS = {
    "refuse": "refuse",
    "clarify": "ask for what is missing",
    "answer": "answer",
    "mixed": "refuse and answer all the same",
}


def fits_language(text: str, context: Context) -> bool:
    """Whether a text is in the query's language, as far as both are known."""
    return context.lang is None or speaks(text, context.lang)
