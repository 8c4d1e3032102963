"""The worked cases of whole compositions: totals written by hand, the card's inversion among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlvr.rewards import score

CASES = Path(__file__).resolve().parents[2] / "rewards" / "cases"
TOOLS = json.loads((CASES / "tools.json").read_text(encoding="utf-8"))
ALL = [json.loads(line) for line in (CASES / "compositions.jsonl").read_text(encoding="utf-8").splitlines()]
KEYS = {"id", "composition", "stage", "lang", "completion", "tools", "ground_truth", "right", "total", "why"}


@pytest.mark.parametrize("case", ALL, ids=lambda c: c["id"])
def test_a_composition_pays_the_total_worked_out_by_hand(case: dict[str, Any]) -> None:
    assert set(case) - {"expects"} == KEYS
    breakdown = score(
        case["completion"],
        tools=TOOLS[case["tools"]],
        ground_truth=case["ground_truth"],
        composition=case["composition"],
        stage=case["stage"],
        expects=case.get("expects", "any"),
        lang=case["lang"],
    )
    assert breakdown.total == pytest.approx(case["total"], abs=1e-9), case["why"]
    assert breakdown.right is case["right"]


def test_the_cases_show_the_cards_inversion_and_that_ours_has_none() -> None:
    totals = {c["id"]: c["total"] for c in ALL}
    assert len(totals) == len(ALL) >= 16
    assert totals["card-wrong-direct"] > totals["card-right-reasoned"]
    assert totals["card-hallucinated"] > totals["card-refusal-reasoned"]
    assert totals["gated-wrong-direct"] < totals["gated-right-reasoned"]
    assert totals["gated-hallucinated"] < totals["gated-refusal-reasoned"]
    assert {c["composition"] for c in ALL} == {
        "function_calling",
        "function_calling_card",
        "function_calling_gdpo",
        "function_calling_reasoning",
    }
    assert {c["lang"] for c in ALL} == {"en", "vi", "zh"}
