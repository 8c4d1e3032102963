"""A recipe: one YAML file that says all of a run. Strict; a default is stated here, once, or is TRL's own.

`rlvr train RECIPE --set trl.learning_rate=1e-5` overrides a key; `recipes/README.md` explains them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rlvr.data.mixture import DataOptions
from rlvr.data.targets import TargetOptions
from rlvr.errors import ConfigError, UsageError, did_you_mean
from rlvr.parsers import get_parser
from rlvr.resources import find, names
from rlvr.rewards import load_composition
from rlvr.rollouts.engine import NO_STRUCTURE_IN_TRAINING, EngineOptions, conflicts, needed_tokens
from rlvr.strict import build, checked, override, raise_mistakes, read_yaml
from rlvr.training.curriculum import CurriculumOptions, ResampleOptions
from rlvr.training.guard_options import GuardOptions
from rlvr.training.log_options import LogOptions
from rlvr.training.lora import LoraOptions
from rlvr.training.rule import BEST_STRICT, Criterion
from rlvr.training.serving import ServingOptions


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """Keep the checkpoint that `rule` selects by held-out examples: greedy completions, every `every` steps.

    The strict score is the share of examples that are right: calls that match, or words where nothing fits. `data` must
    not be what the run reports on. `start` looks at the model that the run begins with too, which may then be selected
    (done in any case where the rule or a guard compares with it). At most `keep` models wait to be selected after all.
    """

    data: DataOptions
    every: int = checked(lambda value: None if value >= 1 else f"got {value}, expected 1 or more", 50)
    rule: tuple[Criterion, ...] = BEST_STRICT
    start: bool = False
    keep: int = checked(lambda value: None if value >= 1 else f"got {value}, expected 1 or more", 3)

    def __post_init__(self) -> None:
        raise_mistakes(self, [] if self.rule else ["rule: got no criterion; leave it out for the best strict score"])


@dataclass(frozen=True, slots=True)
class Recipe:
    """See `recipes/README.md` for each key.

    `train_last_layers` trains only that many of the model's layers, counted from the top, and the final norm: what lies
    below, and the embeddings, cost a forward pass and no backward one (`null`: everything is trained). `trl` holds
    SFTConfig's (warm-up) or GRPOConfig's options, by their names.
    """

    kind: Literal["warmup", "grpo"]
    name: str
    model: str
    data: DataOptions
    trl: Mapping[str, Any]
    parser: str = "hermes"
    targets: TargetOptions = field(default_factory=TargetOptions)
    composition: str | None = None
    stage: str | None = None
    rollout: Literal["auto", "transformers", "vllm", "vllm_server"] = "auto"
    engine: EngineOptions = field(default_factory=EngineOptions)
    thinking: bool | None = None
    environment: str | tuple[str, ...] | None = None
    precision: Literal["auto", "fp32", "bf16", "bf16-master"] = "auto"
    shared_prefix: Literal["auto", "on", "off"] = "auto"
    skip_zero_advantage: bool = True
    train_last_layers: int | None = None
    lora: LoraOptions | None = None
    selection: SelectionOptions | None = None
    guards: GuardOptions = field(default_factory=GuardOptions)
    curriculum: CurriculumOptions | None = None
    resample: ResampleOptions | None = None
    max_minutes: float | None = None
    log: LogOptions = field(default_factory=LogOptions)
    seed: int = 0
    note: str = ""
    serving: ServingOptions = field(default_factory=ServingOptions)

    def __post_init__(self) -> None:
        if self.kind == "grpo" and not self.composition:
            raise ValueError("composition: missing; kind grpo is rewarded by one (function_calling, or a path)")
        if self.kind == "warmup" and self.composition:
            raise ValueError("composition: a warm-up is supervised and has none; remove it, or use kind: grpo")
        lines = self.guards.mistakes(kind=self.kind, looks=self.selection is not None)
        if self.lora is not None and self.train_last_layers is not None:
            lines.append("train_last_layers: goes with full weights; with lora name lora.layers_to_transform")
        if self.kind == "warmup":
            given = [name for name in ("selection", "curriculum", "resample") if getattr(self, name) is not None]
            lines += [f"{name}: a warm-up has none; remove it, or use kind: grpo" for name in given]
        raise_mistakes(self, [*lines, *_rollout_mistakes(self)])


def _rollout_mistakes(recipe: Recipe) -> list[str]:
    """What of `engine`, `thinking` and `environment` makes no sense with the rest."""
    lines = []
    if recipe.kind == "warmup":
        plain = {"rollout": "auto", "engine": EngineOptions(), "environment": None}
        told = [key for key, default in plain.items() if getattr(recipe, key) != default]
        lines += [f"{k}: a warm-up generates nothing; remove it" for k in told]
        many, one = recipe.targets.reasoning_many, recipe.targets.reasoning_one
        if recipe.thinking is False and (many or one):
            lines.append(
                "thinking: false: targets reason all the same; set targets.reasoning_many and .reasoning_one: 0"
            )
        return lines
    if recipe.environment is not None and recipe.selection is not None:
        lines.append("selection: judges one turn, and an environment takes several; remove it (the last step is kept)")
    return [*lines, *conflicts(recipe.rollout, recipe.engine, needed_tokens=tokens_needed(recipe))]


def tokens_needed(recipe: Recipe) -> int:
    """Tokens of the longest prompt and completion that a recipe may ask an engine for."""
    prompts = [recipe.data, *([recipe.selection.data] if recipe.selection else [])]
    return needed_tokens(max(p.max_prompt_tokens for p in prompts), recipe.trl)


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> tuple[Recipe, dict[str, Any]]:
    """Load a recipe by path or by its shipped name (`smollm2-135m/stage1`), with `key=value` overrides.

    Returns the recipe and the resolved mapping, as it is written into the run folder. Raises `ConfigError` with every
    problem of the file at once.
    """
    path = recipe_path(name)
    mapping = read_yaml(path)
    if mapping.get("kind") == "data":
        raise ConfigError([f"{path}: this recipe builds data: `rlvr data build {name} --out FOLDER`."])
    problems: list[str] = []
    for text in overrides:
        override(mapping, text, problems)
    recipe = build(Recipe, mapping, where=str(path), problems=problems)
    if recipe is not None:
        problems += _check_names(recipe, str(path))
        problems += check_trl_options(recipe.kind, recipe.trl, str(path))
    if problems:
        raise ConfigError(problems)
    assert recipe is not None
    return recipe, mapping


def recipe_path(name: str | Path) -> Path:
    """A file as given, else a shipped recipe. Raises `ConfigError` that lists what there is."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = find("recipes", f"{name}.yaml") or find("recipes", str(name))
    if shipped:
        return shipped
    raise ConfigError(
        [f"{name}: no such recipe file, and no shipped recipe of that name.{did_you_mean(str(name), names('recipes'))}"]
    )


