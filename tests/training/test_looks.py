"""Looks in real runs: every one is logged once, and a run that was interrupted selects what an unbroken one does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the train extra")

from rlvr.errors import UsageError
from rlvr.training.callbacks import LogCallback
from rlvr.training.recipe import load_recipe
from rlvr.training.run import train

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
  every: 1
  keep: 2
  rule: [{{by: refused_calls, worse_than_start: 1}}, {{by: strict, within: 1}}, {{by: tokens}}]
  data:
    max_prompt_tokens: 900
    sources: [{{source: builtin, split: heldout, count: 6, seed: 5, categories: {categories}}}]
trl:
  per_device_train_batch_size: 8
  num_generations: 4
  max_completion_length: 12
  max_steps: 4
  learning_rate: 1e-2
  lr_scheduler_type: constant
  scale_rewards: none
  loss_type: dapo
  save_steps: 2
"""


def recipe(tmp_path: Path, model: Path, categories: str = "{simple: 1}") -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(model=model, categories=categories), encoding="utf-8")
    return path


def looks(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(x) for x in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [x for x in rows if "selection/strict" in x]


@pytest.mark.parametrize("stop", [1, 3])
def test_an_interrupted_run_selects_what_an_unbroken_one_does(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """Interrupted after the log of step 1 (no checkpoint yet) or 3 (one of step 2): each look stands once."""
    from rlvr.training.looks import Shelf
    from rlvr.training.run_folder import RunFolder

    path = recipe(tmp_path, tiny_model)
    train(*load_recipe(path), tmp_path / "whole")
    plain = LogCallback.on_log

    def interrupted(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        plain(self, args, state, control, **kwargs)
        if state.global_step == stop:
            raise KeyboardInterrupt

    monkeypatch.setattr(LogCallback, "on_log", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(*load_recipe(path), tmp_path / "run")
    assert len(Shelf(RunFolder(tmp_path / "run")).held()) <= 3  # the two that are kept, and what is selected
    monkeypatch.setattr(LogCallback, "on_log", plain)
    train(*load_recipe(path), tmp_path / "run", resume=True)
    assert looks(tmp_path / "run") == looks(tmp_path / "whole")
    assert [x["step"] for x in looks(tmp_path / "run")] == [0, 1, 2, 3, 4]
    facts = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("whole", "run")]
    assert facts[0]["selected"] == facts[1]["selected"]
    assert facts[0]["looks"] == facts[1]["looks"]
    assert len(facts[0]["selected"]["why"]) == 3
    for name in ("whole", "run"):
        assert json.loads((tmp_path / name / "final" / "look.json").read_text())["step"] == facts[0]["selected"]["step"]
        assert not (tmp_path / name / "looks").exists()


def test_held_out_data_that_cannot_answer_the_rule_is_told_before_training(tiny_model: Path, tmp_path: Path) -> None:
    path = recipe(tmp_path, tiny_model, "{irrelevance: 1}")
    with pytest.raises(UsageError, match=r"selection.rule: refused_calls: of the 6 examples .* 0 want a call"):
        train(*load_recipe(path), tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("{by: tokens}", "{by: reward}"), "expected one of strict, false_calls"),
        (("{by: tokens}", "{by: tokens, within: -1}"), "within: got -1, expected 0 or more"),
        (("within: 1}", "within: 1, worse_than_start: 1}"), "expected one of them a criterion"),
        (("every: 1", "every: 0"), "every: got 0, expected 1 or more"),
        (("{by: tokens}]", "{by: tokens, without: 1}]"), "without: unknown key"),
        (("kind: grpo", "kind: warmup"), "a warm-up"),
    ],
)
def test_a_wrong_selection_is_told(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    from rlvr.errors import ConfigError

    path = recipe(tmp_path, Path("somewhere"))
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(ConfigError, match=message):
        load_recipe(path)


def test_guards_need_looks_and_a_policy_that_samples(tmp_path: Path) -> None:
    from rlvr.errors import ConfigError

    path = recipe(tmp_path, Path("somewhere"))
    plain = path.read_text()
    head, _, rest = plain.partition("selection:")
    path.write_text(head + "guards: {strict: {fall: 0.1}, drift: {above: 0.1}}\ntrl:" + rest.partition("trl:")[2])
    with pytest.raises(ConfigError, match=r"guards\.strict: reads the looks of selection"):
        load_recipe(path)


def test_a_look_judges_as_an_evaluation_does_also_where_a_row_states_no_language(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from types import SimpleNamespace

    from rlvr.data.sources.jsonl import example_from_row
    from rlvr.evaluation.judging import judge_generation
    from rlvr.prompts import RenderedPrompt
    from rlvr.rollouts.base import Generation
    from rlvr.training import selection
    from rlvr.training.dataset import Rendered

    tools = [{"name": "w", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]
    query = "Đặt giúp mình một chiếc bánh pizza cho tối nay nhé."
    row = {"messages": [{"role": "user", "content": query}], "tools": tools, "ground_truth": [], "expects": "refuse"}
    example = example_from_row(row, "a row")
    assert example.lang is None
    for text, right in (
        ("I'm sorry, none of my tools can order a pizza.", False),
        ("Rất tiếc, mình không có công cụ nào để đặt pizza.", True),
    ):
        made = [Generation(text, (1, 2, 3), False)]
        monkeypatch.setattr(selection, "_greedy", lambda *_, made=made: made)
        trainer = SimpleNamespace(state=SimpleNamespace(global_step=5))
        held_out = Rendered((example,), (RenderedPrompt(query, (1,)),), 0, 1)
        found = selection.take_look(trainer, held_out, "hermes", 32, "typed")
        assert (found.strict, found.refused) == (float(right), float(right))
        record = judge_generation(example, text, model="m", completion_tokens=3, prompt_tokens=1, truncated=False)
        assert record.right is right
