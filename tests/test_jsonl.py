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
from rlvr.errors import DataError
from rlvr.jsonl import read_objects
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