def _check_names(recipe: Recipe, where: str) -> list[str]:
    problems = []
    try:
        get_parser(recipe.parser)
    except UsageError as error:
        problems.append(f"{where}: parser: {error}")
    if recipe.composition:
        try:
            load_composition(recipe.composition, stage=recipe.stage)
        except ConfigError as error:
            problems += [f"{where}: composition: {p}" for p in error.problems]
        except UsageError as error:
            problems.append(f"{where}: composition: {error}")
    return problems


# What rlvr sets itself, and the key of the recipe that governs it.
GOVERNED = {
    "output_dir": "the --out option",
    "seed": "seed",
    "use_vllm": "rollout",
    "vllm_mode": "rollout",
    "reward_weights": "composition and stage",
    "bf16": "precision",
    "fp16": "precision",
    "use_cpu": "the machine",
    "report_to": "log.to",
    "max_length": "data.max_prompt_tokens",
    "load_best_model_at_end": "selection",
    # A run could not be resumed as it was.
    "save_only_model": "the run folder",
    "ignore_data_skip": "the run folder",
    "enable_jit_checkpoint": "the run folder",
    "vllm_model_impl": "engine.model_impl",
    "vllm_enable_sleep_mode": "engine.sleep",
    "vllm_gpu_memory_utilization": "engine.gpu_memory_utilization",
    "vllm_max_model_length": "engine.max_model_len",
    "vllm_tensor_parallel_size": "engine.tensor_parallel",
    "vllm_server_base_url": "engine.server_url",
    "vllm_server_host": "engine.server_host",
    "vllm_server_port": "engine.server_port",
    "vllm_server_timeout": "engine.server_timeout",
    "vllm_group_port": "engine.group_port",
    "chat_template_kwargs": "thinking",
}
STRUCTURE = ("vllm_structured_outputs_regex", "structured_outputs")


def check_trl_options(kind: str, options: Mapping[str, Any], where: str) -> list[str]:
    """Every key of `trl` that TRL does not know, or that another key of the recipe governs."""
    from rlvr.extras import require

    require("trl", "train", "training")
    from trl import GRPOConfig, SFTConfig

    config = GRPOConfig if kind == "grpo" else SFTConfig
    known = {f.name for f in dataclasses.fields(config)}
    problems = []
    for key in options:
        inner = options[key] if key == "generation_kwargs" and isinstance(options[key], Mapping) else {key: None}
        if any(name in inner for name in STRUCTURE):
            problems.append(f"{where}: trl.{key}: {NO_STRUCTURE_IN_TRAINING}")
        elif key in GOVERNED:
            problems.append(f"{where}: trl.{key}: is governed by {GOVERNED[key]}; remove it here.")
        elif key not in known:
            problems.append(f"{where}: trl.{key}: {config.__name__} has no such option.{did_you_mean(key, known)}")
    return problems
