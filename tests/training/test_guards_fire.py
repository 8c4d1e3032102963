"""Guards that fire for real: training runs of a tiny model that go bad, and one that does not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the train extra")

from rlvr.cli import main
from rlvr.errors import GuardError
from rlvr.training.recipe import load_recipe
from rlvr.training.run import train

REFUSAL = "I'm sorry, but none of the available functions can do that."
CALL = "<tool_call>\n"  # never closed: a call all the same, and a short one
REWARDS = """
def always_call(completions, **columns):
    return [float(text.startswith("<tool_call>")) for text in completions]

def nothing(completions, **columns):
    return [0.0] * len(completions)

def same(completions, **columns):
    return [-float(len(set(text))) for text in completions]

def letters(completions, **columns):
    return [float(len(set(text))) for text in completions]
"""
COMPOSITION = """
name: own
components: {{format: {{}}}}
functions: {{own: "{module}:{function}"}}
stages: {{one: {{weights: {{format: 0.0, own: 1.0}}}}}}
"""
GRPO = """
kind: grpo
name: grpo
model: {model}
composition: {composition}
stage: {stage}
rollout: transformers
precision: fp32
data:
  max_prompt_tokens: 900
  sources:
    - source: builtin
      count: 8
      seed: 2
      languages: {{en: 1}}
      tools_offered: {{1: 1}}
      categories: {{irrelevance: 1}}
{more}
trl:
  per_device_train_batch_size: 16
  num_generations: 8
  max_completion_length: 24
  max_steps: {steps}
  learning_rate: {rate}
  lr_scheduler_type: constant
  temperature: 1.0
  scale_rewards: none
  loss_type: dapo
  save_steps: {save}
"""
LOOKS = """
selection:
  every: 4
  data:
    max_prompt_tokens: 900
    sources:
      - {source: builtin, split: heldout, count: 8, seed: 5, languages: {en: 1}, tools_offered: {1: 1},
         categories: {irrelevance: 0.5, simple: 0.5}}
"""
GUARDS = """
guards:
  false_calls: {rise: 0.3, action: lower_lr, factor: 0.99, times: 9}
  strict: {fall: 0.2, patience: 2}
  entropy: {share: 0.5, window: 1, action: lower_lr, factor: 0.99, times: 99}
  length: {share: 0.7, window: 1, action: lower_lr, factor: 0.99, times: 99}
  zero_variance: {above: 0.9, window: 1, action: lower_lr, factor: 0.99, times: 99}
  clipped: {above: 0.5, window: 1, action: lower_lr, factor: 0.99, times: 99}
