"""LoRA beside full weights: strict options, what an engine is given, what is saved, loaded and resumed."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("trl", reason="needs the train extra")
pytest.importorskip("peft", reason="needs the train extra")

from rlvr.errors import ConfigError, ModelError, UsageError  # noqa: E402
from rlvr.models.adapter import adapter_folder, check_mergeable, merge_folder, merged  # noqa: E402
from rlvr.training.lora import LoraOptions, load_policy, lora_config  # noqa: E402
from rlvr.training.recipe import load_recipe  # noqa: E402
from rlvr.training.run import model_source, train  # noqa: E402

LORA = "lora: {r: 4, lora_alpha: 8}\n"
WARMUP = """
kind: warmup
name: warmup
model: <model>
precision: <precision>
data:
  max_prompt_tokens: 900
  sources: [{source: builtin, count: 12, seed: 1, group_size: 4, languages: {en: 1}}]
trl: {per_device_train_batch_size: 4, max_steps: 3, learning_rate: 1e-2, save_steps: 1}
"""
GRPO = """
kind: grpo
name: grpo
model: <model>
composition: function_calling
stage: stage1
rollout: transformers
precision: <precision>
data:
  max_prompt_tokens: 900
  sources: [{source: builtin, count: 8, seed: 2, languages: {en: 1}, tools_offered: {1: 1}}]
trl:
  per_device_train_batch_size: 8
  num_generations: 4
  max_completion_length: 12
  max_steps: 2
  learning_rate: 1e-2
  scale_rewards: none
  loss_type: dapo
  beta: 0.1
  save_steps: 1
"""


def recipe_file(folder: Path, text: str, **values: object) -> Path:
    path = folder / "recipe.yaml"
    for key, value in {"precision": "fp32", **values}.items():
        text = text.replace(f"<{key}>", str(value))
    path.write_text(text, encoding="utf-8")
    return path


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def with_adapter(model: Any, seed: int = 0, **options: Any) -> Any:
    """A model with an adapter that does something: PEFT starts with B = 0."""
    from peft import get_peft_model

    policy = get_peft_model(model, lora_config(LoraOptions(r=4, lora_alpha=8, **options)))
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            parameter.data = 0.05 * torch.randn(parameter.shape, generator=generator)
    return policy


def load(folder: Path, dtype: Any = torch.float32) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)


# --- the block ------------------------------------------------------------------------------------------------------


def test_the_config_has_pefts_names_and_values() -> None:
    modules = ("q_proj", "v_proj")
    config = lora_config(LoraOptions(r=4, lora_alpha=8, target_modules=modules, rank_pattern={"q_proj": 2}))
    assert (config.r, config.lora_alpha, set(config.target_modules)) == (4, 8, {"q_proj", "v_proj"})
    assert config.rank_pattern == {"q_proj": 2}
    assert config.task_type == "CAUSAL_LM"


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("{alpha: 8}", "lora.alpha: unknown key. Did you mean lora_alpha?"),
        ("{r: 0}", "lora: r: got 0, expected at least 1"),
        ("{lora_dropout: 1.0}", "lora_dropout: got 1.0"),
        ("{target_modules: [q_proj, lm_head]}", "an adapter there never trains"),
        ("{target_modules: []}", "expected names, or all-linear"),
        ("{r: many}", "lora.r: got 'many', expected an integer"),
        ("{r: 4}\ntrain_last_layers: 1", "name lora.layers_to_transform"),
    ],
)
def test_a_wrong_block_is_told(tmp_path: Path, block: str, said: str) -> None:
    path = recipe_file(tmp_path, WARMUP + f"lora: {block}\n", model="smollm2-135m")
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    assert said in str(caught.value)


# --- what an engine is given ----------------------------------------------------------------------------------------


def test_the_engines_weights_are_the_sum_and_the_model_below_does_not_drift(tiny_model: Path) -> None:
    """W + 2 · B A by hand; PEFT's merge and unmerge of a bf16 weight leaves another weight behind."""
    policy = with_adapter(load(tiny_model, torch.bfloat16))
    name = "model.layers.0.self_attn.q_proj"
    layer = policy.get_base_model().get_submodule(name)
    before = layer.base_layer.weight.detach().clone()
    product = layer.lora_B["default"].weight.float() @ layer.lora_A["default"].weight.float()
    expected = (before.float() + 2.0 * product).to(torch.bfloat16)
    values = dict(merged(policy))
    torch.testing.assert_close(values[f"{name}.weight"], expected, rtol=0, atol=0)
    assert torch.equal(layer.base_layer.weight, before)
    assert set(values) == {n for n, _ in load(tiny_model).named_parameters()}
    for _ in range(3):
        policy.merge_adapter()
        policy.unmerge_adapter()
    assert not torch.equal(layer.base_layer.weight, before), "PEFT became exact: prepare_trainer has no reason left"


