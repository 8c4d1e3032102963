"""A run that was killed, at whatever moment, and resumed leaves the trace of one that was not, bit for bit."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from rlvr.training.checkpoints import Checkpoints, missing, state_of
from tests.training.conftest import Runs, rows, trace
from tests.training.zygote import ROOT, Moment

# (Kills during a data build: tests/data/build/test_resume.py.)
DRAWN = ("step", "step", "step", "save", "save", "save", "rollout", "rollout", "look", "look")
DELAYS_SECONDS = (0.0, 0.001, 0.004, 0.02)


def drawn_moments(counts: dict[str, int], seed: int = 5) -> list[Moment]:
    """Ten moments, of every kind; most are some milliseconds into what has begun."""
    draw = random.Random(seed)
    return [Moment(kind, draw.randint(1, counts[kind]), draw.choice(DELAYS_SECONDS)) for kind in DRAWN]


def killed_and_resumed(runs: Runs, name: str, *moments: Moment) -> dict[str, Any]:
    """Kill a run at each of the moments, the later ones counted in the resumed run; return the trace at its end."""
    for number, moment in enumerate(moments):
        done = runs.train(name, *(["--resume"] if number else []), at=moment)
        assert done.code == -moment.act, done.err[-3000:]
    done = runs.train(name, "--resume")
    assert done.code == 0, done.err[-3000:]
    run = runs.folder / name
    assert [p.name for p in Checkpoints(run / "checkpoints").all()] == ["checkpoint-12", "checkpoint-14"]
    assert not [*(run / "checkpoints" / ".partial").glob("*-*")]
    assert not (run / ".lock").exists()
    return trace(run)


def test_an_unbroken_run_has_every_step_once_and_moves(unbroken: dict[str, Any], runs: Runs) -> None:
    """What the other tests compare with is worth comparing: rewards vary, weights move, an epoch ends within it."""
    metrics = [m for m in unbroken["trace"]["metrics"] if "loss" in m]
    assert [m["step"] for m in metrics] == list(range(1, 15))
    assert metrics[-1]["epoch"] > 1
    assert len({m["reward"] for m in metrics if "reward" in m}) > 3
    samples = unbroken["trace"]["samples"]
    assert [s["step"] for s in samples] == [step for step in range(1, 15, 2) for _ in range(8)]
    assert sum(m["grad_norm"] > 0 for m in metrics) > 7
    looks = [m["step"] for m in unbroken["trace"]["metrics"] if "selection/strict" in m]
    assert looks == [3, 6, 9, 12, 14]
    saved = state_of(runs.folder / "unbroken" / "checkpoints" / "checkpoint-12")
    assert (saved["step"], saved["trainer"]["_step"], saved["processes"]) == (12, 12, 1)
    assert unbroken["counts"]["step"] == 14
    assert unbroken["counts"]["rollout"] == 7


def test_it_differs_with_another_seed(unbroken: dict[str, Any], runs: Runs) -> None:
    done = runs.train("seeded", "--set", "seed=7")
    assert done.code == 0, done.err[-3000:]
    other = trace(runs.folder / "seeded")
    assert other["last"] != unbroken["trace"]["last"]
    assert other["samples"] != unbroken["trace"]["samples"]


@pytest.mark.parametrize(
    "moment",
    [
        Moment("step", 14),  # in the second epoch, whose order is drawn where the first one's ended
        Moment("save", 13, 0.002),
        Moment("look", 5),  # the last one, behind the last step: nothing is left to train
    ],
    ids=lambda m: f"{m.kind}-{m.number}",
)
def test_killed_once(unbroken: dict[str, Any], runs: Runs, moment: Moment) -> None:
    assert killed_and_resumed(runs, f"killed-{moment.kind}", moment) == unbroken["trace"]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(10))
def test_killed_at_ten_random_moments(unbroken: dict[str, Any], runs: Runs, number: int) -> None:
    moment = drawn_moments(unbroken["counts"])[number]
    assert killed_and_resumed(runs, f"random-{number}", moment) == unbroken["trace"]


@pytest.mark.slow
def test_killed_again_and_again(unbroken: dict[str, Any], runs: Runs) -> None:
    """Before the first checkpoint, twice at the same place, while saving, and while the resumed run looks."""
    moments = [Moment("step", 3), Moment("rollout", 4), Moment("save", 5), Moment("look", 2), Moment("step", 3, 0.003)]
    assert killed_and_resumed(runs, "again", *moments) == unbroken["trace"]


def test_a_finished_run_is_left_as_it_is(unbroken: dict[str, Any], runs: Runs) -> None:
    before = (runs.folder / "unbroken" / "run.json").read_bytes()
    done = runs.train("unbroken", "--resume")
    assert done.code == 0
    assert "is finished; nothing is left to do" in done.err
    assert (runs.folder / "unbroken" / "run.json").read_bytes() == before


def test_a_checkpoint_that_lost_a_file_is_passed_over(unbroken: dict[str, Any], runs: Runs) -> None:
    """Without its optimizer a trainer would go on from a fresh one, and say nothing."""
    assert runs.train("lost", at=Moment("step", 10)).code == -9
    checkpoints = Checkpoints(runs.folder / "lost" / "checkpoints")
    (checkpoints.path / "checkpoint-8" / "optimizer.pt").unlink()
    done = runs.train("lost", "--resume")
    assert "left out checkpoint-8: files of it are missing" in done.err
    assert "resuming from step 4" in done.err
    assert done.code == 0
    assert trace(runs.folder / "lost") == unbroken["trace"]


def test_sigterm_saves_at_the_next_boundary_and_says_how_to_go_on(unbroken: dict[str, Any], runs: Runs) -> None:
    done = runs.train("stopped", at=Moment("step", 5, act=15))
    assert done.code == 75, done.err[-3000:]
    assert "SIGTERM: stopping at the next step where a checkpoint can be made" in done.err
    last = done.err.rstrip().split("\n")[-1]
    assert "stopped by SIGTERM after step 6, which is saved." in last
    assert last.endswith(f"Go on with: rlvr train {runs.recipe} --out {runs.folder / 'stopped'} --resume")
    assert Checkpoints(runs.folder / "stopped" / "checkpoints").last().name == "checkpoint-6"
    done = runs.train("stopped", "--resume")
    assert done.code == 0, done.err[-3000:]
    assert "missing keys" not in done.err, "a tied head stands in no checkpoint, and is not missing"
    assert trace(runs.folder / "stopped") == unbroken["trace"]


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(unbroken: dict[str, Any], runs: Runs) -> None:
    done = runs.train("interrupted", at=Moment("step", 6, act=2))
    assert done.code == 130
    last = done.err.rstrip().split("\n")[-1]
    kept = runs.folder / "interrupted" / "checkpoints" / "checkpoint-4"
    assert f"interrupted. Kept: {kept}; what was done since is done again. Go on with: rlvr train" in last
    assert "Traceback" not in done.err


def test_a_full_disk_leaves_the_last_checkpoint_whole(unbroken: dict[str, Any], runs: Runs) -> None:
    """Within the second checkpoint files stop to grow: what has been written of it is half a checkpoint."""
    first = unbroken["counts"]["save"] // 4
    done = runs.train("full", at=Moment("save", first + 2, act="full"))
    assert done.code == 1, done.err[-3000:]
    kept = runs.folder / "full" / "checkpoints" / "checkpoint-4"
    assert f"The last complete checkpoint is {kept}. Free space, then go on with --resume." in done.err
    assert "Traceback" not in done.err
    assert missing(kept) == []
    assert not [*(kept.parent / ".partial").glob("checkpoint-*")]
    done = runs.train("full", "--resume")
    assert done.code == 0, done.err[-3000:]
    assert trace(runs.folder / "full") == unbroken["trace"]


def test_a_small_disk_that_is_really_full(unbroken: dict[str, Any], runs: Runs, tmp_path: Path) -> None:
    """A file system of 1.3 MB holds one checkpoint and the selected model, and not two."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "none", str(disk), "-o"]
    if shutil.which("mount") is None or subprocess.run([*mount, "size=1300k"], capture_output=True).returncode:
        pytest.skip("cannot mount a file system here")
    try:
        words = ["train", runs.recipe, "--out", disk / "run"]
        done = runs.zygote.run(*words)
        assert done.code == 1, done.err[-3000:]
        assert "Free space, then go on with --resume." in done.err
        assert "Traceback" not in done.err
        last = Checkpoints(disk / "run" / "checkpoints").last()
        assert last is not None
        assert last.name == "checkpoint-4"
        subprocess.run([*mount, "remount,size=50m"], check=True)
        done = runs.zygote.run(*words, "--resume")
        assert done.code == 0, done.err[-3000:]
        assert trace(disk / "run") == unbroken["trace"]
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_two_runs_in_one_folder(unbroken: dict[str, Any], runs: Runs) -> None:
    """The second is refused while the first lives; a killed first leaves no lock behind."""
    holder = runs.start("both", at=Moment("step", 5, act="wait"))
    folder = runs.folder / "both"
    deadline = time.monotonic() + 300
    while not (folder / "checkpoints" / "checkpoint-4").is_dir():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    done = runs.train("both", "--resume")
    assert done.code == 2
    assert f"{folder}: another run is writing here (process {holder[0]} on " in done.err
    assert done.err.count("\n") == 1
    os.kill(holder[0], 9)
    assert runs.zygote.wait(*holder).code == -9
    assert runs.train("both", "--resume").code == 0
    assert trace(folder) == unbroken["trace"]


