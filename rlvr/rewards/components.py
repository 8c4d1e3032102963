"""The register of reward components: a name, its parameters, its function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlvr.rewards.context import Context
from rlvr.rewards.correctness import CorrectnessParams, correctness_of, score_correctness
from rlvr.rewards.efficiency import EfficiencyParams, efficiency_of, score_efficiency
from rlvr.rewards.format import FormatParams, format_of, score_format
from rlvr.rewards.judge import Sample
from rlvr.rewards.refusal import RefusalParams, refusal_of, score_refusal
from rlvr.types import ParsedCompletion

Params = FormatParams | CorrectnessParams | RefusalParams | EfficiencyParams


@dataclass(frozen=True, slots=True)
class Component:
    """A kind of score: `score(parsed, context, params)` with `params` an instance of `params_type`.

    `of(sample, params)` is the same for a sample that several components share.
    """

    name: str
    params_type: type[Params]
    score: Callable[[ParsedCompletion, Context, Any], float | None]
    of: Callable[[Sample, Any], float | None]


COMPONENTS: Mapping[str, Component] = {
    c.name: c
    for c in (
        Component("format", FormatParams, score_format, format_of),
        Component("correctness", CorrectnessParams, score_correctness, correctness_of),
        Component("refusal", RefusalParams, score_refusal, refusal_of),
        Component("efficiency", EfficiencyParams, score_efficiency, efficiency_of),
    )
}
"""Every component, in the order in which breakdowns and logs show them."""
