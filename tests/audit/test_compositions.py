"""Our own compositions under audit: nothing is found, apart from the card's inversion, which the documents explain."""

from __future__ import annotations

import pytest

from rlvr import resources
from rlvr.audit import as_target, audit, composition_target
from rlvr.audit.typical import inversions, table, typical
from rlvr.rewards import load_composition
from rlvr.types import Example

SHIPPED = [(n, s) for n in resources.names("rewards", "*.yaml") for s in load_composition(n).stages]
INVERTED = ("function_calling_card", "stage2")
MARGIN = 0.1


def test_all_compositions_are_audited() -> None:
    assert {n for n, _ in SHIPPED} == {
        "function_calling",
        "function_calling_card",
        "function_calling_gdpo",
        "function_calling_reasoning",
    }


@pytest.mark.parametrize(("name", "stage"), [s for s in SHIPPED if s != INVERTED])
def test_nothing_is_found_in_what_we_ship(name: str, stage: str, examples: list[Example]) -> None:
    result = audit(composition_target(load_composition(name, stage)), examples, margin=MARGIN)
    assert result.findings == (), result.report()
    assert result.completions > 3_000
    assert result.notes == ()


def test_the_cards_inversion_is_found_and_nothing_else(examples: list[Example]) -> None:
    result = audit(composition_target(load_composition(*INVERTED)), examples, margin=MARGIN)
    assert {(f.kind, f.family) for f in result.findings} == {("missed_reward", "reasoned")}
    assert len(result.findings) == len(examples)
    worst = result.worst("missed_reward")
    assert worst is not None
    assert worst.reward == pytest.approx(-0.6)
    assert worst.against == pytest.approx(0.26)  # 0.1 x 1 + 0.3 x 0.2 + 1.0 x 0.1: other words, direct


def test_no_degenerate_policy_comes_near_the_ground_truth(examples: list[Example]) -> None:
    result = audit(composition_target(load_composition("function_calling")), examples, only=["policy"])
    assert len(result.policies) == 12
    for policy in result.policies:
        assert policy.n == len(examples)
        assert policy.mean_reward < 0.25 * policy.mean_ground_truth, policy.policy


def test_a_composition_is_taken_by_name_path_or_itself() -> None:
    composition = load_composition("function_calling", "stage2")
    for reward in ("function_calling", composition):
        assert as_target(reward, stage="stage2").name == "function_calling, stage2"


@pytest.mark.parametrize(("name", "stage"), SHIPPED)
def test_typical_completions_show_an_inversion_where_there_is_one(name: str, stage: str) -> None:
    composition = load_composition(name, stage)
    rows = typical(composition)
    assert len(rows) >= 20
    assert {r.wanted for r in rows} == {"a call", "no call"}
    found = inversions(rows)
    assert bool(found) == ((name, stage) == INVERTED)
    text = "\n".join(table(rows, composition))
    assert ("inverted:" in text) == bool(found)


def test_reasoning_is_free_within_its_budget_and_costs_by_steps_beyond() -> None:
    rows = {r.name: r.breakdown for r in typical(load_composition("function_calling_reasoning", "stage1"))}
    assert rows["the right call, reasoned"].efficiency == pytest.approx(0.1)
    # 100 x 70 - 1 letters are 1,750 tokens: 750 over the 1,000 that are free, three steps of 250
    assert rows["the right call, after 1,750 tokens of thought"].efficiency == pytest.approx(-0.3)
