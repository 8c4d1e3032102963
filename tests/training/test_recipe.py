"""Strict recipes: every mistake of a file at once, with a suggestion; overrides by key."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("trl", reason="needs the train extra")

from rlvr.errors import ConfigError
from rlvr.training.recipe import load_recipe

GOOD = """
kind: grpo
name: tiny
model: smollm2-135m
composition: function_calling
stage: stage1
data:
  sources:
    - {source: builtin, count: 8, seed: 1}
trl: {learning_rate: 5e-7, max_steps: 2}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(tmp_path: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_recipe(write(tmp_path, text), overrides)
    return str(caught.value)


def test_a_good_recipe_loads_and_reads_5e_7_as_a_number(tmp_path: Path) -> None:
    recipe, resolved = load_recipe(write(tmp_path, GOOD))
    assert recipe.trl["learning_rate"] == 5e-7
    assert recipe.data.sources[0].count == 8
    assert resolved["name"] == "tiny"


def test_overrides_reach_nested_keys_and_list_items(tmp_path: Path) -> None:
    recipe, _ = load_recipe(write(tmp_path, GOOD), ["trl.learning_rate=1e-5", "data.sources.0.count=3", "seed=9"])
    assert (recipe.trl["learning_rate"], recipe.data.sources[0].count, recipe.seed) == (1e-5, 3, 9)


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("parser", "").replace("model:", "modle:") + "rollout: vlm\nseed: one\n"
    said = problems(tmp_path, text)
    assert "modle: unknown key. Did you mean model?" in said
    assert "rollout: got 'vlm', expected one of auto, transformers, vllm, vllm_server. Did you mean vllm?" in said
    assert "seed: got 'one', expected an integer" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("stage: stage1", "stage: stage3"), "stage3"),
        (("composition: function_calling", "composition: function_caling"), "Did you mean function_calling"),
        (("trl: {", "parser: hermse\ntrl: {"), "Did you mean hermes"),
        (("learning_rate: 5e-7", "lerning_rate: 5e-7"), "GRPOConfig has no such option. Did you mean learning_rate?"),
        (("max_steps: 2", "seed: 2"), "is governed by seed"),
        (("source: builtin, count: 8", "source: builtin"), "give a count"),
        (("source: builtin, count: 8", "source: jsonl"), "source jsonl needs a path"),
        (("kind: grpo", "kind: warmup"), "a warm-up is supervised and has none"),
    ],
)
def test_mistakes_name_the_key_and_the_way_out(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD
    assert message in problems(tmp_path, text)


def test_an_override_without_a_value_is_a_mistake(tmp_path: Path) -> None:
    assert "expected key=value" in problems(tmp_path, GOOD, "trl.max_steps")
    assert "holds no keys of its own" in problems(tmp_path, GOOD, "name.x=1")


def test_an_unknown_recipe_lists_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match="Did you mean smollm2-135m/stage1"):
        load_recipe("smollm2-135m/stage11")
