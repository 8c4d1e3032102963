"""Groups that want no call push away from calling as hard as the others push towards it."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("trl", reason="needs the train extra")

from rlvr.training.refusal_push import MOST, PushesAgain, RefusalPush, RefusalPushMixin, pushes  # noqa: E402

CALL = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
BROKEN = '<tool_call>\n{"name": "f", "arguments"'
REFUSAL = "I'm sorry, I can't do that."


def test_a_groups_push_is_the_gradient_on_the_log_odds_of_calling() -> None:
    """Held against autograd: a policy whose completions call with one probability, the same for all."""
    logit = torch.tensor(0.3, requires_grad=True)
    called = [True, True, False, True, False, False, True, False]
    wanted = [True] * 4 + [False] * 4
    advantages = torch.tensor([0.6, 0.1, -0.9, 0.2, 0.4, 0.5, -1.2, 0.3])  # each group's sum is 0
    logp = torch.where(
        torch.tensor(called), torch.nn.functional.logsigmoid(logit), torch.nn.functional.logsigmoid(-logit)
    )
    (advantages * logp).sum().backward()
    calls, refusals = pushes(advantages.tolist(), called, wanted)
    assert calls == pytest.approx(0.9)
    assert refusals == pytest.approx(1.2)
    assert logit.grad.item() == pytest.approx(calls - refusals)


def test_weights_bring_both_to_the_same_push() -> None:
    push = RefusalPush(1.0)
    assert push.weigh(4.0, 2.0) == pytest.approx(2.0)
    assert push.weigh(4.0, 2.0) == pytest.approx(2.0)
    assert push.weigh(0.0, 5.0) == 1.0  # refusals may push harder, and never weigh less
    assert RefusalPush(1.5).weigh(4.0, 2.0) == pytest.approx(3.0)
    assert RefusalPush(1.0).weigh(4.0, 0.0) == MOST
    assert RefusalPush(1.0).weigh(4.0, -1.0) == MOST
    assert RefusalPush(1.0).weigh(400.0, 1.0) == MOST
    assert RefusalPush(1.0).weigh(-1.0, 2.0) == 1.0
    assert RefusalPush(1.0).weigh(0.0, 0.0) == 1.0


def test_what_was_before_counts_less_and_less() -> None:
    push = RefusalPush(1.0)
    push.weigh(8.0, 2.0)
    assert push.weigh(1.0, 2.0) == pytest.approx((0.8 * 8 + 1) / (0.8 * 2 + 2))


class Base:
    """What the mixin calls of TRL's trainer."""

    def __init__(self, advantages: list[float], training: bool = True, processes: int = 1) -> None:
        self.model = SimpleNamespace(training=training)
        self._metrics: dict[str, dict[str, list[float]]] = {"train": defaultdict(list)}
        self.advantages = advantages
        self.accelerator = SimpleNamespace(gather=lambda tensor: tensor.repeat(processes, 1))

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, ids: Any) -> str:
        return "rewards"

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        assert self._calculate_rewards(inputs, None, [row["says"] for row in inputs], [[] for _ in inputs]) == "rewards"
        return {"advantages": torch.tensor(self.advantages)}


class Trainer(RefusalPushMixin, Base):
    pass


ROWS = [
    {"ground_truth": json.dumps([{"name": "f", "arguments": {}}]), "says": CALL},
    {"ground_truth": json.dumps([{"name": "f", "arguments": {}}]), "says": REFUSAL},
    {"ground_truth": "[]", "says": REFUSAL},
    {"ground_truth": "[]", "says": BROKEN},
]
ADVANTAGES = [0.9, -0.9, 0.3, -0.3]


def test_only_what_wants_no_call_is_weighed() -> None:
    trainer = Trainer(ADVANTAGES)
    trainer.push_refusals(1.0, "hermes")
    out = trainer._generate_and_score_completions(ROWS)
    assert out["advantages"].tolist() == pytest.approx([0.9, -0.9, 0.9, -0.9])
    told = trainer._metrics["train"]
    assert told["calls/push"] == pytest.approx([0.9])
    assert told["refusals/push"] == pytest.approx([0.3])
    assert told["refusals/weight"] == pytest.approx([3.0])


