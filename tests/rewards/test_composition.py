"""Compositions: strict YAML, weights in one place, every mistake at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import ConfigError, UsageError
from rlvr.rewards import Composition, EfficiencyParams, load_composition, score

GOOD = """
name: mine
components:
  format: {}
  efficiency: {free_characters: 5}
stages:
  one:
    weights: {format: 1, efficiency: 0.5}
  two:
    weights: {format: 0, efficiency: 2.0}
    efficiency: {gated: true}
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def to_file(text: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_composition(path)
    return [p.replace(f"{path}: ", "") for p in caught.value.problems]


@pytest.mark.parametrize("name", ["function_calling", "function_calling_card"])
@pytest.mark.parametrize(
    ("stage", "weights", "reasoning"),
    [("stage1", [0.2, 1.0, 0.3, 0.2], 0.3), ("stage2", [0.1, 0.5, 0.3, 1.0], 1.0)],
)
def test_the_shipped_weights_are_the_cards(name: str, stage: str, weights: list[float], reasoning: float) -> None:
    composition = load_composition(name, stage=stage)
    assert [c.name for c in composition.components] == ["format", "correctness", "refusal", "efficiency"]
    assert composition.weights() == weights
    params = composition.component("efficiency").params
    assert isinstance(params, EfficiencyParams)
    assert params.reasoning_penalty == reasoning
    assert params.gated == (name == "function_calling" and stage == "stage2")


def test_stage_1_is_the_default_and_stages_are_listed() -> None:
    composition = load_composition("function_calling")
    assert (composition.stage, composition.stages, composition.matching) == ("stage1", ("stage1", "stage2"), "typed")
    assert "correctness" in composition.describe()


def test_a_file_of_ones_own(write: Any) -> None:
    composition = load_composition(str(write(GOOD)), stage="two")
    assert composition.weights() == [0.0, 2.0]
    params = composition.component("efficiency").params
    assert params == EfficiencyParams(free_characters=5, gated=True)
    b = score("Hello.", tools=[], ground_truth=[], composition=composition)
    assert (b.refusal, b.correctness, b.efficiency) == (None, None, 0.1)
    assert b.total == pytest.approx(0.2)


def test_a_changed_file_is_read_again(write: Any) -> None:
    assert load_composition(write(GOOD)).weights() == [1.0, 0.5]
    assert load_composition(write(GOOD.replace("format: 1", "format: 0.75"))).weights() == [0.75, 0.5]


def test_the_total_is_the_weighted_sum_and_none_adds_nothing() -> None:
    composition = load_composition("function_calling")
    scores = {"format": 1.0, "correctness": None, "refusal": -1.0, "efficiency": 0.1}
    assert composition.total(scores) == pytest.approx(0.2 - 0.3 + 0.02)
    with pytest.raises(UsageError, match="needs a score for efficiency"):
        composition.total({"format": 1.0, "correctness": None, "refusal": None})


def test_weights_can_be_tried_out() -> None:
    composition = load_composition("function_calling")
    changed = composition.with_weights(efficiency=0.5)
    assert isinstance(changed, Composition)
    assert (changed.component("efficiency").weight, composition.component("efficiency").weight) == (0.5, 0.2)
    with pytest.raises(UsageError, match="Did you mean efficiency"):
        composition.with_weights(eficiency=1.0)
    with pytest.raises(UsageError, match="weight of format: got -1"):
        composition.with_weights(format=-1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("function_caling", r"unknown composition 'function_caling'\. Did you mean function_calling\?"),
        ("missing.yaml", r"missing\.yaml: no such composition file"),
        (Path("nowhere/at/all.yaml"), "no such composition file"),
    ],
)
def test_an_unknown_name_or_path(name: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_composition(name)


def test_an_unknown_stage() -> None:
    with pytest.raises(UsageError, match=r"no stage 'stage3'\. Did you mean stage[12]\?"):
        load_composition("function_calling", stage="stage3")


def test_every_problem_of_a_file_is_reported_at_once(write: Any) -> None:
    found = problems(
        write(
            """
name: mine
matching: typd
components:
  format: {strict: true}
  corectness: {}
  efficiency: {free_characters: many}
stages:
  one:
    weights: {format: yes, efficency: 0.5}
    efficiency: {gated: 1}
  two:
    weight: {format: 1}
"""
        )
    )
    text = "\n".join(found)
    for part in (
        "matching: got 'typd', expected one of typed, bfcl, exact.",
        "components.corectness: unknown component. Did you mean correctness?",
        "components.format: strict: unknown key.",
        "stages.one.weights.efficency: no such component in this file. Did you mean efficiency?",
        "stages.one.weights.format: got True, expected a number of 0 or more.",
        "stages.one.weights.efficiency: missing, expected a number.",
        "components.efficiency: free_characters: got 'many', expected an integer.",
        "stages.one.efficiency: gated: got 1, expected true or false.",
        "stages.two.weight: unknown key. Did you mean weights?",
        "stages.two.weights: got None, expected a weight for each of format, efficiency.",
    ):
        assert part in text
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("free_characters: 5", "reasoning_penalty: 0.25", "expected a multiple of 0.1"),
        ("free_characters: 5", "step_characters: 0", "step_characters 1 or more"),
        ("format: 1,", "format: .inf,", "expected a number of 0 or more"),
        ("format: 1,", "format: -1,", "expected a number of 0 or more"),
        ("name: mine", "name: mine\nextra: 1", "extra: unknown key."),
        ("name: mine", "", "name: missing"),
        ("  format: {}\n", "  format: [1]\n", "expected parameters as keys and values"),
        ("    efficiency: {gated: true}", "    efficiency: 3", "expected parameters as keys and values"),
    ],
)
def test_one_problem(write: Any, old: str, new: str, message: str) -> None:
    assert old in GOOD
    assert message in "\n".join(problems(write(GOOD.replace(old, new))))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("refusal: {other_text: 1.0}", "other_text: got 1.0"),
        ("refusal: {penalty_for_refusing: 0.5}", "penalty_for_refusing: got 0.5"),
        ("correctness: {partial: 0.6}", "partial: got 0.6"),
    ],
)
def test_parameters_that_would_break_the_order_are_refused(write: Any, params: str, message: str) -> None:
    name = params.split(":")[0]
    text = f"name: mine\ncomponents:\n  {params}\nstages:\n  one:\n    weights: {{{name}: 1}}\n"
    assert message in "\n".join(problems(write(text)))


def test_stages_and_components_must_not_be_empty(write: Any) -> None:
    found = "\n".join(problems(write("name: mine\ncomponents: {}\nstages: {}\n")))
    assert "components: got none" in found
    assert "stages: got none" in found
    assert "expected weights and parameters" in "\n".join(
        problems(write("name: mine\ncomponents: {format: {}}\nstages: {one: 3}\n"))
    )
