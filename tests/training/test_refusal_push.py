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

from rlvr.training import refusal_push  # noqa: E402
from rlvr.training.refusal_push import PushesAgain, RefusalPush, RefusalPushMixin, damped, pushes  # noqa: E402

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


def test_damped_advantages_push_alike_and_compare_alike() -> None:
    """The gradient is what the weights say, and completions that decide alike differ as they did."""
    logit = torch.tensor(0.3, requires_grad=True)
    called = [True, True, False, True, False, False, True, False]
    advantages = [0.6, 0.1, -0.9, 0.2, 0.4, 0.5, -1.2, 0.3]
    weights = [0.5] * 4 + [0.25] * 4
    made = damped(advantages, called, ["a"] * 4 + ["b"] * 4, weights)
    logp = torch.where(
        torch.tensor(called), torch.nn.functional.logsigmoid(logit), torch.nn.functional.logsigmoid(-logit)
    )
    (torch.tensor(made) * logp).sum().backward()
    assert logit.grad.item() == pytest.approx(0.5 * 0.9 - 0.25 * 1.2)
    assert sum(made[:4]) == pytest.approx(0.0)
    assert sum(made[4:]) == pytest.approx(0.0)
    assert made[0] - made[1] == pytest.approx(0.5)
    assert made[5] - made[4] == pytest.approx(0.1)
    assert damped(advantages, called, ["a"] * 4 + ["b"] * 4, [1.0] * 8) == pytest.approx(advantages)


def test_a_group_that_decides_alike_is_left_as_it_is() -> None:
    assert damped([0.5, -0.5], [True, True], ["a", "a"], [0.0, 0.0]) == [0.5, -0.5]


@pytest.mark.parametrize(
    ("target", "calls", "refusals", "weights"),
    [
        (1.0, 4.0, 2.0, (0.5, 1.0)),
        (1.0, 2.0, 4.0, (1.0, 0.5)),
        (2.0, 2.0, 4.0, (1.0, 1.0)),
        (2.0, 4.0, 4.0, (0.5, 1.0)),
        (0.5, 4.0, 4.0, (1.0, 0.5)),
        (1.0, 4.0, 0.0, (0.0, 1.0)),
        (1.0, 4.0, -1.0, (0.0, 1.0)),
        (1.0, 0.0, 4.0, (1.0, 0.0)),
        (1.0, -1.0, 4.0, (1.0, 0.0)),
        (1.0, 0.0, 0.0, (1.0, 1.0)),
        (2.0, -1.0, -1.0, (1.0, 1.0)),
    ],
)
def test_the_side_that_pushes_harder_is_damped(
    target: float, calls: float, refusals: float, weights: tuple[float, float]
) -> None:
    push = RefusalPush(target)
    push.take({"en": (calls, refusals)})
    assert push.weights("en") == pytest.approx(weights)


def test_what_was_before_counts_less_and_less() -> None:
    push = RefusalPush(1.0)
    push.take({"en": (8.0, 2.0)})
    push.take({"en": (1.0, 2.0)})
    assert push.weights("en") == pytest.approx(((0.8 * 2 + 2) / (0.8 * 8 + 1), 1.0))
    push.take({})
    assert push.sums["en"] == pytest.approx((0.64 * 8 + 0.8 * 1, 0.64 * 2 + 0.8 * 2))


def test_each_language_has_its_own_weights_and_hears_of_the_others() -> None:
    """Vietnamese is refused where English is called: one weight for both would worsen either."""
    push = RefusalPush(1.0)
    push.take({"en": (4.0, 2.0), "vi": (1.0, 3.0)})
    assert push.weights("en") == pytest.approx(((2 + 0.25 * 3) / (4 + 0.25 * 1), 1.0))
    assert push.weights("vi") == pytest.approx((1.0, (1 + 0.25 * 4) / (3 + 0.25 * 2)))
    assert push.weights("zh") == pytest.approx((1.0, 1.0))  # nothing of its own yet, and the others are even


class Base:
    """What the mixin calls of TRL's trainer."""

    def __init__(self, advantages: list[float], training: bool = True) -> None:
        self.model = SimpleNamespace(training=training)
        self._metrics: dict[str, dict[str, list[float]]] = {"train": defaultdict(list)}
        self.advantages = advantages

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


def test_what_wants_a_call_is_damped_where_it_pushes_harder() -> None:
    trainer = Trainer(ADVANTAGES)
    trainer.push_refusals(1.0, "hermes")
    out = trainer._generate_and_score_completions(ROWS)
    assert out["advantages"].tolist() == pytest.approx([0.3, -0.3, 0.3, -0.3])
    told = trainer._metrics["train"]
    for name in ("", "/unknown"):
        assert told[f"calls/push{name}"] == pytest.approx([0.9])
        assert told[f"refusals/push{name}"] == pytest.approx([0.3])
    assert told["calls/weight/unknown"] == pytest.approx([1 / 3])
    assert told["refusals/weight/unknown"] == [1.0]