def test_what_may_and_may_not_change(unbroken: dict[str, Any], runs: Runs, tmp_path: Path) -> None:
    assert runs.train("changed", at=Moment("step", 6)).code == -9
    done = runs.train("changed", "--resume", "--set", "trl.learning_rate=2e-2", "--set", "seed=3")
    assert done.code == 2
    assert "Changed since: seed: 0 → 3; trl.learning_rate: 0.01 → 0.02. Resume with the recipe" in done.err
    assert done.err.count("\n") == 1
    done = runs.train("changed", "--resume", "--model", str(tmp_path))
    assert done.code == 2
    assert f'Changed since: model: "{runs.model}"' in done.err
    done = runs.train("changed", "--resume", "--set", "trl.save_steps=2", "--set", "note=again")
    assert done.code == 0, done.err[-3000:]
    found = trace(runs.folder / "changed")
    assert found == unbroken["trace"]
    assert rows(runs.folder / "changed" / "metrics.jsonl")[-1]["step"] == 14


def test_a_checkpoint_of_another_model(unbroken: dict[str, Any], runs: Runs, tmp_path: Path) -> None:
    """The recipe is the same, but another model lies now where it says."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    place = tmp_path / "model"
    AutoModelForCausalLM.from_pretrained(runs.model).save_pretrained(place)
    AutoTokenizer.from_pretrained(runs.model).save_pretrained(place)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(runs.recipe.read_text().replace(str(runs.model), str(place)))
    words = ["train", recipe, "--out", tmp_path / "run"]
    assert runs.zygote.run(*words, at=Moment("step", 6)).code == -9
    config = json.loads((place / "config.json").read_text()) | {"intermediate_size": 96}
    LlamaForCausalLM(LlamaConfig(**config)).save_pretrained(place)
    done = runs.zygote.run(*words, "--resume")
    assert done.code == 2, done.err[-3000:]
    assert "checkpoint-4: is of another model: 6 of its " in done.err
    assert "is [32, 64] in the checkpoint; [32, 96] in the model." in done.err
    assert "Traceback" not in done.err


def test_data_that_changed(unbroken: dict[str, Any], runs: Runs, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    examples = (runs.folder / "unbroken" / "data" / "train.jsonl").read_text(encoding="utf-8")
    path.write_text(examples, encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    lines = runs.recipe.read_text().split("\n")
    mine = f"  sources: [{{source: jsonl, path: {path}, shuffle: false}}]"
    recipe.write_text("\n".join(mine if "count: 8" in line else line for line in lines))
    words = ["train", recipe, "--out", tmp_path / "run"]
    assert runs.zygote.run(*words, at=Moment("step", 2)).code == -9
    path.write_text("".join(examples.splitlines(keepends=True)[:-1]), encoding="utf-8")
    done = runs.zygote.run(*words, "--resume")
    assert done.code == 2, done.err[-3000:]
    assert "the recipe's data is not what the run was started on: 8 examples then, 7 now" in done.err


@pytest.mark.parametrize("changed", ["selection.data", "composition"])
def test_what_the_recipe_names_and_that_changed(
    unbroken: dict[str, Any], runs: Runs, tmp_path: Path, changed: str
) -> None:
    """The recipe reads the same, and would go on with other looks or another reward."""
    held_out, rewards = tmp_path / "heldout.jsonl", tmp_path / "mine.yaml"
    examples = (runs.folder / "unbroken" / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    held_out.write_text("".join(examples[:4]), encoding="utf-8")
    rewards.write_text((ROOT / "rewards" / "function_calling.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    lines = runs.recipe.read_text().replace("composition: function_calling", f"composition: {rewards}").split("\n")
    mine = f"    sources: [{{source: jsonl, path: {held_out}, shuffle: false}}]"
    recipe.write_text("\n".join(mine if "split: heldout" in line else line for line in lines))
    words = ["train", recipe, "--out", tmp_path / "run"]
    assert runs.zygote.run(*words, at=Moment("step", 5)).code == -9
    if changed == "composition":
        rewards.write_text(rewards.read_text(encoding="utf-8").replace("correctness: 1.0", "correctness: 0.9"))
    else:
        held_out.write_text("".join(examples[:3]), encoding="utf-8")
    done = runs.zygote.run(*words, "--resume")
    assert done.code == 2, done.err[-3000:]
    assert f"run: {changed} is not what the run was started with" in done.err
    assert "Traceback" not in done.err
