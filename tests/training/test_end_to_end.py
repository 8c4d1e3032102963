"""Real training steps with a tiny random model: TRL's trainers, transformers and vLLM rollouts, resume after a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="needs the train extra")

from rlvr.extras import has
from rlvr.training.recipe import load_recipe
from rlvr.training.run import model_source, train

needs_vllm = pytest.mark.skipif(not has("vllm"), reason="vLLM is not installed")

WARMUP = """
kind: warmup
name: warmup
model: {model}
data:
  max_prompt_tokens: 900
  sources: [{{source: builtin, count: 12, seed: 1, group_size: 4, languages: {{en: 1}}}}]
trl: {{per_device_train_batch_size: 4, max_steps: 3, learning_rate: 1e-3, save_steps: 1}}
"""

GRPO = """
kind: grpo
name: grpo
model: {model}
composition: function_calling
stage: stage1
rollout: {rollout}
data:
  max_prompt_tokens: 900
  sources: [{{source: builtin, count: 8, seed: 2, languages: {{en: 1}}, tools_offered: {{1: 1}}}}]
trl:
  per_device_train_batch_size: 8
  num_generations: 4
  max_completion_length: 24
  max_steps: {steps}
  learning_rate: 1e-2
  lr_scheduler_type: constant
  temperature: 1.0
  scale_rewards: none
  loss_type: dapo
  vllm_importance_sampling_correction: false
  save_steps: 1
"""


def recipe_file(tmp_path: Path, text: str, **values: object) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text.format(**values), encoding="utf-8")
    return path


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(x) for x in path.read_text(encoding="utf-8").splitlines()]


def test_a_warm_up_trains_resumes_and_leaves_a_model(tmp_path: Path, tiny_model: Path) -> None:
    from transformers import AutoModelForCausalLM

    recipe, resolved = load_recipe(recipe_file(tmp_path, WARMUP, model=tiny_model), ["trl.max_steps=2"])
    final = train(recipe, resolved, tmp_path / "run")
    assert AutoModelForCausalLM.from_pretrained(final).num_parameters() > 0
    assert model_source(str(tmp_path / "run")) == str(final)
    assert [x["step"] for x in lines(tmp_path / "run" / "metrics.jsonl")] == [1, 2]
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["steps"] == 2
    assert record["versions"]["trl"]
    assert record["data"]["examples"] == 12


def test_a_killed_run_resumes_as_if_it_had_not_been_killed(tmp_path: Path, tiny_model: Path) -> None:
    """`kill -9` after step 2 of 3; the resumed run ends with the weights of a run that was left alone."""
    import torch
    from safetensors.torch import load_file

    path = recipe_file(tmp_path, WARMUP, model=tiny_model)
    whole = train(*load_recipe(path), tmp_path / "whole")
    killed = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-m", "rlvr", "train", str(path), "--out", str(killed)])
    deadline = time.monotonic() + 120
    while process.poll() is None and not (killed / "checkpoints" / "checkpoint-2" / "COMPLETE").is_file():
        assert time.monotonic() < deadline, "the run made no checkpoint"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if (killed / "final").exists():
        pytest.skip("the run had ended before it could be killed")
    half = killed / "checkpoints" / "checkpoint-9"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    resumed = train(*load_recipe(path), killed, resume=True)
    assert not half.exists()
    expected, found = load_file(whole / "model.safetensors"), load_file(resumed / "model.safetensors")
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)
    assert [x["step"] for x in lines(killed / "metrics.jsonl")] == [1, 2, 3]


@pytest.mark.parametrize("optim", ["adamw_torch_fused", "sgd"])
def test_bf16_weights_take_the_optimizer_that_the_recipe_names(tmp_path: Path, tiny_model: Path, optim: str) -> None:
    """And resume with it: from the copies of the last checkpoint, to the weights of the run that was left alone."""
    import torch
    from safetensors.torch import load_file

    path = recipe_file(tmp_path, WARMUP, model=tiny_model)
    run, loaded = tmp_path / "run", load_recipe(path, ["precision=bf16-master", f"trl.optim={optim}"])
    whole = load_file(train(*loaded, run) / "model.safetensors")
    state = torch.load(run / "checkpoints" / "checkpoint-2" / "optimizer.pt", weights_only=True)["state"]
    assert set(state[0]) == ({"master"} if optim == "sgd" else {"master", "step", "exp_avg", "exp_avg_sq"})
    assert state[0]["master"].dtype == torch.float32
    shutil.rmtree(run / "final")
    shutil.rmtree(run / "checkpoints" / "checkpoint-3")
    resumed = load_file(train(*loaded, run, resume=True) / "model.safetensors")
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=0)


def test_one_grpo_step_with_transformers_logs_every_component(tmp_path: Path, tiny_model: Path) -> None:
    recipe, resolved = load_recipe(recipe_file(tmp_path, GRPO, model=tiny_model, rollout="transformers", steps=1))
    train(recipe, resolved, tmp_path / "run")
    metrics = lines(tmp_path / "run" / "metrics.jsonl")[0]
    for name in ("format", "correctness", "refusal", "efficiency"):
        assert f"rewards/{name}/mean" in metrics
    sample = lines(tmp_path / "run" / "samples.jsonl")[0]
    assert set(sample["scores"]) == {"format", "correctness", "refusal", "efficiency"}
    assert sample["outcome"] in ("calls", "abstain", "malformed", "empty")
    assert sample["query"]


def test_selection_keeps_the_best_checkpoint(tmp_path: Path, tiny_model: Path) -> None:
    path = recipe_file(tmp_path, GRPO, model=tiny_model, rollout="transformers", steps=2)
    held_out = "{source: builtin, split: heldout, count: 4, seed: 5}"
    more = f"\nselection: {{every: 1, data: {{max_prompt_tokens: 900, sources: [{held_out}]}}}}\n"
    path.write_text(path.read_text() + more)
    train(*load_recipe(path), tmp_path / "run")
    scores = [x for x in lines(tmp_path / "run" / "metrics.jsonl") if "selection/strict" in x]
    assert [x["step"] for x in scores] == [1, 2]
    selected = json.loads((tmp_path / "run" / "run.json").read_text())["selected"]
    assert selected["strict"] == max(x["selection/strict"] for x in scores)


def test_a_disk_that_takes_no_more_is_one_clear_error(tmp_path: Path, tiny_model: Path) -> None:
    """The operating system refuses to write more than 100 kB into a file: no checkpoint fits."""
    path = recipe_file(tmp_path, WARMUP, model=tiny_model)
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    arguments = ["train", str(path), "--out", str(tmp_path / "run")]
    code = f"{limit}; from rlvr.cli import main; sys.exit(main({arguments!r}))"
    ignore = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    done = subprocess.run([sys.executable, "-c", ignore + code], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr[-2000:]
    assert "writing failed" in done.stderr
    assert "No checkpoint was written yet. Free space, then go on with --resume." in done.stderr
    assert "Traceback" not in done.stderr


# Runs in a process of its own: a vLLM engine sets up a process group that cannot be made twice.
ENGINE_TEST = """
import sys
import torch
from rlvr.training import run as runner
from rlvr.training.recipe import load_recipe

