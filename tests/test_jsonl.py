"""Every file of JSON lines is read alike: by `rlvr score`, by the audit, and as training data."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlvr.audit.examples import load_examples
from rlvr.data.sources.jsonl import read_jsonl
from rlvr.errors import DataError, RunError
from rlvr.jsonl import append_flushed, dumps, read_objects, replace_flushed
from rlvr.rewards import score_file

TOOL = {"name": "f", "parameters": {"type": "object", "properties": {}}}
ROW = json.dumps(
    {"completion": "No.", "messages": [{"role": "user", "content": "Hi"}], "tools": [TOOL], "ground_truth": []}
)
Reader = Callable[[Path], list[Any]]
every_reader = pytest.mark.parametrize(
    "read",
    [lambda p: list(score_file(p)), lambda p: list(load_examples(p)), lambda p: list(read_jsonl(p))],
    ids=["score", "audit", "data"],
)


@every_reader
def test_blank_lines_a_mark_at_the_beginning_and_gzip(read: Reader, tmp_path: Path) -> None:
    data = b"\xef\xbb\xbf" + f"{ROW}\n\n  \n{ROW}\n".encode()
    (tmp_path / "a.jsonl").write_bytes(data)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(data))
    assert len(read(tmp_path / "a.jsonl")) == len(read(tmp_path / "a.jsonl.gz")) == 2


@every_reader
def test_nesting_without_end_is_named_by_its_line(read: Reader, tmp_path: Path) -> None:
    (tmp_path / "deep.jsonl").write_text(f"{ROW}\n{'[' * 200_000}\n")
    with pytest.raises(DataError, match=r"deep\.jsonl:2: .*not valid JSON: .*recursion"):
        read(tmp_path / "deep.jsonl")


@every_reader
@pytest.mark.parametrize("cut", [True, False], ids=["cut", "damaged"])
def test_a_broken_archive_is_one_error(read: Reader, tmp_path: Path, cut: bool) -> None:
    whole = gzip.compress(f"{ROW}\n".encode() * 3000)
    (tmp_path / "torn.jsonl.gz").write_bytes(whole[:-20] if cut else whole[:40] + b"\xff\x00\xff" + whole[43:])
    with pytest.raises(DataError, match=r"torn\.jsonl\.gz.*: cannot be read"):
        read(tmp_path / "torn.jsonl.gz")


@every_reader
def test_what_is_no_utf8_is_named_by_its_line(read: Reader, tmp_path: Path) -> None:
    (tmp_path / "latin.jsonl").write_bytes(f"{ROW}\n".encode() + b'{"a": "\xe9"}\n')
    with pytest.raises(DataError, match=r"latin\.jsonl:2: not valid UTF-8"):
        read(tmp_path / "latin.jsonl")


def test_an_object_comes_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('\n{"a": 1}\n')
    assert list(read_objects(tmp_path / "a.jsonl")) == [(f"{tmp_path / 'a.jsonl'}:2", {"a": 1})]


def test_half_a_surrogate_pair_survives_a_file_and_everything_else_stays_readable(tmp_path: Path) -> None:
    values = [{"a": "臺北\u2028"}, {"a": "half \ud83d"}]
    append_flushed(tmp_path / "a.jsonl", values[:1])
    append_flushed(tmp_path / "a.jsonl", values[1:])
    lines = (tmp_path / "a.jsonl").read_bytes().split(b"\n")
    assert [json.loads(line) for line in lines[:2]] == values
    assert lines[2] == b""
    assert "臺北".encode() in lines[0]
    assert lines[1].isascii()
    assert dumps({"a": "臺"}, indent=1) == '{\n "a": "臺"\n}'


def test_a_file_is_replaced_whole_and_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    replace_flushed(path, [1, 2])
    replace_flushed(path, [3])
    assert path.read_text() == "3\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]
    with pytest.raises(RunError, match="make room and run the same command again"):
        append_flushed(tmp_path / "none" / "a.jsonl", [1])


def test_what_a_kill_left_of_a_line_is_cut_off_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    append_flushed(path, [{"a": 1}])
    for left in ('{"a": 2, "b', '{"a": 2}'):  # also one that lacks nothing but its end
        with path.open("a") as file:
            file.write(left)
        append_flushed(path, [{"a": 3}])
        assert path.read_text().splitlines()[-1] == '{"a": 3}'
    assert [row["a"] for _, row in read_objects(path)] == [1, 3, 3]
