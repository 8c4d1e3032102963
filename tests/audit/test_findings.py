"""The rule by which completions are compared, worked out by hand; and what an audit of flawed rewards finds."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from rlvr.audit import Target, audit
from rlvr.audit.run import Scored, chosen_families, compare
from rlvr.audit.subject import Probe, Subject
from rlvr.audit.target import Broken
from rlvr.errors import UsageError
from rlvr.types import Example

SUBJECT = Subject(Example("e1", "", "irrelevance", ({"role": "user", "content": "Hm?"},), (), (), "any", {}))


def group(**paid: Any) -> list[Scored]:
    """`truth`, and completions named by what they are: `same_…`, `right_…`, `wrong_…`."""
    out = []
    for name, score in paid.items():
        right = not name.startswith("wrong")
        family = "ground_truth" if name == "truth" else name
        out.append(Scored(SUBJECT, Probe(family, name, right, name, same=name.startswith(("truth", "same"))), score))
    return out


def found(margin: float, **paid: Any) -> list[tuple[str, str, float]]:
    return [(f.kind, f.family, round(f.gap, 6)) for f in compare(group(**paid), margin)]


def test_a_wrong_completion_paid_as_the_ground_truth_is_a_false_reward() -> None:
    assert found(0.0, truth=1.0, wrong_a=1.0, wrong_b=0.99) == [("false_reward", "wrong_a", 0.0)]
    assert found(0.1, truth=1.0, wrong_a=1.0, wrong_b=0.95, wrong_c=0.9) == [
        ("false_reward", "wrong_a", 0.1),
        ("false_reward", "wrong_b", 0.05),
    ]
    assert found(0.0, truth=1.0, wrong_a=2.5) == [("false_reward", "wrong_a", 1.5)]


def test_as_good_as_the_ground_truth_must_earn_as_much() -> None:
    assert found(0.0, truth=1.0, same_a=0.9, wrong_a=0.0) == [("missed_reward", "same_a", 0.1)]
    assert found(0.0, truth=1.0, same_a=1.0, right_a=0.9, wrong_a=0.0) == []


def test_a_right_completion_must_earn_more_than_every_wrong_one() -> None:
    assert found(0.0, truth=1.0, right_a=0.5, wrong_a=0.5) == [("missed_reward", "right_a", 0.0)]
    assert found(0.1, truth=1.0, right_a=0.5, wrong_a=0.45) == [("missed_reward", "right_a", 0.05)]
    assert found(0.1, truth=1.0, right_a=0.5, wrong_a=0.4) == []


def test_each_pair_in_the_wrong_order_is_counted_once() -> None:
    """The wrong completion is paid as the ground truth, so the right one below it is not blamed as well."""
    assert found(0.0, truth=1.0, right_a=0.8, wrong_a=1.0, wrong_b=0.5) == [("false_reward", "wrong_a", 0.0)]


def test_none_counts_as_0_as_a_trainer_has_it_and_an_example_that_gets_none_is_left_out() -> None:
    assert found(0.0, truth=1.0, wrong_a=None) == []
    assert found(0.0, truth=-1.0, wrong_a=None) == [("false_reward", "wrong_a", 1.0)]
    assert found(0.0, truth=None, wrong_a=None) == []


def test_a_ground_truth_that_is_not_paid_is_one_missed_reward() -> None:
    """Not as many false rewards as there are wrong completions: they are paid nothing either."""
    made = group(truth=0.0, wrong_a=0.0, wrong_b=0.0, same_a=0.0)
    assert [(f.kind, f.family) for f in compare(made, 0.0, top=1.0)] == [("missed_reward", "ground_truth")]
    assert [f.kind for f in compare(made, 0.0, top=0.0)].count("false_reward") == 2
    made = group(truth=0.0, wrong_a=0.0, wrong_b=0.5)
    assert {(f.kind, f.family) for f in compare(made, 0.0, top=1.0)} == {
        ("missed_reward", "ground_truth"),
        ("false_reward", "wrong_b"),
    }


def test_a_broken_score_is_no_reward() -> None:
    assert found(0.0, truth=1.0, wrong_a=Broken("finite", "a score is nan")) == []
    assert found(0.0, truth=Broken("finite", "a score is nan"), wrong_a=1.0) == []


def test_each_flawed_reward_is_found_out_by_the_family_it_should_be(
    flawed_name: str, flawed: ModuleType, examples: list[Example]
) -> None:
    function = getattr(flawed, flawed_name)
    result = audit(Target(flawed_name, function), examples, skip=["very_long"])
    families = {f.family for f in result.findings if f.kind != "contract"}
    assert flawed.FLAWED[function] <= families
    worst = result.worst("false_reward") or result.worst("missed_reward")
    assert worst is not None
    assert worst.completion or worst.family in {"empty", "policy:nothing"}
    assert worst.example_id in {e.id for e in examples}


def test_a_regular_expression_that_looks_for_the_end_again_and_again_is_slow(
    flawed: ModuleType, examples: list[Example]
) -> None:
    """`<tool_call>(.*?)</tool_call>` over opening tags that nothing closes: quadratic."""
    target = Target("f", flawed.any_call_matches)
    result = audit(target, examples[:1], only=["very_long"], max_seconds=0.1)
    assert {f.what.partition(",")[0] for f in result.findings if f.family == "slow"} == {"very_long: opening tags"}


def test_there_are_six_flawed_rewards(flawed: ModuleType) -> None:
    assert len(flawed.FLAWED) == 6


def test_the_brittle_one_breaks_its_contract_too(flawed: ModuleType, few: list[Example]) -> None:
    result = audit(Target("f", flawed.one_order_only), few, only=["odd_json"])
    clauses = {f.family for f in result.of_kind("contract")}
    assert clauses == {"exception"}
    assert any("KeyError" in f.message or "JSONDecodeError" in f.message for f in result.findings)


def test_a_reward_that_is_right_has_no_findings(examples: list[Example]) -> None:
    """Not one of ours: right or wrong by our judge alone, so every probe's truth is its score."""
    subjects = {e.id: Subject(e) for e in examples}

    def right(completions: list[str], id: list[str], **_: Any) -> list[float]:
        return [float(subjects[i].right(c)) for c, i in zip(completions, id, strict=True)]

    result = audit(Target("right", right), examples)
    assert result.clean
    assert result.notes == ()
    assert {p.policy: p.right for p in result.policies}["nothing"] == 0
    assert {p.policy: p.mean_reward for p in result.policies}["nothing"] == 0.0


def test_families_are_chosen_and_left_out_by_name() -> None:
    assert chosen_families(["empty", "odd_json"], ["odd_json"]) == ["empty"]
    policies = chosen_families(["policy"], ["policy:nothing"])
    assert "policy:nothing" not in policies
    assert "policy:repeat" in policies
    assert not [n for n in chosen_families(None, ["policy"]) if n.startswith("policy")]
    with pytest.raises(UsageError, match="Did you mean empty"):
        chosen_families(["emty"], [])


def test_an_example_whose_own_words_are_not_right_is_left_out_and_said(examples: list[Example]) -> None:
    import dataclasses

    refusal = next(e for e in examples if e.expects == "refuse")
    odd = dataclasses.replace(refusal, id="odd", meta={"lang": "en", "words": ["It is sunny."]})
    result = audit(Target("f", lambda completions, **_: [0.0] * len(completions)), [refusal, odd], only=["empty"])
    assert any("1 examples were left out" in note and "odd" in note for note in result.notes)
    with pytest.raises(UsageError, match="no example's own right completion"):
        audit(Target("f", lambda completions, **_: [0.0] * len(completions)), [odd])
    with pytest.raises(UsageError, match="no examples"):
        audit(Target("f", len), [])
