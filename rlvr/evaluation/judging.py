"""One generation of one example → its record. The verdict is the matcher's; the reward scores stand beside it."""

from __future__ import annotations

from functools import lru_cache

from rlvr.evaluation.records import EvalRecord
from rlvr.rewards import Composition, Context, load_composition
from rlvr.rewards.parsing import parse_completion
from rlvr.rewards.score import break_down
from rlvr.types import Example, Outcome

COMPOSITION = "function_calling"


def judge_generation(
    example: Example,
    completion: str,
    *,
    model: str,
    completion_tokens: int,
    prompt_tokens: int,
    truncated: bool,
    parser: str = "hermes",
    matching: str = "typed",
    reasoning_opened: bool = False,
) -> EvalRecord:
    """Parse and judge one completion: `right` is the strict verdict under `matching`.

    A false call is a call, or an attempt at one, where none is wanted. The scores are stage 1's, unweighted.
    """
    context = Context.of(example, matching)
    parsed = parse_completion(
        completion, parser, truncated=truncated, reasoning_opened=reasoning_opened, tools=context.tools
    )
    breakdown = break_down(parsed, context, _composition())
    outcome, verdict, wants_call = breakdown.outcome, breakdown.verdict, bool(example.ground_truth)
    return EvalRecord(
        model=model,
        id=example.id,
        category=example.category,
        lang=example.lang,
        wants_call=wants_call,
        completion=completion,
        completion_tokens=completion_tokens,
        prompt_tokens=prompt_tokens,
        outcome=outcome.value,
        truncated=truncated,
        right=verdict.right,
        abstained=verdict.abstained,
        false_call=not wants_call and outcome in (Outcome.CALLS, Outcome.MALFORMED),
        malformed=outcome is Outcome.MALFORMED,
        matching=matching,
        reason=verdict.reason,
        scores=breakdown.scores,
    )


@lru_cache(maxsize=1)
def _composition() -> Composition:
    """Stage 1 of the shipped composition: its components' scores do not depend on its weights."""
    return load_composition(COMPOSITION, "stage1")
