"""`rlvr data build RECIPE`, `rlvr data show` of a build, and `rlvr data push`, as a person runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs the data extra")

from rlvr import extras
from rlvr.cli import main
from rlvr.cli.data_build import progress_line
from rlvr.data.build import Progress
from tests.data.build.conftest import base, inputs, rows_of

__all__ = ["inputs"]  # a fixture
PLAIN = {"negatives": None, "calls_wanted": None, "heldout": None}


@pytest.fixture
def recipe(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(inputs)
    path = inputs / "r.yaml"
    path.write_text(json.dumps(base(**PLAIN)))
    return path


def test_build_show_and_page(recipe: Path, inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--set", "sources.0.count=9", "--out", "out"]
    assert main(["data", "build", "r.yaml", *words]) == 0
    out, err = capsys.readouterr()
    assert "source    jsonl 27" in out
    assert "27 train rows written to out; read out/README.md" in out
    assert re.search(r"read jsonl: .* rows, 9 of 9 kept", err)
    assert len(rows_of(inputs / "out")) == 27
    assert "figures/composition.png" in (inputs / "out" / "README.md").read_text()
    assert (inputs / "out" / "figures" / "composition.png").is_file()

    assert main(["data", "show", "out", "--n", "2", "--kind", "call"]) == 0
    out, _ = capsys.readouterr()
    assert out.count("── row-") == 2
    assert "→ call" in out
    assert "source    jsonl 27" in out
    assert main(["data", "show", "out/data/train-00000-of-00002.parquet", "--n", "1"]) == 0
    assert "source    jsonl 15" in capsys.readouterr().out

    assert main(["data", "show", "out", "--html", "page.html"]) == 0
    assert capsys.readouterr().out.strip() == "page.html"
    page = (inputs / "page.html").read_text()
    assert "small" in page
    assert "jsonl, a.jsonl" in page
    assert "<script" not in page


def test_the_page_of_a_file_without_a_build(recipe: Path, inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", "a.jsonl", "--html", "page.html"]) == 0
    page = (inputs / "page.html").read_text()
    assert "48 of 60 rows want a call" in page
    assert "no call, clarify (12)" in page
    assert "call (20)" in page


def test_finished_unfinished_and_forced(recipe: Path, inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "build", "r.yaml", "--out", "out"]) == 0
    assert main(["data", "build", "r.yaml", "--out", "out"]) == 2
    assert "holds a finished build" in capsys.readouterr().err
    assert main(["data", "build", "r.yaml", "--out", "out", "--resume"]) == 0
    assert main(["data", "build", "r.yaml", "--out", "out", "--force", "--set", "sources.0.count=3"]) == 0
    assert len(rows_of(inputs / "out")) == 21


def test_what_a_person_should_know_is_told_on_the_way_and_at_the_end(
    recipe: Path, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """48 + 18 rows call; of dependent calls there are none, so that the other kind gives all six."""
    kinds = {"partial_fulfilment": 1, "domain_mismatch": 1}
    recipe.write_text(json.dumps(base(negatives={"count": 6, "kinds": kinds}, calls_wanted=0.1, heldout=None)))
    assert main(["data", "build", "r.yaml", "--out", "out"]) == 0
    out, err = capsys.readouterr()
    assert (
        "note: calls_wanted 0.1: train has 66 calling and 12 no-call rows, and 6 negatives to come, so that 76% of them"
        in err
    )  # 2 and 18 of 84 stay
    assert "negatives domain_mismatch 6/3, partial_fulfilment 0/3 (made/asked for)" in out
    assert "partial_fulfilment: 0 of 3 asked for; others took their place: no call that all the others depend on" in out


def test_an_interruption_says_how_to_go_on(
    recipe: Path, inputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import rlvr.data.build.assemble as assemble

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(assemble, "_write", interrupted)
    argv = ["data", "build", "r.yaml", "--set", "seed=4", "--out", "my out"]
    assert main(argv) == 130
    message = capsys.readouterr().err
    assert "Go on with: rlvr data build r.yaml --set seed=4 --out 'my out' --resume" in message
    monkeypatch.undo()
    monkeypatch.chdir(inputs)
    assert main([*argv, "--resume"]) == 0
    assert len(rows_of(inputs / "my out")) == 78


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["build", "--out", "o"], "one of the arguments"),
        (["build", "r.yaml", "--source", "builtin", "--out", "o"], "not allowed with argument"),
        (["build", "r.yaml", "--count", "5", "--out", "o"], "--count: go with --source builtin"),
        (["build", "--source", "builtin", "--jobs", "2", "--out", "o"], "--jobs: goes with a DATA_RECIPE"),
        (["build", "--source", "builtin", "--set", "a=1", "--out", "o"], "--set: goes with a DATA_RECIPE"),
        (["build", "r.yaml", "--jobs", "0", "--out", "o"], "--jobs must be at least 1, got 0"),
        (["build", "r.yaml", "--resume", "--force", "--out", "o"], "--resume and --force: give one of them"),
        (["build", "qwen3-1.7b/dota", "--out", "o"], "Did you mean qwen3-1.7b/data?"),
        (["build", "r.yaml", "--set", "sources.0.source=xlma", "--out", "o"], "Did you mean xlam?"),
        (["build", "r.yaml", "--out", "a.jsonl"], "a.jsonl: is a file; give a folder."),
        (["show", "nowhere"], "nowhere"),
        (["show", "a.jsonl", "--kind", "server_shuffle"], "none of 60 examples fits --kind server_shuffle."),
        (["push", "nowhere", "me/data"], "nowhere: no finished build"),
        (["push", "out", "data"], "data: expected OWNER/NAME"),
    ],
)
def test_wrong_commands(recipe: Path, argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", *argv]) == 2
    captured = capsys.readouterr().err
    assert message in captured
    assert "Traceback" not in captured


def test_a_row_does_not_steer_the_terminal(recipe: Path, inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = json.loads((inputs / "a.jsonl").read_text().splitlines()[0])
    row["messages"][0]["content"] = "\x1b[2J\x1b]0;owned\x07 hello\r\nworld"
    (inputs / "h.jsonl").write_text(json.dumps(row) + "\n")
    assert main(["data", "show", "h.jsonl"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "hello" in out


def test_without_pyarrow(recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "has", lambda package: package != "pyarrow")
    assert main(["data", "build", "r.yaml", "--out", "out"]) == 2
    assert "Install it with: pip install 'rlvr[data]'" in capsys.readouterr().err


def test_progress_in_words() -> None:
    line = progress_line(Progress("read xlam", "rows", 3_000, 60_000, 1_000, 10.0, "2,950 kept"))
    assert line == "read xlam: 3,000/60,000 rows, 2,950 kept, 100 rows/s, 9 min 30 s left"
    assert progress_line(Progress("read mine", "rows", 0, None, 0, 0.0)) == "read mine: 0 rows"
    line = progress_line(Progress("read builtin", "rows", 640, None, 640, 10.0, "600 of 1,200 kept", 1_280))
    assert line == "read builtin: 640 rows, 600 of 1,200 kept, 64 rows/s, 10 s left"


def test_what_is_read_is_not_counted_as_what_is_kept(
    recipe: Path, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The generator makes rows without end, 64 at a time, and some are duplicates of others: there is no `640/600`."""
    recipe.write_text(json.dumps(base(sources=[{"source": "builtin", "count": 100}], **PLAIN)))
    assert main(["data", "build", "r.yaml", "--out", "out"]) == 0
    read = [line for line in re.split(r"[\r\n]", capsys.readouterr().err) if "read builtin" in line]
    assert read
    for line in read:
        assert re.search(r"read builtin: \d+ rows, \d+ of 100 kept", line), line
    assert "100 of 100 kept" in read[-1]
