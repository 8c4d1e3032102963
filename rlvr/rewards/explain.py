"""A breakdown in words: every number with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvr.rewards.components import Params
from rlvr.rewards.efficiency import EfficiencyParams, efficiency_parts
from rlvr.rewards.format import grade_calls
from rlvr.rewards.judge import Sample, fits_language
from rlvr.rewards.matching import REASONS, RULES
from rlvr.types import Outcome

if TYPE_CHECKING:
    from rlvr.rewards.matching import CallPair
    from rlvr.rewards.score import Breakdown


def explain(breakdown: Breakdown) -> str:
    """Write a breakdown as lines: the outcome, the verdict, each component with its weight and reason, the total.

    >>> from rlvr.rewards import score
    >>> print(explain(score("I'm sorry, I can't do that.", tools=[], ground_truth=[], expects="refuse")))
    abstain: right (the words refuse, as wanted)
      format       1.00 x 0.2 = +0.200  clean text
      correctness    –                  no call is wanted
      refusal      1.00 x 0.3 = +0.300  the words refuse, as wanted
      efficiency   0.10 x 0.2 = +0.020  nothing taken off
      total                     +0.520  function_calling, stage1
    """
    b = breakdown
    cut = ", truncated" if b.parsed.truncated else ""
    lines = [f"{b.outcome}{cut}: {'right' if b.right else 'wrong'} ({b.verdict.reason})"]
    for spec in b.composition.components:
        value = b.scores[spec.name]
        reason = _REASONS[spec.name](b, spec.params)
        if value is None:
            lines.append(f"  {spec.name:<12}   –                  {reason}")
        else:
            lines.append(f"  {spec.name:<12} {value:.2f} x {spec.weight:g} = {spec.weight * value:+.3f}  {reason}")
    for own in b.composition.functions:
        lines.append(f"  {own.name:<12}   –                  {own.target} runs in a trainer, weight {own.weight:g}")
    lines.append(f"  {'total':<25} {b.total:+.3f}  {b.composition.name}, {b.composition.stage}")
    if b.match is not None and not b.match.matched:
        lines.extend(_pair_line(b, pair) for pair in b.match.pairs)
        if b.match.changes:
            lines.append(f"  to match: {'; '.join(map(str, b.match.changes))}")
    if b.match is not None:
        lines.extend(f"  rule {name}: {RULES[name]}" for name in b.match.rules)
    return "\n".join(lines)


def _format_reason(b: Breakdown, _: Params) -> str:
    if not b.context.gold:
        return "clean text" if b.format else "no call is wanted, and this is no whole, clean text"
    grades = grade_calls(b.parsed, b.context)
    if not grades:
        return "no call where one is wanted"
    worst = min(range(len(grades)), key=lambda i: grades[i].grade)
    if not grades[worst].problem:
        return "every call is valid" if len(grades) > 1 else "the call is valid"
    return f"call {worst + 1} of {len(grades)}: {grades[worst].problem}"


def _correctness_reason(b: Breakdown, _: Params) -> str:
    if b.match is None:
        return "no call is wanted"
    if b.right:
        return "the calls match"
    wanted, tried = len(b.context.gold), len(b.parsed.attempts)
    return f"{b.verdict.reason}; credit {b.match.credit:.2f} over {max(wanted, tried)} ({tried} tried, {wanted} wanted)"


def _refusal_reason(b: Breakdown, _: Params) -> str:
    if b.context.gold:
        if b.refusal is None:
            return "calls are wanted"
        return "refused what could be done" if b.refusal else "did not refuse what could be done"
    if b.outcome in (Outcome.CALLS, Outcome.MALFORMED) or b.right == (b.refusal == 1.0):
        return b.verdict.reason
    if not fits_language(b.parsed.text, b.context):
        return f"not in the query's language ({b.context.lang})"
    return b.verdict.reason


def _efficiency_reason(b: Breakdown, params: Params) -> str:
    assert isinstance(params, EfficiencyParams)
    parts = efficiency_parts(Sample.of(b.parsed, b.context), params)
    if parts.gate_closed:
        return "not right, so the gate is closed"
    taken = [f"-{parts.reasoning:.1f} for reasoning"] if parts.reasoning else []
    if parts.text:
        taken.append(f"-{parts.text:.1f} for {parts.characters} characters of text ({parts.budget} are free)")
    if taken:
        return ", ".join(taken)
    return "nothing taken off" if parts.bonus else "nothing taken off, and no bonus for what is empty, broken or cut"


_REASONS = {
    "format": _format_reason,
    "correctness": _correctness_reason,
    "refusal": _refusal_reason,
    "efficiency": _efficiency_reason,
}


def _pair_line(b: Breakdown, pair: CallPair) -> str:
    calls = b.parsed.calls
    name = calls[pair.predicted].name if pair.predicted is not None else b.context.gold[pair.wanted or 0].name
    head = f"  {name:.40}: credit {pair.credit:.2f}, {pair.reason.replace('_', ' ')}"
    wrong = [f"{a.name}: {REASONS[a.reason]} ({a.credit:.2f})" for a in pair.arguments if not a.equal]
    return head + (f"; {'; '.join(wrong)}" if wrong else "")
