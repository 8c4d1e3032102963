"""A composition's YAML → its stages, with every mistake of the file at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlvr.errors import did_you_mean
from rlvr.rewards.components import COMPONENTS, Params
from rlvr.rewards.composition import ComponentSpec, Composition, weight_problem
from rlvr.rewards.functions import FunctionSpec
from rlvr.rewards.matching import MODES


@dataclass(frozen=True)
class _CompositionFile:
    """The top level of a composition file."""

    name: str
    components: dict[str, Any]
    stages: dict[str, Any]
    description: str = ""
    matching: str = "typed"
    functions: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _FunctionEntry:
    """A user's function as a file gives it; `module:function` alone stands for the first key."""

    function: str
    in_thread: bool = False


def build_stages(raw: Mapping[str, Any], path: Path, problems: list[str]) -> dict[str, Composition]:
    """Every stage of what a file holds; what is wrong with it goes into `problems`, all of it."""
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
    entries = _functions(top.functions, where, problems)
    if not top.components:
        problems.append(f"{where}: components: got none, expected at least one of {', '.join(COMPONENTS)}.")
    if not top.stages:
        problems.append(f"{where}: stages: got none, expected at least one.")
    stages = tuple(map(str, top.stages))
    out: dict[str, Composition] = {}
    for stage, settings in top.stages.items():
        specs, own = _build_stage(top, entries, str(stage), settings, where, problems)
        about = top.description.strip()
        out[str(stage)] = Composition(top.name, str(stage), stages, specs, top.matching, about, own)
    return out


def _functions(raw: Mapping[str, Any], where: str, problems: list[str]) -> dict[str, _FunctionEntry]:
    from rlvr.strict import build

    out: dict[str, _FunctionEntry] = {}
    for name, value in raw.items():
        at = f"{where}: functions.{name}"
        if name in COMPONENTS or not str(name).isidentifier():
            problems.append(f"{at}: a function needs a name of its own, of letters, digits and underscores.")
            continue
        given = {"function": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping):
            problems.append(f"{at}: got {value!r:.60}, expected module:function.")
            continue
        entry = build(_FunctionEntry, dict(given), where=at, problems=problems)
        if entry is not None and not all(entry.function.rpartition(":")):
            problems.append(f"{at}: got {entry.function!r:.60}, expected module:function.")
        elif entry is not None:
            out[str(name)] = entry
    return out


def _build_stage(
    top: _CompositionFile,
    entries: Mapping[str, _FunctionEntry],
    stage: str,
    settings: Any,
    where: str,
    problems: list[str],
) -> tuple[tuple[ComponentSpec, ...], tuple[FunctionSpec, ...]]:
    at = f"stages.{stage}"
    if not isinstance(settings, Mapping):
        problems.append(f"{where}: {at}: got {settings!r:.60}, expected weights and parameters.")
        return (), ()
    known = [name for name in COMPONENTS if name in top.components]
    for key in settings:
        if key != "weights" and key not in known:
            problems.append(f"{where}: {at}.{key}: unknown key.{did_you_mean(str(key), ['weights', *known])}")
    weights = _weights(settings.get("weights"), [*known, *entries], f"{where}: {at}.weights", problems)
    specs = []
    for name in known:
        params = _params(name, top.components[name], settings.get(name), where, at, problems)
        if params is not None and name in weights:
            specs.append(ComponentSpec(name, weights[name], params))
    own = [FunctionSpec(n, e.function, weights[n], e.in_thread) for n, e in entries.items() if n in weights]
    return tuple(specs), tuple(own)


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
        elif (problem := weight_problem(value[name])) is not None:
            problems.append(f"{where}.{name}: {problem}")
        else:
            out[name] = float(value[name])
    return out


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
    here = f"{where}: {at}.{name}"
    params = build(COMPONENTS[name].params_type, merged, where=here, problems=found)
    for problem in found:
        key = problem.removeprefix(here).lstrip(":. ").partition(":")[0]
        told = problem
        if isinstance(shared, Mapping) and key in shared and not (isinstance(own, Mapping) and key in own):
            told = f"{where}: components.{name}{problem.removeprefix(here)}"
        if told not in problems:  # what stands under components counts for each stage
            problems.append(told)
    return params
