"""Weights that are spread over processes (FSDP2, DeepSpeed ZeRO-3): whole to be saved, never whole while loaded.

What is here is called by every process alike, since gathering takes all of them; one of them is given the result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch

from rlvr.training import processes

_YES = ("1", "true", "yes")
State = Mapping[str, torch.Tensor]
Wanted = Callable[[str], bool]
_WRAPPERS = ("_checkpoint_wrapped_module.", "_orig_mod.")
"""What activation checkpointing and torch.compile put into names."""


def is_spread(model: Any) -> bool:
    """Whether no process holds the model's weights whole."""
    parameters = model.parameters() if hasattr(model, "parameters") else ()
    return any(_is_distributed(p) or hasattr(p, "ds_id") for p in parameters)


def spread_parts() -> dict[str, int]:
    """Over how many processes weights, gradients and optimizer are spread, as `accelerate launch` was told.

    FSDP and ZeRO-3 spread all three, ZeRO-2 the last two, ZeRO-1 the optimizer; nothing is named that every process
    holds whole.
    """
    parts = ("optimizer", "gradients", "weights")
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() in _YES:
        return dict.fromkeys(parts, processes.count())
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() in _YES:
        stage = os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "3")
        return dict.fromkeys(parts[: int(stage) if stage.isdecimal() else 3], processes.count())
    return {}


def is_first() -> bool:
    """Whether this process is the one that writes: the first of all, or the only one."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def whole_state(model: Any, wanted: Wanted = lambda name: True) -> dict[str, torch.Tensor]:
    """The model's state on the CPU, gathered one tensor at a time; empty in all processes but the first.

    `wanted` chooses tensors by their names. Weights that are not spread are only copied.
    """
    out: dict[str, torch.Tensor] = {}
    for name, value in _tensors(model):
        for wrapper in _WRAPPERS:
            name = name.replace(wrapper, "")
        if wanted(name):
            whole = _gathered(value)
            if is_first():
                out[name] = whole.detach().to("cpu", copy=True)
    return out


def _tensors(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and saved buffers; one that has two names (a tied head) is given once, as `save_pretrained` has it."""
    seen: set[int] = set()
    for name, value in model.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def _is_distributed(value: Any) -> bool:
    from torch.distributed.tensor import DTensor

    return isinstance(value, DTensor)


def _gathered(value: Any) -> torch.Tensor:
    if _is_distributed(value):
        whole: torch.Tensor = value.full_tensor()
        return whole
    if hasattr(value, "ds_id"):
        gathered = import_module("deepspeed.zero").GatheredParameters
        with gathered([value]):
            copy: torch.Tensor = value.data.clone()
        return copy
    tensor: torch.Tensor = value
    return tensor


@contextmanager
def spread_while_loading() -> Iterator[None]:
    """Inside, `from_pretrained` spreads weights at once where `accelerate launch` was told of ZeRO-3.

    transformers looks for DeepSpeed's configuration while it loads, and the trainer's arguments, which bring it, come
    later. FSDP needs nothing: its launcher tells transformers by the environment.
    """
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() not in ("1", "true"):
        yield
        return
    from accelerate.utils import DeepSpeedPlugin

    plugin = DeepSpeedPlugin()
    plugin.set_deepspeed_weakref()  # transformers keeps a weak reference: the plugin lives as long as this block
    yield
    del plugin
