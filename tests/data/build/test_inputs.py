"""A build knows what it was made of: an input that changed is told, by name, whether the build is finished or not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.data.build import How, Progress, build, inputs, load_data_recipe
from rlvr.data.build.folder import FINISHED, INPUTS, MANIFEST
from rlvr.errors import UsageError
from tests.data.build.conftest import TINY, Build, digests, row, write_rows
from tests.data.build.test_resume import Killed, commits

PLAIN: dict[str, Any] = {"negatives": None, "calls_wanted": None, "heldout": None}
A = {"source": "jsonl", "location": "a.jsonl"}


def again(out: str = "out", **how: Any) -> dict[str, Any]:
    """The same command once more."""
    return build(*load_data_recipe("recipe.yaml"), out, How(sizes=TINY, resume=True, **how))


def grow(path: Path) -> None:
    path.write_text(path.read_text() + json.dumps(row(900)) + "\n")


def edit(path: Path) -> None:
    """Another content of the same size."""
    path.write_text(path.read_text().replace("row-7", "row-0", 1))


def replace(path: Path) -> None:
    """A file that is older than the one before, as `mv` leaves it."""
    write_rows(path, [row(900)])
    os.utime(path, (1_000_000_000, 1_000_000_000))


def remove(path: Path) -> None:
    path.unlink()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the inputs that are read to be hashed."""
    names: list[str] = []
    real = inputs.sha256

    def noted(path: Path) -> str:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(inputs, "sha256", noted)
    return names


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (grow, r"a\.jsonl \([\d,]+ bytes, had [\d,]+\)"),
        (edit, r"a\.jsonl \(of the same [\d,]+ bytes, other content\)"),
        (replace, r"a\.jsonl \(\d+ bytes, had [\d,]+\)"),
        (remove, r"a\.jsonl \(is no longer there\)"),
    ],
)
def test_a_finished_build_tells_which_input_changed(
    made: Build, inputs: Path, change: Callable[[Path], None], words: str
) -> None:
    made(**PLAIN)
    before = digests(inputs / "out")
    change(inputs / "a.jsonl")
    with pytest.raises(UsageError, match=rf"^out: holds a finished build.*changed since: {words}\. Give another --out"):
        again()
    assert digests(inputs / "out") == before


def test_files_that_come_and_go_in_a_folder(made: Build, inputs: Path) -> None:
    (inputs / "rows").mkdir()
    for number in range(8):
        write_rows(inputs / "rows" / f"{number}.jsonl", [row(number)])
    made(**{**PLAIN, "sources": [{"source": "jsonl", "location": "rows"}]})
    (inputs / "rows" / "3.jsonl").rename(inputs / "rows" / "9.jsonl")
    with pytest.raises(UsageError, match=r"rows/9\.jsonl \(is new\), rows/3\.jsonl \(is no longer there\)\."):
        again()
    for number in (0, 1, 2, 4, 5):
        grow(inputs / "rows" / f"{number}.jsonl")
    with pytest.raises(UsageError, match=r"rows/5\.jsonl \([^)]+\) and 2 more\. Give another"):
        again()


def test_nothing_is_read_to_say_that_nothing_changed(made: Build, inputs: Path, hashed: list[str]) -> None:
    manifest = made(**PLAIN)
    assert hashed == ["a.jsonl", "b.jsonl"]
    del hashed[:]
    assert again() == manifest
    assert hashed == []
    os.utime(inputs / "b.jsonl", (1_000_000_000, 1_000_000_000))
    assert again() == manifest
    assert hashed == ["b.jsonl"]  # the time alone differs: read once, and the new time is kept
    assert again() == manifest
    assert hashed == ["b.jsonl"]


def test_what_is_read_beside_the_sources_counts_too(made: Build, inputs: Path) -> None:
    write_rows(inputs / "held.jsonl", [{"id": "h1", "query": "What is the tallest tower of all?"}])
    made(filters={"decontaminate": ["held.jsonl"]}, **PLAIN)
    write_rows(inputs / "held.jsonl", [{"id": "h1", "query": "What is the widest river of all?"}])
    with pytest.raises(UsageError, match=r"changed since: held\.jsonl"):
        again()


def test_a_clone_of_servers_may_be_looked_at(made: Build, inputs: Path) -> None:
    tool = {"name": "tune_guitar", "description": "Tunes a guitar for the stage.", "input_schema": {"type": "object"}}
    folder = inputs / "clone" / "servers"
    (inputs / "clone" / ".git").mkdir(parents=True)
    folder.mkdir()
    (inputs / "clone" / ".git" / "index").write_text("1")
    write_rows(folder / "0001.json", [{"server": "band", "tools": [tool]}])
    manifest = made(**{**PLAIN, "negatives": {"count": 2, "servers": "clone"}})
    assert "clone/servers/0001.json" in {i["file"] for i in manifest["inputs"]}
    (inputs / "clone" / ".git" / "index").write_text("22")
    assert again() == manifest
    write_rows(folder / "0002.json", [{"server": "choir", "tools": [tool]}])
    with pytest.raises(UsageError, match=r"clone/servers/0002\.json \(is new\)"):
        again()


