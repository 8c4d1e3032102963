"""Run folders as they are found: resumed, cut, half written."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlvr.errors import DataError
from rlvr.report.runs import load_run


def test_a_whole_run(run_dir: Path) -> None:
    run = load_run(run_dir)
    assert (run.name, run.stage, len(run.metrics), len(run.samples)) == ("stage1", "stage1", 60, 4)
    assert run.components() == ["format", "correctness", "refusal", "efficiency"]
    assert run.info["seed"] == 3


def test_values_that_are_no_numbers_are_left_out_of_a_series(run_dir: Path) -> None:
    steps, values = load_run(run_dir).series("loss")
    assert 5.0 not in steps
    assert len(steps) == len(values) == 59


def test_a_resumed_run_counts_its_later_lines(tmp_path: Path) -> None:
    lines = ['{"step": 1, "reward": 1}', '{"step": 2, "reward": 2}', '{"step": 2, "reward": 9, "kl": 0.5}']
    (tmp_path / "metrics.jsonl").write_text("\n".join([*lines, '{"step": 3, "rew']))
    run = load_run(tmp_path)
    assert run.series("reward") == ([1.0, 2.0], [1.0, 9.0])
    assert run.series("kl") == ([2.0], [0.5])
    assert run.recipe == ""
    assert run.stage == run.name


@pytest.mark.parametrize("line", ["[1]", '{"step": true}', '{"step": null}', '"text"'])
def test_lines_that_are_no_steps_are_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n' + line + "\n")
    with pytest.raises(DataError, match=r"metrics\.jsonl:2"):
        load_run(tmp_path)
