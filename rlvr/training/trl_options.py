"""A recipe's `trl`: options of SFTConfig or GRPOConfig, checked by name, type and value before anything is loaded.

TRL and transformers check few of theirs, and late: a learning rate that is text is met by the optimizer, after
the model and the data were read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_type_hints

from rlvr.errors import did_you_mean, guess
from rlvr.rollouts.engine import NO_STRUCTURE_IN_TRAINING
from rlvr.strict import mismatch

# What rlvr sets itself, and the key of the recipe that governs it.
GOVERNED = {
    "output_dir": "the --out option",
    "seed": "seed",
    "use_vllm": "rollout",
    "vllm_mode": "rollout",
    "reward_weights": "composition and stage",
    "bf16": "precision",
    "fp16": "precision",
    "use_cpu": "the machine",
    "report_to": "log.to",
    "max_length": "data.max_prompt_tokens",
    "load_best_model_at_end": "selection",
    "eval_strategy": "selection",
    # The trainer is given a loaded model, and would look at none of these.
    "model_init_kwargs": "precision, and the model's own config",
    # Its checkpoints would go to the hub under the name of a scratch folder.
    "push_to_hub": "the run folder (upload RUN/final at the end)",
    # A run could not be resumed as it was.
    "save_only_model": "the run folder",
    "ignore_data_skip": "the run folder",
    "enable_jit_checkpoint": "the run folder",
    "vllm_model_impl": "engine.model_impl",
    "vllm_enable_sleep_mode": "engine.sleep",
    "vllm_gpu_memory_utilization": "engine.gpu_memory_utilization",
    "vllm_max_model_length": "engine.max_model_len",
    "vllm_tensor_parallel_size": "engine.tensor_parallel",
    "vllm_server_base_url": "engine.server_url",
    "vllm_server_host": "engine.server_host",
    "vllm_server_port": "engine.server_port",
    "vllm_server_timeout": "engine.server_timeout",
    "vllm_group_port": "engine.group_port",
    "chat_template_kwargs": "thinking",
}
STRUCTURE = ("vllm_structured_outputs_regex", "structured_outputs")

# What TRL says of a word only at the first step, by a KeyError or not at all.
WORDS: Mapping[str, tuple[Any, ...]] = {
    "loss_type": ("grpo", "bnpo", "dr_grpo", "dapo", "luspo", "cispo", "sapo", "vespo"),
    "scale_rewards": ("group", "batch", "none", True, False),
    "multi_objective_aggregation": ("sum_then_normalize", "normalize_then_sum"),
    "importance_sampling_level": ("token", "sequence"),
}
WARMUP_WORDS: Mapping[str, tuple[Any, ...]] = {"loss_type": ("nll", "dft")}
LEAST: Mapping[str, float] = {
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "steps_per_generation": 1,
    "num_generations": 2,
    "num_iterations": 1,
    "max_completion_length": 1,
    "learning_rate": 0,
    "weight_decay": 0,
    "warmup_steps": 0,
    "temperature": 0,
    "beta": 0,
}
QUOTE = "YAML reads yes, no, on and off without quotes as true and false."
ABOVE_ZERO = ("num_train_epochs", "save_steps", "logging_steps")


def check_trl_options(kind: str, options: Mapping[str, Any], where: str) -> list[str]:
    """Every key of `trl` that TRL does not know, that another key of the recipe governs, or whose value cannot be."""
    from rlvr.extras import require

    require("trl", "train", "training")
    from trl import GRPOConfig, SFTConfig

    config = GRPOConfig if kind == "grpo" else SFTConfig
    known = {f.name for f in dataclasses.fields(config)}
    hints = get_type_hints(config)
    problems = []
    for key, value in options.items():
        inner = value if key == "generation_kwargs" and isinstance(value, Mapping) else {key: None}
        if any(name in inner for name in STRUCTURE):
            problems.append(f"{where}: trl.{key}: {NO_STRUCTURE_IN_TRAINING}")
        elif key in GOVERNED:
            problems.append(f"{where}: trl.{key}: is governed by {GOVERNED[key]}; remove it here.")
        elif key not in known:
            problems.append(f"{where}: trl.{key}: {config.__name__} has no such option.{guess(str(key), known)}")
        elif wrong := _wrong_value(str(key), value, hints[key], WORDS if kind == "grpo" else WARMUP_WORDS):
            problems.append(f"{where}: trl.{key}: {wrong}")
    return problems


def _wrong_value(key: str, value: Any, hint: Any, known: Mapping[str, tuple[Any, ...]]) -> str | None:
    if key in known:
        if value in known[key]:
            return None
        words = [word for word in known[key] if isinstance(word, str)]
        suggestion = did_you_mean(value, words) if isinstance(value, str) else ""
        return f"got {value!r}, expected one of {', '.join(words)}.{suggestion}"
    if wrong := mismatch(hint, value):
        return f"{wrong} {QUOTE}" if isinstance(value, bool) and "text" in wrong else wrong
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if key in LEAST and value < LEAST[key]:
            return f"got {value}, expected {LEAST[key]:g} or more."
        if key in ABOVE_ZERO and value <= 0:
            return f"got {value}, expected more than 0."
        if key == "max_steps" and (value == 0 or value < -1):
            return f"got {value}, expected 1 or more, or -1 for num_train_epochs."
    return None
