"""Two processes under `accelerate launch` on the CPU (gloo) train as one with the same global batch."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the train extra")
pytest.importorskip("accelerate", reason="needs the train extra")

from rlvr.errors import DataError
from rlvr.training.fixed_rollouts import FixedRollouts
from tests.training.conftest import rows

ROOT = Path(__file__).resolve().parents[2]
GRPO = """
kind: grpo
name: grpo
model: {model}
composition: function_calling
stage: stage1
rollout: transformers
precision: fp32
shared_prefix: "{shared}"
data:
  max_prompt_tokens: 900
  sources: [{{source: builtin, count: 8, seed: 2, languages: {{en: 1}}, tools_offered: {{1: 1}}}}]
trl:
  gradient_accumulation_steps: 2
  num_generations: 8
  max_completion_length: 40
  max_steps: 4
  learning_rate: 1e-3
  lr_scheduler_type: constant
  scale_rewards: batch
  loss_type: dapo
  beta: 0.0
  save_strategy: "no"
"""
WARMUP = """
kind: warmup
name: warmup
model: {model}
precision: fp32
shared_prefix: "{shared}"
data:
  max_prompt_tokens: 900
  sources: [{{source: builtin, count: 16, seed: 1, group_size: 4, languages: {{en: 1}}}}]
