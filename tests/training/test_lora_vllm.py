"""A vLLM engine follows an adapter, and the weights below it stay what they were to the last bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="needs the train extra")

from rlvr.extras import has

RECIPE = """
kind: grpo
name: grpo
model: <model>
composition: function_calling
stage: stage1
rollout: vllm
lora: {r: 8, lora_alpha: 32}
data:
  max_prompt_tokens: 900
  sources: [{source: builtin, count: 8, seed: 2, languages: {en: 1}, tools_offered: {1: 1}}]
trl:
  per_device_train_batch_size: 8
  num_generations: 4
  max_completion_length: 24
  max_steps: 3
  learning_rate: 5e-2
  lr_scheduler_type: constant
  temperature: 1.0
  scale_rewards: none
  loss_type: dapo
  vllm_importance_sampling_correction: false
"""

# In a process of its own: a vLLM engine sets up a process group that cannot be made twice.
SCRIPT = """
import sys
import torch
from rlvr.training import run as runner
from rlvr.training.recipe import load_recipe

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

def fit(trainer, folder, resume):
    # A random model's completions all earn the same: a reward that varies moves the policy.
    trainer.reward_funcs[0] = lambda completions, **_: [float(len(set(c))) for c in completions]
    ids = list(range(20, 60))
    below = {n: p.detach().clone() for n, p in trainer.model.named_parameters() if "lora_" not in n}
    start = trainer_logps(trainer, ids)
    original(trainer, folder, resume)
    now = trainer_logps(trainer, ids)
    trainer.vllm_generation.sync_weights()
    print("MOVED", float((now - start).abs().max()))
    print("FOLLOWS", float((engine_logps(trainer, ids) - now).abs().max()))
    print("DRIFTED", sum(not torch.equal(p, below[n]) for n, p in trainer.model.named_parameters() if n in below))

runner._fit = fit
recipe, resolved = load_recipe(sys.argv[1])
runner.train(recipe, resolved, sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.skipif(not has("vllm"), reason="vLLM is not installed")
def test_the_engine_follows_the_adapter_and_nothing_below_drifts(tmp_path: Path, tiny_model: Path) -> None:
    recipe, script = tmp_path / "recipe.yaml", tmp_path / "engine.py"
    recipe.write_text(RECIPE.replace("<model>", str(tiny_model)), encoding="utf-8")
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(script), str(recipe), str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    words = [line.split() for line in done.stdout.splitlines()]
    found = {w[0]: float(w[1]) for w in words if w and w[0] in ("MOVED", "FOLLOWS", "DRIFTED")}
    assert found["MOVED"] > 0.2, "the steps did not change the policy: the test would show nothing"
    assert found["FOLLOWS"] < 0.05
    assert found["DRIFTED"] == 0
