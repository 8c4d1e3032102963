"""What preflight looks at: the recipe, its rendered prompts, the model's shape, and a way to its weights."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rlvr.data.mixture import DataOptions, load_mixture
from rlvr.errors import ModelError
from rlvr.models.adapter import adapter_folder, base_of
from rlvr.prompts import takes_tools
from rlvr.rewards import Composition, load_composition
from rlvr.rollouts import choose_backend
from rlvr.training.dataset import Rendered, render_all, shuffled_by_tools
from rlvr.training.lora import load_policy
from rlvr.training.precision import Precision, choose_precision, frozen_dtype
from rlvr.training.recipe import Recipe
from rlvr.types import Example


@dataclass(frozen=True)
class Scene:
    """A run before its first step.

    `bare` is the model without weights (or the loaded one, in `rlvr train`): its parameters can be counted. `load`
    gives the model with weights; nothing calls it before the checks that need none are done. `held_out` is what the
    selection looks at.
    """

    recipe: Recipe
    source: str
    tokenizer: Any
    rendered: Rendered
    held_out: Rendered | None
    bare: Any
    load: Callable[[], Any]
    ends: tuple[int, ...]  # token ids that end a completion
    precision: Precision
    backend: str

    @property
    def is_grpo(self) -> bool:
        return self.recipe.kind == "grpo"

    @cached_property
    def composition(self) -> Composition:
        return load_composition(str(self.recipe.composition), stage=self.recipe.stage)

    @cached_property
    def template_takes_tools(self) -> bool:
        return takes_tools(self.tokenizer)

    def option(self, name: str) -> Any:
        """An option of TRL: the recipe's, else TRL's default."""
        return trl_option(self.recipe, name)

    @cached_property
    def config(self) -> Any:
        """The model's text configuration."""
        return self.bare.config.get_text_config()

    @property
    def rows_a_step(self) -> int:
        """Rows of one forward and backward pass: the micro-batch of one device."""
        return int(self.option("per_device_train_batch_size"))

    @property
    def group_size(self) -> int:
        return int(self.option("num_generations")) if self.is_grpo else 1

    @cached_property
    def shared(self) -> bool:
        """Whether prompts will be computed once for their rows (as `assemble` decides it)."""
        from rlvr.training.sharing import by_options, drops_out, why_not

        if self.recipe.shared_prefix == "off" or drops_out(self.bare, bool(self.recipe.trl.get("disable_dropout"))):
            return False
        return (by_options(self.recipe.trl) or why_not(self.bare)) is None

    @cached_property
    def calling(self) -> tuple[int, ...]:
        """Places of the rows that want a call."""
        return tuple(i for i, e in enumerate(self.rendered.examples) if e.ground_truth)


@dataclass(frozen=True, slots=True)
class Rows:
    """The examples of a recipe before they are rendered: what is trained on, and what the selection looks at."""

    train: Sequence[Example]
    held_out: Sequence[Example]

    @classmethod
    def load(cls, recipe: Recipe) -> Rows:
        """Raises `DataError` with file and line for a row that cannot be used."""
        return cls(_ordered(recipe.data), cls.load_held_out(recipe))

    @staticmethod
    def load_held_out(recipe: Recipe) -> Sequence[Example]:
        return _ordered(recipe.selection.data) if recipe.selection is not None and recipe.kind == "grpo" else ()


def _ordered(data: DataOptions) -> Sequence[Example]:
    examples = load_mixture(data)
    return shuffled_by_tools(examples, data.seed) if data.shuffle_groups else examples


def trl_option(recipe: Recipe, name: str) -> Any:
    """An option of the recipe's `trl`, else the default of TRL's own configuration class."""
    if name in recipe.trl:
        return recipe.trl[name]
    from trl import GRPOConfig, SFTConfig

    config = GRPOConfig if recipe.kind == "grpo" else SFTConfig
    field = next(f for f in dataclasses.fields(config) if f.name == name)
    return field.default


