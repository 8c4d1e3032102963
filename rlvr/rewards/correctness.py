"""The correctness component: are the calls the wanted ones."""

from __future__ import annotations

from dataclasses import dataclass

from rlvr.rewards.context import Context
from rlvr.rewards.judge import Sample
from rlvr.types import ParsedCompletion


@dataclass(frozen=True, slots=True)
class CorrectnessParams:
    """`partial`: what calls that do not match can earn at most; below 0.6, so that near is never almost right."""

    partial: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.partial < 0.6:
            raise ValueError(f"partial: got {self.partial}, expected at least 0 and below 0.6.")


def score_correctness(
    parsed: ParsedCompletion, context: Context, params: CorrectnessParams = CorrectnessParams()
) -> float | None:
    """Score how near the calls are to the wanted ones.

    Formula: 1 where the calls match one to one (and the completion is neither malformed nor truncated), else
    0.5 x the credit of the best one-to-one assignment / max(calls attempted, calls wanted). A pair's credit is 0 where
    the names differ, else the mean over the arguments of both: 1 for an equal one, part for a similar string.
    Range: 0 to 1; `None` where no call is wanted.
    Earns the most: every wanted call, no more, in any order. Part: some of the calls, or some of the arguments; also
    the right calls in a completion that was cut (0.5). Nothing: no call, or other tools' calls.
    Not checked: reasoning, and text beside the calls.
    The exploit to try first is to call much, so that something fits: each call beyond the number wanted thins the
    credit, and ten calls with the right one among them earn 0.05 where one is wanted.

    >>> from rlvr.parsers import get_parser
    >>> from rlvr.rewards.context import build_context
    >>> tool = {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    >>> context = build_context([tool], [{"name": "add", "arguments": {"a": 1}}])
    >>> call = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
    >>> hermes = get_parser("hermes")
    >>> score_correctness(hermes.parse(call), context), score_correctness(hermes.parse(call * 2), context)
    (1.0, 0.25)
    """
    return correctness_of(Sample.of(parsed, context), params)


def correctness_of(sample: Sample, params: CorrectnessParams) -> float | None:
    """`score_correctness` of a sample that several components share."""
    gold = sample.context.gold
    if not gold:
        return None
    if sample.right:
        return 1.0
    return params.partial * sample.compared[1] / max(sample.attempted, len(gold))
