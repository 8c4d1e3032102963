"""Worked cases of every format: what a completion is, written by hand, held against the parser."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rlvr.parsers import PARSERS, get_parser
from rlvr.tools import normalise_tools
from rlvr.types import Outcome

CASES = Path(__file__).parent / "cases"
TOOLS = normalise_tools((CASES / "tools.json").read_text(encoding="utf-8"))
KEYS = {"id", "text", "outcome", "calls", "faults", "outside"}
FAULTS = {None, "unclosed", "bare", "json", "shape", "stray"}


def load(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


ALL = [(name, case) for name in PARSERS for case in load(name)]


@pytest.mark.parametrize(("name", "case"), ALL, ids=[f"{n}-{c['id']}" for n, c in ALL])
def test_a_completion_is_what_its_case_says(name: str, case: dict[str, Any]) -> None:
    parsed = get_parser(name).parse(case["text"], reasoning_opened=case.get("opened", False), tools=TOOLS)
    assert [[c.name, c.arguments] for c in parsed.calls] == case["calls"]
    assert json.dumps([c.arguments for c in parsed.calls]) == json.dumps([a for _, a in case["calls"]])  # 1 is no true
    assert [a.fault for a in parsed.attempts] == case["faults"]
    assert str(parsed.outcome) == case["outcome"]
    assert parsed.reasoning == case.get("reasoning", "")
    if case["outside"] is not None:
        assert parsed.text == case["outside"]


@pytest.mark.parametrize("name", list(PARSERS))
def test_every_format_has_cases_of_every_outcome(name: str) -> None:
    cases = load(name)
    assert len(cases) >= 25
    assert {c["outcome"] for c in cases} == set(Outcome)
    assert {f for c in cases for f in c["faults"]} >= FAULTS - {"stray", "shape"}  # some formats have no such thing
    assert all(count == 1 for count in Counter(c["id"] for c in cases).values())
    for case in cases:
        assert set(case) >= KEYS
        assert not set(case) - KEYS - {"reasoning", "opened"}


def test_all_files_of_cases_are_run() -> None:
    assert {p.stem for p in CASES.glob("*.jsonl")} == set(PARSERS)
