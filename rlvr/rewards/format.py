"""The format component: are the calls well formed, offered and valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rlvr.rewards.context import Context
from rlvr.rewards.judge import Sample
from rlvr.rewards.words import has_words
from rlvr.tools import is_valid, validate
from rlvr.types import CallAttempt, Outcome, ParsedCompletion, Tool

GRADES = {"unclosed": 0.0, "stray": 0.0, "bare": 0.0, "json": 0.2, "shape": 0.4, "tool": 0.6, "arguments": 0.8}
"""What a call earns by the first thing that is wrong with it; 1.0 where nothing is."""

_FAULTS = {
    "unclosed": "its markup is never closed",
    "stray": "a closing tag without its opening",
    "bare": "a call without the markup that the format wants",
    "json": "what it holds does not parse",
    "shape": "it is no object with a name and an object of arguments",
}


@dataclass(frozen=True, slots=True)
class FormatParams:
    """The format component has nothing to set."""


@dataclass(frozen=True, slots=True)
class CallGrade:
    """One call's grade, and what is wrong with it (empty where nothing is)."""

    grade: float
    problem: str = ""


def score_format(parsed: ParsedCompletion, context: Context, params: FormatParams | None = None) -> float:
    """Score how well formed a completion is.

    Formula: where calls are wanted, the smallest of the calls' grades; a grade rises by 0.2 a step: the markup is
    closed, the JSON parses, it has a name and an object of arguments, the tool is offered, the arguments validate.
    Where none is wanted, 1 for clean text, else 0.
    Range: 0 to 1. Never `None`.
    Earns the most: valid calls of offered tools, be they right or wrong ones. Part: the worst call's grade, also where
    the completion was cut after a whole call. Nothing: no call where one is wanted, markup that is not closed, bare
    JSON, and where no call is wanted any call, empty text, text without a letter or digit, text that was cut.
    Not checked: whether the calls are the wanted ones.
    The exploit to try first is valid junk beside a broken call, to lift an average: the worst call counts, so it earns
    the broken one's grade.

    >>> from rlvr.parsers import get_parser
    >>> from rlvr.rewards.context import build_context
    >>> tool = {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    >>> context = build_context([tool], [{"name": "add", "arguments": {"a": 1}}])
    >>> text = '<tool_call>{"name": "add", "arguments": {"a": "one"}}</tool_call>'
    >>> score_format(get_parser("hermes").parse(text), context)
    0.8
    """
    return format_of(Sample.of(parsed, context))


def format_of(sample: Sample, params: FormatParams | None = None) -> float:
    """`score_format` of a sample that several components share."""
    context = sample.context
    if not context.gold:
        clean = sample.outcome is Outcome.ABSTAIN and not sample.truncated and has_words(sample.text)
        return 1.0 if clean else 0.0
    if not sample.attempted:
        return 0.0
    grade = 1.0
    for fault in sample.faults:
        grade = min(grade, GRADES[fault])
    for call in sample.calls:
        its_fault = call.fault
        if its_fault is not None:
            grade = min(grade, GRADES[its_fault])
    return grade


def grade_calls(parsed: ParsedCompletion, context: Context) -> list[CallGrade]:
    """Grade each attempted call, in their order, and say what is wrong with it."""
    return [CallGrade(_grade(a, context.tools), _problem(a, context)) for a in parsed.attempts]


def _grade(attempt: CallAttempt, tools: Mapping[str, Tool]) -> float:
    call = attempt.call
    if call is None or attempt.fault is not None:
        return GRADES[attempt.fault or "shape"]
    tool = tools.get(call.name)
    if tool is None:
        return GRADES["tool"]
    return 1.0 if is_valid(tool, call.arguments) else GRADES["arguments"]


def _problem(attempt: CallAttempt, context: Context) -> str:
    if attempt.call is None or attempt.fault is not None:
        return _FAULTS[attempt.fault or "shape"]
    tool = context.tools.get(attempt.call.name)
    if tool is None:
        return f"the tool {attempt.call.name!r:.60} is not offered"
    return "; ".join(validate(tool, attempt.call.arguments)[:3])
