"""`rlvr train`: how the command line reaches a run. (What a run does is tested in tests/training.)"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from rlvr.cli import main
from rlvr.cli.train import default_out

RECIPE = """\
kind: warmup
name: w
model: smollm2-135m
trl: {learning_rate: 1e-3}
data: {sources: [{source: builtin, count: 4}]}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rlvr.training.recipe.check_trl_options", lambda *_: [])  # it would import the trainer
    (tmp_path / "my.yaml").write_text(RECIPE)
    return "my.yaml"


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []

    def train(recipe: Any, resolved: Any, out: Path, *, resume: bool, preflight: bool) -> Path:
        flags = {"resume": resume, "preflight": preflight}
        seen.append({"recipe": recipe, "resolved": resolved, "out": Path(out), **flags})
        return Path(out) / "final"

    monkeypatch.setattr("rlvr.training.run.train", train)
    return seen


def test_a_recipe_is_run_in_its_folder(
    recipe: str, runs: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", recipe]) == 0
    assert capsys.readouterr().out == "runs/my/final\n"
    assert (runs[0]["out"], runs[0]["resume"]) == (Path("runs/my"), False)
    assert runs[0]["recipe"].trl == {"learning_rate": 1e-3}
    assert runs[0]["preflight"] is True
    assert main(["train", recipe, "--no-preflight"]) == 0
    assert runs[1]["preflight"] is False


def test_overrides_model_and_resume(recipe: str, runs: list[dict[str, Any]]) -> None:
    argv = [
        "train",
        recipe,
        "--set",
        "trl.learning_rate=2e-4",
        "--set",
        "seed=9",
        "--model",
        "1e3",
        "--out",
        "o",
        "--resume",
    ]
    assert main(argv) == 0
    ran = runs[0]
    assert (ran["out"], ran["resume"]) == (Path("o"), True)
    assert (ran["recipe"].model, ran["recipe"].seed, ran["recipe"].trl["learning_rate"]) == ("1e3", 9, 2e-4)
    assert ran["resolved"]["model"] == "1e3"


@pytest.mark.parametrize("begun", [True, False])
def test_ctrl_c_says_how_to_go_on(
    recipe: str, begun: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(recipe: Any, resolved: Any, out: Path, *, resume: bool, preflight: bool) -> None:
        if begun:
            Path(out).mkdir()
            (Path(out) / "run.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr("rlvr.training.run.train", train)
    argv = ["train", recipe, "--set", "note=two words", "--model", "m", "--out", "o"]
    assert main(argv) == 130
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    if begun:
        command = message.partition("Go on with: ")[2]
        assert shlex.split(command) == ["rlvr", *argv, "--resume"]
    else:
        assert "nothing was written" in message


@pytest.mark.parametrize(
    ("recipe", "out"),
    [
        ("smollm2-135m/stage1", "runs/smollm2-135m/stage1"),
        ("recipes/smollm2-135m/stage1.yaml", "runs/smollm2-135m/stage1"),
        ("/x/recipes/q/stage1.yaml", "runs/q/stage1"),
        ("my.yaml", "runs/my"),
        ("../my.yml", "runs/my"),
        ("/home/me/mine.yaml", "runs/mine"),
        ("qwen3-1.7b/stage1", "runs/qwen3-1.7b/stage1"),
    ],
)
def test_where_a_run_goes(recipe: str, out: str) -> None:
    assert default_out(recipe) == Path(out)


@pytest.mark.slow
def test_a_real_run_from_the_shell(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(
        RECIPE.replace("count: 4", "count: 8") + "shared_prefix: 'off'\nprecision: fp32\n"
    )
    steps = ["--set", "trl.max_steps=2", "--set", "trl.per_device_train_batch_size=2"]
    data = ["--set", "data.max_prompt_tokens=2000"]
    argv = ["train", "my.yaml", "--model", str(tiny_model), *steps, *data]
    assert main(argv) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "runs/my/final"
    assert main(["models", "check", "runs/my/final"]) == 0
    assert main(["data", "show", "runs/my/data/train.jsonl", "--n", "1"]) == 0
    assert main(argv) == 2
    assert "holds a run already. Continue it with --resume, or give another --out." in capsys.readouterr().err
