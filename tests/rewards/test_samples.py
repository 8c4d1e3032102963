"""Scores of a batch are made without a parsed completion where a shortcut can: they are those of the long way."""

from __future__ import annotations

import importlib.util
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.parsers import get_parser
from rlvr.rewards import RewardComponent, build_context, judge, load_composition
from rlvr.rewards.columns import batch_samples
from rlvr.rewards.judge import Sample
from rlvr.rewards.matching import compare_calls, match_calls
from rlvr.rewards.matching.values import wanted_value
from rlvr.rewards.score import break_down
from rlvr.types import CallAttempt, GoldCall, Outcome, ParsedCompletion, Tool, ToolCall, gold_value_from_json

_SPEC = importlib.util.spec_from_file_location("rewards_strategies", Path(__file__).with_name("strategies.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
s = importlib.util.module_from_spec(_SPEC)
sys.modules["rewards_strategies"] = s
_SPEC.loader.exec_module(s)

STAGES = [load_composition("function_calling", stage=stage) for stage in ("stage1", "stage2")]


@given(data=st.data(), example=s.examples(), mode=st.sampled_from(["typed", "bfcl", "exact"]))
@settings(max_examples=50)
def test_a_batch_scores_as_one_completion_does(data: Any, example: Any, mode: str) -> None:
    made = data.draw(st.lists(s.completions(example), min_size=1, max_size=4))
    texts, cut = [text for text, _ in made], [truncated for _, truncated in made]
    columns = {k: [example[k]] * len(made) for k in ("expects", "lang")}
    columns |= {k: [json.dumps(example[k])] * len(made) for k in ("tools", "ground_truth")}
    context = build_context(**{k: example[k] for k in ("tools", "ground_truth", "expects", "lang")}, matching=mode)
    for composition in STAGES:
        spec = {c.name: c for c in composition.components}
        parsed = [get_parser("hermes").parse(t, truncated=c) for t, c in made]
        alone = [break_down(p, context, composition).scores for p in parsed]
        for function in composition.reward_functions():
            batch = RewardComponent(function.__name__, spec[function.__name__].params, mode)
            assert batch(texts, truncated=cut, **columns) == [scores[function.__name__] for scores in alone]


@given(data=st.data(), example=s.examples(), mode=st.sampled_from(["typed", "bfcl", "exact"]))
def test_a_sample_is_right_where_the_verdict_says_so(data: Any, example: Any, mode: str) -> None:
    context = build_context(**{k: example[k] for k in ("tools", "ground_truth", "expects", "lang")}, matching=mode)
    text, cut = data.draw(s.completions(example))
    parsed = get_parser("hermes").parse(text, truncated=cut)
    verdict, sample = judge(parsed, context), Sample.of(parsed, context)
    assert sample.right == verdict.right
    assert (sample.attempted, sample.outcome, sample.text) == (len(parsed.attempts), parsed.outcome, parsed.text)
    if verdict.match is not None:
        assert sample.compared == (verdict.match.matched, verdict.match.credit)


def test_a_call_that_completions_share_is_read_once_and_judged_beside_its_own_example() -> None:
    def tool(kind: str) -> str:
        return json.dumps([{"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": kind}}}}])

    def gold(*values: Any) -> str:
        return json.dumps([{"name": "f", "arguments": {"a": v}} for v in values])

    def text(*values: Any) -> str:
        return get_parser("hermes").render([ToolCall("f", {"a": v}) for v in values])

    rows = [  # completion, tools, ground truth; format, correctness
        (text(1), tool("integer"), gold(1), 1.0, 1.0),
        (text(1, 2), tool("integer"), gold(1), 1.0, 0.25),
        (text(1), tool("integer"), gold(2), 1.0, 0.0),
        (text(2, 1), tool("integer"), gold(1, 2), 1.0, 1.0),
        (text(1, 1), tool("integer"), gold(1, 2), 1.0, 0.25),
        (text(1), tool("string"), gold("x"), 0.8, 0.0),
        (text(1), "[]", "[]", 0.0, None),
        (text(1), tool("integer"), gold(1), 1.0, 1.0),
    ]
    completions, tools, truth, formats, rights = map(list, zip(*rows, strict=True))
    columns = {"tools": tools, "ground_truth": truth}
    spec = {c.name: c for c in STAGES[0].components}
    for name, scores in (("format", formats), ("correctness", rights)):
        assert RewardComponent(name, spec[name].params)(completions, **columns) == scores
    samples = batch_samples(completions, tools, truth, "hermes", "typed", {})
    assert samples[0].calls[0] is samples[1].calls[0]
    assert samples[4].calls[0] is samples[4].calls[1]
    assert samples[1].calls[0] is not samples[2].calls[0]