def test_the_tokenizer_s_files_count_and_its_weights_do_not(made: Build, inputs: Path, tiny_model: Path) -> None:
    import shutil

    from rlvr.models.tokenizer import load_tokenizer

    shutil.copytree(tiny_model, inputs / "model")
    manifest = made(how=How(sizes=TINY, load_tokenizer=load_tokenizer), filters={"tokenizer": "model"}, **PLAIN)
    names = {i["file"] for i in manifest["inputs"]}
    assert "model/tokenizer.json" in names
    assert not [n for n in names if n.endswith(".safetensors")]
    grow(inputs / "model" / "tokenizer.json")
    with pytest.raises(UsageError, match=r"changed since: model/tokenizer\.json"):
        again()


def test_a_resumed_build_tells_and_reads_only_what_may_differ(
    made: Build, inputs: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        commits(patched, 6)
        with pytest.raises(Killed):
            made(**PLAIN)
    del hashed[:]
    edit(inputs / "a.jsonl")
    with pytest.raises(UsageError, match=r"inputs changed since .* would mix two: a\.jsonl .*--force"):
        again()
    assert hashed == ["a.jsonl"]


def test_a_file_that_changes_while_it_is_read(made: Build, inputs: Path) -> None:
    def write(progress: Progress) -> None:
        if progress.step == "read jsonl" and progress.done == 8:
            grow(inputs / "a.jsonl")

    with pytest.raises(UsageError, match=r"changed while the build read it: a\.jsonl"):
        made(how=How(sizes=TINY, say=write), **PLAIN)
    assert not (inputs / "out" / MANIFEST).exists()
    with pytest.raises(UsageError, match=r"inputs changed since this build was begun.*a\.jsonl"):
        again()


def test_the_manifest_depends_on_contents_and_not_on_times(made: Build, inputs: Path) -> None:
    made(**PLAIN)
    os.utime(inputs / "a.jsonl", (1_000_000_000, 1_000_000_000))
    made("other", **PLAIN)
    one, two = digests(inputs / "out"), digests(inputs / "other")
    assert {name for name in one if one[name] != two[name]} == {INPUTS}
    stamped = json.loads((inputs / "other" / INPUTS).read_text())
    assert stamped[0]["modified_ns"] == 1_000_000_000 * 10**9
    assert INPUTS not in FINISHED  # what is pushed


def test_a_folder_that_came_without_times_is_compared_by_content(made: Build, inputs: Path, hashed: list[str]) -> None:
    manifest = made(**PLAIN)
    (inputs / "out" / INPUTS).unlink()
    del hashed[:]
    assert again() == manifest
    assert hashed == ["a.jsonl", "b.jsonl"]
    assert (inputs / "out" / INPUTS).is_file()
    edit(inputs / "b.jsonl")
    (inputs / "out" / INPUTS).unlink()
    # "row-7" is no id of b.jsonl, so that nothing changed but the time
    assert again() == manifest
    grow(inputs / "b.jsonl")
    with pytest.raises(UsageError, match=r"changed since: b\.jsonl"):
        again()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A hub with one data set of 40 rows in two parts, at a commit that may move on."""
    datasets = pytest.importorskip("datasets", reason="needs the data extra")
    hub = pytest.importorskip("huggingface_hub", reason="needs the data extra")
    rows = [{k: json.dumps(v) if isinstance(v, (list, dict)) else v for k, v in row(i).items()} for i in range(40)]
    state = SimpleNamespace(sha="c0ffee", read=[])

    def load(hub_id: str, config: str | None, *, split: str, revision: str | None, streaming: bool) -> Any:
        state.read.append(revision)
        return datasets.Dataset.from_list(rows).to_iterable_dataset(num_shards=2)

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(hub.HfApi, "dataset_info", lambda *_, **__: SimpleNamespace(sha=state.sha))
    return state


def test_a_stopped_build_goes_on_with_the_hub_s_state_it_was_begun_with(
    made: Build, inputs: Path, hub: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {**PLAIN, "sources": [{"source": "parquet", "location": "me/rows"}]}
    with monkeypatch.context() as patched:
        commits(patched, 6)
        with pytest.raises(Killed):
            made(**recipe)
    hub.sha, hub.read = "decaf", []
    assert again()["inputs"][0]["revision"] == "c0ffee"
    assert set(hub.read) == {"c0ffee"}


def test_a_finished_build_says_that_the_hub_moved_on(made: Build, inputs: Path, hub: SimpleNamespace) -> None:
    recipe = {**PLAIN, "sources": [{"source": "parquet", "location": "me/rows"}]}
    made(**recipe)
    notes: list[str] = []
    again(note=notes.append)
    assert notes == []
    hub.sha, hub.read = "decaf", []
    again(note=notes.append)
    assert len(notes) == 1
    assert notes[0].startswith("me/rows is at decaf on the hub now, the build is of c0ffee. --force builds anew")
    assert hub.read == []  # no row is read for it
    made("pinned", sources=[{"source": "parquet", "location": "me/rows", "revision": "c0ffee"}], **{
        k: v for k, v in recipe.items() if k != "sources"
    })  # fmt: skip
    again("pinned", note=notes.append)
    assert len(notes) == 1
