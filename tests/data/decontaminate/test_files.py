"""Files that a user names: every form that is read, and what is said of the others."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.decontaminate import Index
from rlvr.data.decontaminate.files import read_reference
from rlvr.errors import DataError, UsageError

TOOL = {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_every_form_of_a_row_is_read(tmp_path: Path) -> None:
    user = {"role": "user", "content": "one"}
    path = write(
        tmp_path / "rows.jsonl",
        {"id": "a", "messages": [user, {"role": "assistant", "content": "x"}], "tools": [TOOL]},
        {"messages": json.dumps([user]), "tools": json.dumps([TOOL])},
        {"id": 3, "question": [[user], [{"role": "user", "content": "two"}]], "function": [TOOL]},
        {"query": "one", "functions": TOOL},
        {"question": "one"},
        {"prompt": "one"},
    )
    rows = list(read_reference(path))
    assert [r[0] for r in rows] == ["a", f"{path}:2", "3", f"{path}:4", f"{path}:5", f"{path}:6"]
    assert [r[1] for r in rows] == [["one"], ["one"], ["one", "two"], ["one"], ["one"], ["one"]]
    assert [len(r[2]) for r in rows] == [1, 1, 1, 1, 0, 0]


def test_text_and_packed_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("one\n\ntwo\n")
    assert [texts for _, texts, _ in read_reference(tmp_path / "q.txt")] == [["one"], ["two"]]
    with gzip.open(tmp_path / "q.jsonl.gz", "wt") as file:
        file.write('{"text": "a question of mine"}\n')
    assert len(Index().add_file(tmp_path / "q.jsonl.gz")) == 1


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("q.jsonl", '{"answer": 1}\n', DataError, "q.jsonl:1: holds no question"),
        ("q.jsonl", '{"messages": [{"role": "system", "content": "x"}]}\n', DataError, "holds no question"),
        ("q.jsonl", '{"query": "x"}\n{"query": \n', DataError, "q.jsonl:2: not valid JSON"),
        ("q.jsonl", '{"query": "x", "tools": [{"a": 1}]}\n', DataError, "a tool has no name"),
        ("q.csv", "a,b\n", UsageError, "decontamination reads"),
    ],
)
def test_what_cannot_be_read_is_said(
    tmp_path: Path, name: str, content: str, error: type[Exception], message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(error, match=message):
        list(read_reference(tmp_path / name))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file\. Decontamination takes bfcl or a file of questions"):
        Index().add_file(tmp_path / "none.jsonl")
