"""A recipe: one YAML file that says all of a run. Strict; a default is stated here, once, or is TRL's own.

`rlvr train RECIPE --set trl.learning_rate=1e-5` overrides a key; `recipes/README.md` explains them.
"""

from __future__ import annotations

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
from rlvr.rollouts.engine import EngineOptions, conflicts, needed_tokens
from rlvr.strict import build, checked, override, raise_mistakes, read_yaml
from rlvr.training.curriculum import CurriculumOptions, ResampleOptions
from rlvr.training.guard_options import GuardOptions
from rlvr.training.log_options import LogOptions
from rlvr.training.lora import LoraOptions
from rlvr.training.rule import BEST_STRICT, Criterion
from rlvr.training.serving import ServingOptions
from rlvr.training.trl_options import check_trl_options

LAUNCHERS = ("accelerate", "slurm", "verl")
"""Folders beside the shipped recipes that hold what launches them."""


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
    refusal_push: float | None = checked(
        lambda value: None if value is None or 0 < value <= 4 else f"got {value}, expected above 0 and at most 4", None
    )
    max_minutes: float | None = checked(
        lambda value: None if value is None or value > 0 else f"got {value}, expected more than 0 minutes", None
    )
    log: LogOptions = field(default_factory=LogOptions)
    seed: int = checked(lambda value: None if 0 <= value < 2**32 else f"got {value}, expected 0 to 2**32 - 1", 0)
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
            own = ("selection", "curriculum", "resample", "refusal_push")
            given = [name for name in own if getattr(self, name) is not None]
            lines += [f"{name}: a warm-up has none; remove it, or use kind: grpo" for name in given]
        raise_mistakes(self, [*lines, *_order_mistakes(self), *_rollout_mistakes(self)])


def _order_mistakes(recipe: Recipe) -> list[str]:
    """Where `order: even` is given to what takes its rows in another order, or all of them."""
    lines = []
    if recipe.data.order == "even" and recipe.kind == "warmup":
        lines.append("data.order: even is for kind: grpo; a warm-up keeps lists of tools together (shuffle_groups)")
    elif recipe.data.order == "even" and recipe.curriculum is not None:
        lines.append("data.order: even and a curriculum both order the rows; remove one")
    if recipe.selection is not None and recipe.selection.data.order == "even":
        lines.append("selection.data.order: a look takes all its rows; remove it")
    return lines


def _rollout_mistakes(recipe: Recipe) -> list[str]:
    """What of `engine`, `thinking` and `environment` makes no sense with the rest."""
    lines = []
    if recipe.kind == "warmup":
        plain = {"rollout": "auto", "engine": EngineOptions(), "environment": None}
        told = [key for key, default in plain.items() if getattr(recipe, key) != default]
        lines += [f"{k}: a warm-up generates nothing; remove it" for k in told]
        shares = ("reasoning_many", "reasoning_one", "reasoning_refusals")
        reasoning = [f"targets.{name}" for name in shares if getattr(recipe.targets, name)]
        if recipe.thinking is False and reasoning:
            lines.append(f"thinking: false: targets reason all the same; set to 0: {', '.join(reasoning)}")
        return lines
    if recipe.environment is not None and recipe.selection is not None:
        lines.append("selection: judges one turn, and an environment takes several; remove it (the last step is kept)")
    if recipe.environment is not None and recipe.refusal_push is not None:
        lines.append("refusal_push: weighs completions of one turn, and an environment takes several; remove it")
    completion = recipe.trl.get("max_completion_length")
    needed = tokens_needed(recipe) if completion is None or isinstance(completion, int) else None  # told of `trl`
    return [*lines, *conflicts(recipe.rollout, recipe.engine, needed_tokens=needed)]


def tokens_needed(recipe: Recipe) -> int:
    """Tokens of the longest prompt and completion that a recipe may ask an engine for."""
    prompts = [recipe.data, *([recipe.selection.data] if recipe.selection else [])]
    return needed_tokens(max(p.max_prompt_tokens for p in prompts), recipe.trl)


def read_recipe(path: Path, name: str | Path) -> dict[str, Any]:
    """What a training recipe's file holds. Raises `ConfigError` for one that builds data."""
    mapping = read_yaml(path)
    if mapping.get("kind") == "data":
        raise ConfigError([f"{path}: this recipe builds data: `rlvr data build {name} --out FOLDER`."])
    return mapping


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> tuple[Recipe, dict[str, Any]]:
    """Load a recipe by path or by its shipped name (`smollm2-135m/stage1`), with `key=value` overrides.

    Returns the recipe and the resolved mapping, as it is written into the run folder. Raises `ConfigError` with every
    problem of the file at once.
    """
    path = recipe_path(name)
    mapping = read_recipe(path, name)
    problems: list[str] = []
    for text in overrides:
        override(mapping, text, problems)
    recipe = build(Recipe, mapping, where=str(path), problems=problems)
    if recipe is not None:
        problems += _check_names(recipe, str(path))
    if mapping.get("kind") in ("warmup", "grpo") and isinstance(mapping.get("trl"), Mapping):
        problems += check_trl_options(mapping["kind"], mapping["trl"], str(path))
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
    if shipped and shipped.parent.name not in LAUNCHERS:
        return shipped
    if shipped:
        raise ConfigError([f"{name}: is no recipe but what launches one on many GPUs: see recipes/README.md."])
    known = [recipe for recipe in names("recipes") if Path(recipe).parts[0] not in LAUNCHERS]
    if path.is_dir():
        raise ConfigError([f"{name}: is a folder. Give one of its YAML files, or a shipped name: {', '.join(known)}."])
    hint = did_you_mean(str(name), known)
    raise ConfigError([f"{name}: no such recipe file, and no shipped recipe of that name.{hint}"])


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
