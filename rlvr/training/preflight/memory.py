"""The memory that a run needs, part by part, against what is there. The formulas stand in docs/preflight.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rlvr.errors import ModelError
from rlvr.models.adapter import is_lora
from rlvr.training.lora import lora_config
from rlvr.training.precision import frozen_dtype
from rlvr.training.preflight.findings import Finding
from rlvr.training.preflight.lengths import longest
from rlvr.training.preflight.machine import GIB, Machine, kv_cache_of_cpu_engine
from rlvr.training.preflight.scene import Scene, empty_model, mean_of

ASSUMED_LENGTH = 0.5
"""The share of the longest completion that the mean one is taken to have, before anything was sampled."""

TARGET_TOKENS = 96
"""What a warm-up's target is taken to have: a reasoning block and a call or two."""

_STATES = {"adamw": 8, "adam": 8, "adamw_8bit": 2, "paged_adamw_8bit": 2, "sgd": 0, "adafactor": 1, "lion": 4}
_PROGRAM = GIB  # torch, transformers and trl themselves


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model decides its memory: counts of parameters, and sizes."""

    parameters: int
    trainable: int
    layers: int
    hidden: int
    inner: int  # of the MLP
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    adapter: int = 0  # parameters of a LoRA adapter, which are then the trained ones

    @classmethod
    def of(cls, model: Any) -> Shape:
        """Read off a model of transformers, with or without weights; sizes that a config does not name count as 0."""
        config = model.config.get_text_config()
        heads = int(getattr(config, "num_attention_heads", 0) or 0)
        hidden = int(getattr(config, "hidden_size", 0) or 0)
        return cls(
            parameters=sum(_size(p) for p in model.parameters()),
            trainable=sum(_size(p) for p in model.parameters() if p.requires_grad),
            layers=int(getattr(config, "num_hidden_layers", 0) or 0),
            hidden=hidden,
            inner=int(getattr(config, "intermediate_size", 0) or 4 * hidden),
            heads=heads,
            kv_heads=int(getattr(config, "num_key_value_heads", None) or heads),
            head_size=int(getattr(config, "head_dim", None) or (hidden // heads if heads else 0)),
            vocabulary=int(getattr(config, "vocab_size", 0) or 0),
        )

    def kv_a_token(self, width: int = 2) -> int:
        """Bytes of keys and values of one token."""
        return 2 * self.layers * self.kv_heads * self.head_size * width


def _size(parameter: Any) -> int:
    """How many numbers a parameter has, of which ZeRO-3 leaves none in place."""
    return int(getattr(parameter, "ds_numel", None) or parameter.numel())


@dataclass(frozen=True, slots=True)
class Load:
    """Tokens of one forward and backward pass: all, the completions' (`targets`), and the longest sequence."""

    tokens: int
    targets: int
    sequence: int


