"""The reasoning and the GDPO composition: the laws of the shipped stages, and what GDPO makes of them."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.parsers import get_parser
from rlvr.rewards import Breakdown, Composition, EfficiencyParams, build_context, load_composition
from rlvr.rewards.parsing import parse_completion
from rlvr.rewards.score import break_down
from rlvr.types import ToolCall

_SPEC = importlib.util.spec_from_file_location("rewards_strategies", Path(__file__).with_name("strategies.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
s = sys.modules.get("rewards_strategies") or importlib.util.module_from_spec(_SPEC)
if "rewards_strategies" not in sys.modules:
    sys.modules["rewards_strategies"] = s
    _SPEC.loader.exec_module(s)

NAMES = ("function_calling_reasoning", "function_calling_gdpo")
SHIPPED = [load_composition(name, stage) for name in NAMES for stage in ("stage1", "stage2")]
GDPO = [c for c in SHIPPED if c.name == "function_calling_gdpo"]
CARD = load_composition("function_calling_card", "stage2")
MARGIN = 0.1
shipped = pytest.mark.parametrize("composition", SHIPPED, ids=lambda c: f"{c.name}-{c.stage}")
gdpo = pytest.mark.parametrize("composition", GDPO, ids=lambda c: c.stage)


def break_(text: str, example: dict[str, Any], composition: Composition, truncated: bool = False) -> Breakdown:
    return break_down(parse_completion(text, truncated=truncated), build_context(**example), composition)


def gold_text(example: dict[str, Any]) -> str:
    if not example["ground_truth"]:
        return str(s.right_words(example))
    return get_parser("hermes").render([ToolCall(c["name"], c["arguments"]) for c in example["ground_truth"]])


def drawn_group(data: Any, example: Any, composition: Composition, least: int = 2) -> list[Breakdown]:
    drawn = data.draw(st.lists(s.completions(example), min_size=least, max_size=8))
    long_thought = "<think>" + "So I look at it again. " * data.draw(st.sampled_from([1, 180, 400])) + "</think>"
    drawn += [(gold_text(example), False), (long_thought + gold_text(example), False)]
    return [break_(text, example, composition, cut) for text, cut in drawn]


@shipped
@given(data=st.data(), example=s.examples())
@settings(max_examples=80)
def test_every_right_completion_beats_every_wrong_one(composition: Composition, data: Any, example: Any) -> None:
    made = drawn_group(data, example, composition)
    wrong = [b.total for b in made if not b.right]
    if wrong:
        assert min(b.total for b in made if b.right) >= max(wrong) + MARGIN - 1e-9


@shipped
@given(data=st.data(), example=s.examples())
@settings(max_examples=60)
def test_the_ground_truth_earns_the_maximum(composition: Composition, data: Any, example: Any) -> None:
    best = break_(gold_text(example), example, composition)
    for b in drawn_group(data, example, composition):
        assert math.isfinite(b.total)
        assert b.total <= best.total + 1e-9
        if not b.right:
            assert b.total < best.total


def wrong_beside_right(group: list[Breakdown]) -> list[tuple[str, float, float]]:
    """Components that alone put a wrong completion above a right one."""
    out = []
    for name in ("format", "correctness", "refusal", "efficiency"):
        right = [b.scores[name] for b in group if b.right and b.scores[name] is not None]
        wrong = [b.scores[name] for b in group if not b.right and b.scores[name] is not None]
        if right and wrong and min(right) < max(wrong):
            out.append((name, min(right), max(wrong)))
    return out


@gdpo
@given(data=st.data(), example=s.examples())
@settings(max_examples=120)
def test_no_component_alone_puts_a_wrong_completion_above_a_right_one(
    composition: Composition, data: Any, example: Any
) -> None:
    """What GDPO needs: it normalises each component by itself, so a sum cannot mend an order that one turns round."""
    assert wrong_beside_right(drawn_group(data, example, composition)) == []


@gdpo
@given(data=st.data(), example=s.examples())
@settings(max_examples=120)
def test_gdpo_puts_every_right_completion_above_every_wrong_one(
    composition: Composition, data: Any, example: Any
) -> None:
    made = drawn_group(data, example, composition)
    advantages = normalise_then_sum([b.scores for b in made], composition)
    right = [a for a, b in zip(advantages, made, strict=True) if b.right]
    wrong = [a for a, b in zip(advantages, made, strict=True) if not b.right]
    if wrong:
        assert min(right) > max(wrong)


def test_the_cards_weights_are_turned_round_by_gdpo() -> None:
    """Worked by hand: a group of a right call that reasoned, and seven wrong direct ones.

    correctness z: 1 right (+2.475 = 0.875 / 0.35355), 7 wrong; efficiency the other way round, with twice the weight.
    """
    example = {"tools": s.TOOLS, "ground_truth": [{"name": "get_weather", "arguments": {"city": "Paris 15"}}]}
    right = "<think>Hm.</think>" + gold_text(example)
    wrong = s.markup({"name": "book_hotel", "arguments": {"city": "Paris 15"}})
    made = [break_(text, example, CARD) for text in (right, *[wrong] * 7)]
    advantages = normalise_then_sum([b.scores for b in made], CARD)
    assert advantages[0] == pytest.approx((0.5 - 1.0) * 0.875 / 0.35355, rel=1e-3)
    assert advantages[0] < min(advantages[1:])
    ours = [break_(text, example, GDPO[1]) for text in (right, *[wrong] * 7)]
    turned = normalise_then_sum([b.scores for b in ours], GDPO[1])
    assert turned[0] > max(turned[1:])


def test_a_component_of_narrow_range_counts_as_much_as_a_wide_one() -> None:
    """Why the weights differ: 0.1 of efficiency among right completions is a whole advantage under GDPO."""
    example = {"tools": s.TOOLS, "ground_truth": [{"name": "get_weather", "arguments": {"city": "Paris 15"}}]}
    texts = [gold_text(example), "This is a rather long sentence.\n" + gold_text(example)]
    for composition, share in ((GDPO[0], 0.1), (GDPO[1], 0.5)):
        made = [break_(t, example, composition) for t in texts]
        advantages = normalise_then_sum([b.scores for b in made], composition)
        assert advantages[0] - advantages[1] == pytest.approx(share * 2 * 0.7071, rel=2e-3)


def test_weights_of_calling_and_refusing_groups_are_the_same() -> None:
    for composition in GDPO:
        assert composition.component("correctness").weight == composition.component("refusal").weight
        params = composition.component("efficiency").params
        assert isinstance(params, EfficiencyParams)
        assert params.gated


@pytest.mark.parametrize(
    ("characters", "penalty"), [(0, 0.0), (4_000, 0.0), (4_001, 0.1), (5_000, 0.1), (5_001, 0.2), (90_000, 0.5)]
)
def test_reasoning_is_free_within_its_budget_and_then_costs_by_steps(characters: int, penalty: float) -> None:
    composition = load_composition("function_calling_reasoning", "stage2")
    example = {"tools": s.TOOLS, "ground_truth": [{"name": "get_weather", "arguments": {"city": "Paris 15"}}]}
    b = break_(f"<think>{'x' * characters}</think>" + gold_text(example), example, composition)
    assert b.right
    assert b.efficiency == pytest.approx(-penalty if penalty else 0.1)


def test_a_budget_of_tokens_is_the_same_for_a_language_of_long_letters() -> None:
    composition = load_composition("function_calling_reasoning", "stage2")
    example = {"tools": s.TOOLS, "ground_truth": [{"name": "get_weather", "arguments": {"city": "Paris 15"}}]}
    for thought, penalty in (("想" * 1_333, 0.0), ("想" * 1_334, 0.1), ("ế" * 1_334, 0.1), ("x" * 4_000, 0.0)):
        b = break_(f"<think>{thought}</think>" + gold_text(example), example, composition)
        assert b.efficiency == pytest.approx(-penalty if penalty else 0.1)


@pytest.mark.parametrize("bad", [{"free_reasoning_tokens": -1}, {"reasoning_step_tokens": -1}])
def test_a_budget_is_no_negative_number(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be 0 or more"):
        EfficiencyParams(**bad)


def normalise_then_sum(scores: list[dict[str, float | None]], composition: Composition) -> list[float]:
    """GDPO's rewards of one group, as TRL 1.16 has them before the batch is normalised, which changes no order.

    Each component less its mean over its standard deviation (n - 1) plus 1e-4; `None` counts as nothing.
    """
    totals = [0.0] * len(scores)
    for spec in composition.components:
        values = [row[spec.name] for row in scores]
        known = [v for v in values if v is not None]
        if not known:
            continue
        mean = math.fsum(known) / len(known)
        spread = math.sqrt(math.fsum((v - mean) ** 2 for v in known) / (len(known) - 1)) if len(known) > 1 else 0.0
        for i, value in enumerate(values):
            if value is not None:
                totals[i] += spec.weight * (value - mean) / (spread + 1e-4)
    return totals