trl: {{max_steps: 4, learning_rate: 1e-3, lr_scheduler_type: constant, save_strategy: "no"}}
"""
# How far two sums of the same gradients, taken in another order, may bring the weights apart: a part of the way that
# the weights went. (Adam divides by a gradient's own size, so rounding counts most where there is hardly any gradient.)
TOLERANCE = 1e-4  # 1e-5 and less was measured


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def launch(*words: object) -> list[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # With --cpu accelerate starts several processes by MPI alone; --multi_gpu takes torch's launcher, GPUs or none.
    settings = ["--multi_gpu", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", *settings]
    return [*launcher, "--main_process_port", str(port), "-m", *map(str, words)]


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)


def weights(folder: Path) -> Any:
    import torch
    from safetensors.torch import load_file

    return torch.cat([t.flatten().double() for _, t in sorted(load_file(folder / "model.safetensors").items())])


def apart(one: Path, two: Path, start: Path) -> float:
    """How far two models are from each other, as a part of the way that the first one went."""
    first = weights(one)
    return float((weights(two) - first).norm() / (first - weights(start)).norm())


@pytest.mark.slow
@pytest.mark.parametrize("shared", ["on", "off"])
@pytest.mark.parametrize("kind", ["grpo", "warmup"])
def test_two_processes_train_as_one(tmp_path: Path, tiny_model: Path, kind: str, shared: str) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text({"grpo": GRPO, "warmup": WARMUP}[kind].format(model=tiny_model, shared=shared))
    batch = "trl.per_device_train_batch_size="
    one = run([sys.executable, "-m", "tests.training.replayed", str(recipe), str(tmp_path / "one"), f"{batch}4"])
    assert one.returncode == 0, one.stderr[-3000:]
    two = run(launch("tests.training.replayed", recipe, tmp_path / "two", f"{batch}2"))
    assert two.returncode == 0, two.stderr[-3000:]
    logs = [[r for r in rows(tmp_path / name / "metrics.jsonl") if "loss" in r] for name in ("one", "two")]
    assert [r["step"] for r in logs[0]] == [r["step"] for r in logs[1]] == [1, 2, 3, 4]
    assert two.stderr.count("step 4/4") == 1, "one process speaks"
    for alone, together in zip(*logs, strict=True):
        for key in ("loss", "grad_norm", "reward", "reward_std", "entropy"):
            if key in alone:
                assert together[key] == pytest.approx(alone[key], rel=2e-3, abs=1e-6), key
    if kind == "grpo":
        samples = [rows(tmp_path / name / "samples.jsonl") for name in ("one", "two")]
        assert len(samples[0]) >= 32
        assert len({s["advantage"] for s in samples[0]}) >= 6
        assert 0.0 in {s["advantage"] for s in samples[0]}
        for alone, together in zip(*(sorted(s, key=json.dumps) for s in samples), strict=True):
            assert together["advantage"] == pytest.approx(alone["advantage"], abs=1e-6)
            assert {**together, "advantage": 0} == {**alone, "advantage": 0}
    assert apart(tmp_path / "one" / "final", tmp_path / "two" / "final", tiny_model) < TOLERANCE


SMALL = ("data.max_prompt_tokens=2000", "trl.per_device_train_batch_size=8", "trl.save_steps=2", "precision=fp32")


@pytest.mark.slow
def test_the_shipped_recipes_run_and_resume_in_two_processes(tmp_path: Path, tiny_model: Path) -> None:
    """One process writes and speaks; a SIGTERM to the launcher stops all of them where a checkpoint can be made."""

    def words(stage: str, model: Path, *more: str) -> list[str]:
        sets = [x for key in (*SMALL, *more) for x in ("--set", key)]
        out = str(tmp_path / stage)
        return ["rlvr", "train", f"smollm2-135m/{stage}", "--model", str(model), "--out", out, *sets]

    done = run(launch(*words("warmup", tiny_model, "trl.max_steps=2", "data.sources.0.count=32")))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == f"{tmp_path / 'warmup' / 'final'}\n"
    small = ["data.sources.0.count=48", "selection.data.sources.0.count=8", "selection.data.max_prompt_tokens=2000"]
    small += ["selection.every=2", "trl.max_completion_length=8", "rollout=transformers", "trl.max_steps=6"]
    small += ["guards={}"]  # of a random model nearly every completion is cut
    small += [f"data.sources.{i}.count=4" for i in range(1, sources_of("smollm2-135m/stage1"))]
    stage1 = words("stage1", tmp_path / "warmup", *small)
    process = subprocess.Popen(launch(*stage1), cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 400
    while not (tmp_path / "stage1" / "checkpoints" / "checkpoint-2").is_dir() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode != 0
    assert said.count("stopped by SIGTERM after step") == 1, said[-3000:]
    assert said.count("Go on with: rlvr train smollm2-135m/stage1") == 1
    done = run(launch(*stage1, "--resume"))
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = rows(tmp_path / "stage1" / "metrics.jsonl")
    assert [m["step"] for m in metrics if "loss" in m] == [1, 2, 3, 4, 5, 6]
    assert [m["step"] for m in metrics if "selection/strict" in m] == [0, 2, 4, 6]
    last = tmp_path / "stage1" / "checkpoints" / "checkpoint-6"
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= {p.name for p in last.iterdir()}
    facts = json.loads((tmp_path / "stage1" / "run.json").read_text())
    assert facts["processes"] == 2
    assert facts["finished"]
    alone = run([sys.executable, "-m", *stage1, "--resume", "--set", "max_minutes=99"])
    assert alone.returncode == 2
    assert "was made by 2 processes, and now there are 1" in alone.stderr


def sources_of(name: str) -> int:
    from rlvr.training.recipe import load_recipe

    return len(load_recipe(name)[0].data.sources)


class Tokenizer:
    eos_token_id = 99

    def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
        return {"input_ids": [ord(c) for c in text]}


class Trainer:
    processing_class = Tokenizer()
    num_generations = 2


@pytest.mark.parametrize(("rank", "expected"), [("0", ["x", "y", "x"]), ("1", ["y", "x", "y"])])
def test_each_process_gets_its_part_of_the_given_rollouts(
    monkeypatch: pytest.MonkeyPatch, rank: str, expected: list[str]
) -> None:
    """Six rows of one prompt in groups of two: x y | x y | x y, three for each process."""
    monkeypatch.setenv("RANK", rank)
    made = FixedRollouts({"p": ["x", "y"]})(["p"] * 3, Trainer())
    assert made["completion_ids"] == [[ord(c), 99] for c in expected]
    assert made["prompt_ids"] == [[ord("p")]] * 3
    assert made["logprobs"] is None


def test_a_prompt_without_a_rollout_is_one_clear_error() -> None:
    with pytest.raises(DataError, match="no completion is given for the prompt 'q'"):
        FixedRollouts({"p": ["x"]})(["q"], Trainer())
    with pytest.raises(DataError, match="a prompt has no completion: 'p'"):
        FixedRollouts({"p": []})