recipe, resolved = load_recipe(sys.argv[1])
seen = []
original = runner._fit

def engine_logps(trainer, ids):
    from vllm import SamplingParams
    out = trainer.vllm_generation.llm.generate(
        [{"prompt_token_ids": ids}],
        sampling_params=SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0), use_tqdm=False)
    return torch.tensor([p[i].logprob for i, p in zip(ids[1:], out[0].prompt_logprobs[1:])])

def trainer_logps(trainer, ids):
    with torch.no_grad():
        logits = trainer.model(input_ids=torch.tensor([ids])).logits[0, :-1].float()
    return torch.log_softmax(logits, -1).gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]

def letters(completions, **kwargs):
    return [float(len(set(c))) for c in completions]

def fit(trainer, folder, resume):
    # A random model's completions all earn the same: a reward that varies moves the policy.
    trainer.reward_funcs[0] = letters
    ids = list(range(20, 60))
    before = engine_logps(trainer, ids)
    start = trainer_logps(trainer, ids)
    print("START", float((before - start).abs().max()))
    original(trainer, folder, resume)
    now = trainer_logps(trainer, ids)
    trainer.vllm_generation.sync_weights()
    after = engine_logps(trainer, ids)
    print("MOVED", float((now - start).abs().max()))
    print("FOLLOWS", float((after - now).abs().max()))

runner._fit = fit
runner.train(recipe, resolved, sys.argv[2])
"""


@needs_vllm
@pytest.mark.vllm
def test_two_grpo_steps_with_vllm_and_the_engine_follows_the_trainer(tmp_path: Path, tiny_model: Path) -> None:
    """The engine's log-probabilities move with the trainer's: the policy moves far, and the engine is where it is."""
    path = recipe_file(tmp_path, GRPO, model=tiny_model, rollout="vllm", steps=2)
    script = tmp_path / "engine.py"
    script.write_text(textwrap.dedent(ENGINE_TEST), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(path), str(tmp_path / "run")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = {
        k: float(v) for k, v in (x.split() for x in done.stdout.splitlines() if x[:5] in ("START", "MOVED", "FOLLO"))
    }
    assert found["START"] < 0.05
    assert found["MOVED"] > 0.2, "the steps did not change the policy: the test would show nothing"
    assert found["FOLLOWS"] < 0.05
    assert len(lines(tmp_path / "run" / "metrics.jsonl")) == 2
    assert json.loads((tmp_path / "run" / "run.json").read_text())["rollout"] == "vllm"