@pytest.mark.vllm
def test_the_engines_names_and_values_are_trls(tiny_model: Path) -> None:
    pytest.importorskip("vllm", reason="needs vLLM")
    from trl.generation.vllm_generation import VLLMGeneration

    from rlvr.training.lora import prepare_trainer

    policy = with_adapter(load(tiny_model))
    generation = VLLMGeneration.__new__(VLLMGeneration)
    generation.model = policy
    generation._dist = SimpleNamespace(is_fsdp=False, gather_params=lambda _: nullcontext())
    theirs = {name: value.clone() for name, value in VLLMGeneration._iter_named_params(generation)}
    accelerator = SimpleNamespace(unwrap_model=lambda m: m, distributed_type="NO")
    prepare_trainer(SimpleNamespace(model=policy, accelerator=accelerator, vllm_generation=generation), LoraOptions())
    ours = dict(generation._iter_named_params())
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=1e-6)


# --- whole runs -----------------------------------------------------------------------------------------------------


def test_a_warm_up_then_grpo_with_lora_leave_a_merged_model_and_its_adapter(tmp_path: Path, tiny_model: Path) -> None:
    path = recipe_file(tmp_path, WARMUP + LORA, model=tiny_model)
    first = train(*load_recipe(path, ["trl.max_steps=1"]), tmp_path / "warmup")
    assert (first / "adapter" / "adapter_model.safetensors").is_file()
    before, after = weights(tiny_model), weights(first)
    assert set(before) == set(after)
    moved = {n for n in before if not torch.equal(before[n].float(), after[n].float())}
    assert "model.layers.0.self_attn.q_proj.weight" in moved
    assert not [n for n in moved if "norm" in n or "embed" in n], "only linear layers have an adapter"
    path = recipe_file(tmp_path, GRPO + LORA, model=tmp_path / "warmup", precision="bf16-master")
    final = train(*load_recipe(path), tmp_path / "grpo")
    assert weights(final).keys() == before.keys()
    record = json.loads((tmp_path / "grpo" / "run.json").read_text())
    assert record["steps"] == 2
    assert next(iter(weights(final).values())).dtype == torch.bfloat16
    metrics = (tmp_path / "grpo" / "metrics.jsonl").read_text()
    assert '"kl"' in metrics


def test_a_stage_goes_on_with_the_adapter_of_the_one_before(tmp_path: Path, tiny_model: Path) -> None:
    alone = "lora: {r: 4, lora_alpha: 8, merged: false}\n"
    path = recipe_file(tmp_path, WARMUP + alone, model=tiny_model)
    final = train(*load_recipe(path, ["trl.max_steps=1"]), tmp_path / "one")
    assert adapter_folder(final) == final
    assert not (final / "config.json").exists()
    assert model_source(str(tmp_path / "one")) == str(final)
    again = recipe_file(tmp_path, WARMUP + alone, model=tmp_path / "one")
    second = train(*load_recipe(again, ["trl.max_steps=1"]), tmp_path / "two")
    assert json.loads((second / "adapter_config.json").read_text())["base_model_name_or_path"] == str(tiny_model)
    other = recipe_file(tmp_path, WARMUP + "lora: {r: 2, lora_alpha: 8}\n", model=tmp_path / "one")
    with pytest.raises(ModelError, match=r"r is 4 and not 2.*rlvr models merge"):
        train(*load_recipe(other), tmp_path / "three")
    whole = merge_folder(final, tmp_path / "whole")
    full = recipe_file(tmp_path, WARMUP, model=tmp_path / "one")  # without lora: the adapter is merged, all is trained
    trained = train(*load_recipe(full, ["trl.max_steps=1", "trl.learning_rate=0.0"]), tmp_path / "full")
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(trained)[name].to(value.dtype), value, rtol=0, atol=0.01)


