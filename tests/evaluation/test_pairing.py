"""Two sides are compared only where they answer the same questions, judged by the same rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import UsageError
from rlvr.evaluation.pairing import Pairing, pair
from rlvr.evaluation.records import EvalRecord, write_records
from rlvr.evaluation.sides import load_sides
from rlvr.types import GoldCall

MakeRecord = Callable[..., EvalRecord]
MakeFolder = Callable[..., Path]
Compare = Callable[..., Pairing]


@pytest.fixture
def compare(tmp_path: Path, make_record: MakeRecord, make_folder: MakeFolder) -> Compare:
    """Pair a (the examples 0 to 4) with b, which has other numbers, record fields or folder settings."""

    def run(
        numbers: range = range(5), fields: dict[str, Any] | None = None, shared_only: bool = False, **changes: Any
    ) -> Pairing:
        here = tmp_path / str(len(list(tmp_path.iterdir())))  # another folder each time
        a = make_folder(here / "a", [make_record("a", i) for i in range(5)])
        b = make_folder(here / "b", [make_record("b", i, **(fields or {})) for i in numbers], **changes)
        return pair(*load_sides([str(a), str(b)]), shared_only=shared_only)

    return run


def test_the_same_examples_are_paired_by_id(compare: Compare) -> None:
    got = compare()
    assert got.ids == tuple(f"ex-{i:03}" for i in range(5))
    assert all(b.id == a.id and (b.model, a.model) == ("a", "b") for b, a in got.pairs)
    assert (got.only_before, got.only_after, got.notes) == ((), (), ())


def test_other_examples_are_refused_with_what_is_shared(compare: Compare) -> None:
    with pytest.raises(UsageError) as caught:
        compare(range(3, 9))
    lines = str(caught.value).splitlines()
    assert lines[0] == "a and b cannot be compared:"
    assert "2 are shared; 3 only a has (ex-000, ex-001, ex-002); 4 only b has (ex-005, ex-006, ex-007, …)" in (lines[1])
    assert "different data: data_sha256 " in lines[2]
    assert lines[3].endswith("or compare what overlaps with --shared-only.")
    assert len(lines) == 4


def test_shared_only_compares_what_overlaps_and_counts_what_it_leaves_out(compare: Compare) -> None:
    got = compare(range(3, 9), shared_only=True)
    assert got.ids == ("ex-003", "ex-004")
    assert (len(got.only_before), len(got.only_after)) == (3, 4)
    assert got.notes[0] == "2 shared examples are compared; left out: 3 that only a has, 4 that only b has."


def test_where_nothing_is_shared_no_option_helps(compare: Compare) -> None:
    for shared_only in (False, True):
        with pytest.raises(UsageError, match="they share no example") as caught:
            compare(range(7, 9), shared_only=shared_only)
        assert "--shared-only" not in str(caught.value)


def test_an_unfinished_side_and_prompts_that_were_too_long_are_told(compare: Compare) -> None:
    with pytest.raises(UsageError, match=r"b is unfinished by 2: run its `rlvr eval` again"):
        compare(range(3), settings={"examples": 5})
    with pytest.raises(UsageError, match=r"1 only a has \(ex-004\), 1 of them too long for b"):
        compare(range(4), dropped={"b": ["ex-004"]}, settings={"examples": 5})


def test_two_prefixes_of_one_length_are_compared_and_said_to_be_unfinished(
    tmp_path: Path, make_record: MakeRecord, make_folder: MakeFolder
) -> None:
    folder = make_folder(tmp_path / "e", [make_record(m, i) for m in "ab" for i in range(3)], settings={"examples": 9})
    assert pair(*load_sides([str(folder)])).notes == ("Unfinished evaluations, examples still to come: a 6, b 6.",)


@pytest.mark.parametrize("shared_only", [False, True])
@pytest.mark.parametrize(
    ("fields", "examples", "message"),
    [
        (
            {},
            {"ex-002": {"ground_truth": (GoldCall("add", {"a": 2}),)}},
            r"the ground truth is another under one id in 1 of 5 shared examples \(ex-002\)",
        ),
        (
            {},
            {"ex-003": {"messages": ({"role": "user", "content": "other"},)}},
            r"the messages are another .*\(ex-003\)",
        ),
        ({"wants_call": False}, {}, "whether a call is wanted is another under one id in 5 of 5"),
        ({"category": "multiple"}, {}, "the category is another"),
        ({"lang": "vi"}, {}, "the language is another"),
        ({"matching": "bfcl"}, {}, r"the matching is another .* in 5 of 5 .*: typed, then bfcl"),
    ],
)
def test_another_truth_or_matching_under_one_id_is_never_compared(
    compare: Compare, fields: dict[str, Any], examples: dict[str, Any], message: str, shared_only: bool
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        compare(fields=fields, examples=examples, shared_only=shared_only)
    assert "--shared-only" not in str(caught.value), "it would not help"


def test_another_hash_is_refused_where_only_what_no_model_sees_differs(compare: Compare) -> None:
    changes = {"examples": {"ex-001": {"source": "elsewhere"}}}
    with pytest.raises(UsageError, match="different data") as caught:
        compare(**changes)
    assert len(str(caught.value).splitlines()) == 3
    assert len(compare(**changes, shared_only=True).ids) == 5


def test_every_reason_is_told_at_once(compare: Compare) -> None:
    with pytest.raises(UsageError) as caught:
        compare(range(4), {"matching": "bfcl", "category": "multiple"}, settings={"matching": "bfcl"})
    text = str(caught.value)
    assert all(word in text for word in ("the matching is", "same examples", "different data", "the category is"))


def test_settings_and_weights_that_may_explain_a_difference_are_notes(compare: Compare) -> None:
    got = compare(settings={"max_new_tokens": 32, "structured": "on"}, fingerprints={"b": "a/a"})
    assert got.notes[0] == "Not only the models differ: max_new_tokens 64 and 32; structured unset and on."
    assert got.notes[1].startswith("Both sides have the same weights")


def test_negatives_of_one_query_are_told(tmp_path: Path, make_record: MakeRecord, make_folder: MakeFolder) -> None:
    child = {"meta": {"lang": "en", "negative": {"parent": "ex-000", "kind": "server_shuffle"}}}
    # Right after alone: the family of 0, 1 and 2; so r is 0.4 three times and -0.6 twice, R is 1.2, -0.6, -0.6.
    records = [make_record(m, i, right=m == "b" and i < 3) for m in "ab" for i in range(5)]
    folder = make_folder(tmp_path / "e", records, examples={"ex-001": child, "ex-002": child})
    (note,) = pair(*load_sides([str(folder)])).notes
    assert note.startswith("The 5 examples stem from 3 ")
    assert note.endswith(f"is {math.sqrt((3 / 2 * 2.16) / (5 / 4 * 1.2)):.2f} times as wide.")


def test_a_suite_s_groups_are_families_too(tmp_path: Path, make_record: MakeRecord, make_folder: MakeFolder) -> None:
    """0 and 1 are runs of one question, 2 a negative made of 1's, 3 stands with 2: one family; 4 is alone."""
    metas = [
        {"suite_group": "q"},
        {"suite_group": "q"},
        {"negative": {"parent": "ex-001"}, "suite_group": "p"},
        {"suite_group": "p"},
        {},
    ]
    records = [make_record(m, i, right=m == "b" and i < 4) for m in "ab" for i in range(5)]
    changes = {f"ex-{i:03}": {"meta": meta} for i, meta in enumerate(metas)}
    (note,) = pair(*load_sides([str(make_folder(tmp_path / "e", records, examples=changes))])).notes
    assert note.startswith("The 5 examples stem from 2 ")
    assert note.endswith(f"is {math.sqrt((2 * 2 * 0.8**2) / (5 / 4 * 0.8)):.2f} times as wide.")


def test_records_without_examples_say_what_was_not_checked(
    tmp_path: Path, make_record: MakeRecord, make_folder: MakeFolder
) -> None:
    folder = make_folder(tmp_path / "e", [make_record("a", i) for i in range(3)])
    bare = tmp_path / "b.jsonl"
    write_records(bare, [make_record("b", i) for i in range(3)])
    (note,) = pair(*load_sides([str(folder), str(bare)])).notes
    assert note.startswith(f"Not checked: whether questions and ground truth are the same, since {bare} holds")
