"""Whether a model's prompts can be shared, and how to compute over them inside a wrapped model.

Everything that `shared_prefix` cannot do is named here, with the reason that a run prints when it falls back to TRL's
own computation.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from rlvr.training.head import HeadScores
from rlvr.training.processes import through
from rlvr.training.shared_prefix import Row, score_targets

# Mean difference of a log-probability (nats) between both ways that rounding explains, by the model's precision.
TOLERANCE = {torch.float32: 2e-3, torch.float64: 2e-3}
TOLERANCE_HALF = 0.1
MASKED_ATTENTION = ("sdpa", "eager")


def why_not(model: Any) -> str | None:
    """Why a model cannot share prefixes; `None` where it can.

    It can where every layer attends to everything before it, by an attention that takes a mask, and the model is whole
    on its device. LoRA and other adapters inside the layers are no hindrance. Nothing is computed here: `difference`
    tries it.
    """
    if _set("ACCELERATE_USE_FSDP") or _set("ACCELERATE_USE_DEEPSPEED"):
        return "the model is split over processes (FSDP, DeepSpeed)"
    if any(config.is_prompt_learning for config in getattr(model, "peft_config", {}).values()):
        return "the adapter puts virtual tokens before the prompt"
    if type(model).__name__ == "OptimizedModule":
        return "the model is compiled"
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    if not hasattr(base, "get_decoder") or base.get_output_embeddings() is None:
        return f"{type(base).__name__} is no decoder with an output head"
    return _layers(base.config)


def drops_out(model: Any, disabled: bool = False) -> str | None:
    """Why a model's own dropout keeps prompts from being shared in training; `None` where it has none.

    A group's completions would share one draw over their prompt. `disabled`: TRL's `disable_dropout`, which reaches
    dropout layers and not the probability that attention reads from its config.
    """
    layers = [] if disabled else [m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    share = max([*layers, getattr(model.config.get_text_config(), "attention_dropout", None) or 0.0])
    return (
        f"the model drops out {share:g} of its own values, others for every completion of a prompt" if share else None
    )


def by_options(trl: Mapping[str, Any]) -> str | None:
    """Why a warm-up's options keep prompts from being shared; `None` where they do not."""
    if trl.get("completion_only_loss") is False:
        return "the loss takes the prompts' tokens too (completion_only_loss: false)"
    packed = [name for name in ("packing", "padding_free") if trl.get(name)]
    return f"several examples stand in one row ({', '.join(packed)})" if packed else None


def _set(flag: str) -> bool:
    return os.environ.get(flag, "").lower() in ("1", "true", "yes")


def _layers(config: Any) -> str | None:
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        return f"some layers are of another kind than full attention ({', '.join(sorted(kinds - {'full_attention'}))})"
    if getattr(config, "layer_types", None) is None and getattr(config, "sliding_window", None):
        return "attention slides over a window"
    if getattr(config, "final_logit_softcapping", None):
        return "the model caps its logits"
    implementation = getattr(config, "_attn_implementation", None)
    if implementation not in (None, *MASKED_ATTENTION):
        return f"attention by {implementation} takes no mask of our own (sdpa and eager do)"
    return None


def disagreement(model: Any) -> str | None:
    """Try both ways on a few made rows; why they cannot be the same computation, or `None`.

    What a config does not tell shows here: positions that are not handed over, state that runs from token to token.
    Memory that runs out is no disagreement and is raised: TRL's way, the fallback, needs more of it.
    """
    try:
        found = difference(model)
    except torch.OutOfMemoryError:
        raise
    except (TypeError, ValueError, RuntimeError, NotImplementedError, AttributeError) as error:
        said = str(error).strip().partition("\n")[0][:120]
        return f"the model cannot be called that way ({type(error).__name__}{': ' if said else ''}{said})"
    limit = TOLERANCE.get(model.get_input_embeddings().weight.dtype, TOLERANCE_HALF)
    return None if found <= limit else f"log-probabilities differ by {found:.3g} nats a token (limit {limit:g})"


def difference(model: Any) -> float:
    """Mean absolute difference (nats) of made targets' log-probabilities, with the prefix shared and row by row."""
    rows = _made_rows(model.config.get_text_config().vocab_size)
    device = model.get_input_embeddings().weight.device
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            shared = score_targets(model, rows).logps
            plain = []
            for row in rows:
                ids = torch.tensor([row.ids], device=device)
                logits = model(input_ids=ids, use_cache=False).logits[0, row.start - 1 : -1].float()
                plain.append(logits.log_softmax(-1).gather(-1, ids[0, row.start :, None])[:, 0])
    finally:
        model.train(training)
    return float((shared - torch.cat(plain)).abs().mean())


def _made_rows(vocabulary: int) -> list[Row]:
    """Three rows of 44 to 52 tokens over one prefix of 40."""
    made = [(7919 * i + 104729) % vocabulary for i in range(200)]
    prompt = made[:40]
    return [Row(tuple(prompt + made[60 * k : 60 * k + n]), 40) for k, n in ((1, 4), (2, 12), (3, 8))]


def score_inside(wrapped: Any, model: Any, rows: list[Row], temperature: float = 1.0) -> HeadScores:
    """`score_targets` as the forward pass of `wrapped`, which may be `model` itself or hold it (DDP)."""
    return HeadScores(*through(wrapped, model, lambda inner: score_targets(inner, rows, temperature=temperature)))
