"""Drawing fewer examples keeps the mixture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from rlvr.evaluation.selection import draw
from rlvr.types import Example

MakeExample = Callable[..., Example]


@pytest.fixture
def many(example: MakeExample) -> list[Example]:
    """40 English calling examples, 10 Vietnamese ones, 5 that want no call."""
    return (
        [example(i) for i in range(40)]
        + [example(i, lang="vi") for i in range(40, 50)]
        + [example(i, call=False) for i in range(50, 55)]
    )


def test_slices_share_evenly_and_fill_up(many: list[Example]) -> None:
    got = draw(many, 24, seed=0)
    assert Counter((e.category, e.lang) for e in got) == {
        ("simple", "en"): 10,
        ("simple", "vi"): 9,
        ("irrelevance", "en"): 5,
    }
    assert [e.id for e in got] == sorted(e.id for e in got)


def test_the_seed_decides_and_the_order_does_not(many: list[Example]) -> None:
    assert draw(many, 12, seed=1) == draw(many[::-1], 12, seed=1)
    assert draw(many, 12, seed=1) != draw(many, 12, seed=2)


def test_a_larger_limit_keeps_a_smaller_draw(many: list[Example]) -> None:
    small, large = draw(many, 10, seed=3), draw(many, 30, seed=3)
    assert {e.id for e in small} <= {e.id for e in large}


def test_a_limit_beyond_the_data_takes_all(many: list[Example]) -> None:
    assert len(draw(many, 1000, seed=0)) == len(many)
    assert draw([], 5, seed=0) == []
