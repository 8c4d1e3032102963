"""Compositions: which components are rewarded, with which parameters and weights by stage. One YAML each."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr import resources
from rlvr.errors import ConfigError, UsageError, did_you_mean
from rlvr.rewards.components import Params
from rlvr.rewards.functions import FunctionSpec, bind_function

if TYPE_CHECKING:
    from rlvr.rewards.batch import RewardComponent
    from rlvr.rewards.functions import UserFunction


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """One component of a composition at a stage."""

    name: str
    weight: float
    params: Params


@dataclass(frozen=True, slots=True)
class Composition:
    """A composition at one of its stages: reward = sum of weight x score over the components that apply.

    `functions` are reward functions of a user's own, which a trainer runs beside the components.
    """

    name: str
    stage: str
    stages: tuple[str, ...]
    components: tuple[ComponentSpec, ...]
    matching: str = "typed"
    description: str = ""
    functions: tuple[FunctionSpec, ...] = ()

    def total(self, scores: Mapping[str, float | None]) -> float:
        """The weighted sum; a score of `None` (not applicable) adds nothing. Raises `UsageError` on a missing score.

        A user's function counts where `scores` holds it.
        """
        missing = [c.name for c in self.components if c.name not in scores]
        if missing:
            raise UsageError(f"composition {self.name} needs a score for {', '.join(missing)}.")
        values = ((weight, scores.get(name)) for name, weight in self._named_weights())
        return math.fsum(weight * value for weight, value in values if value is not None)

    def component(self, name: str) -> ComponentSpec:
        """One component by its name. Raises `UsageError` where the composition has none of it."""
        for spec in self.components:
            if spec.name == name:
                return spec
        hint = did_you_mean(name, (c.name for c in self.components))
        raise UsageError(f"composition {self.name} has no component {name!r}.{hint}")

    def with_weights(self, **weights: float) -> Composition:
        """The same with some weights changed, to try them out: `composition.with_weights(efficiency=0.5)`."""
        own = {f.name for f in self.functions}
        for name, weight in weights.items():
            if name not in own:
                self.component(name)
            if (problem := weight_problem(weight)) is not None:
                raise UsageError(f"weight of {name}: {problem}")
        specs = tuple(replace(c, weight=float(weights.get(c.name, c.weight))) for c in self.components)
        functions = tuple(replace(f, weight=float(weights.get(f.name, f.weight))) for f in self.functions)
        return replace(self, components=specs, functions=functions)

    def weights(self) -> list[float]:
        """The weights in the order of `reward_functions`: a trainer's `reward_weights`."""
        return [weight for _, weight in self._named_weights()]

    def reward_functions(
        self,
        parser: str = "hermes",
        eos_token_ids: Collection[int] | int | None = (),
        reasoning_opened: bool = False,
        reasoning_parser: str = "think",
        tokenizer: Any = None,
    ) -> list[RewardComponent | UserFunction]:
        """The components and the user's functions for a trainer: picklable, each with a `__name__` of its own.

        `eos_token_ids`: a completion whose ids hold none of them is truncated. `reasoning_opened`: the prompts end
        inside a reasoning block; `reasoning_parser` says what counts as one. With a `tokenizer`, text is parsed from
        the completions' ids, special tokens included. Raises `UsageError` for a parser that there is none of.
        """
        from rlvr.rewards.batch import RewardComponent
        from rlvr.rewards.parsing import parser_of
        from rlvr.rewards.told import end_ids

        parser_of(parser, reasoning_parser)  # a wrong name is told here, and not after a model was loaded
        ends = tuple(sorted(end_ids(eos_token_ids)))
        ours = [
            RewardComponent(
                c.name,
                c.params,
                self.matching,
                parser,
                ends,
                reasoning_opened,
                reasoning_parser,
                tokenizer,
            )
            for c in self.components
        ]
        return [*ours, *map(bind_function, self.functions)]

    def _named_weights(self) -> list[tuple[str, float]]:
        ours = [(c.name, c.weight) for c in self.components]
        return ours + [(f.name, f.weight) for f in self.functions]

    def describe(self) -> str:
        """The weights and parameters as a table, for people."""
        lines = [f"{self.name}, {self.stage} of {', '.join(self.stages)}; matching: {self.matching}"]
        for c in self.components:
            params = ", ".join(f"{f.name}={getattr(c.params, f.name)}" for f in fields(c.params))
            lines.append(f"  {c.name:<12} weight {c.weight:<6g} {params}".rstrip())
        lines.extend(f"  {f.name:<12} weight {f.weight:<6g} {f.target}" for f in self.functions)
        return "\n".join(lines)


def load_composition(name_or_path: str | Path, stage: str | None = None) -> Composition:
    """Load a shipped composition by its name, or one of your own by its path; `stage` defaults to the first.

    Raises `UsageError` for an unknown name or stage, and `ConfigError` with every problem of the file, whatever its
    stage.

    >>> load_composition("function_calling", stage="stage2").component("efficiency").weight
    1.0
    """
    path = _resolve(name_or_path)
    status = path.stat()
    built = _read(path, status.st_mtime_ns, status.st_size)
    chosen = next(iter(built)) if stage is None else stage
    if chosen not in built:
        raise UsageError(f"{path}: no stage {chosen!r}.{did_you_mean(str(chosen), built)}")
    return built[chosen]


@lru_cache(maxsize=32)
def _read(path: Path, _mtime_ns: int, _size: int) -> dict[str, Composition]:
    """Every stage of a file; read again only when the file has changed, since `score` asks for each completion."""
    from rlvr.rewards.composition_file import build_stages
    from rlvr.strict import read_yaml

    problems: list[str] = []
    built = build_stages(read_yaml(path), path, problems)
    if problems:
        raise ConfigError(problems)
    return built


def _resolve(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith((".yaml", ".yml")) or "/" in text:
        path = Path(text)
        if not path.is_file():
            raise UsageError(f"{path}: no such composition file.")
        return path
    found = resources.find("rewards", f"{text}.yaml")
    if found is None:
        raise UsageError(f"unknown composition {text!r}.{did_you_mean(text, resources.names('rewards'))}")
    return found


def weight_problem(weight: Any) -> str | None:
    """What is wrong with a weight; `None` where nothing is."""
    number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if number and math.isfinite(weight) and weight >= 0:
        return None
    return f"got {weight!r:.60}, expected a number of 0 or more."
