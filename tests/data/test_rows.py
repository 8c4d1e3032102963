"""Rows of files, folders and the hub: in order, in bounded memory, resumable; what is damaged says where."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.rows import Row, Shard, count_rows, find_shards, read_shard, shard_size
from rlvr.errors import DataError, UsageError

ROWS: list[dict[str, Any]] = [{"n": i, "text": "é" * i} for i in range(200)]
LINES = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in ROWS)


def write(path: Path) -> Path:
    if path.name.endswith(".parquet"):
        pa = pytest.importorskip("pyarrow", reason="needs the data extra")
        pq = pytest.importorskip("pyarrow.parquet", reason="needs the data extra")
        pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=70)
        return path
    text = json.dumps(ROWS, ensure_ascii=False, indent=1) if ".json" in path.suffixes else LINES
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def values(path: Path, start: int = 0, stop: int | None = None) -> list[int]:
    (shard,) = find_shards(path)
    found = list(read_shard(shard, start, stop))
    assert all(isinstance(r, Row) for r in found)
    return [r.value["n"] for r in found if isinstance(r, Row)]


NAMES = ("a.jsonl", "a.jsonl.gz", "a.json", "a.json.gz", "a.parquet", "a.ndjson")


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_file_gives_its_rows(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name)
    everything = list(range(200))
    assert values(path) == everything
    for start, stop in ((0, 5), (69, 71), (140, None), (199, 500), (200, None), (10, 10)):
        assert values(path, start, stop) == everything[start:stop]
    (shard,) = find_shards(path)
    assert shard_size(shard) == 200
    row = next(iter(read_shard(shard, 3)))
    assert isinstance(row, Row)
    assert row.key == "3"
    assert row.location == str(path)
    assert row.where == (f"{path}:4" if "jsonl" in name or "ndjson" in name else f"{path}#3")


def test_json_may_be_lines_or_one_object(tmp_path: Path) -> None:
    lines = tmp_path / "lines.json"
    lines.write_text(LINES, encoding="utf-8")
    assert values(lines) == list(range(200))
    one = tmp_path / "one.json"
    one.write_text(json.dumps({"n": 7, "deep": [1]}, indent=2), encoding="utf-8")
    assert values(one) == [7]
    two = tmp_path / "two.json"
    two.write_text('{\n"n": 7\n}\n{"n": 8}', encoding="utf-8")
    with pytest.raises(DataError, match="more than one JSON value"):
        values(two)


def test_elements_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    long = "é" * 3_000_000
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps([{"n": 1, "t": long}, {"n": 2}, {"n": 3, "t": long}], ensure_ascii=False), encoding="utf-8"
    )
    assert values(path) == [1, 2, 3]


def test_a_long_array_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        "[" + ",".join(json.dumps({"n": i, "t": "x" * 1000}) for i in range(20_000)) + "]", encoding="utf-8"
    )
    tracemalloc.start()
    count = sum(1 for _ in read_shard(find_shards(path)[0]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 10_000_000 < path.stat().st_size


def test_folders_keep_their_order_and_shards_are_numbered(tmp_path: Path) -> None:
    for name, part in (("b.jsonl", ROWS[100:]), ("a.jsonl", ROWS[:100])):
        (tmp_path / name).write_text("".join(json.dumps(r) + "\n" for r in part), encoding="utf-8")
    (tmp_path / "README.md").write_text("no data", encoding="utf-8")
    (tmp_path / "dataset_infos.json").write_text("{}", encoding="utf-8")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "c.jsonl").write_text("{}", encoding="utf-8")
    shards = find_shards(tmp_path)
    rows = [r for s in shards for r in read_shard(s)]
    assert [r.value["n"] for r in rows if isinstance(r, Row)] == list(range(200))
    assert [r.key for r in rows if isinstance(r, Row)][99:101] == ["0.99", "1.0"]
    assert count_rows(shards) == 200


def test_splits_and_configurations_of_a_folder(tmp_path: Path) -> None:
    for config in ("SFT", "OSS"):
        for split in ("train", "test"):
            path = tmp_path / config / f"{split}-00000-of-00001.jsonl"
            path.parent.mkdir(exist_ok=True)
            path.write_text("{}\n", encoding="utf-8")
    (shard,) = find_shards(tmp_path, config="SFT", split="test")
    assert shard.location.endswith("SFT/test-00000-of-00001.jsonl")
    assert len(find_shards(tmp_path)) == 2
    with pytest.raises(UsageError, match=r"no split 'dev'.*test, train"):
        find_shards(tmp_path, split="dev")


def test_a_misspelt_name_of_something_local_is_guessed(tmp_path: Path) -> None:
    for config in ("SFT", "Kimi-K2"):
        (tmp_path / "toucan" / config).mkdir(parents=True)
        (tmp_path / "toucan" / config / "train-0.jsonl").write_text("{}\n")
    toucan = tmp_path / "toucan"
    with pytest.raises(
        UsageError, match=r"holds no config 'Kimi-K3' \(its subfolders are Kimi-K2, SFT\)\. Did you mean K"
    ):
        find_shards(toucan, config="Kimi-K3")
    with pytest.raises(UsageError, match=r"holds no config 'x' .* SFT\)\. Without a config all of them are read\."):
        find_shards(toucan, config="x")
    with pytest.raises(UsageError, match=r"no split 'trian' .* Did you mean train\?"):
        find_shards(toucan, config="SFT", split="trian")
    with pytest.raises(UsageError, match=r"toucna: no such file .* Check the path\. Did you mean toucan\?"):
        find_shards(tmp_path / "toucna")
    assert len(find_shards(toucan, config="default")) == 2  # the hub's name for the only one


def test_a_config_of_files_that_lie_together_names_no_folder(tmp_path: Path) -> None:
    for name in ("a.jsonl", "data/b.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}\n")
    assert len(find_shards(tmp_path, config="func_calling")) == 2


def test_how_many_rows_is_told_without_reading_them(tmp_path: Path) -> None:
    assert count_rows(find_shards(write(tmp_path / "a.parquet"))) == 200
    assert count_rows(find_shards(write(tmp_path / "a.json"))) is None
    big = tmp_path / "big.jsonl"
    big.write_text(json.dumps({"t": "x" * 990}) + "\n", encoding="utf-8")
    with big.open("a", encoding="utf-8") as handle:
        handle.writelines([json.dumps({"t": "x" * 990}) + "\n"] * 8999)
    assert count_rows(find_shards(big)) == pytest.approx(9000, rel=0.01)


def test_a_broken_line_stands_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1}\n{"n": \n[5]\n\n{"n": 2}\n' + "[" * 100_000 + "\n", encoding="utf-8")
    found = list(read_shard(find_shards(path)[0]))
    assert [type(f).__name__ for f in found] == ["Row", "DataError", "DataError", "Row", "DataError"]
    assert [f.where for f in found] == [f"{path}:{n}" for n in (1, 2, 3, 5, 6)]


def test_a_truncated_archive_says_where(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "a.json.gz"):
        path = write(tmp_path / name)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(DataError, match=rf"{name}.*cannot be read"):
            list(read_shard(find_shards(path)[0]))


def test_bytes_that_are_no_utf8_say_where(tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(b'{"n": 1}\n{"n": "\xff"}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2: not valid UTF-8"):
        list(read_shard(find_shards(lines)[0]))
    array = tmp_path / "a.json"
    array.write_bytes(b'[{"n": "\xff"}]')
    with pytest.raises(DataError, match=r"a\.json.*not valid UTF-8"):
        list(read_shard(find_shards(array)[0]))


@pytest.mark.parametrize("text", ['[{"n": 1}, {"n": 2}', '[{"n": 1}, {"n": ', "[", "[1 2"])
def test_an_array_that_is_cut_short_says_so(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="cut short"):
        list(read_shard(find_shards(path)[0]))


def test_a_parquet_file_with_other_columns_is_named(tmp_path: Path) -> None:
    pa, pq = (
        pytest.importorskip("pyarrow", reason="needs the data extra"),
        pytest.importorskip("pyarrow.parquet", reason="needs the data extra"),
    )
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"a": [1], "c": ["x"]}), tmp_path / "1.parquet")
    with pytest.raises(DataError, match=r"1\.parquet: its columns are not those of .*0\.parquet: b, c differ"):
        find_shards(tmp_path)
    pq.write_table(pa.table({"a": ["1"], "b": ["x"]}), tmp_path / "1.parquet")
    with pytest.raises(DataError, match="a differ"):
        find_shards(tmp_path)


def test_a_damaged_parquet_file_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="no Parquet file, or a damaged one"):
        find_shards(path)
    path.write_bytes(whole[:4] + b"\x00" * 60 + whole[64:])
    with pytest.raises(DataError, match="damaged"):
        list(read_shard(find_shards(path)[0]))


def test_nothing_to_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no file that ends in"):
        find_shards(tmp_path)
    with pytest.raises(UsageError, match="no such file or folder"):
        find_shards(tmp_path / "none.jsonl")
    (tmp_path / "a.csv").write_text("a,b", encoding="utf-8")
    with pytest.raises(UsageError, match="ends in none of"):
        find_shards(tmp_path / "a.csv")


def test_a_hub_that_cannot_be_reached_says_what_to_do_offline() -> None:
    pytest.importorskip("datasets", reason="needs the data extra")
    code = (
        "from rlvr.data.rows import find_shards\nfrom rlvr.errors import UsageError\n"
        "try:\n    find_shards('Salesforce/xlam-function-calling-60k')\n"
        "except UsageError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Salesforce/xlam-function-calling-60k: cannot be read from the hub (")
    assert "hf download Salesforce/xlam-function-calling-60k --repo-type dataset --local-dir FOLDER" in done.stdout


def test_the_hub_is_streamed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the data extra")
    asked: list[Any] = []

    def load(name: str, config: str | None, **options: Any) -> Any:
        asked.append((name, config, options))
        parts = [ROWS[:80], ROWS[80:]]
        return datasets.IterableDataset.from_generator(_rows, gen_kwargs={"parts": parts})

    monkeypatch.setattr(datasets, "load_dataset", load)
    shards = find_shards("owner/name", config="c", split="test", revision="abc")
    assert asked == [("owner/name", "c", {"split": "test", "revision": "abc", "streaming": True})]
    assert [(s.index, s.of, s.name) for s in shards] == [(i, 2, "owner/name@abc/c/test") for i in range(2)]
    rows = list(read_shard(shards[1], 5, 8))
    assert [r.value["n"] for r in rows if isinstance(r, Row)] == [85, 86, 87]
    assert rows[0].where == "owner/name@abc/c/test#1.5"


def test_a_connection_that_breaks_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the data extra")
    data = datasets.IterableDataset.from_generator(_failing)
    monkeypatch.setattr(datasets, "load_dataset", lambda *a, **k: data)
    with pytest.raises(
        UsageError, match=r"owner/name/train: cannot be read from the hub after 2 rows \(ConnectionError"
    ):
        list(read_shard(Shard("owner/name", hub=True)))


def _rows(parts: list[list[dict[str, Any]]]) -> Any:
    for part in parts:
        yield from part


def _failing() -> Any:
    yield {"n": 0}
    yield {"n": 1}
    raise ConnectionError("reset by peer")
