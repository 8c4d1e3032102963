"""From which share of refusals refusing everything pays, for a model that cannot tell: docs/training.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rlvr.rewards import score

DOCS = Path(__file__).resolve().parents[2] / "docs" / "training.md"
PARAMETERS = {"city": {"type": "string"}, "days": {"type": "integer"}}
TOOLS = [
    {"name": "get_weather", "parameters": {"type": "object", "properties": PARAMETERS, "required": ["city", "days"]}}
]
WANTED = [{"name": "get_weather", "arguments": {"city": "Hanoi", "days": 3}}]
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Hanoi", "days": DAYS}}\n</tool_call>'
REFUSAL = "Sorry, I can't do that with the tools I have."


def total(completion: str, stage: str, wants_call: bool) -> float:
    return score(
        completion,
        tools=TOOLS,
        ground_truth=WANTED if wants_call else [],
        expects=None if wants_call else "refuse",
        lang="en",
        composition="function_calling",
        stage=stage,
    ).total


def break_even(stage: str, p: float) -> float:
    right, wrong = (total(CALL.replace("DAYS", days), stage, True) for days in "34")
    calling = p * right + (1 - p) * wrong - total(REFUSAL, stage, True)
    refusing = total(REFUSAL, stage, False) - total(CALL.replace("DAYS", "3"), stage, False)
    return calling / (calling + refusing)


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_the_table_in_the_docs_is_what_the_composition_gives(stage: str) -> None:
    text = DOCS.read_text(encoding="utf-8")
    header = re.search(r"\| composition and stage \| p = (.+) \|", text)
    row = re.search(rf"\| `function_calling`, stage {stage[-1]} \| (.+) \|", text)
    assert header
    assert row
    shown = {float(p): float(s) for p, s in zip(header[1].split(" | "), row[1].split(" | "), strict=True)}
    assert len(shown) == 5
    for p, share in shown.items():
        assert break_even(stage, p) == pytest.approx(share, abs=0.0051), p


def test_the_gate_lowers_it() -> None:
    assert all(break_even("stage2", p) < break_even("stage1", p) - 0.1 for p in (0.1, 0.25, 0.5, 0.75, 0.9))