def test_the_pushes_of_all_processes_count() -> None:
    trainer = Trainer(ADVANTAGES, processes=2)
    trainer.push_refusals(1.0, "hermes")
    trainer._generate_and_score_completions(ROWS)
    assert trainer._metrics["train"]["calls/push"] == pytest.approx([1.8])


def test_nothing_is_weighed_unasked_nor_in_evaluation() -> None:
    assert Trainer(ADVANTAGES)._generate_and_score_completions(ROWS)["advantages"].tolist() == pytest.approx(ADVANTAGES)
    trainer = Trainer(ADVANTAGES, training=False)
    trainer.push_refusals(1.0, "hermes")
    assert trainer._generate_and_score_completions(ROWS)["advantages"].tolist() == pytest.approx(ADVANTAGES)
    assert not trainer._metrics["train"]


def test_a_resumed_run_goes_on_with_the_pushes_of_its_steps_before() -> None:
    straight, resumed = RefusalPush(1.0), RefusalPush(1.0)
    logged = [
        {"calls/push": 4.0, "refusals/push": 1.0},
        {"selection/strict": 0.4},
        {"calls/push": 3.0, "refusals/push": 2.0},
    ]
    for entry in logged:
        if "calls/push" in entry:
            straight.weigh(entry["calls/push"], entry["refusals/push"])
    for _ in range(2):  # begun twice, it sums once
        PushesAgain(resumed).on_train_begin(None, SimpleNamespace(log_history=logged), None)
    assert resumed == straight
    assert resumed.weigh(1.0, 1.0) == straight.weigh(1.0, 1.0)


def test_a_run_weighs_and_a_resumed_one_weighs_alike(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tiny model calls nothing: here every second of its texts counts as a call."""
    from rlvr.training.callbacks import LogCallback
    from rlvr.training.recipe import load_recipe
    from rlvr.training.run import train

    monkeypatch.setattr(
        RefusalPushMixin, "_called", lambda self, row, completion, ids: zlib.crc32(str(completion).encode()) % 2 == 0
    )
    module, composition, path = (tmp_path / name for name in ("own_rewards.py", "own.yaml", "recipe.yaml"))
    module.write_text(REWARD, encoding="utf-8")
    stages = "stages: {one: {weights: {format: 0.0, own: 1.0}}}"
    composition.write_text(f'name: own\ncomponents: {{format: {{}}}}\nfunctions: {{own: "{module}:drawn"}}\n{stages}\n')
    path.write_text(RECIPE.format(model=tiny_model, composition=composition), encoding="utf-8")
    train(*load_recipe(path), tmp_path / "whole")
    plain = LogCallback.on_save

    def stop(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        plain(self, args, state, control, **kwargs)
        if state.global_step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(LogCallback, "on_save", stop)
    with pytest.raises(KeyboardInterrupt):
        train(*load_recipe(path), tmp_path / "run")
    monkeypatch.setattr(LogCallback, "on_save", plain)
    train(*load_recipe(path), tmp_path / "run", resume=True)
    told = [
        [
            (x["calls/push"], x["refusals/push"], x["refusals/weight"])
            for x in map(json.loads, (tmp_path / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
            if "reward" in x
        ]
        for name in ("whole", "run")
    ]
    assert len(told[0]) == 4
    assert told[0] == told[1]
    push = RefusalPush(4.0)
    assert [w for _, _, w in told[0]] == pytest.approx([push.weigh(c, r) for c, r, _ in told[0]])
    assert len({w for _, _, w in told[0]}) > 1


REWARD = """
import zlib

def drawn(completions, **columns):
    return [float(zlib.crc32(str(c).encode()) % 7) for c in completions]
"""
RECIPE = """
kind: grpo
name: grpo
model: {model}
composition: {composition}
stage: one
rollout: transformers
precision: fp32
seed: 4
refusal_push: 4.0
data:
  max_prompt_tokens: 900
  order: even
  sources:
    - source: builtin
      count: 40
      seed: 2
      languages: {{en: 1}}
      tools_offered: {{1: 1}}
      categories: {{simple: 1, irrelevance: 1}}
trl:
  per_device_train_batch_size: 16
  num_generations: 4
  max_completion_length: 16
  max_steps: 4
  learning_rate: 1e-4
  temperature: 1.0
  scale_rewards: none
  loss_type: dapo
  save_steps: 1
"""
