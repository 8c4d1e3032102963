"""What only the CPU build of vLLM needs. A CUDA machine never enters `colocated_on_cpu`.

TRL pushes weights into a colocated engine with `model.load_weights`. On a CPU vLLM packs the weights and drops the
originals, so that call fails ("'Parameter' object has no attribute 'weight_loader'"); its own `reload_weights` rebuilds
and packs them again from an iterator of named tensors, but for a head that is tied to the embeddings, which is packed
here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rlvr.rollouts.precision import cpu_dtype


def is_cpu() -> bool:
    """Whether vLLM would run on the CPU here."""
    import torch

    return not torch.cuda.is_available()


def prepare_environment(kv_cache_gib: int = 2) -> None:
    """Set what vLLM reads from the environment, before it is first imported. What the user set stays."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    if is_cpu():
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(kv_cache_gib))
        # The engine shares the process, and so the cores, with the trainer.
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")


def engine_options() -> dict[str, Any]:
    """Engine options for the CPU: the faster number format, no graph capture, many short sequences at once.

    Prompts share whole blocks of the cache alone. vLLM takes blocks of 128 tokens on a CPU, so that near half of a list
    of tools of 200 tokens would be computed again for every query and every completion.
    """
    return {
        "dtype": cpu_dtype(),
        "enforce_eager": True,
        "max_num_seqs": 128,
        "max_num_batched_tokens": 4096,
        "block_size": 32,
        "use_tqdm_on_load": False,
    }


@contextmanager
def colocated_on_cpu(kv_cache_gib: int = 2) -> Iterator[None]:
    """While inside, TRL's colocated engine is built with `engine_options` and takes weights by `reload_weights`."""
    prepare_environment(kv_cache_gib)
    from trl.generation import vllm_generation as trl_vllm

    original_llm, original_sync = trl_vllm.LLM, trl_vllm.VLLMGeneration.sync_weights

    def build(**kwargs: Any) -> Any:
        return original_llm(**{**kwargs, **engine_options(), "disable_log_stats": True})

    trl_vllm.LLM = build
    trl_vllm.VLLMGeneration.sync_weights = sync_weights
    try:
        yield
    finally:
        trl_vllm.LLM, trl_vllm.VLLMGeneration.sync_weights = original_llm, original_sync


def sync_weights(generation: Any) -> None:
    """Give the engine of a `trl.generation.VLLMGeneration` the weights that its trainer holds now."""
    runner = model_runner(generation.llm)
    runner.reload_weights(weights_iterator=generation._iter_named_params())
    repack_tied_head(runner.get_model())
    generation.llm.reset_prefix_cache()


def model_runner(llm: Any) -> Any:
    """What holds the model of an engine that runs in this process."""
    return llm.llm_engine.model_executor.driver_worker.model_runner


def repack_tied_head(model: Any) -> None:
    """Make an output head that is tied to the input embeddings follow them.

    vLLM packs the head's weights for the CPU once, and a reload loads the embeddings only: the head would go on
    multiplying with the weights that the engine started from.
    """
    head, body = getattr(model, "lm_head", None), getattr(model, "model", None)
    embeddings = getattr(body, "embed_tokens", None)
    if head is None or embeddings is None or not model.config.tie_word_embeddings:
        return
    head.weight = embeddings.weight
    head.quant_method.process_weights_after_loading(head)
