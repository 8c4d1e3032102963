"""`rlvr report`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from rlvr.cli import report
from rlvr.errors import UsageError


def parse(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    report.add_parser(parser.add_subparsers())
    return parser.parse_args(["report", *argv])


def test_it_writes_the_page_and_prints_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.jsonl").write_text('{"step": 1, "loss": 1.0}\n{"step": 2, "loss": 0.5}\n')
    args = parse(str(run), "--out", str(tmp_path / "out"))
    assert args.run(args) == 0
    printed = Path(capsys.readouterr().out.strip())
    assert printed == tmp_path / "out" / "report.html"
    assert printed.is_file()


@pytest.mark.parametrize("argv", [("one", "two"), ("one", "--eval", "folder"), ("--eval", "folder")])
def test_out_is_required_but_for_one_run(argv: tuple[str, ...]) -> None:
    args = parse(*argv)
    with pytest.raises(UsageError, match="--out DIR is required"):
        args.run(args)


def test_the_report_of_one_run_goes_into_its_folder(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 1.0}\n')
    args = parse(str(tmp_path))
    assert args.run(args) == 0
    assert (tmp_path / "report.html").is_file()
    assert not list(tmp_path.rglob("*.tmp")), "what is written beside is renamed"
    assert 'http-equiv="refresh"' not in (tmp_path / "report.html").read_text()


def test_following_writes_the_page_anew_until_the_run_has_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sleep, the run takes a step; after the third it says that it has finished."""
    page, metrics, seen = tmp_path / "report.html", tmp_path / "metrics.jsonl", []
    metrics.write_text('{"step": 1, "loss": 1.0}\n')
    (tmp_path / "run.json").write_text('{"max_steps": 9}')

    def sleep(seconds: float) -> None:
        seen.append(page.read_text())
        with metrics.open("a") as file:
            file.write(json.dumps({"step": len(seen) + 1, "loss": 0.5}) + "\n")
        if len(seen) == 3:
            (tmp_path / "run.json").write_text('{"max_steps": 9, "finished": "2026-01-01T00:00:00Z"}')

    monkeypatch.setattr(report.time, "sleep", sleep)
    args = parse(str(tmp_path), "--follow", "30")
    assert args.run(args) == 0
    assert [f"{n} of 9 steps" in text for n, text in enumerate(seen, 1)] == [True] * 3
    assert all('<meta http-equiv="refresh" content="30">' in text for text in seen)
    assert "of 9 steps" not in page.read_text()
    assert 'http-equiv="refresh"' not in page.read_text(), "a finished run needs no loading again"


def test_following_ends_where_a_guard_stopped_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 1.0}\n')
    (tmp_path / "run.json").write_text('{"max_steps": 9, "finished": null, "stopped": {"guard": "entropy", "step": 1}}')
    monkeypatch.setattr(report.time, "sleep", lambda seconds: pytest.fail("waits for a run that has ended"))
    assert parse(str(tmp_path), "--follow", "30").run(parse(str(tmp_path), "--follow", "30")) == 0


def test_following_needs_a_run_and_a_time() -> None:
    for argv in (("--follow", "5", "--eval", "x", "--out", "y"), ("run", "--follow", "0"), ("run", "--follow", "nan")):
        args = parse(*argv)
        with pytest.raises(UsageError, match="--follow"):
            args.run(args)


def test_importing_the_commands_is_light() -> None:
    code = (
        "import sys, rlvr.cli.report, rlvr.cli.eval; "
        "print([m for m in ('numpy', 'matplotlib', 'torch', 'jinja2', 'vllm', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
