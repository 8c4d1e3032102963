"""The laws of the design as properties, over both stages of the shipped composition."""

from __future__ import annotations

import importlib.util
import itertools
import math
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.parsers import get_parser
from rlvr.rewards import Breakdown, Composition, build_context, load_composition, score
from rlvr.rewards.parsing import parse_completion
from rlvr.rewards.score import break_down
from rlvr.types import Outcome, ToolCall

_SPEC = importlib.util.spec_from_file_location("rewards_strategies", Path(__file__).with_name("strategies.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
s = importlib.util.module_from_spec(_SPEC)
sys.modules["rewards_strategies"] = s
_SPEC.loader.exec_module(s)

STAGES = [load_composition("function_calling", stage=stage) for stage in ("stage1", "stage2")]
PENALISING = load_composition(Path(__file__).with_name("penalising.yaml"))
ALL_STAGES = [*STAGES, load_composition("function_calling_card", stage="stage2"), PENALISING]
by_stage = pytest.mark.parametrize("composition", STAGES, ids=lambda c: c.stage)
MARGIN = 0.1


def break_(text: str, example: dict[str, Any], composition: Composition, truncated: bool = False) -> Breakdown:
    parsed = parse_completion(text, truncated=truncated)
    return break_down(parsed, build_context(**example), composition)


def gold_text(example: dict[str, Any]) -> str:
    if not example["ground_truth"]:
        return str(s.right_words(example))
    return get_parser("hermes").render([ToolCall(c["name"], c["arguments"]) for c in example["ground_truth"]])


@by_stage
@given(data=st.data(), example=s.examples())
@settings(max_examples=250)
def test_every_right_completion_beats_every_wrong_one(composition: Composition, data: Any, example: Any) -> None:
    drawn = data.draw(st.lists(s.completions(example), min_size=2, max_size=10))
    drawn.append((gold_text(example), False))
    made = [break_(text, example, composition, cut) for text, cut in drawn]
    right = [b.total for b in made if b.right]
    wrong = [b.total for b in made if not b.right]
    assert right, "the ground truth itself is right"
    if wrong:
        assert min(right) >= max(wrong) + MARGIN - 1e-9


@given(data=st.data(), example=s.examples())
@settings(max_examples=100)
def test_the_ordering_holds_with_the_penalty_for_refusing_on(data: Any, example: Any) -> None:
    drawn = data.draw(st.lists(s.completions(example), min_size=2, max_size=8))
    made = [break_(text, example, PENALISING, cut) for text, cut in [*drawn, (gold_text(example), False)]]
    wrong = [b.total for b in made if not b.right]
    if wrong:
        assert min(b.total for b in made if b.right) >= max(wrong) + MARGIN - 1e-9


@by_stage
@given(data=st.data(), example=s.examples())
def test_the_ground_truth_earns_the_maximum(composition: Composition, data: Any, example: Any) -> None:
    best = break_(gold_text(example), example, composition)
    assert best.format == 1.0
    assert best.efficiency == pytest.approx(0.1)
    assert best.correctness == (1.0 if example["ground_truth"] else None)
    assert best.refusal == (None if example["ground_truth"] else 1.0)
    text, cut = data.draw(s.completions(example))
    other = break_(text, example, composition, cut)
    assert other.total <= best.total + 1e-9
    if not other.right:
        assert other.total < best.total


@given(text=st.text() | st.text(alphabet='<>{}[]"tolcahinkge_/:, \n\\'), truncated=st.booleans(), example=s.examples())
@settings(max_examples=200)
def test_scores_are_total(text: str, truncated: bool, example: Any) -> None:
    for composition in ALL_STAGES:
        b = break_(text, example, composition, truncated)
        assert math.isfinite(b.total)
        ranges = {"format": (0, 1), "correctness": (0, 1), "refusal": (-1, 1), "efficiency": (-1, 0.1)}
        for name, (low, high) in ranges.items():
            value = b.scores[name]
            assert value is None or (math.isfinite(value) and low <= value <= high)
        assert b.explain()


@given(data=st.data(), example=s.examples())
def test_whether_a_component_applies_depends_on_the_example_alone(data: Any, example: Any) -> None:
    for composition in ALL_STAGES:
        text, cut = data.draw(s.completions(example))
        b = break_(text, example, composition, cut)
        penalised = composition is PENALISING
        assert (b.correctness is None) == (not example["ground_truth"])
        assert (b.refusal is None) == (bool(example["ground_truth"]) and not penalised)
        assert b.format is not None
        assert b.efficiency is not None


@given(data=st.data(), rows=st.lists(s.examples(), min_size=1, max_size=6), seed=st.integers(0, 99))
@settings(max_examples=50)
def test_scores_are_deterministic_and_independent_of_batch_and_order(data: Any, rows: Any, seed: int) -> None:
    texts = [data.draw(s.completions(row)) for row in rows]
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    for function in STAGES[1].reward_functions():

        def run(indices: list[int], function: Any = function) -> list[float | None]:
            columns = {k: [rows[i][k] for i in indices] for k in ("tools", "ground_truth", "expects", "lang")}
            return list(function([texts[i][0] for i in indices], truncated=[texts[i][1] for i in indices], **columns))

        whole = run(list(range(len(rows))))
        assert whole == run(list(range(len(rows))))
        assert [whole[i] for i in order] == run(order)
        assert whole == [run([i])[0] for i in range(len(rows))]


@by_stage
@given(example=s.examples(), made=st.lists(s.odd_calls, min_size=1, max_size=4))
@settings(max_examples=60)
def test_the_order_of_calls_and_of_keys_means_nothing(composition: Composition, example: Any, made: Any) -> None:
    first = break_("\n".join(map(s.markup, made)), example, composition)
    for order in itertools.islice(itertools.permutations(made), 6):
        turned = [{"arguments": dict(reversed(list(c["arguments"].items()))), "name": c["name"]} for c in order]
        second = break_("\n".join(map(s.markup, turned)), example, composition)
        assert second.total == pytest.approx(first.total, abs=1e-9)
        assert second.right == first.right


@by_stage
@given(example=s.examples().filter(lambda e: bool(e["ground_truth"])), extra=s.odd_calls)
def test_a_call_beyond_the_number_wanted_never_helps(composition: Composition, example: Any, extra: Any) -> None:
    best = break_(gold_text(example), example, composition)
    more = break_(gold_text(example) + s.markup(extra), example, composition)
    assert more.total < best.total - MARGIN
    assert not more.right


@given(
    example=s.examples().filter(lambda e: bool(e["ground_truth"])),
    made=st.lists(s.odd_calls, min_size=2, max_size=5),
)
def test_more_calls_than_wanted_earn_no_more_than_the_best_of_them(example: Any, made: Any) -> None:
    wanted = len(example["ground_truth"])
    if len(made) <= wanted:
        made = made + made[: wanted + 1 - len(made)] * 2
    all_of_them = break_("\n".join(map(s.markup, made)), example, STAGES[0]).correctness
    subsets = itertools.combinations(made, wanted)
    best = max(break_("\n".join(map(s.markup, c)), example, STAGES[0]).correctness or 0.0 for c in subsets)
    assert all_of_them is not None
    assert all_of_them <= best + 1e-9


def _degenerate(example: dict[str, Any]) -> dict[str, str]:
    first = s.markup({"name": "get_weather", "arguments": {"city": "Paris 15"}})
    everything = "".join(s.markup({"name": t["name"], "arguments": {"city": c}}) for t in s.TOOLS for c in s.CITIES)
    return {
        "always refuse": s.REFUSALS[example["lang"] or "en"],
        "first tool": first,
        "call everything": everything,
        "repeat": gold_text(example) * 3,
        "empty": "",
        "markup only": "<tool_call>\n</tool_call>",
        "call in reasoning": f"<think>{gold_text(example)}</think>",
    }


@by_stage
@given(example=s.examples())
def test_degenerate_policies_gain_nothing(composition: Composition, example: Any) -> None:
    best = break_(gold_text(example), example, composition)
    for name, text in _degenerate(example).items():
        b = break_(text, example, composition)
        assert b.right or b.total <= best.total - MARGIN + 1e-9, name


def test_reasoning_cannot_hide_a_call(call: Any, gold: Any, weather: Any) -> None:
    b = score(
        f"<think>{call('get_weather', city='Paris')}</think>",
        tools=[weather],
        ground_truth=[gold("get_weather", city="Paris")],
    )
    assert b.outcome is Outcome.EMPTY
    assert b.correctness == 0.0
