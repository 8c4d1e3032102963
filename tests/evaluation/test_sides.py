"""What an argument of `rlvr compare` stands for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rlvr.errors import DataError, UsageError
from rlvr.evaluation.records import EvalRecord, write_records
from rlvr.evaluation.sides import load_sides, split_argument

MakeRecord = Callable[..., EvalRecord]
MakeFolder = Callable[..., Path]


@pytest.fixture
def two(tmp_path: Path, make_record: MakeRecord, make_folder: MakeFolder) -> Path:
    """A folder with the models m and n."""
    return make_folder(tmp_path / "two", [make_record(m, i) for m in ("m", "n") for i in range(3)])


@pytest.fixture
def one(tmp_path: Path, make_record: MakeRecord, make_folder: MakeFolder) -> Path:
    """A folder with the model m alone."""
    return make_folder(tmp_path / "deep" / "one", [make_record("m", i) for i in range(3)])


def test_a_folder_alone_stands_for_its_models(two: Path) -> None:
    sides = load_sides([str(two)])
    assert [s.label for s in sides] == ["m", "n"]
    assert list(sides[0].records) == ["ex-000", "ex-001", "ex-002"]
    assert sides[0].settings["matching"] == "typed"
    assert sides[0].examples is not None
    assert sides[1].fingerprint == "two/n"


def test_labels_choose_names_rename_and_equal_names_are_told_apart(one: Path, two: Path) -> None:
    assert [s.label for s in load_sides([f"{two}:n", str(one)])] == ["n", "m"]
    assert [s.label for s in load_sides([f"old={two}:n", f"new={one}"])] == ["old", "new"]
    assert [s.label for s in load_sides([str(one), str(two)], ["m"])] == ["m (one)", "m (two)"]
    assert [s.label for s in load_sides([str(two)], ["n", "m"])] == ["n", "m"]


def test_folders_of_one_name_are_called_by_more_of_their_path(
    tmp_path: Path, make_record: MakeRecord, make_folder: MakeFolder
) -> None:
    folders = [make_folder(tmp_path / run / "eval", [make_record("m", 0)]) for run in ("run1", "run2")]
    assert [s.label for s in load_sides([str(f) for f in folders])] == ["m (run1/eval)", "m (run2/eval)"]


def test_records_alone_are_a_side_and_those_of_a_folder_stand_for_it(
    tmp_path: Path, one: Path, make_record: MakeRecord
) -> None:
    bare = tmp_path / "mine.jsonl"
    write_records(bare, [make_record("x", i) for i in range(3)])
    left, right = load_sides([str(bare), str(one / "records.jsonl")])
    assert (left.label, left.examples, left.settings) == ("x", None, {})
    assert right.examples is not None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", ("", "plain", "")),
        ("plain:a:b", ("", "plain", "a:b")),
        ("x=plain:m@step-8", ("x", "plain", "m@step-8")),
        ("odd=na:me", ("", "odd=na:me", "")),
        ("odd=na:me:m", ("", "odd=na:me", "m")),
    ],
)
def test_what_exists_as_a_path_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, wanted: tuple[str, str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("plain", "odd=na:me"):
        Path(name).mkdir()
    name, path, label = split_argument(text)
    assert (name, str(path), label) == wanted


def test_what_cannot_be_a_side_is_one_clear_error(two: Path, one: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, models, message in (
        ([str(tmp_path / "nowhere"), str(one)], [], "nowhere: no such evaluation folder"),
        ([str(one), str(two)], [], r"holds 2 models \(m, n\); say which one, as .*two:m"),
        ([f"x={two}"], [], "say which one"),
        ([f"{two}:mm", str(one)], [], r"holds no model 'mm'\. Did you mean m\?"),
        ([str(two)], ["z"], "holds no model 'z'"),
        ([str(two)], ["m", "n", "nn"], r"--model nn: none of these evaluations takes it\. Did you mean n\?"),
        ([f"{two}:m", f"{two}:n"], ["z"], "--model z: none"),
        ([str(one)], [], "holds m alone: a comparison needs two"),
        ([str(one), f"{one}:m"], [], "given twice"),
        ([str(empty), str(one)], [], "empty/records.jsonl: no evaluation records"),
        ([f"x={one}", f"x={two}:n"], [], "m|n"),
    ):
        if message == "m|n":
            assert [s.label for s in load_sides(arguments, models)] == ["x (one)", "x (two)"]
            continue
        with pytest.raises(UsageError, match=message):
            load_sides(arguments, models)


def test_broken_files_are_named(one: Path, tmp_path: Path, make_record: MakeRecord) -> None:
    twice = tmp_path / "twice.jsonl"
    write_records(twice, [make_record("m", 1), make_record("m", 1)])
    with pytest.raises(DataError, match=r"twice\.jsonl: m: example 'ex-001' stands in the records twice"):
        load_sides([str(twice), str(one)])
    torn = tmp_path / "torn.jsonl"
    torn.write_text('{"model": \n{"model": "m"}\n')
    with pytest.raises(DataError, match=r"torn\.jsonl:1: broken JSON"):
        load_sides([str(torn), str(one)])
    (one / "evaluation.json").write_text("[]")
    with pytest.raises(DataError, match="not the settings of an evaluation"):
        load_sides([str(one), str(twice)])
