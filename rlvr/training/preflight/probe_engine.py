"""What samples for the probe: the model that is loaded anyway, or on CUDA the recipe's engine in a process apart."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rlvr.errors import RunError
from rlvr.prompts import RenderedPrompt
from rlvr.rollouts.base import Generation
from rlvr.training.preflight.lengths import context
from rlvr.training.preflight.sampler import GroupSampler
from rlvr.training.preflight.scene import Scene


def generator_for(scene: Scene, model: Any) -> Any:
    """A `rlvr.rollouts.Generator`.

    On a CPU the loaded model generates, since vLLM takes half a minute there to start. On CUDA a recipe with vLLM is
    probed with vLLM, in a process of its own: when it ends, all of its memory is free again.
    """
    import torch

    from rlvr.rollouts.transformers import TransformersGenerator
    from rlvr.training.sharing import why_not

    if scene.backend == "vllm" and torch.cuda.is_available():
        room = context(scene)
        return ProcessGenerator(scene.source, "vllm", max_model_len=room[0] if room else 4096, seed=scene.recipe.seed)
    if why_not(model) is None:
        return GroupSampler(model, scene.tokenizer, scene.ends)
    return TransformersGenerator.around(model, scene.tokenizer)


class ProcessGenerator:
    """A generator that lives in a process of its own for the time of one `generate`."""

    def __init__(self, model: str | Path, backend: str, *, max_model_len: int, seed: int) -> None:
        self.backend = backend
        self._options = {"model": str(model), "backend": backend, "max_model_len": max_model_len, "seed": seed}

    def generate(
        self,
        prompts: Sequence[RenderedPrompt],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        n: int = 1,
    ) -> list[list[Generation]]:
        """Raises `RunError` where the process dies: what it said stands above."""
        from concurrent.futures import ProcessPoolExecutor
        from concurrent.futures.process import BrokenProcessPool
        from multiprocessing import get_context

        sampling = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed, "n": n}
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            try:
                return pool.submit(_generate, self._options, list(prompts), sampling).result()
            except BrokenProcessPool as error:
                raise RunError(
                    f"the {self.backend} engine of the probe died while it was set up or generating"
                ) from error


def _generate(
    options: dict[str, Any], prompts: list[RenderedPrompt], sampling: dict[str, Any]
) -> list[list[Generation]]:
    from rlvr.rollouts import make_generator

    options = dict(options)
    engine = make_generator(options.pop("model"), options.pop("backend"), **options)
    try:
        return engine.generate(prompts, **sampling)
    finally:
        engine.close()


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Whatever is drawn inside, Python's, numpy's and torch's generators go on outside as if nothing had been."""
    import numpy as np
    import torch

    python, arrays, devices = random.getstate(), np.random.get_state(), range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=list(devices)):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)
