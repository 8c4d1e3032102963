"""Exact duplicates, and the store that they and near duplicates keep their keys in."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from rlvr.data.filters import ExactDuplicates, RememberingFilter
from rlvr.data.filters.duplicates import digest
from rlvr.data.filters.records import FirstRows, Records
from rlvr.errors import DataError, RunError
from rlvr.types import Example, Tool

Make = Callable[..., Example]


def test_the_same_example_again_is_dropped(example: Make) -> None:
    keep = ExactDuplicates()
    assert isinstance(keep, RememberingFilter)
    assert [keep.why_not(e) for e in (example(), example("Another?"), example())] == [None, None, "duplicate"]
    asked = (example(), example("Another?"), example("A third?"))
    assert [keep.original(keep.key(e)) for e in asked] == [0, 1, None]  # asking remembers nothing
    assert len(keep) == 2


def test_what_does_not_count_and_what_does(example: Make, tool: Callable[..., Tool]) -> None:
    one, two = tool("a", "x", "y"), tool("b")
    base = example("Weather\n in  Paris?", [one, two], [("a", {"x": "1", "y": "2"}), ("b", {"city": "3"})])
    same = example(
        " Weather in Paris? ", [two, one], [("b", {"city": "3"}), ("a", {"y": "2", "x": "1"})], id="other", lang="en"
    )
    assert digest(same) == digest(base)
    others = [
        example("weather in Paris?", [one, two], [("a", {"x": "1", "y": "2"}), ("b", {"city": "3"})]),
        example("Weather in Paris?", [one, two], [("a", {"x": "1", "y": "2"})]),
        example("Weather in Paris?", [one, two], [("a", {"x": "1", "y": "2"}), ("b", {"city": 3})]),
        example("Weather in Paris?", [one], [("a", {"x": "1", "y": "2"})]),
        example("Weather in Paris?", [one, two], [], earlier=[{"role": "user", "content": "Hi"}]),
    ]
    assert len({digest(e) for e in [base, *others]}) == 6


def test_a_lone_surrogate_is_no_accident(example: Make) -> None:
    assert ExactDuplicates().why_not(example("\ud800 hello")) is None


def test_a_killed_build_goes_on_where_its_state_was_taken(example: Make, tmp_path: Path) -> None:
    rows = [example(f"question {n % 700}") for n in range(1500)]
    whole = ExactDuplicates(tmp_path / "whole")
    wanted = [whole.why_not(e) for e in rows]

    first = ExactDuplicates(tmp_path / "keys")
    got = [first.why_not(e) for e in rows[:600]]
    state = first.state()
    assert state == {"rows": 600}
    for row in rows[600:900]:  # what came after the state, before the kill
        first.why_not(row)
    first.state()

    second = ExactDuplicates(tmp_path / "keys")
    second.restore(state)
    assert (tmp_path / "keys").stat().st_size == 600 * 16
    got += [second.why_not(e) for e in rows[600:]]
    assert got == wanted
    second.state(), whole.state()
    assert (tmp_path / "keys").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_new_build_does_not_take_over_what_lies_there(example: Make, tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"x" * 160)
    keep = ExactDuplicates(tmp_path / "keys")
    assert keep.why_not(example()) is None
    keep.state()
    assert (tmp_path / "keys").read_bytes() == keep.key(example())


def test_a_store_that_lost_keys_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"x" * 40)
    with pytest.raises(DataError, match="holds 2 keys, 3 are wanted"):
        ExactDuplicates(tmp_path / "keys").restore({"rows": 3})
    with pytest.raises(DataError, match="cannot be read"):
        ExactDuplicates(tmp_path / "none").restore({"rows": 3})
    with pytest.raises(DataError, match="Give the filter a store"):
        ExactDuplicates().restore({"rows": 3})


def test_without_a_store_it_can_be_taken_back_in_the_same_process(example: Make) -> None:
    keep = ExactDuplicates()
    keep.why_not(example("a"))
    state = keep.state()
    keep.why_not(example("b"))
    keep.restore(state)
    assert [keep.why_not(example(q)) for q in ("a", "b")] == ["duplicate", None]


def test_a_disk_that_does_not_take_the_keys_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        Records(4, tmp_path / "file" / "keys").append(b"abcd")


@pytest.mark.parametrize("width", [1, 3, 8])
def test_the_table_finds_what_a_dict_finds(width: int) -> None:
    rng = random.Random(0)
    records = Records(12)
    table, known = FirstRows(records, 2, width), {}
    for row in range(20_000):
        key = rng.randbytes(1) * 2 + rng.randbytes(2) + bytes(8) if row % 3 else rng.randbytes(12)
        part = key[2 : 2 + width]
        assert table.find(key) == known.get(part)
        records.append(key)
        table.add(key, row)
        known.setdefault(part, row)
    again = FirstRows(records, 2, width)
    again.rebuild()
    for row in range(0, 20_000, 7):
        assert again.find(records[row]) == known[records[row][2 : 2 + width]]


def test_a_table_takes_under_nine_bytes_a_row() -> None:
    rng = random.Random(1)
    records = Records(8)
    table = FirstRows(records, 0, 8)
    for row in range(30_000):
        key = rng.randbytes(8)
        records.append(key)
        table.add(key, row)
        if row > 3000 and row % 1000 == 0:
            assert 5.7 <= table.size / (row + 1) <= 8.6
