"""`rlvr data probe`: what is refused before a model is loaded, what is printed, and that it goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rlvr.cli import main
from rlvr.cli.data_probe import table_lines
from rlvr.extras import has


def build(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    assert main(["data", "build", "--source", "builtin", "--count", "6", "--languages", "en", "--out", str(path)]) == 0
    return path


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--k", "1"], "k: got 1, expected at least 2"),
        (["--temperature", "0"], "temperature: got 0.0"),
        (["--limit", "0"], "--limit must be at least 1"),
        (["--max-new-tokens", "4096"], "leaves no room"),
        (["--chunk", "0"], "chunk_size: got 0"),
        (["--out", "p.jsonl.gz"], "p.jsonl.gz: is appended to, which a .gz cannot be"),
    ],
)
def test_wrong_flags_are_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    given = ["data", "probe", "nothing", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "p"), *flags]
    assert main([*given, "--rollout", "transformers"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


def test_missing_data_is_told_before_a_model_is_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["data", "probe", "nothing", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "p")]
    assert main([*given, "--rollout", "transformers"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_the_table_is_aligned() -> None:
    row = {"category": "all", "n": 12, "pass_rate": 0.5, "never": 0.25, "always": 0.25, "zero_variance": 1 / 3}
    head, line = table_lines([row])
    assert line.split() == ["all", "12", "0.500", "25.0%", "25.0%", "33.3%"]
    assert len(head) == len(line)


@pytest.mark.slow
def test_a_model_is_probed_and_a_second_run_has_nothing_to_do(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["data", "probe", str(tiny_model), "--data", str(build(tmp_path)), "--out", str(tmp_path / "p.jsonl")]
    given += [
        "--k",
        "2",
        "--max-new-tokens",
        "8",
        "--max-model-len",
        "2048",
        "--chunk",
        "4",
        "--rollout",
        "transformers",
    ]
    assert main(given) == 0
    first = (tmp_path / "p.jsonl").read_bytes()
    rows = [json.loads(line) for line in first.splitlines()]
    assert len(rows) == 6
    assert {row["k"] for row in rows} == {2}
    assert "no variance" in capsys.readouterr().out
    assert main(given) == 0
    assert (tmp_path / "p.jsonl").read_bytes() == first
    assert "loading" not in capsys.readouterr().err
    assert main([*given[:-1], "transformers", "--k", "4"]) == 2
    assert "k: 2 there, 4 now" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.skipif(not has("vllm"), reason="vLLM is not installed")
def test_vllm_probes_too(tiny_model: Path, tmp_path: Path) -> None:
    # In a process of its own: an engine that shares a process with the tests would outlive its test.
    given = ["data", "probe", str(tiny_model), "--data", str(build(tmp_path)), "--out", str(tmp_path / "p.jsonl")]
    given += ["--k", "3", "--max-new-tokens", "8", "--max-model-len", "2048", "--rollout", "vllm"]
    done = subprocess.run([sys.executable, "-m", "rlvr", *given], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [row["k"] for row in rows] == [3] * 6
