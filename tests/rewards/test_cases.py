"""The worked cases under rewards/cases: scores written by hand, held against the code."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rlvr.rewards.components import COMPONENTS
from rlvr.rewards.context import build_context
from rlvr.rewards.parsing import parse_completion

CASES = Path(__file__).resolve().parents[2] / "rewards" / "cases"
TOOLS = json.loads((CASES / "tools.json").read_text(encoding="utf-8"))
KINDS = {"full", "part", "zero", "near_miss", "exploit"}
KEYS = {"id", "kind", "lang", "completion", "tools", "ground_truth", "score", "why"}
OPTIONAL = {"expects", "truncated", "reasoning_opened", "params"}


def load(component: str) -> list[dict[str, Any]]:
    lines = (CASES / f"{component}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


ALL = [(name, case) for name in COMPONENTS for case in load(name)]


@pytest.mark.parametrize(("component", "case"), ALL, ids=[f"{n}-{c['id']}" for n, c in ALL])
def test_a_case_earns_the_score_worked_out_by_hand(component: str, case: dict[str, Any]) -> None:
    spec = COMPONENTS[component]
    parsed = parse_completion(
        case["completion"],
        truncated=case.get("truncated", False),
        reasoning_opened=case.get("reasoning_opened", False),
    )
    tools = TOOLS[case["tools"]] if isinstance(case["tools"], str) else case["tools"]
    context = build_context(tools, case["ground_truth"], expects=case.get("expects"), lang=case["lang"])
    got = spec.score(parsed, context, spec.params_type(**case.get("params", {})))
    assert got == (None if case["score"] is None else pytest.approx(case["score"], abs=1e-9)), case["why"]


@pytest.mark.parametrize("component", list(COMPONENTS))
def test_each_component_has_cases_of_every_kind_and_language(component: str) -> None:
    cases = load(component)
    assert len(cases) >= 15
    assert {c["kind"] for c in cases} == KINDS
    assert {c["lang"] for c in cases} == {"en", "vi", "zh"}
    assert all(count == 1 for count in Counter(c["id"] for c in cases).values())
    for case in cases:
        assert set(case) >= KEYS
        assert not set(case) - KEYS - OPTIONAL
        assert len(case["why"]) > 10


def test_the_rewards_folder_holds_no_python() -> None:
    found = [p for p in CASES.parent.rglob("*") if p.is_file()]
    assert found
    assert not [p for p in found if p.suffix in {".py", ".pyc", ".ipynb"}]
