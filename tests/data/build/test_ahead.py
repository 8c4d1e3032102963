"""What negatives need beside rows is looked at before the first row is read: servers, and a judge that answers."""

from __future__ import annotations

import json
import socket
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rlvr.cli import main
from rlvr.data.build import How, ahead
from rlvr.errors import DataError, RunError, UsageError
from rlvr.negatives import Judge
from tests.data.build.conftest import TINY, Build, base, digests, write_rows

NO = {"choices": [{"message": {"content": '{"call": false}'}}]}


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}/v1"


@pytest.fixture(autouse=True)
def in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "Judge", partial(Judge, sleep=lambda _: None))


def judged(endpoint: str, count: int = 4) -> dict[str, Any]:
    judge = {"endpoint": endpoint, "model": "m", "cache": "judge.sqlite"}
    return {"count": count, "kinds": {"server_shuffle": 1}, "judge": judge}


def nothing_read(folder: Path) -> bool:
    return not (folder / ".build" / "read").exists()


def test_servers_that_will_not_do(made: Build, inputs: Path) -> None:
    write_rows(inputs / "servers.jsonl", [{"server": "s", "tools": []}])
    with pytest.raises(DataError, match=r"servers\.jsonl: holds no server with tools \(negatives\.servers\)"):
        made(negatives={"count": 1, "servers": "servers.jsonl"})
    with pytest.raises(UsageError, match=r"nowhere\.jsonl: no such file.*--set negatives\.servers=null"):
        made(negatives={"count": 1, "servers": "nowhere.jsonl"})
    (inputs / "servers.jsonl").write_bytes(b'{"server": "\xe9"}\n')
    with pytest.raises(DataError, match=r"servers\.jsonl:1: not valid UTF-8"):
        made(negatives={"count": 1, "servers": "servers.jsonl"})
    assert nothing_read(inputs / "out")


def test_an_embedding_model_that_is_not_there(made: Build, inputs: Path) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    pytest.importorskip("transformers", reason="needs the train extra")
    with pytest.raises(UsageError, match=r"\./models/minilm: no such folder.*negatives\.embeddings"):
        made(negatives={"count": 1, "embeddings": "./models/minilm"})
    assert nothing_read(inputs / "out")


def test_force_removes_nothing_before_that_is_known(made: Build, inputs: Path) -> None:
    made(negatives=None, calls_wanted=None, heldout=None)
    before = digests(inputs / "out")
    with pytest.raises(UsageError, match="no such file"):
        made(how=How(sizes=TINY, force=True), negatives={"count": 1, "servers": "nowhere.jsonl"})
    with pytest.raises(UsageError, match="no such file"):
        made(how=How(sizes=TINY, force=True), sources=[{"source": "jsonl", "location": "nowhere.jsonl"}])
    after = {name: digest for name, digest in digests(inputs / "out").items() if not name.startswith(".build")}
    assert after == before


def test_servers_that_cannot_be_used_are_told(made: Build, inputs: Path) -> None:
    tool = {"name": "tune_guitar", "description": "Tunes a guitar for the stage.", "input_schema": {"type": "object"}}
    write_rows(inputs / "servers.jsonl", [{"server": "band", "tools": [tool]}, {"server": "broken"}])
    notes: list[str] = []
    negatives = {"count": 4, "kinds": {"server_shuffle": 1}, "servers": "servers.jsonl"}
    manifest = made(how=How(sizes=TINY, note=notes.append), negatives=negatives, calls_wanted=None, heldout=None)
    assert len(notes) == 1
    assert notes[0].startswith("negatives.servers: 1 servers or tools cannot be used")
    assert "servers.jsonl:2" in notes[0]
    assert manifest["counts"]["negatives"]["servers"] == 1


def test_a_judge_that_does_not_answer(made: Build, inputs: Path, nobody: str) -> None:
    with pytest.raises(UsageError, match=r"gave no answer in 2 tries.*refused.*No row was read yet"):
        made(negatives=judged(nobody))
    assert nothing_read(inputs / "out")


def test_answers_that_are_kept_may_be_enough(
    made: Build, inputs: Path, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {"negatives": judged(nobody), "calls_wanted": None, "heldout": None}
    with monkeypatch.context() as patched:
        patched.setattr(Judge, "_send", lambda *_: NO)
        first = made("first", **recipe)
    notes: list[str] = []
    second = made("second", How(sizes=TINY, note=notes.append), **recipe)  # nobody listens any more
    assert [f["sha256"] for f in second["files"]] == [f["sha256"] for f in first["files"]]
    assert len(notes) == 1
    assert "goes on with the answers that are kept" in notes[0]


def test_a_judge_that_falls_silent_says_how_to_go_on(
    made: Build, inputs: Path, nobody: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It answers the first three questions; then the build is gone on with, once it is back."""
    asked = 0

    def answer(self: Judge, text: str) -> Any:
        nonlocal asked
        asked += 1
        if asked > 3:
            raise OSError("gone")
        return NO

    recipe = base(negatives=judged(nobody, 6), calls_wanted=None, heldout=None)
    (inputs / "r.yaml").write_text(json.dumps(recipe))
    with monkeypatch.context() as patched:
        patched.setattr(Judge, "_send", answer)
        assert main(["data", "build", "r.yaml", "--out", "out"]) == RunError.exit_code
    message = capsys.readouterr().err
    assert "are kept in judge.sqlite, and are not asked for again. Go on with --resume." in message
    assert "Go on with: rlvr data build r.yaml --out out --resume" in message
    with sqlite3.connect("judge.sqlite") as cache:
        assert cache.execute("SELECT COUNT(*) FROM answers").fetchone()[0] == 2  # the first answer was to the check
    monkeypatch.setattr(Judge, "_send", lambda *_: NO)
    assert main(["data", "build", "r.yaml", "--out", "out", "--resume"]) == 0
    assert "negatives server_shuffle 6/6 (made/asked for)" in capsys.readouterr().out