def make_scene(recipe: Recipe, source: str, rows: Rows | None = None) -> Scene:
    """Everything but the weights, from a model folder or hub id.

    Raises `ModelError` where it cannot be loaded, `DataError` where a row cannot be rendered.
    """
    from transformers import AutoTokenizer

    rows = rows or Rows.load(recipe)
    precision = choose_precision(recipe.precision)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left")
        bare = empty_model(source)
    except (OSError, ValueError) as error:
        raise ModelError(f"{source}: cannot be loaded: {error}") from error
    if recipe.train_last_layers is not None:
        freeze(bare, recipe.train_last_layers)
    loaded: list[Any] = []

    def load() -> Any:
        if not loaded:
            loaded.append(load_model(source, precision, recipe))
        return loaded[0]

    rendered = render_all(rows.train, tokenizer, recipe.parser, recipe.data.max_prompt_tokens, recipe.thinking)
    return _scene(recipe, source, tokenizer, rendered, rows.held_out, bare, load, precision)


def scene_of(
    recipe: Recipe, source: str, tokenizer: Any, rendered: Rendered, model: Any, precision: Precision
) -> Scene:
    """The scene of a run whose model is loaded and whose prompts are rendered: what `rlvr train` has."""
    held_out = Rows.load_held_out(recipe)
    return _scene(recipe, source, tokenizer, rendered, held_out, model, lambda: model, precision)


def _scene(
    recipe: Recipe,
    source: str,
    tokenizer: Any,
    rendered: Rendered,
    held_out: Sequence[Example],
    bare: Any,
    load: Callable[[], Any],
    precision: Precision,
) -> Scene:
    looked_at = None
    if held_out:
        assert recipe.selection is not None  # `Rows` reads its rows
        most = recipe.selection.data.max_prompt_tokens
        looked_at = render_all(held_out, tokenizer, recipe.parser, most, recipe.thinking)
    backend = choose_backend(recipe.rollout) if recipe.kind == "grpo" else "none"
    ends = end_ids(source, bare, tokenizer)
    return Scene(recipe, source, tokenizer, rendered, looked_at, bare, load, ends, precision, backend)


def empty_model(source: str) -> Any:
    """The model's architecture without memory for its weights, and with the generation settings of its folder."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(whole_model(source))
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def whole_model(source: str) -> str:
    """The model that an adapter's folder names; any other source itself."""
    folder = adapter_folder(source)
    return base_of(folder) if folder is not None else source


def load_model(source: str, precision: Precision, recipe: Recipe) -> Any:
    """The model as a run would load it; an adapter that the run will make anew is left out."""
    import torch

    lora = recipe.lora if adapter_folder(source) is not None else None
    dtype = frozen_dtype(precision, lora=True) if lora is not None else precision.load_dtype
    try:
        model = load_policy(source, lora, getattr(torch, dtype))
    except (OSError, ValueError) as error:
        raise ModelError(f"{source}: cannot be loaded: {error}") from error
    model.config.use_cache = False
    if recipe.train_last_layers is not None:
        freeze(model, recipe.train_last_layers)
    return model


def freeze(model: Any, layers: int) -> None:
    """Leave only the last layers trainable, as a run does."""
    from rlvr.training.run import freeze_below  # here, since `run` starts a preflight

    freeze_below(model, layers)


def end_ids(source: str, model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The ids that end a completion: those of the model's generation settings and the tokenizer's own."""
    from transformers import GenerationConfig

    try:
        ends = GenerationConfig.from_pretrained(whole_model(source)).eos_token_id
    except OSError:  # a model without such a file
        ends = model.config.get_text_config().eos_token_id
    ids = {*(ends if isinstance(ends, (list, tuple)) else [ends]), tokenizer.eos_token_id}
    return tuple(sorted(i for i in ids if i is not None))


def spread(examples: Sequence[Example], limit: int, seed: int) -> list[int]:
    """Places of at most `limit` examples, one of each (category, language) in turn, each in a seeded order."""
    slices: dict[tuple[str, str], list[int]] = {}
    for place, example in enumerate(examples):
        slices.setdefault((example.category, example.lang or ""), []).append(place)
    rng = random.Random(seed)
    queues = [slices[key] for key in sorted(slices)]
    for queue in queues:
        rng.shuffle(queue)
    rng.shuffle(queues)  # with fewer places than slices, which of them are seen is drawn
    out: list[int] = []
    while len(out) < limit and any(queues):
        out += [queue.pop() for queue in queues if queue][: limit - len(out)]
    return sorted(out)


def share(n: int, of: int) -> str:
    """
    >>> share(1, 8)
    '1 of 8 (12%)'
    """
    return f"{n:,} of {of:,} ({n / of:.0%})" if of else f"{n} of 0"


def mean_of(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def by_category(examples: Sequence[Example]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for example in examples:
        counts[example.category] = counts.get(example.category, 0) + 1
    return dict(sorted(counts.items()))