def test_a_language_is_damped_by_its_own_pushes() -> None:
    trainer = Trainer([0.9, -0.9, 0.3, -0.3, 0.1, -0.1, 0.8, -0.8])
    trainer.push_refusals(1.0, "hermes")
    rows = [{**row, "lang": lang, "prompt": lang} for lang in ("en", "vi") for row in ROWS]
    out = trainer._generate_and_score_completions(rows)
    en, vi = (0.3 + 0.25 * 0.8) / (0.9 + 0.25 * 0.1), (0.1 + 0.25 * 0.9) / (0.8 + 0.25 * 0.3)
    wanted = [0.9 * en, -0.9 * en, 0.3, -0.3, 0.1, -0.1, 0.8 * vi, -0.8 * vi]
    assert out["advantages"].tolist() == pytest.approx(wanted)
    told = trainer._metrics["train"]
    assert told["calls/push"] == pytest.approx([1.0])
    assert told["refusals/push/vi"] == pytest.approx([0.8])
    assert told["calls/weight/en"] == pytest.approx([en])
    assert told["refusals/weight/vi"] == pytest.approx([vi])


def test_groups_are_told_apart_by_their_prompts() -> None:
    """Two neighbours that want no call: what one's completions earn is not the other's mean."""
    trainer = Trainer([0.5, -0.5, 0.2, -0.2, 0.8, -0.8])
    trainer.push_refusals(1.0, "hermes")
    rows = [
        {**ROWS[k], "prompt": [{"role": "user", "content": text}]}
        for k, text in zip((0, 0, 2, 3, 2, 3), "aabbcc", strict=True)
    ]
    out = trainer._generate_and_score_completions(rows)
    assert out["advantages"].tolist() == pytest.approx([0.5, -0.5, 0.0, 0.0, 0.0, 0.0])


def test_the_pushes_of_all_processes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may hold languages that this one does not."""
    monkeypatch.setattr(refusal_push, "gather_object", lambda own: [*own, {"unknown": (0.1, 0.2)}, {"zh": (0.0, 0.4)}])
    trainer = Trainer(ADVANTAGES)
    trainer.push_refusals(1.0, "hermes")
    out = trainer._generate_and_score_completions(ROWS)
    told = trainer._metrics["train"]
    assert told["calls/push"] == pytest.approx([1.0])
    assert told["refusals/push"] == pytest.approx([0.9])
    assert told["refusals/push/zh"] == pytest.approx([0.4])
    assert out["advantages"].tolist()[0] == pytest.approx(0.9 * (0.5 + 0.25 * 0.4) / 1.0)


def test_nothing_is_weighed_unasked_nor_in_evaluation() -> None:
    assert Trainer(ADVANTAGES)._generate_and_score_completions(ROWS)["advantages"].tolist() == pytest.approx(ADVANTAGES)
    trainer = Trainer(ADVANTAGES, training=False)
    trainer.push_refusals(1.0, "hermes")
    assert trainer._generate_and_score_completions(ROWS)["advantages"].tolist() == pytest.approx(ADVANTAGES)
    assert not trainer._metrics["train"]


def test_a_resumed_run_goes_on_with_the_pushes_of_its_steps_before() -> None:
    straight, resumed = RefusalPush(1.0), RefusalPush(1.0)
    generations = [{"en": (4.0, 1.0), "vi": (0.5, 2.0)}, {"vi": (3.0, 2.0)}, {"en": (0.0, 1.0)}]
    logged: list[dict[str, float]] = [{"selection/strict": 0.4}]
    for generation in generations:
        straight.take(generation)
        entry = {"calls/push": 0.0, "refusals/push": 0.0}
        for lang, (calls, refusals) in generation.items():
            entry |= {f"calls/push/{lang}": calls, f"refusals/push/{lang}": refusals}
        logged.append(entry)
    for _ in range(2):  # begun twice, it sums once
        PushesAgain(resumed).on_train_begin(None, SimpleNamespace(log_history=logged), None)
    assert resumed == straight


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
            {k: v for k, v in x.items() if "/push" in k or "/weight" in k}
            for x in map(json.loads, (tmp_path / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
            if "reward" in x
        ]
        for name in ("whole", "run")
    ]
    assert len(told[0]) == 4
    assert told[0] == told[1]
    push, weights = RefusalPush(4.0), set()
    for entry in told[0]:
        langs = [key.removeprefix("calls/push/") for key in entry if key.startswith("calls/push/")]
        push.take({lang: (entry[f"calls/push/{lang}"], entry[f"refusals/push/{lang}"]) for lang in langs})
        assert langs
        for lang in langs:
            found = (entry[f"calls/weight/{lang}"], entry[f"refusals/weight/{lang}"])
            assert found == pytest.approx(push.weights(lang))
            weights.add(found)
    assert len(weights) > 1


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
      languages: {{en: 1, vi: 1}}
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
