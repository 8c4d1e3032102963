"""`rlvr` itself: help, exit codes, interruptions, a reader that goes away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlvr import __version__, cli
from rlvr.cli import GROUPS, build_parser, main
from rlvr.errors import ConfigError, RunError, UsageError

COMMANDS = [name for names in GROUPS.values() for name in names]
HEAVY = ("torch", "trl", "transformers", "datasets", "vllm", "matplotlib")


def test_help_is_short_and_names_every_command_by_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) < 40
    assert all(f"\n{group}:\n" in text for group in GROUPS)
    assert all(f"\n  {name} " in text for name in COMMANDS)
    assert "SUPPRESS" not in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: rlvr {command}")


def test_every_module_of_a_command_is_listed() -> None:
    """A command with several actions has a module for each large one: `data_build` belongs to `data`."""
    folder = Path(cli.__file__).parent
    modules = {name.replace("-", "_") for name in COMMANDS}
    stems = {p.stem for p in folder.glob("[!_]*.py")}
    assert {s if s in modules else s.partition("_")[0] for s in stems} == modules
    assert set(build_parser()[1]) == set(COMMANDS)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rlvr {__version__}\n"


def test_no_command_prints_the_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: rlvr" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["trian"], "rlvr: trian: no such command. Did you mean train?"),
        (["score"], "the following arguments are required: FILE"),
        (["data", "sho"], "invalid choice: 'sho'"),
        (["--verbose"], "rlvr: error"),
    ],
)
def test_a_wrong_command_line_exits_with_two(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("error", "code", "printed"),
    [
        (UsageError("no such thing"), 2, "rlvr: no such thing\n"),
        (ConfigError(["a: x", "b: y"]), 2, "rlvr: a: x\nrlvr: b: y\n"),
        (RunError("disk full"), 1, "rlvr: disk full\n"),
        (KeyboardInterrupt(), 130, "rlvr: interrupted. Run the same command again to go on.\n"),
    ],
)
def test_what_stops_a_command(
    error: BaseException, code: int, printed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("rlvr.rewards.score_file", fail)
    assert main(["score", "x.jsonl"]) == code
    assert capsys.readouterr().err == printed


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("rlvr.rewards.score_file", fail)
    with pytest.raises(ZeroDivisionError):
        main(["score", "x.jsonl"])


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    row = {"completion": "No.", "tools": [], "ground_truth": []}
    path = tmp_path / "many.jsonl"
    path.write_text((json.dumps(row) + "\n") * 3000)
    command = [sys.executable, "-m", "rlvr", "score", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


@pytest.mark.parametrize("argv", [["--help"], ["score", "FILE"], ["data", "show", "FILE"], ["models", "list"]])
def test_light_commands_load_nothing_heavy(argv: list[str], tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    tool = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    row = {"completion": "No.", "tools": [tool], "ground_truth": [], "messages": [{"role": "user", "content": "?"}]}
    path.write_text(json.dumps(row))
    argv = [str(path) if a == "FILE" else a for a in argv]
    loaded = f"[m for m in {HEAVY!r} if m in sys.modules]"
    code = f"import sys; from rlvr.cli import main; code = main({argv!r}); print(code, {loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize(("device", "policy"), [(None, "PASSIVE"), ("nvidiactl", None), ("kfd", None)])
def test_threads_that_wait_let_others_compute_where_there_is_no_gpu(
    device: str | None, policy: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "")  # so that it is put back at the end
    monkeypatch.delenv("OMP_WAIT_POLICY")
    if device:
        (tmp_path / device).touch()
    cli._yield_the_cores(tmp_path)
    assert os.environ.get("OMP_WAIT_POLICY") == policy
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    cli._yield_the_cores(tmp_path)
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_the_policy_stands_before_torch_is_imported() -> None:
    code = "import sys; from rlvr.cli import main; main(['--version']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"
