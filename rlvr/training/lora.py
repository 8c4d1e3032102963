"""LoRA beside full weights: the recipe's `lora:` block, the adapter that a run starts from, and what it saves.

TRL makes the adapter: it gets a `peft.LoraConfig`. The weights below stay as they are, in bf16 where the machine
computes in it; the adapter is fp32 and goes to an ordinary AdamW.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.errors import ModelError
from rlvr.models.adapter import adapter_config, adapter_folder, base_of, check_mergeable, is_lora, merged, save_merged
from rlvr.strict import raise_mistakes

ADAPTER = "adapter"
"""Where the adapter lies in a merged model's folder. Beside the model's config transformers would load it again."""


@dataclass(frozen=True, slots=True)
class LoraOptions:
    """Options of `peft.LoraConfig` by its names, those that can be merged, and `merged`.

    The update of a layer is `lora_alpha / r · B A` (`lora_alpha / sqrt(r) · B A` with `use_rslora`). `merged: true`
    saves the whole model with the adapter in a folder of it, `false` the adapter alone.
    """

    r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    target_modules: str | tuple[str, ...] = "all-linear"
    exclude_modules: str | tuple[str, ...] | None = None
    use_rslora: bool = False
    layers_to_transform: int | tuple[int, ...] | None = None
    rank_pattern: Mapping[str, int] | None = None
    alpha_pattern: Mapping[str, int] | None = None
    init_lora_weights: bool | str = True
    merged: bool = True

    def __post_init__(self) -> None:
        raise_mistakes(self, _mistakes(self))


def _mistakes(options: LoraOptions) -> Iterator[str]:
    for name in ("r", "lora_alpha"):
        if getattr(options, name) < 1:
            yield f"{name}: got {getattr(options, name)}, expected at least 1"
    if not 0 <= options.lora_dropout < 1:
        yield f"lora_dropout: got {options.lora_dropout}, expected at least 0 and less than 1"
    targets = (options.target_modules,) if isinstance(options.target_modules, str) else options.target_modules
    if not any(targets):
        yield "target_modules: got none, expected names, or all-linear"
    if "lm_head" in targets:
        yield "target_modules: lm_head: TRL takes log-probabilities from its weight; an adapter there never trains"


def lora_config(options: LoraOptions) -> Any:
    """The `peft.LoraConfig` that TRL is given."""
    from peft import LoraConfig

    names = [n for n in LoraOptions.__dataclass_fields__ if n != "merged" and getattr(options, n) is not None]
    return LoraConfig(task_type="CAUSAL_LM", **{n: _plain(getattr(options, n)) for n in names})


def _plain(value: Any) -> Any:
    """Lists and dicts, as PEFT writes them into its JSON."""
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value


def load_policy(source: str, options: LoraOptions | None, dtype: Any) -> Any:
    """The model that a run starts from: a whole one, or an adapter's folder with the model that it names.

    With `lora:` a run goes on with that adapter; without it the adapter is merged and everything is trained.
    Raises `ModelError` where the adapter is not of the recipe's shape.
    """
    from transformers import AutoModelForCausalLM

    from rlvr.training.sharded import spread_while_loading

    folder = adapter_folder(source)
    if folder is not None and options is not None:
        _same_shape(folder, options)
    with spread_while_loading():
        base = AutoModelForCausalLM.from_pretrained(base_of(folder) if folder else source, dtype=dtype)
    if folder is None:
        return base
    from peft import PeftModel

    model = PeftModel.from_pretrained(base, str(folder), is_trainable=options is not None)
    if options is not None:
        _same_layers(folder, model, options)
    return model if options is not None else model.merge_and_unload().requires_grad_(True)


def _same_shape(folder: Path, options: LoraOptions) -> None:
    saved = adapter_config(folder)
    wanted = {"r": options.r, "lora_alpha": options.lora_alpha, "use_rslora": options.use_rslora}
    wrong = [f"{k} is {saved.get(k)} and not {v}" for k, v in wanted.items() if saved.get(k) != v]
    if wrong:
        raise ModelError(
            f"{folder}: its adapter has another shape than the recipe's lora: {', '.join(wrong)}. Give lora the "
            f"adapter's numbers, or start from the whole model: `rlvr models merge {folder} --out FOLDER`."
        )


def _same_layers(folder: Path, model: Any, options: LoraOptions) -> None:
    """Raise `ModelError` where the recipe would make an adapter of other layers, ranks, scales or dropout."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        bare = AutoModelForCausalLM.from_config(model.get_base_model().config)
    wanted = _layers(get_peft_model(bare, lora_config(options), low_cpu_mem_usage=True))
    saved = _layers(model)
    wrong = sorted(name for name in saved.keys() | wanted.keys() if saved.get(name) != wanted.get(name))
    if wrong:
        raise ModelError(
            f"{folder}: its adapter is another than the recipe's lora would make, in {len(wrong)} of "
            f"{len(saved.keys() | wanted.keys())} layers, first {wrong[0]}: {_told(saved.get(wrong[0]))} there, "
            f"{_told(wanted.get(wrong[0]))} by the recipe. Give lora the adapter's own options, or start from the "
            f"whole model: `rlvr models merge {folder} --out FOLDER`."
        )


