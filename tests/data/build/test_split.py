"""A held-out split that shares no tool with training, worked by hand and as a property."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.data.build.record import hash64
from rlvr.data.build.split import NO_QUESTION, components, lists_of, split_by_tools


def flat(rows: list[list[int]]) -> tuple[Any, Any]:
    """Lists of tools in the flat form, each tool by its hash."""
    ends = np.cumsum([len(r) for r in rows]) if rows else np.empty(0)
    return ends.astype(np.int64), np.array([key(t) for r in rows for t in r], dtype=np.uint64)


def key(tool: int) -> int:
    return hash64(f"tool {tool}")


def test_groups_are_joined_through_tools() -> None:
    # 1-2 and 2-3 join rows 0 and 1; row 4 joins 5 and 6; row 5 stands alone with tool 9.
    rows = [[1, 2], [2, 3], [5], [6], [5, 6], [9]]
    split = split_by_tools(*flat(rows), 1.0, seed=0)
    assert (split.groups, split.largest) == (3, 3)
    assert split.heldout.all()


def test_no_more_than_the_share_is_held_out() -> None:
    rows = [[1], [1], [1], [2], [3]]
    split = split_by_tools(*flat(rows), 0.4, seed=0)  # two rows: the group of three never fits
    assert split.heldout.tolist() == [False, False, False, True, True]
    assert not split_by_tools(*flat(rows), 0.0, seed=0).heldout.any()
    assert not split_by_tools(*flat([[1, 2], [2, 3], [3, 1]]), 0.9, seed=0).heldout.any()


def test_lists_of_some_rows() -> None:
    ends, tools = flat([[1, 2], [], [3], [4, 5, 6]])
    found_ends, found = lists_of(ends, tools, np.array([3, 1, 0]))
    assert found_ends.tolist() == [3, 3, 5]
    assert found.tolist() == [key(t) for t in (4, 5, 6, 1, 2)]


def test_rows_without_tools_stand_alone() -> None:
    split = split_by_tools(*flat([[], [], [4], []]), 1.0, seed=0)
    assert (split.groups, split.largest) == (4, 1)


def test_nothing_at_all() -> None:
    split = split_by_tools(*flat([]), 0.5, seed=0)
    assert (len(split.heldout), split.groups, split.largest) == (0, 0, 0)


def ask(questions: list[int]) -> Any:
    return np.array([key(-q) if q else NO_QUESTION for q in questions], dtype=np.uint64)


def test_rows_that_ask_the_same_are_one_group() -> None:
    # 0-1 by tool 1, 1-3 by question 7: rows 0, 1 and 3 are one; 2 and 4 ask nothing and share nothing.
    rows, asked = [[1], [1, 2], [3], [4], [5]], [8, 7, 0, 7, 0]
    split = split_by_tools(*flat(rows), 0.4, seed=0, questions=ask(asked))
    assert (split.groups, split.largest) == (3, 3)
    assert split.heldout.tolist() == [False, False, True, False, True]
    assert split_by_tools(*flat(rows), 0.4, seed=0).groups == 4  # without questions: row 3 stands alone
    none = split_by_tools(*flat(rows), 0.4, seed=0, questions=ask([0] * 5))
    assert (none.groups, none.largest) == (4, 2)


def test_rows_without_tools_are_joined_by_what_they_ask() -> None:
    split = split_by_tools(*flat([[], [], [1], []]), 1.0, seed=0, questions=ask([5, 5, 5, 6]))
    assert (split.groups, split.largest) == (2, 3)
    assert len(split_by_tools(*flat([]), 0.5, seed=0, questions=ask([])).heldout) == 0


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_components_are_those_that_walking_finds(pairs: list[tuple[int, int]]) -> None:
    found = components(np.array([a for a, _ in pairs], np.int64), np.array([b for _, b in pairs], np.int64), 31)
    for start in range(31):
        seen, todo = {start}, [start]
        while todo:
            node = todo.pop()
            new = {b for a, b in (*pairs, *((y, x) for x, y in pairs)) if a == node} - seen
            seen |= new
            todo += new
        assert found[start] == min(seen)


def test_servers_go_where_their_tools_are() -> None:
    rows = [[1], [2], [3], [4]]
    servers = [[1, 50], [4], [60, 61]]
    for seed in range(20):
        split = split_by_tools(*flat(rows), 0.5, seed, [[key(t) for t in s] for s in servers])
        assert split.heldout.sum() == 2
        assert split.extra[0] == split.heldout[0]
        assert split.extra[1] == split.heldout[3]


def test_servers_of_no_row_are_split_by_the_share() -> None:
    split = split_by_tools(*flat([[1]]), 0.25, 0, [[key(100 + i)] for i in range(400)])
    assert 60 < split.extra.sum() < 140


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, 25), max_size=4, unique=True), max_size=30),
    share=st.sampled_from([0.1, 0.3, 0.5]),
    seed=st.integers(0, 5),
    asked=st.lists(st.integers(0, 20), min_size=30, max_size=30),
)
def test_no_tool_and_no_question_stands_on_both_sides_whatever_the_rows(
    rows: list[list[int]], share: float, seed: int, asked: list[int]
) -> None:
    split = split_by_tools(*flat(rows), share, seed, questions=ask(asked[: len(rows)]))
    sides = list(zip(asked, split.heldout.tolist(), strict=False))
    said = [{q for q, held in sides if q and held is side} for side in (True, False)]
    assert not said[0] & said[1]
    inside = {t for r, held in zip(rows, split.heldout, strict=True) if held for t in r}
    outside = {t for r, held in zip(rows, split.heldout, strict=True) if not held for t in r}
    assert not inside & outside
    assert split.heldout.sum() <= share * len(rows)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    rows = [[i, i + 1] if i % 3 else [i] for i in range(0, 60, 2)]
    held = split_by_tools(*flat(rows), 0.3, seed).heldout
    turned = split_by_tools(*flat(rows[::-1]), 0.3, seed).heldout
    assert held.tolist() == turned.tolist()[::-1]
    assert held.any()
