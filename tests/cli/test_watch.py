"""`rlvr watch`, and the frame that it shows."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rlvr.cli import main, watch
from rlvr.report.live import clip, columns_of, frame, progress, sparkline
from rlvr.report.runs import load_run


def write_run(folder: Path, steps: int = 12, **info: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"stage": "stage1", "kind": "grpo", "model": "runs/warmup/final", "max_steps": 40}
    (folder / "run.json").write_text(json.dumps(facts | info))
    lines = []
    for step in range(1, steps + 1):
        row = {"step": step, "seconds": 10.0 * step, "reward": 0.1 * step, "reward_std": 0.4}
        row |= {"frac_reward_zero_std": 0.25, "rewards/format/mean": 0.5, "rewards/format/std": 0.2}
        row |= {"rewards/format/zero_std": 0.75, "rewards/format/parallel/mean": 0.3, "loss": 0.01}
        row |= {"reward/parallel/mean": 0.2, "reward/parallel/std": 0.1, "reward/parallel/zero_std": 0.5}
        row |= {"groups/parallel": 2, "reward/vi/mean": 0.7, "groups/vi": 3}
        lines.append(row)
        if step % 6 == 0:
            lines.append({"step": step, "selection/strict": step % 24 / 24, "selection/n": 48})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    sample = {"step": steps, "query": "臺北今天天氣如何?", "completion": "\x1b[2J\x07evil\nlines", "outcome": "abstain"}
    sample |= {"scores": {"format": 0.0, "correctness": None}, "total": -0.25}
    (folder / "samples.jsonl").write_text(json.dumps(sample) + "\n")
    return folder


def test_a_frame_shows_where_the_run_is(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "run", selected={"step": 6, "strict": 0.25, "n": 48}))
    text = frame(run, quiet_seconds=3.0, width=110)
    assert text.startswith("stage1 · running · grpo · runs/warmup/final")
    assert "step 12/40 · 10.0 s/step · 4 min 40 s left" in text
    assert "last line 3 s ago" in text
    assert re.search(r"reward +1\.200 +0\.100 +0\.400 +25%", text)
    assert re.search(r"  format +0\.500 +0\.500 +0\.200 +75%", text)
    assert "format/parallel" not in text, "a slice is no component"
    assert re.search(r"  parallel +0\.200 +0\.200 +0\.100 +50% +2", text)
    assert re.search(r"  vi +0\.700 +0\.700 +– +– +3", text)
    assert text.index("  parallel ") < text.index("  vi "), "categories stand before languages"
    assert "step 6       25.0% [14.9, 38.8] (n 48)  selected" in text
    assert "-0.25 abstain · format 0.00" in text


def test_a_completion_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    text = frame(load_run(write_run(tmp_path / "run")))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "says   ?[2J?evil lines" in text


@pytest.mark.parametrize("width", [40, 80, 133])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, width: int) -> None:
    text = frame(load_run(write_run(tmp_path / "run", steps=500)), width=width)
    assert max(sum(map(columns_of, line)) for line in text.split("\n")) <= width


def test_colours_are_only_where_they_are_asked_for(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "run"))
    assert "\x1b[1mstage1" in frame(run, colour=True)
    assert "\x1b" not in frame(run)


def test_the_pace_survives_a_resume_and_the_budget_counts(tmp_path: Path) -> None:
    """A resumed run's clock begins anew at step 3; of two minutes 40 + 20 seconds are used."""
    folder = write_run(tmp_path / "run", steps=1)
    clock = [(1, 20.0), (2, 40.0), (3, 10.0), (4, 20.0)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps({"step": s, "seconds": t}) + "\n" for s, t in clock))
    at = progress(load_run(folder), 1.0)
    assert at.pace_seconds == pytest.approx((20 + 10) / 2)
    assert at.left_seconds == pytest.approx(36 * 15)
    (folder / "recipe.yaml").write_text("max_minutes: 2\n")
    assert progress(load_run(folder), 1.0).left_seconds == pytest.approx(120 - 60)


def test_states(tmp_path: Path) -> None:
    ended = {"finished": "2026-01-02T00:00:00Z"}
    done = load_run(write_run(tmp_path / "done", **ended))
    assert progress(done, 5.0).state == "finished"
    assert "left" not in frame(done, quiet_seconds=5.0).split("\n")[2]
    again = load_run(write_run(tmp_path / "again", **ended, resumed="2026-01-03T00:00:00Z"))
    assert progress(again, 5.0).state == "running"
    assert progress(again, 601.0).state == "stopped"
    assert progress(again, None).state == "running", "a folder whose times tell nothing"


def test_a_run_that_has_not_logged_yet_and_a_warm_up(tmp_path: Path) -> None:
    young = tmp_path / "young"
    young.mkdir()
    (young / "run.json").write_text('{"stage": "warmup", "kind": "warmup"}')
    assert "no step was logged yet" in frame(load_run(young))
    rows = [{"step": s, "seconds": s, "loss": 1 / s, "mean_token_accuracy": 0.9} for s in (1, 2)]
    (young / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    assert re.search(r"token accuracy +0\.900", frame(load_run(young)))


def test_sparklines_and_clipping() -> None:
    assert sparkline([0.0] * 50 + [1.0] * 50, 4) == "▁▁██"
    assert sparkline([3.0], 10) == "▁"
    assert clip("abcdef", 4) == "abc…"
    assert clip("天氣天氣", 7) == "天氣天…"


def test_once_prints_one_frame_of_a_folder_from_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "from another machine")
    before = sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*"))
    assert main(["watch", str(folder), "--once"]) == 0
    out = capsys.readouterr().out
    assert out.count("stage1 · running") == 1
    assert "\x1b" not in out, "no terminal, no escapes"
    assert sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*")) == before, "the run is not touched"


def test_it_goes_on_until_the_run_has_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(tmp_path / "run", steps=1)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        done = {"finished": "2026-01-02T00:00:00Z"} if len(slept) == 2 else {}
        write_run(folder, steps=len(slept) + 1, **done)

    monkeypatch.setattr(watch.time, "sleep", sleep)
    assert main(["watch", str(folder), "--every", "7"]) == 0
    out = capsys.readouterr().out
    assert slept == [7.0, 7.0]
    assert [f"step {n}/40" in out for n in (1, 2, 3)] == [True] * 3


def test_ctrl_c_leaves_quietly(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    command = [sys.executable, "-m", "rlvr", "watch", str(folder), "--every", "60"]
    # Where the tests run in a shell's background, a child would ignore the signal.
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **heard)
    assert process.stdout is not None
    while "says" not in process.stdout.readline():  # the frame's last line: it sleeps now, or is about to
        assert process.poll() is None
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0
    assert error == ""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: None, "no such run folder"),
        (lambda f: f.mkdir(), "is no run folder: it has none of"),
        (lambda f: (f.mkdir(), (f / "metrics.jsonl").write_text('{"no": 1}\n')), "metrics.jsonl:1"),
    ],
)
def test_a_folder_without_a_run_is_one_clear_error(
    make: Any, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "x")
    assert main(["watch", str(tmp_path / "x")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_wrong_pace_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(write_run(tmp_path / "run")), "--every", "0"]) == 2
    assert "--every: got 0" in capsys.readouterr().err
    assert main(["watch", str(write_run(tmp_path / "other")), "--every", "nan"]) == 2
    assert "--every: got nan" in capsys.readouterr().err


def test_the_folder_of_several_runs_names_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("stage1", "stage2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    assert main(["watch", str(tmp_path), "--once"]) == 2
    assert "Runs lie in it: stage1, stage2." in capsys.readouterr().err
