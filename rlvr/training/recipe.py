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
from rlvr.strict import build, override, read_yaml


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """Keep the checkpoint with the best strict score on held-out examples: greedy completions, every `every` steps.

    The score is the share of examples that are right: calls that match, or words where nothing fits. `data` must not
    be what the run reports on.
    """

    data: DataOptions
    every: int = 50


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
    rollout: Literal["auto", "transformers", "vllm"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "bf16-master"] = "auto"
    shared_prefix: Literal["auto", "on", "off"] = "auto"
    skip_zero_advantage: bool = True
    train_last_layers: int | None = None
    selection: SelectionOptions | None = None
    max_minutes: float | None = None
    seed: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind == "grpo" and not self.composition:
            raise ValueError("composition: missing; kind grpo is rewarded by one (function_calling, or a path)")
        if self.kind == "warmup" and self.composition:
            raise ValueError("composition: a warm-up is supervised and has none; remove it, or use kind: grpo")


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
    "report_to": "the run folder",
    "max_length": "data.max_prompt_tokens",
}


def check_trl_options(kind: str, options: Mapping[str, Any], where: str) -> list[str]:
    """Every key of `trl` that TRL does not know, or that another key of the recipe governs."""
    from rlvr.extras import require

    require("trl", "train", "training")
    from trl import GRPOConfig, SFTConfig

    config = GRPOConfig if kind == "grpo" else SFTConfig
    known = {f.name for f in dataclasses.fields(config)}
    problems = []
    for key in options:
        if key in GOVERNED:
            problems.append(f"{where}: trl.{key}: is governed by {GOVERNED[key]}; remove it here.")
        elif key not in known:
            problems.append(f"{where}: trl.{key}: {config.__name__} has no such option.{did_you_mean(key, known)}")
    return problems