def test_a_merged_folder_computes_what_the_adapter_does(tmp_path: Path, tiny_model: Path, capsys: Any) -> None:
    from rlvr.cli import main

    policy = with_adapter(load(tiny_model))
    policy.save_pretrained(tmp_path / "adapter")
    assert main(["models", "merge", str(tmp_path / "adapter"), "--out", str(tmp_path / "whole")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "whole")
    ids = torch.tensor([list(range(20, 50))])
    with torch.no_grad():
        torch.testing.assert_close(load(tmp_path / "whole")(ids).logits, policy(ids).logits, rtol=0, atol=0.05)
    with pytest.raises(UsageError, match="is there already"):
        merge_folder(tmp_path / "adapter", tmp_path / "whole")
    with pytest.raises(ModelError, match="nothing to merge"):
        merge_folder(tiny_model, tmp_path / "more")
    with pytest.raises(ModelError, match="--base"):
        merge_folder(tmp_path / "adapter", tmp_path / "more", base=str(tmp_path / "nowhere"))


def test_a_resumed_lora_run_ends_as_one_that_was_left_alone(tmp_path: Path, tiny_model: Path) -> None:
    path = recipe_file(tmp_path, WARMUP + LORA, model=tiny_model)
    whole = train(*load_recipe(path), tmp_path / "whole")
    recipe, resolved = load_recipe(path)
    cut = tmp_path / "cut"
    train(recipe, resolved, cut)
    shutil.rmtree(cut / "checkpoints" / "checkpoint-3")
    shutil.rmtree(cut / "final")
    resumed = train(recipe, resolved, cut, resume=True)
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[name], value, rtol=0, atol=0)


def test_dropout_turns_shared_prompts_off_and_says_so(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe_file(tmp_path, WARMUP + "lora: {r: 4, lora_dropout: 0.1}\n", model=tiny_model)
    train(*load_recipe(path, ["trl.max_steps=1"]), tmp_path / "run")
    assert "prompts are not shared: lora_dropout" in capsys.readouterr().err


# --- adapters of other kinds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "said"), [
    ({"target_modules": "all-linear", "use_dora": True}, "use_dora"),
    ({"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]}, "modules_to_save"),
    ({"target_modules": ["q_proj", "embed_tokens"]}, "an embedding among its layers"),
    ({"target_modules": ["q_proj"], "lora_bias": True}, "lora_bias"),
])  # fmt: skip
def test_an_adapter_that_is_more_than_two_matrices_a_layer_is_not_merged(
    tmp_path: Path, tiny_model: Path, options: dict[str, Any], said: str
) -> None:
    from peft import LoraConfig, get_peft_model

    if options.get("lora_bias"):
        options = {**options, "target_modules": ["lm_head"]}
        model = load(tiny_model)
        model.lm_head = torch.nn.Linear(model.lm_head.in_features, model.lm_head.out_features, bias=True)
        policy = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=4, **options))
        with pytest.raises(ModelError, match=said):
            check_mergeable(policy, "here")
        return
    policy = get_peft_model(load(tiny_model), LoraConfig(task_type="CAUSAL_LM", r=4, **options))
    policy.save_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelError, match=f"{said}.*which rlvr does not merge"):
        merge_folder(tmp_path / "adapter", tmp_path / "whole", base=str(tiny_model))
    assert not (tmp_path / "whole").exists()


def test_a_run_does_not_train_an_adapter_that_it_cannot_merge(tmp_path: Path, tiny_model: Path) -> None:
    block = "lora: {r: 4, lora_alpha: 8, target_modules: [q_proj, embed_tokens]}\n"
    path = recipe_file(tmp_path, WARMUP + block, model=tiny_model)
    with pytest.raises(ModelError, match="an embedding among its layers"):
        train(*load_recipe(path), tmp_path / "run")


@pytest.mark.parametrize(("changed", "said"), [
    ({"target_modules": "all-linear"}, "none there, rank 4, scale 2, dropout 0 by the recipe"),
    ({"layers_to_transform": (0,)}, "in 1 of 2 layers"),
    ({"lora_dropout": 0.1}, "rank 4, scale 2, dropout 0.1 by the recipe"),
    ({"rank_pattern": {"q_proj": 2}}, "rank 4, scale 2, dropout 0 there, rank 2"),
    ({"alpha_pattern": {"q_proj": 16}}, "scale 4"),
])  # fmt: skip
def test_a_stage_does_not_go_on_with_other_layers_than_its_recipe_names(
    tmp_path: Path, tiny_model: Path, changed: dict[str, Any], said: str
) -> None:
    alike = {"r": 4, "lora_alpha": 8, "target_modules": ("q_proj",)}
    with_adapter(load(tiny_model), target_modules=("q_proj",)).save_pretrained(tmp_path / "adapter")
    loaded = load_policy(str(tmp_path / "adapter"), LoraOptions(**alike), torch.float32)
    assert {p.requires_grad for n, p in loaded.named_parameters() if "lora_" in n} == {True}
    with pytest.raises(ModelError, match=said):
        load_policy(str(tmp_path / "adapter"), LoraOptions(**{**alike, **changed}), torch.float32)
