"""Shared by the tests of training: runs in children of one process, and what two runs are compared by."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.zygote import Done, Moment, Zygote

# Two prompts of four completions are sampled at once and trained on in two steps; four such generations are an epoch.
# So a run can be cut after every second step, and a checkpoint after three is put off to the fourth.
RECIPE = """
kind: grpo
name: grpo
model: {model}
composition: function_calling
stage: stage1
rollout: transformers
precision: fp32
data:
  max_prompt_tokens: 900
  sources: [{{source: builtin, count: 8, seed: 2, languages: {{en: 1}}, tools_offered: {{1: 1}}}}]
selection:
  every: 3
  data:
    max_prompt_tokens: 900
    sources: [{{source: builtin, split: heldout, count: 4, seed: 5}}]
trl:
  per_device_train_batch_size: 4
  steps_per_generation: 2
  num_generations: 4
  max_completion_length: 8
  max_steps: 14
  learning_rate: 1e-2
  lr_scheduler_type: linear
  temperature: 1.0
  scale_rewards: none
  loss_type: dapo
  save_steps: 3
"""
TIMES = ("seconds", "step_time")


class Runs:
    """Runs of one recipe, each in a child."""

    def __init__(self, zygote: Zygote, folder: Path, model: Path) -> None:
        self.zygote, self.folder, self.model = zygote, folder, model
        self.recipe = folder / "recipe.yaml"
        self.recipe.write_text(RECIPE.format(model=model), encoding="utf-8")

    def train(self, name: str, *more: object, at: Moment | None = None, counts: Path | None = None) -> Done:
        return self.zygote.run("train", self.recipe, "--out", self.folder / name, *more, at=at, counts=counts)

    def start(self, name: str, *more: object, at: Moment | None = None) -> tuple[int, Path]:
        return self.zygote.start("train", self.recipe, "--out", self.folder / name, *more, at=at)


def rows(path: Path) -> list[dict[str, Any]]:
    """A JSONL file; every line must be whole."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def trace(run: Path) -> dict[str, Any]:
    """All that two equal runs have in common: rewards, losses, completions and weights, without the clock."""
    facts = json.loads((run / "run.json").read_text())
    return {
        "metrics": [{k: v for k, v in row.items() if k not in TIMES} for row in rows(run / "metrics.jsonl")],
        "samples": rows(run / "samples.jsonl"),
        "final": hashlib.sha256((run / "final" / "model.safetensors").read_bytes()).hexdigest(),
        "last": hashlib.sha256((run / "checkpoints" / "checkpoint-14" / "model.safetensors").read_bytes()).hexdigest(),
        "selected": facts["selected"],
        "steps": facts["steps"],
    }


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    pytest.importorskip("trl", reason="needs the train extra")
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    made = Zygote(tmp_path_factory.mktemp("zygote"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def runs(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Runs:
    return Runs(zygote, tmp_path_factory.mktemp("runs"), tiny_model)


@pytest.fixture(scope="session")
def unbroken(runs: Runs) -> dict[str, Any]:
    """The trace of a run that nobody disturbed, and how often each kind of moment came: `trace`, `counts`."""
    counts = runs.folder / "counts.json"
    done = runs.train("unbroken", counts=counts)
    assert done.code == 0, done.err[-3000:]
    assert "trl.save_steps: 3 → 4" in done.err
    return {"trace": trace(runs.folder / "unbroken"), "counts": json.loads(counts.read_text())}
