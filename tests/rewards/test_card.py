"""The reference card's stage 2 is inverted; ours is not. The numbers of DESIGN.md, worked out."""

from __future__ import annotations

from typing import Any

import pytest

from rlvr.rewards import Breakdown, score

REFUSAL = "I'm sorry, I can't order a pizza."
THINK = "<think>Which tool fits?</think>\n"


def completions(call: Any, gold: Any, weather: Any, composition: str) -> dict[str, Breakdown]:
    wanted = [gold("get_weather", city="Paris")]

    def of(text: str, ground_truth: list[Any]) -> Breakdown:
        return score(
            text,
            tools=[weather],
            ground_truth=ground_truth,
            expects="any" if ground_truth else "refuse",
            lang="en",
            composition=composition,
            stage="stage2",
        )

    return {
        "right, reasoned": of(THINK + call("get_weather", city="Paris"), wanted),
        "wrong, direct": of(call("get_weather", city="Oslo"), wanted),
        "refusal, reasoned": of(THINK + REFUSAL, []),
        "hallucinated": of(call("get_weather", city="Paris"), []),
    }


def test_the_cards_stage_2_is_inverted(call: Any, gold: Any, weather: Any) -> None:
    b = completions(call, gold, weather, "function_calling_card")
    assert b["right, reasoned"].total == pytest.approx(0.1 * 1 + 0.5 * 1 + 1.0 * -1.0)
    assert b["right, reasoned"].total == pytest.approx(-0.4)
    assert b["wrong, direct"].total == pytest.approx(0.1 * 1 + 0.5 * 0 + 1.0 * 0.1)
    assert b["wrong, direct"].total == pytest.approx(0.2)
    assert b["refusal, reasoned"].total == pytest.approx(0.1 * 1 + 0.3 * 1 + 1.0 * -1.0)
    assert b["refusal, reasoned"].total == pytest.approx(-0.6)
    assert b["hallucinated"].total == pytest.approx(0.1 * 0 + 0.3 * -1 + 1.0 * 0.1)
    assert b["hallucinated"].total == pytest.approx(-0.2)
    assert b["wrong, direct"].total > b["right, reasoned"].total
    assert b["hallucinated"].total > b["refusal, reasoned"].total


def test_the_gate_puts_it_right(call: Any, gold: Any, weather: Any) -> None:
    b = completions(call, gold, weather, "function_calling")
    assert b["right, reasoned"].total == pytest.approx(-0.4)
    assert b["wrong, direct"].total == pytest.approx(0.1 - 1.0)
    assert b["refusal, reasoned"].total == pytest.approx(-0.6)
    assert b["hallucinated"].total == pytest.approx(-0.3 - 1.0)
