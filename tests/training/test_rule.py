"""The rule that selects a look: worked by hand, and what every rule holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.training.rule import BEST_STRICT, Criterion, Look, choose, needs_start, ranked, unanswerable


def look(step: int, strict: float, false_calls: float | None = 0.2, tokens: float = 50.0) -> Look:
    return Look(step, 100, strict, 20, false_calls, 0.5, 0.4, 0.1, 0.0, 0.0, tokens)


STAGE2 = (Criterion("false_calls", worse_than_start=0.05), Criterion("strict", within=0.02), Criterion("tokens"))


def test_by_default_the_best_strict_score_wins_and_of_equal_ones_the_earliest() -> None:
    looks = [look(1, 0.4), look(2, 0.5), look(3, 0.5), look(4, 0.3)]
    assert choose(BEST_STRICT, looks).look.step == 2


def test_stage_2_takes_the_shortest_of_those_that_are_near_the_best_and_call_no_more_than_the_start() -> None:
    looks = [
        look(0, 0.50, 0.20, 60),
        look(10, 0.55, 0.30, 20),  # the best and shortest, but 0.10 more false calls
        look(20, 0.51, 0.25, 55),
        look(30, 0.495, 0.20, 40),  # 0.015 below the best that is left
        look(40, 0.48, 0.10, 30),  # 0.03 below it
    ]
    choice = choose(STAGE2, looks)
    assert choice.look.step == 30
    assert choice.why == (
        "false_calls at most 0.05 worse than the start's: steps 0, 20, 30, 40 of 0, 10, 20, 30, 40",
        "strict within 0.02 of the best: steps 0, 20, 30 of 0, 20, 30, 40",
        "the best tokens: step 30 of 0, 20, 30",
    )


def test_a_new_best_brings_an_earlier_look_back() -> None:
    rule = (Criterion("strict", within=0.02), Criterion("tokens"))
    first, short = look(1, 0.50, tokens=60), look(2, 0.49, tokens=50)
    assert choose(rule, [first, short]).look is short
    assert choose(rule, [first, short, look(3, 0.52, tokens=70)]).look is first


def test_the_start_is_selected_where_all_that_came_after_is_worse() -> None:
    assert choose(STAGE2, [look(0, 0.5, 0.2, 60), look(10, 0.4, 0.2, 10), look(20, 0.6, 0.5, 10)]).look.step == 0


def test_where_nothing_passes_against_the_start_the_least_bad_stays() -> None:
    start = look(0, 0.5, 0.1)
    assert choose(STAGE2, [look(10, 0.5, 0.4), look(20, 0.6, 0.5)], start).look.step == 10


@pytest.mark.parametrize(("by", "better"), [("abstained", 0.9), ("tokens", 10.0), ("truncated", -0.1)])
def test_better_is_higher_or_lower_as_the_figure_has_it(by: str, better: float) -> None:
    from dataclasses import replace

    good = replace(look(2, 0.5), **{by: better})
    assert choose((Criterion(by),), [look(1, 0.5), good, look(3, 0.5)]).look is good  # type: ignore[arg-type]


def test_the_ranking_is_what_would_be_selected_next() -> None:
    looks = [look(0, 0.5, 0.2, 60), look(10, 0.51, 0.2, 55), look(20, 0.6, 0.5, 10)]
    assert [x.step for x in ranked(STAGE2, looks)] == [10, 0, 20]


def test_a_slow_decline_is_measured_against_the_best_look_and_not_against_the_last_ones_kept() -> None:
    """Strict falls by 0.005 a look and tokens by 5; the rule allows 0.02 below the best, and three models are kept."""
    looks = [look(250 * i, 0.6 - 0.005 * i, tokens=100.0 - 5 * i) for i in range(13)]
    held: list[int] = []
    for i, one in enumerate(looks):
        held.append(one.step)
        choice = choose(STAGE2, looks[: i + 1], held=held)
        held = [x.step for x in ranked(STAGE2, looks[: i + 1], held=held)[:3]]
        assert choice.look.step in held
        assert choice == choose(STAGE2, looks[: i + 1])  # as if all models were kept
    assert (choice.look.step, choice.look.strict) == (1000, 0.58)


def test_where_the_one_that_a_rule_wants_is_gone_the_next_best_of_those_kept_is_taken() -> None:
    looks = [look(0, 0.5, tokens=60), look(10, 0.5, tokens=40), look(20, 0.5, tokens=50), look(30, 0.4, tokens=10)]
    choice = choose(STAGE2, looks, held=[0, 20, 30])
    assert choice.look.step == 20
    assert choice.why[-1] == "the best tokens, of the models that are kept: step 20 of 0, 20"
    with pytest.raises(ValueError, match="no look"):
        choose(STAGE2, looks, held=[])


SHARES = st.integers(0, 20).map(lambda i: i / 20)
LOOKS = st.lists(st.tuples(SHARES, SHARES, st.integers(1, 9)), min_size=1, max_size=8).map(
    lambda rows: [look(i, s, f, float(t)) for i, (s, f, t) in enumerate(rows)]
)


@given(LOOKS)
def test_the_choice_is_among_the_looks_and_depends_on_their_figures_alone(looks: list[Look]) -> None:
    chosen = choose(STAGE2, looks).look
    assert chosen in looks
    assert choose(STAGE2, looks[::-1]).look == chosen
    assert chosen.false_calls is not None
    assert chosen.false_calls <= (looks[0].false_calls or 0.0) + 0.05 + 1e-9
    assert sorted(x.step for x in ranked(STAGE2, looks)) == [x.step for x in looks]
    assert ranked(STAGE2, looks)[0] == chosen


def test_what_held_out_data_cannot_tell_is_named() -> None:
    assert needs_start(STAGE2)
    assert not needs_start(BEST_STRICT)
    assert unanswerable(STAGE2, calling=10, no_call=0) == ["false_calls"]
    assert unanswerable(STAGE2, calling=10, no_call=5) == []
    with pytest.raises(ValueError, match="the start was not looked at"):
        choose(STAGE2, [look(3, 0.5)])


def test_a_look_goes_into_run_json_and_back() -> None:
    from dataclasses import asdict

    one = look(3, 0.5, None)
    assert Look.of({**asdict(one), "why": []}) == one
    assert one.metrics()["selection/strict"] == 0.5
    assert one.metrics()["step"] == 3


def test_verdicts_become_shares() -> None:
    from rlvr.rewards.judge import Verdict
    from rlvr.training.selection import summarise
    from rlvr.types import Outcome

    def verdict(right: bool, outcome: Outcome, abstained: bool = False, truncated: bool = False) -> Verdict:
        return Verdict(right, outcome, False, truncated, "", abstained)

    found = summarise(
        7,
        [
            (True, verdict(True, Outcome.CALLS)),
            (True, verdict(False, Outcome.ABSTAIN, abstained=True)),
            (True, verdict(False, Outcome.MALFORMED, truncated=True)),
            (True, verdict(False, Outcome.CALLS)),
            (False, verdict(True, Outcome.ABSTAIN, abstained=True)),
            (False, verdict(False, Outcome.ABSTAIN, abstained=True)),  # an answer where a refusal was wanted
            (False, verdict(False, Outcome.MALFORMED)),
            (False, verdict(False, Outcome.CALLS)),
        ],
        [1, 2, 3, 4, 5, 6, 7, 8],
    )
    assert found == Look(
        step=7,
        n=8,
        strict=2 / 8,
        n_no_call=4,
        false_calls=2 / 4,
        abstained=2 / 4,
        refused=1 / 4,
        refused_calls=1 / 4,
        malformed=2 / 8,
        truncated=1 / 8,
        tokens=4.5,
    )


class TestShelf:
    """Model folders of looks move between `looks/` and `final`, whole at any moment."""

    @staticmethod
    def save(target: Path) -> None:
        target.mkdir()
        (target / "config.json").write_text("{}")

    def test_the_chosen_one_is_final_and_the_others_wait(self, tmp_path: Path) -> None:
        from rlvr.training.looks import Shelf
        from rlvr.training.run_folder import RunFolder

        shelf = Shelf(RunFolder(tmp_path))
        for step in (1, 2, 3):
            shelf.put(look(step, 0.5), self.save)
            shelf.settle(step, [1, 2, 3])
        assert shelf.held() == {1: tmp_path / "looks/step-1", 2: tmp_path / "looks/step-2", 3: tmp_path / "final"}
        shelf.settle(1, [1, 3])
        assert shelf.held() == {3: tmp_path / "looks/step-3", 1: tmp_path / "final"}
        shelf.settle(1, [1, 3])
        assert set(shelf.held()) == {1, 3}
        shelf.clear()
        assert shelf.held() == {1: tmp_path / "final"}
        assert not (tmp_path / "looks").exists()

    def test_a_kill_between_two_renames_is_mended(self, tmp_path: Path) -> None:
        from rlvr.training.looks import Shelf
        from rlvr.training.run_folder import RunFolder

        shelf = Shelf(RunFolder(tmp_path))
        for step in (1, 2):
            shelf.put(look(step, 0.5), self.save)
        shelf.settle(1, [1, 2])
        (tmp_path / "final").replace(tmp_path / "looks" / "step-1")  # what settle does first
        assert set(shelf.held()) == {1, 2}
        shelf.settle(2, [1, 2])
        assert shelf.held()[2] == tmp_path / "final"
