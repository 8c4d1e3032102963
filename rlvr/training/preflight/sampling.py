"""Sampling settings under which the policy that samples is not the one whose probabilities are trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rlvr.training.preflight.findings import Finding
from rlvr.training.preflight.scene import Scene

_WHY = {
    "top_p": "the tail is never sampled",
    "top_k": "only so many tokens are ever sampled",
    "min_p": "improbable tokens are never sampled",
    "repetition_penalty": "what stands in the prompt, names of tools among it, is sampled less often",
}


def check_sampling(scene: Scene) -> Iterator[Finding]:
    """The trainer computes probabilities over the whole vocabulary, at the temperature: what else changes a draw
    biases every importance ratio, and the gradient with it."""
    settings = {name: scene.option(name) for name in _WHY}
    settings |= {k: v for k, v in (scene.option("generation_kwargs") or {}).items() if k in _WHY}
    biased = biasing(settings)
    temperature = float(scene.option("temperature"))
    figures = {**settings, "temperature": temperature}
    if not temperature > 0:
        yield Finding(
            "sampling",
            "error",
            f"trl.temperature is {temperature:g}: the completions of a group are the same.",
            "Set trl.temperature to 1.0, or above for a model that is sure of itself.",
            figures,
        )
    if biased:
        said = "; ".join(f"{name} = {settings[name]} ({_WHY[name]})" for name in biased)
        yield Finding(
            "sampling",
            "warning",
            f"completions are not drawn from the probabilities that are trained: {said}. Importance ratios are "
            "biased, and correcting them for the engine (vllm_importance_sampling_correction) does not mend it.",
            f"Remove {', '.join('trl.' + b for b in biased)}; use trl.temperature alone to sample hotter or colder.",
            figures,
        )
    elif temperature > 0:
        yield Finding(
            "sampling", "note", f"plain sampling at temperature {temperature:g}: ratios are unbiased.", figures=figures
        )


def biasing(settings: Mapping[str, Any]) -> list[str]:
    """Which of the settings change what is drawn.

    >>> biasing({"top_p": 1.0, "top_k": 0, "min_p": None, "repetition_penalty": 1.0})
    []
    >>> biasing({"top_p": 0.9, "top_k": 50, "min_p": 0.05, "repetition_penalty": 1.1})
    ['top_p', 'top_k', 'min_p', 'repetition_penalty']
    """
    tests: dict[str, Callable[[Any], bool]] = {
        "top_p": lambda v: v < 1,
        "top_k": lambda v: v > 0,
        "min_p": lambda v: v > 0,
        "repetition_penalty": lambda v: v != 1,
    }
    return [name for name, test in tests.items() if settings.get(name) is not None and test(settings[name])]