def _layers(model: Any) -> dict[str, tuple[int, float, float]]:
    """Rank, scale and dropout of each layer that an adapter stands beside."""
    found = {}
    for name, module in model.get_base_model().named_modules():
        for adapter in getattr(module, "active_adapters", ()) if hasattr(module, "lora_A") else ():
            if adapter in module.r:
                dropout = float(getattr(module.lora_dropout[adapter], "p", 0.0))
                found[name] = (int(module.r[adapter]), float(module.scaling[adapter]), dropout)
    return found


def _told(layer: tuple[int, float, float] | None) -> str:
    return "none" if layer is None else f"rank {layer[0]}, scale {layer[1]:g}, dropout {layer[2]:g}"


def trainer_options(options: LoraOptions | None, model: Any) -> dict[str, Any]:
    """What TRL's trainers are told beside the rest: a new adapter's config, or nothing where the model has one."""
    return {"peft_config": lora_config(options)} if options is not None and not is_lora(model) else {}


def prepare_trainer(trainer: Any, options: LoraOptions | None) -> None:
    """Let a trainer's engine follow the adapter without a change of the weights below, and remember what is saved."""
    if options is None:
        return
    policy = trainer.accelerator.unwrap_model(trainer.model)
    check_mergeable(policy, "lora")
    policy.saves_merged = options.merged
    engine = getattr(trainer, "vllm_generation", None)
    kind = str(getattr(trainer.accelerator, "distributed_type", "")).rpartition(".")[2]
    if engine is not None and kind not in _SHARDED:
        # TRL has no public place for it: its own iterator merges into the weights and takes the adapter off again,
        # which in bf16 leaves them changed. Sharded weights have to be gathered, and stay with TRL's.
        engine._iter_named_params = lambda: engine_parameters(policy, engine._fix_param_name_to_vllm)


_SHARDED = ("FSDP", "DEEPSPEED")


def engine_parameters(policy: Any, rename: Any) -> Iterator[tuple[str, Any]]:
    """What an engine is given of a policy with an adapter, under the names that it expects."""
    for name, value in merged(policy):
        yield rename(name), value


def save_policy(model: Any, folder: Path) -> None:
    """Write a model whole, or with LoRA as the recipe's `lora.merged` says.

    Of several processes the first one writes; where weights are spread, the others have to call it too.
    """
    from rlvr.training.sharded import is_first, is_spread, whole_state

    whole = not is_lora(model) or getattr(model, "saves_merged", True)
    spread = is_spread(model)
    state = whole_state(model, wanted=lambda name: whole or ".lora_" in name) if spread else None
    if not is_first():
        return
    if not is_lora(model):
        model.save_pretrained(folder, **({} if state is None else {"state_dict": state}))
        return
    if whole:
        save_merged(model, folder, state)
    told = {} if state is None else {"state_dict": state}
    model.save_pretrained(folder / ADAPTER if whole else folder, selected_adapters=["default"], **told)