"""
EXPLODING = "{action: stop, patience: 2}"


@pytest.fixture(scope="module")
def talker(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, taught to refuse three times in five and to begin a call the other two, whatever is asked."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rlvr.data.mixture import DataOptions, SourceOptions
    from rlvr.training.dataset import render_mixture

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    kinds = {"irrelevance": 0.5, "simple": 0.5}
    source = SourceOptions("builtin", count=4, seed=3, languages={"en": 1}, tools_offered={1: 1}, categories=kinds)
    prompts = render_mixture(DataOptions((source,), 900), tokenizer, "hermes").prompts
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(100):
        prompt = list(prompts[step % len(prompts)].token_ids)
        loss = 0.06 * _loss(model, tokenizer, prompt, REFUSAL) + 0.04 * _loss(model, tokenizer, prompt, CALL)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("models") / "talker"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _loss(model: Any, tokenizer: Any, prompt: list[int], text: str) -> Any:
    import torch

    ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    logits = model(input_ids=torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
    return torch.nn.functional.cross_entropy(logits, torch.tensor(ids), reduction="sum")


def recipe(
    tmp_path: Path, model: Path, reward: str, more: str, *, steps: int, rate: float = 5e-3, save: int = 99
) -> Path:
    module = tmp_path / "own_rewards.py"
    module.write_text(REWARDS, encoding="utf-8")
    composition, stage = tmp_path / "own.yaml", "one"
    composition.write_text(COMPOSITION.format(module=module, function=reward), encoding="utf-8")
    named = str(composition)
    if reward == "function_calling":
        named, stage = reward, "stage1"
    path = tmp_path / "recipe.yaml"
    path.write_text(
        GRPO.format(model=model, composition=named, stage=stage, more=more, steps=steps, rate=rate, save=save)
    )
    return path


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(x) for x in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def fired(run: Path) -> dict[str, list[int]]:
    """The steps at which each guard fired."""
    out: dict[str, list[int]] = {}
    for record in json.loads((run / "run.json").read_text())["guards"]:
        out.setdefault(record["guard"], []).append(record["step"])
    return out


def test_a_reward_that_pays_for_calling_always_is_caught(
    talker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """False calls rise, completions shorten to a bare call, the strict score falls; at the second bad look the run
    stops with exit code 3, a checkpoint, and the starting model selected."""
    run = tmp_path / "run"
    guards = GUARDS.replace("length: {share: 0.7", "length: {share: 0.9")
    path = recipe(tmp_path, talker, "always_call", LOOKS + guards, steps=30, rate=1e-3)
    assert main(["train", str(path), "--out", str(run)]) == 1  # preflight would not begin it
    assert "error: audit" in capsys.readouterr().err
    assert main(["train", str(path), "--out", str(run), "--no-preflight"]) == 3
    said = capsys.readouterr().err
    facts = json.loads((run / "run.json").read_text())
    found = fired(run)
    assert set(found) == {"false_calls", "strict", "length"}
    end = facts["stopped"]["step"]
    assert facts["stopped"]["guard"] == "strict"
    assert found["strict"] == [end]
    assert end < 30
    assert not facts["finished"]
    assert (run / "checkpoints" / f"checkpoint-{end}" / "COMPLETE").is_file()
    assert facts["selected"]["step"] == 0  # the rule alone: the start was the best
    assert (run / "final" / "config.json").is_file()
    assert "guard strict stopped the run" in said
    assert "What to change: lower trl.learning_rate" in said
    assert f"checkpoint-{end}" in said
    assert "Traceback" not in said
    row = next(x for x in lines(run) if "guard/strict" in x)
    assert row["guard/strict"] > row["guard/strict/limit"] == 0.2


def test_a_healthy_run_is_left_alone(talker: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    drift = "  drift: {above: 0.1, window: 1}\n"
    path = recipe(tmp_path, talker, "function_calling", LOOKS + GUARDS + drift, steps=5, rate=1e-5)
    train(*load_recipe(path), run)
    assert fired(run) == {}
    facts = json.loads((run / "run.json").read_text())
    assert facts["stopped"] is None
    assert facts["finished"]
    looks = [x for x in lines(run) if "selection/strict" in x]
    assert [x["step"] for x in looks] == [0, 4, 5]
    assert looks[0]["selection/n_no_call"] == 4
    assert facts["selected"]["strict"] == max(x["selection/strict"] for x in looks)
    assert not (run / "looks").exists()
    assert all("groups/zero_variance" in x for x in lines(run) if "reward" in x)


def test_completions_without_an_end_and_groups_without_variance_are_caught(tiny_model: Path, tmp_path: Path) -> None:
    """A random model hardly ever ends, and a reward that pays nothing teaches nothing; each guard stops by itself."""
    for guard in ("clipped", "zero_variance"):
        folder = tmp_path / guard
        folder.mkdir()
        more = f"guards: {{{guard}: {{above: 0.9, window: 2}}}}\n"
        path = recipe(folder, tiny_model, "nothing", more, steps=5)
        with pytest.raises(GuardError, match=f"guard {guard} stopped the run at step 2"):
            train(*load_recipe(path), folder / "run")


def test_a_policy_that_collapses_is_caught(tiny_model: Path, tmp_path: Path) -> None:
    """A reward that pays for saying one thing over and over, and a learning rate that lets it."""
    more = "guards: {entropy: {share: 0.7, window: 2}}\n"
    path = recipe(tmp_path, tiny_model, "same", more, steps=30, rate=5e-2)
    with pytest.raises(GuardError, match="guard entropy stopped the run"):
        train(*load_recipe(path), tmp_path / "run")
    entropy = [x["entropy"] for x in lines(tmp_path / "run") if "reward" in x]
    assert sum(entropy[-2:]) < 0.7 * sum(entropy[:2])
    assert len(entropy) < 30


def test_a_learning_rate_that_was_lowered_stays_so_when_the_run_is_resumed(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard fires after step 2, the run is interrupted after step 3; the trace is that of a run left alone."""
    import torch
    from safetensors.torch import load_file

    from rlvr.training.callbacks import LogCallback

    more = "max_minutes: 60\nguards: {clipped: {above: 0.1, window: 2, action: lower_lr, factor: 0.5, times: 1}}\n"
    path = recipe(tmp_path, tiny_model, "letters", more, steps=4, save=1)
    with pytest.raises(GuardError, match="the learning rate was lowered 1 times already"):
        train(*load_recipe(path), tmp_path / "whole")
    plain = LogCallback.on_save

    def interrupted(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        plain(self, args, state, control, **kwargs)
        if state.global_step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(LogCallback, "on_save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(*load_recipe(path), tmp_path / "run")
    monkeypatch.setattr(LogCallback, "on_save", plain)
    with pytest.raises(GuardError):
        train(*load_recipe(path), tmp_path / "run", resume=True)
    rows = {name: [x for x in lines(tmp_path / name) if "reward" in x] for name in ("whole", "run")}
    assert [x["learning_rate"] for x in rows["run"]] == [5e-3, 5e-3, 2.5e-3, 2.5e-3]
    assert [(x["step"], x["reward"], x["learning_rate"]) for x in rows["run"]] == [
        (x["step"], x["reward"], x["learning_rate"]) for x in rows["whole"]
    ]
    assert fired(tmp_path / "run") == fired(tmp_path / "whole") == {"clipped": [2, 4]}
    ends = [load_file(tmp_path / n / "checkpoints" / "checkpoint-4" / "model.safetensors") for n in ("whole", "run")]
    for name, tensor in ends[0].items():
        torch.testing.assert_close(ends[1][name], tensor, rtol=0, atol=0)


WARMUP = """
kind: warmup
name: warmup
model: {model}
precision: fp32
guards: {{non_finite: {guard}}}
data:
  max_prompt_tokens: 900
  sources: [{{source: builtin, count: 8, seed: 1, group_size: 4, languages: {{en: 1}}}}]
trl:
  per_device_train_batch_size: 4
  num_train_epochs: 4
  learning_rate: {rate}
  lr_scheduler_type: constant
  save_steps: 99
"""


def test_a_gradient_that_is_not_finite_is_never_taken(tiny_model: Path, tmp_path: Path) -> None:
    """The learning rate explodes; from the first gradient that is not finite on the weights stay where they are."""
    import torch
    from safetensors.torch import load_file

    path = tmp_path / "recipe.yaml"
    path.write_text(WARMUP.format(model=tiny_model, guard=EXPLODING, rate="1e20"), encoding="utf-8")
    with pytest.raises(GuardError, match="the gradient of 2 steps in a row is not finite; they were not taken"):
        train(*load_recipe(path), tmp_path / "run")
    (end,) = fired(tmp_path / "run")["non_finite"]
    kept = load_file(tmp_path / "run" / "checkpoints" / f"checkpoint-{end}" / "model.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in kept.values())


def test_a_policy_that_cannot_be_sampled_from_is_told(tiny_model: Path, tmp_path: Path) -> None:
    path = recipe(tmp_path, tiny_model, "letters", "", steps=6, rate=1e20)
    with pytest.raises(GuardError, match="not finite"):
        train(*load_recipe(path), tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["stopped"]["guard"] == "non_finite"


def test_an_engine_that_does_not_follow_is_caught(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's log-probabilities are those of the weights that the run began with, while the policy moves."""
    import torch
    from trl import GRPOTrainer

    plain = GRPOTrainer._generate_single_turn
    engine: list[Any] = []

    def stale(self: Any, prompt_ids: list[list[int]], *args: Any, **kwargs: Any) -> tuple[list[list[int]], Any]:
        if not engine:
            # A new model: a copy of a prepared one still calls the original's forward.
            engine.append(type(self.model)(self.model.config).eval())
            engine[0].load_state_dict(copy.deepcopy(self.model.state_dict()))
        made, _ = plain(self, prompt_ids, *args, **kwargs)
        logps = []
        with torch.no_grad():
            for prompt, ids in zip(prompt_ids, made, strict=True):
                logits = engine[0](input_ids=torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
                found = (logits.float() / self.temperature).log_softmax(-1)
                logps.append(found.gather(-1, torch.tensor(ids)[:, None])[:, 0].tolist())
        return made, logps

    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", stale)
    more = "guards: {drift: {above: 0.05, window: 2}}\n"
    path = recipe(tmp_path, tiny_model, "letters", more, steps=8, rate=1e-2)
    with pytest.raises(GuardError, match="guard drift stopped the run"):
        train(*load_recipe(path), tmp_path / "run")
    drift = [x["sampling/sampling_logp_difference/mean"] for x in lines(tmp_path / "run") if "reward" in x]
    assert drift[0] < 1e-4  # the engine has the trainer's weights still
    assert drift[-1] > 0.05
    assert fired(tmp_path / "run") == {"drift": [len(drift)]}


def test_every_guard_says_what_to_change() -> None:
    from dataclasses import fields

    from rlvr.training.guard_options import GuardOptions
    from rlvr.training.guards import ADVICE

    assert set(ADVICE) == {f.name for f in fields(GuardOptions)}
