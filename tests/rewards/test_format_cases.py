"""The worked cases of the formats beside Hermes, under rewards/cases/formats_*.jsonl: every component, by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rlvr.parsers import PARSERS
from rlvr.rewards.components import COMPONENTS
from rlvr.rewards.context import build_context
from rlvr.rewards.parsing import parse_completion

CASES = Path(__file__).resolve().parents[2] / "rewards" / "cases"
TOOLS = json.loads((CASES / "tools.json").read_text(encoding="utf-8"))
KINDS = {"full", "part", "zero", "near_miss", "exploit"}
KEYS = {"id", "component", "kind", "lang", "completion", "tools", "ground_truth", "score", "why"}
OPTIONAL = {"expects", "params"}
FORMATS = [name for name in PARSERS if name != "hermes"]  # Hermes is what cases/<component>.jsonl is written in


def load(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / f"formats_{name}.jsonl").read_text(encoding="utf-8").splitlines()]


ALL = [(name, case) for name in FORMATS for case in load(name)]


@pytest.mark.parametrize(("name", "case"), ALL, ids=[f"{n}-{c['id']}" for n, c in ALL])
def test_a_case_earns_the_score_worked_out_by_hand(name: str, case: dict[str, Any]) -> None:
    spec = COMPONENTS[case["component"]]
    context = build_context(TOOLS[case["tools"]], case["ground_truth"], expects=case.get("expects"), lang=case["lang"])
    parsed = parse_completion(case["completion"], name, tools=context.tools)
    got = spec.score(parsed, context, spec.params_type(**case.get("params", {})))
    assert got == pytest.approx(case["score"], abs=1e-9), case["why"]


@pytest.mark.parametrize("name", FORMATS)
def test_each_component_has_cases_of_every_kind_in_every_format(name: str) -> None:
    cases = load(name)
    for component in COMPONENTS:
        assert {c["kind"] for c in cases if c["component"] == component} == KINDS, component
    assert {c["lang"] for c in cases} == {"en", "vi", "zh"}
    assert all(count == 1 for count in Counter(c["id"] for c in cases).values())
    for case in cases:
        assert set(case) >= KEYS
        assert not set(case) - KEYS - OPTIONAL
        assert len(case["why"]) > 10


def test_there_are_a_hundred_and_fifty_cases_and_more_over_all_formats() -> None:
    hermes = [len((CASES / f"{c}.jsonl").read_text(encoding="utf-8").splitlines()) for c in COMPONENTS]
    assert {p.stem.removeprefix("formats_") for p in CASES.glob("formats_*.jsonl")} == set(FORMATS)
    assert len(ALL) >= 150
    assert len(ALL) + sum(hermes) >= 300
