"""A run's model as one folder of safetensors that loads without rlvr, tried before it is called done.

An adapter is merged into the model below it, a whole model is copied or written in another number format. The folder
has its name only when what lies in it gives the logits that it should.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlvr.errors import ModelError, RunError, UsageError
from rlvr.extras import require
from rlvr.models.adapter import ADAPTER_CONFIG, adapter_folder, base_of, load_adapter, merged_weights
from rlvr.models.run_model import check_weights, finished_model, model_files

TOLERANCES = {"float32": 1e-4, "float16": 4e-3, "bfloat16": 2e-2}
"""By the format that weights are rounded to: the relative RMS difference of logits that an export may have."""
COPIED = "copied"
_TOLD_APART = 0.5
"""A difference below this share of what the adapter does cannot be that of a model without it."""

_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_SAID = "What is the weather in Hanoi? Thời tiết ở Hà Nội thế nào? 河內天氣如何?"
_MOST_TOKENS = 256
Logits = Any  # (tokens, vocabulary) floats


@dataclass(frozen=True, slots=True)
class Merged:
    """What was written. `difference`: of the logits, relative RMS; `None` where files were copied and compared.

    `effect`: how far the adapter moves the logits of the model below, by the same measure.
    """

    path: Path
    how: str
    dtype: str
    difference: float | None = None
    tolerance: float | None = None
    effect: float | None = None
    tokens: int = 0
    note: str = ""

    def lines(self) -> list[str]:
        out = [f"{self.path}: {self.how}, {self.dtype}"]
        if self.note:
            out.append(f"  {self.note}")
        if self.difference is None:
            return out
        out.append(
            f"  logits over {self.tokens} tokens differ by {self.difference:.2e} (relative RMS, computed in float32; "
            f"at most {self.tolerance:g} is let pass)"
        )
        if self.effect is not None:
            out.append(f"  the adapter itself moves them by {self.effect:.2e}")
            if self.difference > _TOLD_APART * self.effect:
                known = (
                    "in float32 it was merged right" if self.how != COPIED else "whether it was merged cannot be told"
                )
                out.append(f"  rounding to {self.dtype} hides it; {known}")
        return out


def export_merged(
    source: Path, out: Path, *, dtype: str = "auto", base: str | None = None, tolerance: float | None = None
) -> Merged:
    """Write the whole model of a run, a model folder or an adapter's folder into the new folder `out`.

    `dtype` is a number format of torch; `auto` keeps the one that the weights have. `tolerance` is held against the
    relative RMS difference of the logits before and after (`TOLERANCES` by default). The comparison computes in
    float32: one model at a time, 4 bytes a parameter.

    Raises `UsageError` where `out` is there or the run has not finished, `ModelError` for what is no model, `RunError`
    where the written model gives other logits; nothing is left at `out` then.
    """
    if out.exists():
        raise UsageError(f"{out}: is there already. Give another --out.")
    if tolerance is not None and not 0 < tolerance < float("inf"):
        raise UsageError(f"--tolerance: got {tolerance}, expected a number above 0.")
    require("transformers", "train", "Exporting a model")
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    model = finished_model(source)
    adapter = adapter_folder(model)
    if adapter is None and base:
        raise UsageError(f"--base: goes with an adapter, and {model} holds a whole model.")
    scratch = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.parent.mkdir(parents=True, exist_ok=True)
        if adapter is not None:
            done = _merge(adapter, base or base_of(adapter), scratch, dtype, tolerance)
        else:
            done = _whole(model, scratch, dtype, tolerance)
        check_weights(scratch)
        scratch.replace(out)
    except OSError as error:
        raise RunError(f"{out}: cannot be written ({error}). Nothing is left of it.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return replace(done, path=out)


def _merge(adapter: Path, source: str, out: Path, dtype: str, tolerance: float | None) -> Merged:
    import torch

    policy, tokenizer = load_adapter(adapter, source)
    base = policy.get_base_model()
    wanted = _dtype(dtype, base)
    ids = probe(tokenizer, base)
    policy.float()  # the sum is made in float32, and rounded once
    with_adapter, effect = _adapted(policy, ids)
    state = _rounded(dict(merged_weights(policy)), wanted)
    base.to(wanted).save_pretrained(out, state_dict=state)
    tokenizer.save_pretrained(out)
    del policy, base, state
    found, limit = _compared(with_adapter, out, ids, wanted, tolerance)
    if found > _TOLD_APART * effect and wanted != torch.float32:
        _unrounded(adapter, source, out.with_name(f"{out.name}.float32"), with_adapter, ids)
    how = f"the adapter of {adapter} merged into {source}"
    return Merged(out, how, _name(wanted), found, limit, effect, len(ids))


def _unrounded(adapter: Path, source: str, scratch: Path, with_adapter: Logits, ids: list[int]) -> None:
    """The same merge once more without rounding: where that hides a weak adapter, a merge without it would pass."""
    import torch

    policy, _ = load_adapter(adapter, source)
    policy.float()
    try:
        state = _rounded(dict(merged_weights(policy)), torch.float32)
        policy.get_base_model().save_pretrained(scratch, state_dict=state)
        del policy, state
        _compared(with_adapter, scratch, ids, torch.float32, None)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _adapted(policy: Any, ids: list[int]) -> tuple[Logits, float]:
    """The logits of a model with its adapter, and how far the adapter moves them."""
    policy.float().eval()
    found = logits(policy, ids)
    with policy.disable_adapter():
        return found, difference(found, logits(policy, ids))


def _whole(model: Path, out: Path, dtype: str, tolerance: float | None) -> Merged:
    """A whole model: its files where nothing changes, else its weights in another format."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(model)
    except (OSError, ValueError, KeyError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{model}: its config.json cannot be read: {first}") from error
    has = str(config.dtype or "").removeprefix("torch.")
    if dtype in ("auto", has) and any(model.glob("*.safetensors")):
        return _copied(model, out, has or "its weights' own format", tolerance)
    return _rewritten(model, out, has or "float32" if dtype == "auto" else dtype, tolerance)


def _copied(model: Path, out: Path, dtype: str, tolerance: float | None) -> Merged:
    check_weights(model)
    out.mkdir()
    for file in [*model_files(model), *(p for p in (model / "README.md",) if p.is_file())]:
        shutil.copyfile(file, out / file.name)
        if _sha256(file) != _sha256(out / file.name):
            raise RunError(f"{out / file.name}: is not what was copied. Is the disk sound?")
    done = Merged(out, COPIED, dtype, note="every file has the bytes of the run's")
    if not (model / "adapter" / ADAPTER_CONFIG).is_file() or dtype not in TOLERANCES:
        return done
    # The run merged its adapter itself and kept it: the two are held against each other.
    source = base_of(model / "adapter")
    try:
        policy, tokenizer = load_adapter(model / "adapter", source)
    except ModelError as error:
        note = f"{done.note}; they were not compared with the run's adapter, whose base is not here: {error}"
        return replace(done, note=note)
    ids = probe(tokenizer, policy.get_base_model())
    with_adapter, effect = _adapted(policy, ids)
    del policy
    found, limit = _compared(with_adapter, out, ids, dtype, tolerance)
    return replace(done, difference=found, tolerance=limit, effect=effect, tokens=len(ids))


def _rewritten(model: Path, out: Path, dtype: str, tolerance: float | None) -> Merged:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    whole = _load(AutoModelForCausalLM, model, dtype=torch.float32)
    tokenizer = _load(AutoTokenizer, model)
    ids = probe(tokenizer, whole)
    before = logits(whole.eval(), ids)
    whole.to(getattr(torch, dtype)).save_pretrained(out)
    tokenizer.save_pretrained(out)
    del whole
    found, limit = _compared(before, out, ids, dtype, tolerance)
    return Merged(out, f"written anew from {model}", dtype, found, limit, tokens=len(ids))


def _compared(before: Logits, out: Path, ids: list[int], dtype: Any, tolerance: float | None) -> tuple[float, float]:
    """The difference that the written model's logits have, and what is let pass. Raises `RunError` above it."""
    import torch
    from transformers import AutoModelForCausalLM

    limit = TOLERANCES[_name(dtype)] if tolerance is None else tolerance
    written = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    found = difference(before, logits(written, ids))
    if not found <= limit:  # nor where it is no number
        raise RunError(
            f"the model that was written gives other logits than the run's: they differ by {found:.3g} (relative RMS "
            f"over {len(ids)} tokens), more than {limit:g}. Nothing was kept. Try --dtype float32; where it stays, the "
            "adapter does not belong to this base model (--base)."
        )
    return found, limit


def probe(tokenizer: Any, model: Any) -> list[int]:
    """Token ids that the comparison runs on: a prompt with a tool where the template takes one, in three languages."""
    text = _SAID
    if tokenizer.chat_template:
        turns = [{"role": "user", "content": _SAID}]
        try:
            text = tokenizer.apply_chat_template(turns, tools=[_TOOL], add_generation_prompt=True, tokenize=False)
        except Exception:  # a chat template is a program of the model's and may raise anything
            text = _SAID
    ids = [int(i) for i in tokenizer(text, add_special_tokens=False)["input_ids"]][:_MOST_TOKENS]
    return [i for i in ids if i < model.get_input_embeddings().weight.shape[0]]


def logits(model: Any, ids: list[int]) -> Logits:
    """(tokens, vocabulary): the logits of a model in float32, without gradients."""
    import torch

    with torch.no_grad():
        out = model(input_ids=torch.tensor([ids], device=next(model.parameters()).device), use_cache=False)
    return out.logits[0].float().cpu()


def difference(one: Logits, other: Logits) -> float:
    """How far two sets of logits lie apart: the root mean square of the difference, over that of the first."""
    return float((one - other).norm() / one.norm())


def _rounded(state: Mapping[str, Any], dtype: Any) -> dict[str, Any]:
    """The weights in a format; what is one tensor under two names (tied embeddings) stays one."""
    seen: dict[tuple[int, tuple[int, ...]], Any] = {}
    out = {}
    for name, value in state.items():
        key = (value.data_ptr(), tuple(value.shape))
        if key not in seen:
            seen[key] = value.to(dtype).cpu() if value.is_floating_point() else value.cpu()
        out[name] = seen[key]
    return out


def _dtype(name: str, model: Any) -> Any:
    import torch

    return getattr(torch, name) if name != "auto" else next(model.parameters()).dtype


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _load(what: Any, folder: Path, **options: Any) -> Any:
    loader: Callable[..., Any] = what.from_pretrained
    try:
        return loader(str(folder), **options)
    except (OSError, ValueError, RuntimeError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{folder}: cannot be loaded: {first}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
