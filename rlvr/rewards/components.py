"""The register of reward components: a name, its parameters, its function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlvr.rewards.context import Context
from rlvr.rewards.correctness import CorrectnessParams, score_correctness
from rlvr.rewards.efficiency import EfficiencyParams, score_efficiency
from rlvr.rewards.format import FormatParams, score_format
from rlvr.rewards.refusal import RefusalParams, score_refusal
from rlvr.types import ParsedCompletion

Params = FormatParams | CorrectnessParams | RefusalParams | EfficiencyParams


@dataclass(frozen=True, slots=True)
class Component:
    """A kind of score: `score(parsed, context, params)` with `params` an instance of `params_type`."""

    name: str
    params_type: type[Params]
    score: Callable[[ParsedCompletion, Context, Any], float | None]


COMPONENTS: Mapping[str, Component] = {
    c.name: c
    for c in (
        Component("format", FormatParams, score_format),
        Component("correctness", CorrectnessParams, score_correctness),
        Component("refusal", RefusalParams, score_refusal),
        Component("efficiency", EfficiencyParams, score_efficiency),
    )
}
"""Every component, in the order in which breakdowns and logs show them."""
