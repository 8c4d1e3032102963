"""An even order: every stretch holds the mixture's shares, and a seed decides the rest."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.errors import ConfigError
from rlvr.training.even import even_order
from rlvr.training.recipe import load_recipe
from rlvr.types import Example, GoldCall

CALL = (GoldCall("f", {}),)
Kinds = dict[tuple[str, str], int]


def rows(kinds: Kinds) -> list[Example]:
    made = [
        Example(
            f"{c}-{lang}-{i}", "", c, (), (), () if c == "irrelevance" else (GoldCall("f", {}),), meta={"lang": lang}
        )
        for (c, lang), n in kinds.items()
        for i in range(n)
    ]
    random.Random(0).shuffle(made)
    return made


def test_of_eight_in_a_row_two_want_no_call_where_a_quarter_does() -> None:
    made = rows({("simple", "en"): 24, ("multiple", "vi"): 36, ("irrelevance", "en"): 10, ("irrelevance", "zh"): 10})
    order = even_order(made, seed=3)
    steps = [[made[i] for i in order[at : at + 8]] for at in range(0, 80, 8)]
    assert [sum(not e.ground_truth for e in step) for step in steps] == [2] * 10
    assert {tuple(sorted(str(e.lang) for e in step if not e.ground_truth)) for step in steps} == {("en", "zh")}
    assert {sum(e.category == "multiple" for e in step) for step in steps} <= {3, 4}


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["simple", "parallel", "irrelevance"]), st.sampled_from(["en", "vi", "zh"])),
        st.integers(1, 30),
        min_size=1,
    ),
    st.integers(0, 99),
    st.integers(1, 40),
)
def test_any_stretch_holds_the_share_of_wanted_calls(kinds: Kinds, seed: int, n: int) -> None:
    made = rows(kinds)
    order = even_order(made, seed)
    assert sorted(order) == list(range(len(made)))
    assert order == even_order(made, seed)
    calls = [bool(made[i].ground_truth) for i in order]
    share = sum(calls) / len(calls)
    for at in range(len(calls) - n + 1):
        assert abs(sum(calls[at : at + n]) - share * n) < 2


def test_another_seed_is_another_order() -> None:
    made = rows({("simple", "en"): 20, ("irrelevance", "en"): 5})
    assert even_order(made, 1) != even_order(made, 2)


def test_the_trainer_reads_the_rows_in_this_order() -> None:
    pytest.importorskip("datasets", reason="needs the train extra")
    from rlvr.training.planned import planned_dataset

    made = rows({("simple", "en"): 6, ("irrelevance", "zh"): 2})
    recipe, _ = load_recipe("smollm2-135m/stage1", ["data.order=even", "seed=5"])
    job: Any = SimpleNamespace(recipe=recipe, rendered=SimpleNamespace(examples=made))
    args = SimpleNamespace(shuffle_dataset=True)
    dataset, plan = planned_dataset(job, args, [{"id": e.id} for e in made], made)
    assert (args.shuffle_dataset, plan) == (False, None)
    assert dataset["id"] == [made[i].id for i in even_order(made, 5)]


@pytest.mark.parametrize(
    ("recipe", "more", "said"),
    [
        ("smollm2-135m/warmup", "data.order=even", "data.order: even is for kind: grpo"),
        ("smollm2-135m/stage1", "selection.data.order=even", "selection.data.order: a look takes all its rows"),
        ("smollm2-135m/stage1", "data.order=sorted", "data.order"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(recipe: str, more: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_recipe(recipe, [more])


def test_beside_a_curriculum_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "probe.jsonl").touch()
    with pytest.raises(ConfigError, match="a curriculum both order the rows"):
        load_recipe("smollm2-135m/stage1", ["data.order=even", f"curriculum.file={tmp_path / 'probe.jsonl'}"])
