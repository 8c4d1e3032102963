"""A file is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlvr.errors import DataError
from rlvr.paths import write_whole, written_whole


def test_where_nothing_is_written_the_old_file_stays_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, b"old")
    (tmp_path / ".a.txt.tmp").write_bytes(b"half, of a process that was killed")
    with written_whole(path):
        pass
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_on_the_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, b"old")

    def half() -> None:
        with written_whole(path) as beside:
            beside.write_bytes(b"half")
            raise DataError("a", "no row")

    with pytest.raises(DataError):
        half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folders_are_made_and_no_row_leaves_no_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the data extra")
    from rlvr.training.preference.write import write_rows

    write_whole(tmp_path / "b" / "c" / "a.txt", b"new", flush=True)
    assert (tmp_path / "b" / "c" / "a.txt").read_bytes() == b"new"
    for name in ("none.parquet", "none.jsonl", "none.jsonl.gz"):
        assert write_rows([], tmp_path / "d" / name) == 0
    assert not list((tmp_path / "d").iterdir())
