"""What a build is given may be broken: the error names the place, and no half-finished folder looks whole."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.data.build import How
from rlvr.data.build.folder import MANIFEST
from rlvr.errors import ConfigError, DataError, ModelError, RunError, UsageError
from tests.data.build.conftest import TINY, Build, digests, row, write_rows
from tests.data.build.test_resume import Killed, commits

PLAIN = {"negatives": None, "calls_wanted": None, "heldout": None}


def one(location: str, source: str = "jsonl") -> dict[str, object]:
    return {**PLAIN, "sources": [{"source": source, "location": location}]}


def unfinished(folder: Path) -> bool:
    return not (folder / MANIFEST).exists() and not (folder / "data").exists()


def test_a_truncated_gzip(made: Build, inputs: Path) -> None:
    whole = gzip.compress((inputs / "a.jsonl").read_bytes())
    (inputs / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.jsonl\.gz:\d+: cannot be read: .*ended before"):
        made(**one("cut.jsonl.gz"))
    assert unfinished(inputs / "out")


def test_invalid_utf_8(made: Build, inputs: Path) -> None:
    (inputs / "latin.jsonl").write_bytes((inputs / "a.jsonl").read_bytes() + b'{"id": "\xe9"}\n')
    with pytest.raises(DataError, match=r"latin\.jsonl:61: not valid UTF-8"):
        made(**one("latin.jsonl"))
    assert unfinished(inputs / "out")


def test_a_changed_schema(made: Build, inputs: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = inputs / "shards"
    folder.mkdir()
    pq.write_table(pa.table({"messages": ["[]"], "tools": ["[]"], "ground_truth": ["[]"]}), folder / "0.parquet")
    pq.write_table(pa.table({"messages": ["[]"], "tools": ["[]"], "ground_truth": [7]}), folder / "1.parquet")
    with pytest.raises(DataError, match=r"1\.parquet: its columns are not those of .*0\.parquet: ground_truth differ"):
        made(**one("shards", "parquet"))
    assert not (inputs / "out" / MANIFEST).exists()


def test_places_of_local_sources_are_told_together(made: Build, inputs: Path) -> None:
    """And before the hub is asked for anything."""
    (inputs / "configs" / "SFT").mkdir(parents=True)
    (inputs / "configs" / "SFT" / "a.jsonl").write_text((inputs / "a.jsonl").read_text())
    sources = [
        {"source": "jsonl", "location": "a.jsnol"},
        {"source": "toucan", "location": "nobody/nothing"},
        {"source": "jsonl", "location": "b.jsonl"},
        {"source": "jsonl", "location": "configs", "config": "STF"},
        {"source": "jsonl", "location": "configs", "split": "test", "config": "SFT"},
    ]
    with pytest.raises(ConfigError) as caught:
        made(**{**PLAIN, "sources": sources})
    first, second = caught.value.problems
    assert first.startswith("sources[0]: a.jsnol: no such file")
    assert first.endswith("Did you mean a.jsonl?")
    assert second.startswith("sources[3]: configs: holds no config 'STF' (its subfolders are SFT). Did you mean SFT?")
    assert unfinished(inputs / "out")


def test_an_empty_source(made: Build, inputs: Path) -> None:
    (inputs / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match=r"sources\[0\] \(jsonl, empty\.jsonl\): gives no example: it holds no row"):
        made(**one("empty.jsonl"))


def test_a_source_without_one_good_row_tells_the_first(made: Build, inputs: Path) -> None:
    write_rows(inputs / "bad.jsonl", [{**row(1), "tools": "none"}, {**row(2), "tools": []}])
    with pytest.raises(
        DataError, match=r"of 2 rows 2 not_understood \(row\)\. The first is bad\.jsonl:1: tools are not valid"
    ):
        made(**one("bad.jsonl"))


def test_rows_of_another_form(made: Build, inputs: Path) -> None:
    with pytest.raises(DataError, match=r"the rows are not those of source xlam.*jsonl"):
        made(**one("a.jsonl", "xlam"))


def test_a_hub_that_cannot_be_reached(made: Build, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the data extra")

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach the hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(
        UsageError, match=r"nobody/nothing.*cannot be read from the hub.*give its path in place of the id"
    ):
        made(**one("nobody/nothing"))


def test_the_hub_is_read_at_one_commit_and_gone_on_from(
    made: Build, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the data extra")
    hub = pytest.importorskip("huggingface_hub", reason="needs the data extra")
    rows = [{k: json.dumps(v) if isinstance(v, (list, dict)) else v for k, v in row(i).items()} for i in range(40)]
    asked: list[str | None] = []

    def load(hub_id: str, config: str | None, *, split: str, revision: str | None, streaming: bool) -> Any:
        asked.append(revision)
        return datasets.Dataset.from_list(rows).to_iterable_dataset(num_shards=2)

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(hub.HfApi, "dataset_info", lambda *_, **__: SimpleNamespace(sha="c0ffee"))
    manifest = made(**one("me/rows", "parquet"))
    assert manifest["inputs"] == [
        {"hub": "me/rows", "config": None, "split": "train", "revision": "c0ffee", "parts": 2}
    ]
    assert manifest["counts"]["rows"]["train"] == 40
    assert set(asked[1:]) == {"c0ffee"}
    with monkeypatch.context() as patched:
        commits(patched, 6)
        with pytest.raises(Killed):
            made("stopped", **one("me/rows", "parquet"))
    made("stopped", How(sizes=TINY, resume=True), **one("me/rows", "parquet"))
    assert digests(inputs / "stopped") == digests(inputs / "out")


def _no_tokenizer(name: str) -> Any:
    raise ModelError(f"{name}: its tokenizer cannot be loaded.")


@pytest.mark.slow
def test_what_fails_in_another_process_is_told_as_it_was(made: Build, inputs: Path) -> None:
    for jobs in (1, 2):
        how = How(sizes=TINY, jobs=jobs, load_tokenizer=_no_tokenizer, force=True)
        with pytest.raises(UsageError, match=r"^nowhere: its tokenizer cannot be loaded\.$"):
            made(how=how, filters={"tokenizer": "nowhere"})


def test_a_file_that_is_not_there(made: Build, inputs: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.jsonl: no such file or folder"):
        made(**one("nowhere.jsonl"))
    with pytest.raises(UsageError, match=r"held\.jsonl: no such file"):
        made(filters={"decontaminate": ["held.jsonl"]})
    with pytest.raises(UsageError, match=r"servers\.jsonl: no such file"):
        made(negatives={"count": 1, "servers": "servers.jsonl"})


def _toucan(number: int, subset: str) -> dict[str, Any]:
    tool = {"type": "function", "function": {"name": "see", "description": "Sees.", "parameters": {"type": "object"}}}
    said = [{"role": "user", "content": f"See {number}"}, {"role": "assistant", "content": "I cannot."}]
    row = {"uuid": f"u{number}", "subset_name": subset, "messages": json.dumps(said), "tools": json.dumps([tool])}
    return {**row, "question": "", "target_tools": ""}


def test_a_subset_that_no_row_has(made: Build, inputs: Path) -> None:
    """The last rows hold another name still: what is told comes first after ten rows, and whole at the end."""
    subsets = ["irrelevant"] * 40 + ["multi-turn"] * 10
    write_rows(inputs / "toucan.jsonl", [_toucan(i, s) for i, s in enumerate(subsets)])
    with (inputs / "toucan.jsonl").open("a") as file:
        file.write("{a broken line\n")
    source = {"source": "toucan", "location": "toucan.jsonl", "subset": "irelevant"}
    notes: list[str] = []
    with pytest.raises(DataError) as caught:
        made(how=How(sizes=TINY, note=notes.append), **{**PLAIN, "sources": [source]})
    assert str(caught.value) == (
        "sources[0] (toucan, toucan.jsonl): gives no example: none of 51 rows is of the subset 'irelevant'. Did you "
        "mean irrelevant? The rows' subsets: irrelevant (40), multi-turn (10)."
    )
    assert len(notes) == 1
    assert "none of 12 rows is of the subset 'irelevant'" in notes[0]
    assert notes[0].endswith("irrelevant (12). Reading goes on.")


def test_a_share_that_no_number_of_rows_has(made: Build, inputs: Path) -> None:
    write_rows(inputs / "few.jsonl", [row(i, calls=i > 1) for i in range(4)])
    with pytest.raises(UsageError, match=r"calls_wanted 0.617 holds only in .* train has 2 calling and 2 no-call rows"):
        made(**{**one("few.jsonl"), "calls_wanted": 0.617})


def test_a_full_disk(made: Build, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import rlvr.data.build.store as store

    def full(self: store.Writer, row: store.Packed) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.Writer, "add", full)
    with pytest.raises(RunError, match=r"out: reading or writing failed .*No space left.*--resume"):
        made()
    monkeypatch.undo()
    assert unfinished(inputs / "out")
