"""Compositions: which components are rewarded, with which parameters and weights by stage. One YAML each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr import resources
from rlvr.errors import ConfigError, UsageError, did_you_mean
from rlvr.rewards.components import COMPONENTS, Params
from rlvr.rewards.matching import MODES

if TYPE_CHECKING:
    from rlvr.rewards.batch import RewardComponent


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """One component of a composition at a stage."""

    name: str
    weight: float
    params: Params


@dataclass(frozen=True, slots=True)
class Composition:
    """A composition at one of its stages: reward = sum of weight x score over the components that apply."""

    name: str
    stage: str
    stages: tuple[str, ...]
    components: tuple[ComponentSpec, ...]
    matching: str = "typed"
    description: str = ""

    def total(self, scores: Mapping[str, float | None]) -> float:
        """The weighted sum; a score of `None` (not applicable) adds nothing. Raises `UsageError` on a missing score."""
        missing = [c.name for c in self.components if c.name not in scores]
        if missing:
            raise UsageError(f"composition {self.name} needs a score for {', '.join(missing)}.")
        values = ((c.weight, scores[c.name]) for c in self.components)
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
        for name, weight in weights.items():
            self.component(name)
            if (problem := _weight_problem(weight)) is not None:
                raise UsageError(f"weight of {name}: {problem}")
        specs = tuple(replace(c, weight=float(weights.get(c.name, c.weight))) for c in self.components)
        return replace(self, components=specs)

    def weights(self) -> list[float]:
        """The weights in the order of `reward_functions`: a trainer's `reward_weights`."""
        return [c.weight for c in self.components]

    def reward_functions(
        self,
        parser: str = "hermes",
        eos_token_ids: tuple[int, ...] = (),
        reasoning_opened: bool = False,
    ) -> list[RewardComponent]:
        """The components as reward functions for a trainer: picklable, each with a `__name__` of its own.

        `eos_token_ids`: a completion whose ids hold none of them is truncated. `reasoning_opened`: the prompts end
        inside a reasoning block.
        """
        from rlvr.rewards.batch import RewardComponent

        return [
            RewardComponent(c.name, c.params, self.matching, parser, tuple(eos_token_ids), reasoning_opened)
            for c in self.components
        ]

    def describe(self) -> str:
        """The weights and parameters as a table, for people."""
        lines = [f"{self.name}, {self.stage} of {', '.join(self.stages)}; matching: {self.matching}"]
        for c in self.components:
            params = ", ".join(f"{f.name}={getattr(c.params, f.name)}" for f in fields(c.params))
            lines.append(f"  {c.name:<12} weight {c.weight:<6g} {params}".rstrip())
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
    from rlvr.strict import read_yaml

    problems: list[str] = []
    built = _build_all(read_yaml(path), path, problems)
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


@dataclass(frozen=True)
class _CompositionFile:
    """The top level of a composition file."""

    name: str
    components: dict[str, Any]
    stages: dict[str, Any]
    description: str = ""
    matching: str = "typed"


def _build_all(raw: Mapping[str, Any], path: Path, problems: list[str]) -> dict[str, Composition]:
    from rlvr.strict import build

    where = str(path)
    top = build(_CompositionFile, raw, where=where, problems=problems)
    if top is None:
        return {}
    if top.matching not in MODES:
        problems.append(f"{where}: matching: got {top.matching!r}, expected one of {', '.join(MODES)}.")
    for name in top.components:
        if name not in COMPONENTS:
            problems.append(f"{where}: components.{name}: unknown component.{did_you_mean(str(name), COMPONENTS)}")
    if not top.components:
        problems.append(f"{where}: components: got none, expected at least one of {', '.join(COMPONENTS)}.")
    if not top.stages:
        problems.append(f"{where}: stages: got none, expected at least one.")
    stages = tuple(map(str, top.stages))
    out: dict[str, Composition] = {}
    for stage, settings in top.stages.items():
        specs = _build_stage(top, str(stage), settings, where, problems)
        out[str(stage)] = Composition(top.name, str(stage), stages, specs, top.matching, top.description.strip())
    return out


def _build_stage(
    top: _CompositionFile, stage: str, settings: Any, where: str, problems: list[str]
) -> tuple[ComponentSpec, ...]:
    at = f"stages.{stage}"
    if not isinstance(settings, Mapping):
        problems.append(f"{where}: {at}: got {settings!r:.60}, expected weights and parameters.")
        return ()
    known = [name for name in COMPONENTS if name in top.components]
    for key in settings:
        if key != "weights" and key not in known:
            problems.append(f"{where}: {at}.{key}: unknown key.{did_you_mean(str(key), ['weights', *known])}")
    weights = _weights(settings.get("weights"), known, f"{where}: {at}.weights", problems)
    specs = []
    for name in known:
        params = _params(name, top.components[name], settings.get(name), where, at, problems)
        if params is not None and name in weights:
            specs.append(ComponentSpec(name, weights[name], params))
    return tuple(specs)


def _weights(value: Any, known: list[str], where: str, problems: list[str]) -> dict[str, float]:
    if not isinstance(value, Mapping):
        problems.append(f"{where}: got {value!r:.60}, expected a weight for each of {', '.join(known)}.")
        return {}
    for name in value:
        if name not in known:
            problems.append(f"{where}.{name}: no such component in this file.{did_you_mean(str(name), known)}")
    out: dict[str, float] = {}
    for name in known:
        if name not in value:
            problems.append(f"{where}.{name}: missing, expected a number.")
        elif (problem := _weight_problem(value[name])) is not None:
            problems.append(f"{where}.{name}: {problem}")
        else:
            out[name] = float(value[name])
    return out


def _weight_problem(weight: Any) -> str | None:
    number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if number and math.isfinite(weight) and weight >= 0:
        return None
    return f"got {weight!r:.60}, expected a number of 0 or more."


def _params(name: str, shared: Any, own: Any, where: str, at: str, problems: list[str]) -> Params | None:
    """Parameters of a component: what the file says for all stages, and over it what it says for this one."""
    from rlvr.strict import build

    merged: dict[str, Any] = {}
    for key, value in ((f"components.{name}", shared), (f"{at}.{name}", own)):
        if value is None:
            continue
        if not isinstance(value, Mapping):
            problems.append(f"{where}: {key}: got {value!r:.60}, expected parameters as keys and values.")
            return None
        merged.update(value)
    found: list[str] = []
    params = build(COMPONENTS[name].params_type, merged, where=f"{where}: {at}.{name}", problems=found)
    problems.extend(found)
    return params
