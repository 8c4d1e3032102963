"""`rlvr report`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from rlvr.cli import report


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


def test_out_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("run")
    assert caught.value.code == 2
    assert "--out" in capsys.readouterr().err


def test_importing_the_commands_is_light() -> None:
    code = (
        "import sys, rlvr.cli.report, rlvr.cli.eval; "
        "print([m for m in ('numpy', 'matplotlib', 'torch', 'jinja2', 'vllm', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
