"""Several recipes in one command: which stage runs with what, what is skipped, and what an end means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlvr.cli import main
from rlvr.errors import ConfigError, RunError, UsageError
from rlvr.training import chain
from rlvr.training.chain import links, run_chain

RECIPE = """\
kind: {kind}
name: {name}
model: somewhere
{more}
trl: {{learning_rate: 1e-3, max_steps: 1, per_device_train_batch_size: 4, save_steps: 1}}
data: {{max_prompt_tokens: 900, sources: [{{source: builtin, count: 4, languages: {{en: 1}}}}]}}
"""


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rlvr.training.recipe.check_trl_options", lambda *_: [])  # it would import the trainer
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.yaml").write_text(RECIPE.format(kind="warmup", name=name, more=""))
    return ["one.yaml", "two.yaml", "three.yaml"]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Every command that was run; each leaves a finished run, as a real one would."""
    commands: list[list[str]] = []

    def run_stage(command: list[str]) -> int:
        commands.append(list(command))
        folder = Path(command[command.index("--out") + 1])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text(json.dumps({"finished": "now"}))
        import yaml

        from rlvr.training.recipe import load_recipe

        given = [command[i + 1] for i, word in enumerate(command) if word == "--set"]
        (folder / "recipe.yaml").write_text(yaml.safe_dump(load_recipe(command[1], given)[1]))
        return 0

    monkeypatch.setattr(chain, "run_stage", run_stage)
    return commands


def test_each_stage_starts_from_what_the_one_before_selected(recipes: list[str], ran: list[list[str]]) -> None:
    argv = ["train", *recipes, "--model", "start", "--set", "seed=5", "--set", "two:trl.learning_rate=1e-5"]
    assert main([*argv, "--out", "runs"]) == 0
    assert ran == [
        ["train", "one.yaml", "--out", "runs/one", "--set", "seed=5", "--set", 'model="start"'],
        [
            *("train", "two.yaml", "--out", "runs/two", "--set", "seed=5", "--set", "trl.learning_rate=1e-5"),
            *("--set", 'model="runs/one"'),
        ],
        ["train", "three.yaml", "--out", "runs/three", "--set", "seed=5", "--set", 'model="runs/two"'],
    ]


def test_without_a_model_the_first_recipe_keeps_its_own(recipes: list[str], ran: list[list[str]]) -> None:
    assert main(["train", *recipes[:2]]) == 0  # the default folder is where each alone would go
    assert ran[0] == ["train", "one.yaml", "--out", "runs/one"]
    assert ran[1] == ["train", "two.yaml", "--out", "runs/two", "--set", 'model="runs/one"']


def test_resume_skips_what_is_finished_and_goes_on_with_what_was_stopped(
    recipes: list[str], ran: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *recipes, "--out", "runs"]) == 0
    (Path("runs/two/run.json")).write_text("{}")
    (Path("runs/three/run.json")).unlink()
    ran.clear()
    assert main(["train", *recipes, "--out", "runs"]) == 2
    assert "runs/one: holds a run already" in capsys.readouterr().err
    assert ran == []
    assert main(["train", *recipes, "--out", "runs", "--resume"]) == 0
    assert [command[1] for command in ran] == ["two.yaml", "three.yaml"]
    assert ["--resume" in command for command in ran] == [True, False]
    assert "one: finished already" in capsys.readouterr().err


def test_a_changed_recipe_is_told_before_anything_runs(recipes: list[str], ran: list[list[str]]) -> None:
    run_chain(recipes, [], None, Path("runs"), resume=False)
    (Path("runs/three/run.json")).unlink()
    ran.clear()
    with pytest.raises(UsageError, match="runs/two: was started with another recipe"):
        run_chain(recipes, ["two:seed=9"], None, Path("runs"), resume=True)
    assert ran == []


@pytest.mark.parametrize(
    ("code", "message"), [(3, "two: a guard stopped it"), (1, "it ended with code 1"), (-9, "it ended with code -9")]
)
def test_a_stage_that_fails_ends_the_chain(
    recipes: list[str], code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def run_stage(command: list[str]) -> int:
        seen.append(command[1])
        return code if command[1] == "two.yaml" else 0

    monkeypatch.setattr(chain, "run_stage", run_stage)
    with pytest.raises(RunError, match=message) as caught:
        run_chain(recipes, [], None, Path("runs"), resume=False)
    assert caught.value.exit_code == (3 if code == 3 else 1)
    assert seen == ["one.yaml", "two.yaml"]


def test_an_interrupted_stage_says_how_the_chain_goes_on(
    recipes: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chain, "run_stage", lambda command: 130)
    assert main(["train", *recipes, "--out", "runs", "--set", "one:seed=2"]) == 130
    said = capsys.readouterr().err
    assert "Go on with: rlvr train one.yaml two.yaml three.yaml --set one:seed=2 --out runs --resume" in said


def test_mistakes_are_told_before_anything_runs(recipes: list[str], ran: list[list[str]]) -> None:
    with pytest.raises(UsageError, match="more than one has the name one"):
        links(["one.yaml", "one.yaml"], [], None, Path("runs"))
    with pytest.raises(UsageError, match="no recipe here has the name tow"):
        links(recipes, ["tow:seed=1"], None, Path("runs"))
    with pytest.raises(ConfigError, match="sead: unknown key"):
        run_chain(recipes, ["three:sead=1"], None, Path("runs"), resume=False)
    assert ran == []


@pytest.mark.slow
def test_two_real_stages_from_the_shell(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The second stage starts from the first one's model, and the same command with --resume has nothing to do."""
    pytest.importorskip("trl", reason="needs the train extra")
    monkeypatch.chdir(tmp_path)
    grpo = "composition: function_calling\nstage: stage1\nrollout: transformers"
    Path("one.yaml").write_text(RECIPE.format(kind="warmup", name="one", more="precision: fp32"))
    text = RECIPE.format(kind="grpo", name="two", more=f"{grpo}\nprecision: fp32")
    Path("two.yaml").write_text(text.replace("save_steps: 1", "save_steps: 1, num_generations: 4"))
    argv = ["train", "one.yaml", "two.yaml", "--model", str(tiny_model), "--out", "runs"]
    assert main([*argv, "--set", "two:trl.max_completion_length=8"]) == 0
    assert capfd.readouterr().out.splitlines() == ["runs/one/final", "runs/two/final"]
    assert json.loads(Path("runs/two/run.json").read_text())["model"] == "runs/one/final"
    assert main([*argv, "--set", "two:trl.max_completion_length=8", "--resume"]) == 0
    assert capfd.readouterr().err.count("finished already") == 2
