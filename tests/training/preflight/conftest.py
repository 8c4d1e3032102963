"""A small mixture, tiny random models with real chat templates, and a generator that says what a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the train extra")

from rlvr.training.preflight.machine import GIB, Machine

TEMPLATES = Path(find_spec("trl").origin or "").parent / "chat_templates"  # type: ignore[union-attr]
PLENTY = Machine("this machine's memory", 64 * GIB, 60 * GIB)
SPECIAL = ["<|eot_id|>", "[TOOL_CALLS]", "[ARGS]", "<|begin_of_text|>"]

WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}
NOTE = {
    "name": "sendNote",
    "description": "Send a note.",
    "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}
CITIES = ("Hanoi", "Paris", "Lima", "Oslo", "Rome", "Cairo")
CALL = '<tool_call>\n{{"name": "get_weather", "arguments": {{"city": "{city}", "days": {days}}}}}\n</tool_call>'
REFUSAL = "I'm sorry, I can't do that with the tools I have."


def calling(i: int) -> dict[str, Any]:
    city, days = CITIES[i % len(CITIES)], i + 2
    return {
        "id": f"call-{i}",
        "messages": [{"role": "user", "content": f"What is the weather in {city} for {days} days?"}],
        "tools": [WEATHER, NOTE],
        "ground_truth": [{"name": "get_weather", "arguments": {"city": city, "days": days}}],
        "category": "multiple",
        "lang": "en",
    }


def refusing(i: int) -> dict[str, Any]:
    return {
        "id": f"none-{i}",
        "messages": [{"role": "user", "content": f"Book a flight to {CITIES[i % len(CITIES)]} on day {i}."}],
        "tools": [NOTE],
        "ground_truth": [],
        "expects": "refuse",
        "category": "irrelevance",
        "lang": "en",
    }


RECIPE = """\
kind: grpo
name: tried
model: {model}
parser: hermes
composition: function_calling
stage: stage1
rollout: transformers
data: {{max_prompt_tokens: 3000, sources: [{{source: jsonl, path: {data}}}]}}
trl:
  per_device_train_batch_size: 8
  num_generations: 4
  max_completion_length: 120
  max_steps: 2
  temperature: 1.0
  learning_rate: 1e-2
  lr_scheduler_type: constant
  scale_rewards: none
  loss_type: dapo
  beta: 0.0
  multi_objective_aggregation: sum_then_normalize
  vllm_importance_sampling_correction: false
  save_steps: 2
"""
WARMUP = """\
kind: warmup
name: tried
model: {model}
data: {{max_prompt_tokens: 3000, sources: [{{source: jsonl, path: {data}}}]}}
trl: {{per_device_train_batch_size: 4, max_steps: 2, learning_rate: 1e-3}}
"""


def template_of_trl(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[..., Path]:
    """A recipe file on a mixture of `calls` rows that want a call and `words` rows that want a refusal."""

    def write(model: Path, text: str = RECIPE, calls: int = 8, words: int = 4) -> Path:
        rows = [calling(i) for i in range(calls)] + [refusing(i) for i in range(words)]
        data = tmp_path / "rows.jsonl"
        data.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
        path = tmp_path / "recipe.yaml"
        path.write_text(text.format(model=model, data=data), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Callable[..., Path]:
    """The tiny model with another chat template and other settings; the same ones are made once."""
    made: dict[str, Path] = {}

    def make(template: str | None = None, *, end: str = "<|im_end|>", bos: str | None = None, **config: Any) -> Path:
        key = json.dumps([template, end, bos, config], sort_keys=True)
        if key not in made:
            made[key] = _write(tmp_path_factory.mktemp("models"), tiny_model, template, end, bos, config)
        return made[key]

    return make


def _write(folder: Path, tiny: Path, template: str | None, end: str, bos: str | None, config: dict[str, Any]) -> Path:
    import torch
    from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL})
    tokenizer.eos_token = end
    if bos:
        tokenizer.bos_token = bos
    if template is not None:
        tokenizer.chat_template = template
    options = {"max_position_embeddings": 8192, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
    made = AutoConfig.from_pretrained(tiny, **{**options, **config})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(made)
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def scene_of(write_recipe: Callable[..., Path], make_model: Callable[..., Path]) -> Callable[..., Any]:
    """The scene of the recipe above, with overrides."""

    def make(*overrides: str, model: Path | None = None, **recipe: Any) -> Any:
        from rlvr.training.preflight.scene import make_scene
        from rlvr.training.recipe import load_recipe

        path = write_recipe(model or make_model(), **recipe)
        loaded, _ = load_recipe(path, overrides)
        return make_scene(loaded, loaded.model)

    return make


class Saying:
    """A generator that says what it is told: `say(example's query, index in the group)` → text."""

    backend = "said"

    def __init__(self, scene: Any, say: Callable[[str, int], str]) -> None:
        self.scene, self.say = scene, say
        self.queries = {p.text: e.query for e, p in zip(scene.rendered.examples, scene.rendered.prompts, strict=True)}

    def generate(self, prompts: Sequence[Any], *, n: int = 1, **_: Any) -> list[list[Any]]:
        from rlvr.rollouts.base import Generation

        end = self.scene.ends[0]
        made = []
        for prompt in prompts:
            texts = [self.say(self.queries[prompt.text], i) for i in range(n)]
            ids = [(*self.scene.tokenizer(t, add_special_tokens=False)["input_ids"], end) for t in texts]
            made.append([Generation(t, i, False) for t, i in zip(texts, ids, strict=True)])
        return made


@pytest.fixture
def saying() -> type[Saying]:
    return Saying


def right(query: str) -> str:
    """The right answer to one of the queries above."""
    if query.startswith("Book"):
        return REFUSAL
    city, days = query.removeprefix("What is the weather in ").removesuffix(" days?").split(" for ")
    return CALL.format(city=city, days=days)


@pytest.fixture
def answers() -> Any:
    """`right(query)` and the texts that tests build completions from."""

    class Answers:
        CALL, REFUSAL = CALL, REFUSAL
        right = staticmethod(right)
        template = staticmethod(template_of_trl)
        plenty = PLENTY
        warmup = WARMUP

    return Answers
