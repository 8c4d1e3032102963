"""A frozen sample of the official checker's verdicts, on rows of our own in BFCL's form.

`official/rows.jsonl` was written by hand: questions and possible answers with nested alternatives, optional arguments,
every type word of the benchmark, and what the official code trips over. `official/verdicts.jsonl` holds calls mutated
from them with the verdicts of bfcl-eval 2026.3.23 (`benchmarks/against_bfcl.py --freeze` wrote it; `valid` is null
where the official code raised). The benchmark compares some 118,000 on the real rows.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.sources.bfcl import to_example
from rlvr.parsers import get_parser
from rlvr.rewards import Context, judge, match_calls
from rlvr.types import Example, ToolCall

FOLDER = Path(__file__).with_name("official")
BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


RAW = {row["question"]["id"]: row for row in lines("rows.jsonl")}
EXAMPLES = {key: to_example(row["question"], row["answer"]) for key, row in RAW.items()}
NO_VERDICT = "simple_python_9024"
"""An array whose schema does not say what its items are: the official code raises whatever is given. Such schemas are
common elsewhere, so here the items are compared as they stand."""
ALL_VERDICTS = lines("verdicts.jsonl")
VERDICTS = [case for case in ALL_VERDICTS if case["valid"] is not None or case["id"] != NO_VERDICT]


def match(case: dict[str, Any], mode: str) -> Any:
    example = EXAMPLES[case["id"]]
    calls = [ToolCall(c["name"], c["arguments"]) for c in case["calls"]]
    return match_calls(calls, example.ground_truth, {t.name: t for t in example.tools}, mode)


@pytest.fixture(scope="module")
def evidence() -> Iterator[Any]:
    """The benchmark's own look at a raw row, which uses no code of the library's matcher."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("bfcl_mutations.evidence")
    finally:
        sys.path.remove(str(BENCHMARKS))


def row_of(key: str) -> Any:
    official = importlib.import_module("bfcl_mutations.official")
    return official.Row(key, key, RAW[key]["question"], RAW[key]["answer"])


def test_the_sample_is_wide() -> None:
    assert len(VERDICTS) >= 400
    kinds = Counter(case["kind"] for case in VERDICTS)
    assert len(kinds) >= 100
    assert {EXAMPLES[case["id"]].meta["suite_category"] for case in VERDICTS} == {
        "simple_python", "multiple", "parallel", "parallel_multiple",
        "live_simple", "live_multiple", "live_parallel", "live_parallel_multiple",
    }  # fmt: skip
    outcomes = Counter(case["valid"] for case in VERDICTS)
    assert min(outcomes[True], outcomes[False]) >= 150
    assert outcomes[None] >= 1


@pytest.mark.parametrize("key", list(EXAMPLES))
def test_bfcl_gives_the_official_verdict(key: str) -> None:
    cases = [case for case in VERDICTS if case["id"] == key]
    assert cases
    for case in cases:
        assert match(case, "bfcl").matched == (case["valid"] is True), case


def test_an_array_without_items_is_compared_where_the_official_code_raises() -> None:
    cases = [case for case in ALL_VERDICTS if case["id"] == NO_VERDICT and case["valid"] is None]
    assert cases
    assert {case["error"] for case in cases} == {"raised KeyError"}
    right = {"id": NO_VERDICT, "calls": [{"name": "no_items", "arguments": {"xs": [1, 2], "n": 3}}]}
    assert match(right, "bfcl").matched
    assert not match({**right, "calls": [{"name": "no_items", "arguments": {"xs": [2, 1]}}]}, "bfcl").matched


def test_the_same_through_text() -> None:
    hermes = get_parser("hermes")
    for case in VERDICTS:
        calls = [ToolCall(c["name"], c["arguments"]) for c in case["calls"]]
        verdict = judge(hermes.parse(hermes.render(calls)), Context.of(EXAMPLES[case["id"]], "bfcl"))
        assert verdict.right == (case["valid"] is True), case


def test_typed_differs_by_named_rules_alone_and_the_row_bears_them_out(evidence: Any) -> None:
    felt: set[str] = set()
    for case in VERDICTS:
        typed = match(case, "typed")
        if typed.matched == (case["valid"] is True):
            continue
        assert typed.rules, case
        assert evidence.unsupported(typed.rules, row_of(case["id"]), case["calls"]) == [], (typed.rules, case)
        felt |= set(typed.rules)
    assert len(felt) >= 15, felt


def test_the_possible_answers_are_matched_under_every_other_mode() -> None:
    for key, example in EXAMPLES.items():
        calls = [call.canonical() for call in example.ground_truth]
        for mode in ("typed", "exact"):
            assert match_calls(calls, example.ground_truth, {t.name: t for t in example.tools}, mode).matched, key


def to_answer(example: Example) -> list[dict[str, dict[str, list[Any]]]]:
    """The possible answers of an example, back in BFCL's form, the mark at the end of its list."""
    from rlvr.rewards.matching.bfcl import possible_answer

    tools = {t.name: t for t in example.tools}
    return [{call.name: possible_answer(call, tools.get(call.name))} for call in example.ground_truth]


def marks_last(value: Any) -> Any:
    """Lists of accepted values with the mark moved to their end, at every depth; nothing else is touched."""
    if isinstance(value, dict):
        return {k: marks_last(v) for k, v in value.items()}
    if isinstance(value, list):
        return [marks_last(v) for v in value if v != ""] + [v for v in value if v == ""]
    return value


@pytest.mark.parametrize("key", list(EXAMPLES))
def test_possible_answers_come_back_as_they_were(key: str) -> None:
    assert marks_last(to_answer(EXAMPLES[key])) == marks_last(RAW[key]["answer"]["ground_truth"])
