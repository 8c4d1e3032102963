"""One vLLM engine, several checkpoints: what it generates is what the checkpoint that it was given would generate."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="needs the train extra")

from rlvr.extras import has

pytestmark = [pytest.mark.vllm, pytest.mark.skipif(not has("vllm"), reason="vLLM is not installed")]

# In a process of its own: an engine that shares a process with the tests would outlive its test.
SCRIPT = """
import json, sys
from rlvr.prompts import RenderedPrompt
from rlvr.rollouts import make_generator

first, second = sys.argv[1:3]
reference = make_generator(second, "transformers")
texts = ("weather in Hanoi", "tool", "a b c d")
prompts = [RenderedPrompt(t, tuple(reference.tokenizer(t)["input_ids"])) for t in texts]
wanted = [g[0].token_ids for g in reference.generate(prompts, max_new_tokens=12)]
engine = make_generator(first, "vllm", max_model_len=256, kv_cache_gib=1)
before = [g[0].token_ids for g in engine.generate(prompts, max_new_tokens=12)]
engine.set_model(second)
after = engine.generate(prompts, max_new_tokens=12)
many = engine.generate(prompts[:1], max_new_tokens=12, temperature=1.0, n=3)
from vllm import SamplingParams
asked = [{"prompt_token_ids": [*range(5, 105), last]} for last in (7, 8)]
cached = [engine.llm.generate([a], SamplingParams(max_tokens=1), use_tqdm=False)[0].num_cached_tokens for a in asked]
print("RESULT", json.dumps({"wanted": wanted, "before": before, "after": [g[0].token_ids for g in after],
                            "truncated": [g[0].truncated for g in after], "n": [len(g) for g in many],
                            "cached": cached}))
"""


def test_an_engine_follows_to_another_checkpoint_with_its_tied_head(tmp_path: Path, tiny_model: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    weights = load_file(other / "model.safetensors")
    torch.manual_seed(1)
    for name, value in weights.items():  # the embeddings, and with them the tied head, change too
        weights[name] = (value.float() + 0.3 * torch.randn(value.shape)).to(value.dtype)
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    script = tmp_path / "engine.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(tiny_model), str(other)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(next(x for x in done.stdout.splitlines() if x.startswith("RESULT"))[7:])
    assert found["before"] != found["wanted"]
    assert found["after"] == found["wanted"]
    assert found["n"] == [3]
    assert found["cached"] == [0, 96]  # of 100 shared tokens; in blocks of 128, a CPU's default, none would be
    assert all(isinstance(cut, bool) for cut in found["truncated"])


# A random model, asked often enough, opens a brace: under llama3_json that begins a call.
STRUCTURED = """
import json, sys
from rlvr.prompts import RenderedPrompt
from rlvr.rollouts import make_generator
from rlvr.rollouts.structured import structural_tag
from rlvr.types import Tool

tool = Tool("add", "", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
engine = make_generator(sys.argv[1], "vllm", max_model_len=256, kv_cache_gib=1)
ids = tuple(engine.tokenizer("weather in Hanoi")["input_ids"])
tags = ("", structural_tag([tool], "llama3_json"))
prompts = [RenderedPrompt("", ids, structure=tag) for tag in tags]  # one of each in a batch
free, held = engine.generate(prompts, max_new_tokens=200, temperature=1.0, seed=5, n=48)
# 30 prompts of 200 tokens: more than one pass takes, so that one is split.
long = [RenderedPrompt("", tuple((7 * i + j) % 400 + 5 for j in range(200))) for i in range(30)]
again = [
    [g[0].token_ids for g in engine.generate(long, max_new_tokens=8, temperature=1.0, seed=seed)] for seed in (3, 3, 4)
]
print("RESULT", json.dumps([[g.text for g in group] for group in (free, held)] + [again]))
"""


@pytest.mark.slow
def test_structured_outputs_hold_their_own_row_and_seeds_hold_split_batches(tmp_path: Path, tiny_model: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(STRUCTURED, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script), str(tiny_model)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    free, held, again = json.loads(next(x for x in done.stdout.splitlines() if x.startswith("RESULT"))[7:])
    begin = '{"name": "add", "parameters": '
    calls = [[t[t.index("{") :] for t in group if "{" in t] for group in (free, held)]
    assert len(calls[0]) > 5
    assert not any(call.startswith(begin) for call in calls[0])
    assert len(calls[1]) > 5
    assert all(call.startswith(begin) or begin.startswith(call) for call in calls[1])
    assert any("{" not in text for text in held)  # what is no call stays free
    assert again[0] == again[1] != again[2]
