"""LoRA adapters: what a folder holds, and the whole model that an adapter and the model below it make."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rlvr.errors import ModelError, UsageError
from rlvr.paths import make_room

ADAPTER_CONFIG = "adapter_config.json"


def is_lora(model: Any) -> bool:
    """Whether a model is a `PeftModel` whose adapters are all LoRA's: its layers attend as those of the model below."""
    kinds = [str(getattr(c.peft_type, "value", c.peft_type)) for c in getattr(model, "peft_config", {}).values()]
    return bool(kinds) and set(kinds) == {"LORA"}


_UNMERGED = {
    "use_dora": "magnitudes of its own (use_dora)",
    "lora_bias": "biases of its own (lora_bias)",
    "modules_to_save": "whole layers of its own (modules_to_save)",
    "trainable_token_indices": "rows of its own (trainable_token_indices)",
    "target_parameters": "parameters without a layer (target_parameters)",
    "alora_invocation_tokens": "a beginning of its own (alora_invocation_tokens)",
    "layer_replication": "layers of its own (layer_replication)",
}


def check_mergeable(model: Any, where: str) -> None:
    """Raise `ModelError` where a `PeftModel` holds more than products of two matrices beside linear layers.

    That alone is added to the weights here, and given to an engine.
    """
    found = [told for c in model.peft_config.values() for name, told in _UNMERGED.items() if getattr(c, name, None)]
    if any(len(getattr(module, "lora_embedding_A", ())) for module in model.modules()):
        found.append("an embedding among its layers")
    if found:
        raise ModelError(
            f"{where}: the adapter has {', '.join(dict.fromkeys(found))}, which rlvr does not merge. Merge it with "
            "PEFT (merge_and_unload), and start from the whole model."
        )


def adapter_folder(source: str | Path) -> Path | None:
    """The folder, where `source` is one that holds an adapter without its model; else `None`."""
    path = Path(source).expanduser()
    return path if (path / ADAPTER_CONFIG).is_file() and not (path / "config.json").is_file() else None


def holds_model(folder: Path) -> bool:
    """Whether a folder holds a whole model, or an adapter alone."""
    return (folder / "config.json").is_file() or (folder / ADAPTER_CONFIG).is_file()


def base_of(folder: Path) -> str:
    """The model that an adapter stands on, by its own word. Raises `ModelError` where it names none."""
    named = adapter_config(folder).get("base_model_name_or_path")
    if not named:
        raise ModelError(f"{folder / ADAPTER_CONFIG}: names no base_model_name_or_path. Write the model's there.")
    return str(named)


def adapter_config(folder: Path) -> dict[str, Any]:
    """What an adapter's folder says of it. Raises `ModelError` where that cannot be read."""
    try:
        config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / ADAPTER_CONFIG}: cannot be read ({error}). Save the adapter again.") from error
    if not isinstance(config, dict):
        raise ModelError(f"{folder / ADAPTER_CONFIG}: got {type(config).__name__}, expected an object.")
    return config


def merged(model: Any, named: Iterable[tuple[str, Any]] | None = None) -> Iterator[tuple[str, Any]]:
    """Names and values of the model below with its adapter added, one at a time; the model is left as it is.

    `named` are the parameters of `model.get_base_model()` (the default), or its whole state. PEFT itself, and TRL with
    it, adds the adapter to the weights and takes it off again. In bf16 that rounds twice, and each time the weights
    below drift by what was lost. Here the sum is made in fp32, apart, and rounded once.
    """
    base = model.get_base_model()
    layers = {name: module for name, module in base.named_modules() if hasattr(module, "lora_A")}
    for name, value in base.named_parameters() if named is None else named:
        owner, below, last = name.rpartition(".base_layer.")
        if below:
            weight = value.detach()
            yield f"{owner}.{last}", _with_adapter(layers[owner], weight) if last == "weight" else weight
        elif ".lora_" not in name:
            yield name, value.detach()


def _with_adapter(layer: Any, weight: Any) -> Any:
    total = weight.float()
    for adapter in layer.active_adapters:
        if adapter in layer.lora_A:
            total = total + layer.get_delta_weight(adapter).detach().float()
    return total.to(weight.dtype)


def merged_state(model: Any, state: Mapping[str, Any]) -> dict[str, Any]:
    """The same from a whole state of `model`, adapter included: for weights that are spread over processes."""
    layers = {name: module for name, module in model.named_modules() if hasattr(module, "lora_A")}
    out = {}
    for name, value in state.items():
        owner, below, last = name.rpartition(".base_layer.")
        if ".lora_" in name:
            continue
        total = value
        if below and last == "weight":
            total = value.float()
            for adapter in layers[owner].active_adapters:
                b, a = (state.get(f"{owner}.lora_{part}.{adapter}.weight") for part in "BA")
                if a is not None and b is not None:
                    total = total + layers[owner].scaling[adapter] * (b.float() @ a.float())
            total = total.to(value.dtype)
        clean = f"{owner}.{last}" if below else name
        out[clean.removeprefix("base_model.model.")] = total
    return out


def merged_weights(model: Any) -> Iterator[tuple[str, Any]]:
    """The whole state of the model that a `PeftModel` makes, buffers included."""
    return merged(model, model.get_base_model().state_dict().items())


def save_merged(model: Any, folder: str | Path, state: Mapping[str, Any] | None = None) -> None:
    """Write the whole model that a `PeftModel` makes, without changing it; from `state` where it was gathered."""
    base = model.get_base_model()
    if state is None:
        whole = {name: value.cpu() for name, value in merged_weights(model)}
    else:
        whole = merged_state(model, state)
    base.save_pretrained(folder, state_dict=whole)


def merge_folder(adapter: Path, out: Path, *, base: str | None = None) -> Path:
    """Write the whole model of an adapter's folder into the new folder `out`, tokenizer included.

    Raises `ModelError` where there is no adapter, or it or its model cannot be loaded, `UsageError` where `out` is
    there.
    """
    found = adapter_folder(adapter)
    if found is None:
        raise ModelError(f"{adapter}: holds no adapter without its model ({ADAPTER_CONFIG}): nothing to merge.")
    if out.exists():
        raise UsageError(f"{out}: is there already. Give another --out.")
    source = base or base_of(found)
    model, tokenizer = load_adapter(found, source)
    scratch = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    make_room(out)
    save_merged(model, scratch)
    tokenizer.save_pretrained(scratch)
    scratch.replace(out)
    return out


def load_adapter(adapter: Path, source: str) -> tuple[Any, Any]:
    """A `PeftModel` and its tokenizer from an adapter's folder. Raises `ModelError` where they cannot be loaded."""
    from rlvr.extras import require

    require("peft", "train", "Merging an adapter")
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(source, dtype="auto"), str(adapter))
        tokenizer = AutoTokenizer.from_pretrained(str(adapter if (adapter / "tokenizer.json").is_file() else source))
    except (OSError, ValueError, RuntimeError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{adapter} on {source}: cannot be loaded: {first}. Name its model with --base.") from error
    if not is_lora(model):
        raise ModelError(f"{adapter}: is no LoRA adapter. Merge it with the library that made it.")
    check_mergeable(model, str(adapter))
    return model, tokenizer