def load_of(scene: Scene, mean_completion: float | None = None) -> tuple[Load, Load]:
    """The load to expect of a step and the largest possible one.

    Rows without padding (shared prefixes) add up to means; with padding one long row lengthens all of them, so the
    largest is to be expected.
    """
    rows, groups = scene.rows_a_step, max(1, scene.rows_a_step // scene.group_size)
    prompt, lengths = longest(scene.rendered), [len(p.token_ids) for p in scene.rendered.prompts]
    completion = int(scene.option("max_completion_length")) if scene.is_grpo else TARGET_TOKENS
    prompts = groups if scene.shared else rows
    most = Load(prompts * prompt + rows * completion, rows * completion, prompt + completion)
    if not scene.shared:
        return most, most
    assumed = ASSUMED_LENGTH * completion if scene.is_grpo else completion
    mean = min(completion, assumed if mean_completion is None else mean_completion)
    expected = Load(round(prompts * mean_of(lengths) + rows * mean), round(rows * mean), prompt + completion)
    return expected, most


def parts(scene: Scene, load: Load) -> dict[str, int]:
    """Bytes by what needs them, on each device where weights are spread over several."""
    import torch

    from rlvr.training.sharded import spread_parts

    shape, precision = Shape.of(scene.bare), scene.precision.name
    narrow = 4 if precision == "fp32" else 2  # bytes of a number as it is computed
    checkpointing = bool(scene.recipe.trl.get("gradient_checkpointing", False))
    shares = spread_parts()
    # As `rlvr.training.attention` decides it.
    plain = scene.shared and not checkpointing and not torch.cuda.is_available()
    found = {
        **{name: size // shares.get(name, 1) for name, size in trained(scene, shape).items()},
        "logits": 2 * narrow * load.targets * shape.vocabulary,
        "activations": activations(shape, load, narrow, checkpointing=checkpointing, plain=plain),
    }
    if scene.is_grpo and float(scene.option("beta") or 0.0) > 0 and scene.recipe.lora is None:
        # Under LoRA the reference is the model below, with the adapter taken off.
        width = 2 if precision == "bf16-master" else 4
        found["reference model"] = width * shape.parameters // shares.get("weights", 1)
    return found | engine_parts(scene, shape)


def trained(scene: Scene, shape: Shape) -> dict[str, int]:
    """Weights, gradients and what the optimizer keeps."""
    precision = scene.precision
    states = _STATES.get(str(scene.option("optim")).split("_torch")[0], 8)
    if scene.recipe.lora is not None:
        adapter, below = adapter_parameters(scene, shape)
        held = 2 if frozen_dtype(precision, lora=True) == "bfloat16" else 4
        return {"weights": held * below + 4 * adapter, "gradients": 4 * adapter, "optimizer": states * adapter}
    master = precision.name == "bf16-master"
    wide = 2 if master else 4  # bytes of a weight as it is held
    return {
        "weights": wide * shape.parameters + (2 * shape.parameters if precision.name == "bf16" else 0),
        "gradients": wide * shape.trainable,
        "optimizer": (states + 8 if master else states) * shape.trainable,  # beside them a copy, and its gradient
    }


def adapter_parameters(scene: Scene, shape: Shape) -> tuple[int, int]:
    """Parameters of the run's adapter, as PEFT makes it, and of the model below it."""
    if is_lora(scene.bare):
        return shape.trainable, shape.parameters - shape.trainable
    from peft import get_peft_model

    assert scene.recipe.lora is not None
    try:
        wrapped = get_peft_model(empty_model(scene.source), lora_config(scene.recipe.lora), low_cpu_mem_usage=True)
    except ValueError as error:
        raise ModelError(f"{scene.recipe.model}: lora: does not fit this model: {error}") from error
    return sum(p.numel() for p in wrapped.parameters() if p.requires_grad), shape.parameters


def activations(shape: Shape, load: Load, width: int, *, checkpointing: bool, plain: bool) -> int:
    """What a forward pass keeps for the backward one.

    Of every layer and token: the two norms' inputs in fp32 and their outputs (8 × hidden), queries, their rotated and
    scaled copies and the output (6 × heads × size), keys and values likewise (8 × kv heads × size), the MLP's four
    inner vectors; and with plain attention (`rlvr.training.attention`) the shares of every head over all keys of a
    sequence. With checkpointing one vector a layer.
    """
    if checkpointing:
        return width * load.tokens * shape.layers * shape.hidden + _layer(shape, load, width, plain)
    return shape.layers * _layer(shape, load, width, plain)


def _layer(shape: Shape, load: Load, width: int, plain: bool) -> int:
    vectors = 8 * shape.hidden + (6 * shape.heads + 8 * shape.kv_heads) * shape.head_size + 4 * shape.inner
    shares = shape.heads * load.sequence if plain else 0
    return width * load.tokens * (vectors + shares)


def _kv_cache(scene: Scene) -> int:
    return kv_cache_of_cpu_engine(scene.recipe.engine.cpu_cache_gib)


def engine_parts(scene: Scene, shape: Shape) -> dict[str, int]:
    """What generates: the engine's own weights and its keys and values."""
    if not scene.is_grpo:
        return {}
    import torch

    if scene.backend == "vllm" and torch.cuda.is_available():
        total = torch.cuda.mem_get_info()[1]
        share = scene.recipe.engine.gpu_memory_utilization or scene.option("vllm_gpu_memory_utilization")
        return {"engine (gpu_memory_utilization)": int(float(share) * total)}
    if scene.backend == "vllm":
        return {"engine's weights": 2 * shape.parameters, "KV cache": _kv_cache(scene)}
    rows = int(scene.option("steps_per_generation") or scene.option("gradient_accumulation_steps")) * scene.rows_a_step
    sequence = longest(scene.rendered) + int(scene.option("max_completion_length"))
    return {"KV cache": rows * sequence * shape.kv_a_token(4 if scene.precision.name == "fp32" else 2)}


def check_memory(scene: Scene, machine: Machine, mean_completion: float | None = None) -> Iterator[Finding]:
    """The sum of the parts against the memory that is there."""
    yield from one_sequence(scene)
    expected, most = load_of(scene, mean_completion)
    needed, largest = parts(scene, expected), parts(scene, most)
    program = {} if machine.device != "this machine's memory" else {"program": _PROGRAM}
    total, at_most = sum({**needed, **program}.values()), sum({**largest, **program}.values())
    figures = {
        "parts": {**needed, **program},
        "total": total,
        "at_most": at_most,
        "there": machine.total,
        "free": machine.free,
        "tokens": expected.tokens,
    }
    said = (
        f"about {_gib(total)} for a step of {scene.rows_a_step} rows and {expected.tokens:,} tokens "
        f"({scene.precision.name}): {_listed({**needed, **program})}; {_gib(at_most)} if every prompt and completion "
        "had the greatest length."
    )
    if machine.total is None or machine.free is None:
        yield Finding("memory", "note", f"{said} How much is there cannot be read on this system.", figures=figures)
        return
    said += f" {machine.device} has {_gib(machine.total)}, {_gib(machine.free)} of it free."
    if total <= machine.free:
        yield Finding("memory", "note", said, figures=figures)
        return
    yield Finding(
        "memory", "error" if total > machine.total else "warning", said, _advice(scene, needed, machine, total), figures
    )


def one_sequence(scene: Scene) -> Iterator[Finding]:
    """The engine's cache holds at least one whole sequence."""
    import torch

    if scene.backend != "vllm" or torch.cuda.is_available():
        return
    shape, cache = Shape.of(scene.bare), _kv_cache(scene)
    sequence = longest(scene.rendered) + int(scene.option("max_completion_length"))
    needed = sequence * shape.kv_a_token()
    if needed > cache:
        yield Finding(
            "KV cache",
            "error",
            f"keys and values of one sequence of {sequence:,} tokens take {_gib(needed)}; the engine has "
            f"{_gib(cache)}.",
            "Set engine.kv_cache_gib (or VLLM_CPU_KVCACHE_SPACE, which goes before it) to more GiB, or shorten prompts "
            "and completions.",
            {"needed": needed, "cache": cache},
        )


def _advice(scene: Scene, needed: Mapping[str, int], machine: Machine, total: int) -> str:
    fixed = sum(needed[k] for k in ("weights", "gradients", "optimizer"))
    if machine.total is not None and total <= machine.total:
        return "Stop what else uses the memory, or take fewer rows a step (trl.per_device_train_batch_size)."
    if machine.total is not None and fixed > machine.total:
        return (
            "The weights, gradients and optimizer alone do not fit: train fewer layers (train_last_layers), a smaller "
            "model, or on more devices."
        )
    rows = f"trl.per_device_train_batch_size (now {scene.rows_a_step}) with more trl.gradient_accumulation_steps"
    return f"Lower {rows}, set trl.gradient_checkpointing: true, or lower trl.max_completion_length."


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 else f"{size / 2**20:.1f} MiB"


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {_gib(size)}" for name, size in sizes.items())