def test_a_faulty_attempt_that_holds_a_call_all_the_same_is_graded_by_its_fault() -> None:
    tool = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    attempt = CallAttempt("…", ToolCall("f", {}), "bare")
    sample = Sample.of(ParsedCompletion(Outcome.MALFORMED, (attempt,)), build_context([tool], [{"name": "f"}]))
    assert (sample.attempted, sample.faults, sample.right) == (1, ["bare"], False)


def test_a_context_can_be_sent_elsewhere_after_it_was_used() -> None:
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}}}
    context = build_context([tool], [{"name": "f", "arguments": {"a": "x"}}])
    text = '<tool_call>\n{"name": "f", "arguments": {"a": "x"}}\n</tool_call>'
    parsed = get_parser("hermes").parse(text)
    before = break_down(parsed, context, STAGES[1])
    again = pickle.loads(pickle.dumps(before))
    assert again.context == context
    assert break_down(parsed, again.context, STAGES[1]).scores == before.scores


# Values that are near one another: equal in some form, of another type, or with a part that differs.
SCHEMAS: list[dict[str, Any]] = [
    {}, {"type": "string"}, {"type": "string", "enum": ["Hanoi", "Paris"]}, {"type": "integer"}, {"type": "number"},
    {"type": "boolean"}, {"type": "array", "items": {"type": "string"}}, {"type": ["string", "null"]},
    {"type": "string", "default": "Paris"}, {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "string", "default": "x"}}},
]  # fmt: skip
VALUES: list[Any] = [
    "Hanoi", "hanoi", "Ha noi", "Hanoy", "Paris", "", " ", ".", "it's", "user_1", "1.5", "15", "臺北", "台北",
    "a.b@c.de",
    "San Francisco", "San Fransisco", "x" * 130, "ﬁne", "fine", 0, 1, 1.0, 1.5, -1, 10**30, True, False, None, [],
    ["Hanoi"],
    ["hanoi"], ["Hanoi", "Paris"], [1, "a"], {}, {"a": 1}, {"a": 1.0, "b": "x"}, {"a": True}, {"b": "X"}, {"c": 1},
]  # fmt: skip
one_of = st.builds(
    lambda values, optional: {"$one_of": values, "$optional": optional},
    st.lists(st.sampled_from(VALUES), max_size=3),
    st.booleans(),
).filter(lambda v: v["$one_of"] or v["$optional"])
NAMES = ("p", "q")
arguments = st.dictionaries(st.sampled_from((*NAMES, "unknown")), st.sampled_from(VALUES), max_size=3)
wanted = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES) | one_of, max_size=2)


@given(
    schemas=st.lists(st.sampled_from(SCHEMAS), min_size=2, max_size=2),
    required=st.sets(st.sampled_from(NAMES)),
    gold=st.lists(wanted, min_size=1, max_size=3),
    given_=st.lists(arguments, max_size=4),
)
@settings(max_examples=250)
def test_a_score_without_reasons_is_the_one_with_reasons(schemas: Any, required: Any, gold: Any, given_: Any) -> None:
    """`compare_calls` decides by credits alone, `Match.pairs` by verdicts with reasons: two ways to one number."""
    parameters = {"type": "object", "properties": dict(zip(NAMES, schemas, strict=True)), "required": sorted(required)}
    tools = {"f": Tool("f", "", parameters)}
    want = [GoldCall("f", {k: gold_value_from_json(v) for k, v in g.items()}) for g in gold]
    calls = [ToolCall("f", a) for a in given_]
    matched, credit = compare_calls(calls, want, tools, "typed")
    match = match_calls(calls, want, tools)
    assert (match.matched, match.credit) == (matched, credit)
    pairs = match.pairs
    assert sum(p.credit for p in pairs) == pytest.approx(credit, abs=1e-12)
    assert matched == all(p.matched for p in pairs)
    for pair in pairs:
        assert pair.matched == (bool(pair.reason == "equal") and all(a.equal for a in pair.arguments))
        scored = [a.credit for a in pair.arguments if a.reason not in ("left_out", "equal_default")]
        if pair.predicted is not None and pair.wanted is not None and not pair.matched:
            assert pair.credit == pytest.approx(min(sum(scored) / len(scored), 1 - 1e-6))


@given(value=st.sampled_from(VALUES), want=st.sampled_from(VALUES), schema=st.sampled_from(SCHEMAS))
@settings(max_examples=250)
def test_the_credit_of_a_value_is_its_verdicts(value: Any, want: Any, schema: Any) -> None:
    ready = wanted_value(want, schema, schema)
    verdict = ready.verdict(value)
    assert ready.credit(value) == verdict.credit
    assert verdict.equal == (verdict.credit == 1.0)
    if type(value) is type(want) and value == want and not isinstance(want, (float, list, dict)):
        assert verdict.equal  # what `Property.itself` decides without a look at the schema
