"""One run a folder; the lock ends with its holder, and leaves nothing where the run left nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fcntl", reason="needs the locks of POSIX")

from rlvr.errors import UsageError
from rlvr.training.lock import NAME, hold

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import os, subprocess, sys, time
from pathlib import Path
from rlvr.training.lock import hold
with hold(Path(sys.argv[1])):
    if os.fork() == 0:
        print("held", flush=True)
        time.sleep(30)  # a worker that outlives its parent
        os._exit(0)
    time.sleep(60)
"""


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    said = rf"another run is writing here \(process {os.getpid()} on "
    with hold(tmp_path), pytest.raises(UsageError, match=said), hold(tmp_path):
        pass
    with hold(tmp_path):
        assert (tmp_path / NAME).is_file()
    assert not (tmp_path / NAME).exists()


def test_a_killed_holder_leaves_no_lock_though_its_worker_lives(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", HOLDER, str(tmp_path)]
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=f"process {process.pid} on"), hold(tmp_path):
            pass
        process.kill()
        process.wait()
        assert (tmp_path / NAME).is_file(), "a killed process tidies nothing up"
        with hold(tmp_path):
            pass
    finally:
        os.killpg(process.pid, 9)


def test_folders_made_for_it_go_where_nothing_was_written(tmp_path: Path) -> None:
    with hold(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    assert not (tmp_path / "a").exists()
    with hold(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "run.json").write_text("{}")
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["run.json"]


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    for path in (tmp_path / "run", tmp_path / "run" / "inner"):
        with pytest.raises(UsageError, match="a file stands in the way; give a folder"), hold(path):
            pass
