"""Run a recipe: data → prompts → trainer → checkpoints → the selected model in `RUN/final`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlvr.data.mixture import MixtureCounts
from rlvr.errors import ModelError, RunError
from rlvr.models import resolve
from rlvr.rollouts import choose_backend
from rlvr.training.dataset import Rendered, render_mixture
from rlvr.training.job import Job, say
from rlvr.training.memory import keep_freed_memory, peak_memory
from rlvr.training.precision import choose_precision
from rlvr.training.recipe import Recipe
from rlvr.training.run_folder import RunFolder, now, save_model, versions, write_atomically


def train(recipe: Recipe, resolved: Mapping[str, Any], out: str | Path, *, resume: bool = False) -> Path:
    """Run a recipe in the folder `out` and return the folder of the selected model.

    Raises:
        UsageError: the folder holds another run, the data or the model cannot be used.
        RunError: the disk is full; what was written before still loads, and `resume=True` goes on.
    """
    started = time.monotonic()
    backend = choose_backend(recipe.rollout) if recipe.kind == "grpo" else "none"
    folder = RunFolder(out)
    source = model_source(recipe.model)
    folder.check(resolved, resume=resume)
    job = _prepare(recipe, folder, source, backend)
    _record(job, resolved, source, resume)
    from rlvr.training.assemble import build_trainer, engine

    try:
        with engine(job):
            trainer = build_trainer(job)
            _fit(trainer, folder, resume)
    except Exception as error:
        if not writing_failed(error):
            raise
        kept = folder.last_checkpoint()
        left = f"The last complete checkpoint is {kept}." if kept else "No checkpoint was written yet."
        raise RunError(f"{out}: writing failed ({error}). {left} Free space, then go on with --resume.") from error
    if recipe.selection is None:
        save_model(trainer.accelerator.unwrap_model(trainer.model), job.tokenizer, folder.final)
    seconds, memory = time.monotonic() - started, peak_memory()
    folder.record(finished=now(), seconds=round(seconds, 1), steps=trainer.state.global_step, **memory)
    held = f", at most {memory['peak_memory_gib']:.1f} GiB of memory" if "peak_memory_gib" in memory else ""
    say(f"{recipe.name}: {trainer.state.global_step} steps in {seconds / 60:.1f} min{held} → {folder.final}")
    return folder.final


def writing_failed(error: Exception) -> bool:
    """Whether an error of a trainer says that the disk took no more: torch and safetensors raise their own kinds."""
    text = str(error)
    signs = ("PytorchStreamWriter", "inline_container", "os error")  # of torch's writer, its checks, and safetensors
    return isinstance(error, OSError) or any(sign in text for sign in signs)


def model_source(name: str) -> str:
    """A recipe's model: a known name, a hub id, a model folder, or a run folder (then its selected model)."""
    path = Path(name).expanduser()
    if (path / "run.json").is_file():
        if not (path / "final" / "config.json").is_file():
            raise ModelError(f"{name}: this run has not finished: it holds no final model. Finish it with --resume.")
        return str(path / "final")
    return resolve(name, say=say)


def _prepare(recipe: Recipe, folder: RunFolder, source: str, backend: str) -> Job:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    set_seed(recipe.seed)
    if not torch.cuda.is_available():
        keep_freed_memory()
    precision = choose_precision(recipe.precision)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(source, dtype=getattr(torch, precision.load_dtype))
    except (OSError, ValueError) as error:
        raise ModelError(f"{source}: cannot be loaded: {error}") from error
    model.config.use_cache = False
    if recipe.train_last_layers is not None:
        freeze_below(model, recipe.train_last_layers)
    rendered = render_mixture(recipe.data, tokenizer, recipe.parser)
    say(
        f"{recipe.name}: {len(rendered.examples)} examples ({rendered.dropped} dropped: prompt longer than "
        f"{recipe.data.max_prompt_tokens} tokens), {precision.name}, {torch.get_num_threads()} threads"
    )
    return Job(recipe, folder, precision, model, tokenizer, rendered, backend)


def _record(job: Job, resolved: Mapping[str, Any], source: str, resume: bool) -> None:
    """Write what the run is, before its first step."""
    recipe, folder = job.recipe, job.folder
    folder.open(resolved)
    lines = (json.dumps(e.to_json(), ensure_ascii=False) for e in job.rendered.examples)
    write_atomically(folder.path / "data" / "train.jsonl", "".join(line + "\n" for line in lines))
    facts = {"stage": recipe.name, "kind": recipe.kind, "model": source, "seed": recipe.seed, "versions": versions()}
    facts |= {"precision": job.precision.name, "rollout": job.backend, "data": _counts(job.rendered)}
    folder.record(**facts, **({"resumed": now()} if resume else {"started": now()}))


def freeze_below(model: Any, layers: int) -> None:
    """Leave only the last `layers` layers and the final norm trainable. Raises `ModelError` for too many."""
    decoder = model.get_decoder()
    if not 1 <= layers <= len(decoder.layers):
        raise ModelError(f"train_last_layers: got {layers}, this model has {len(decoder.layers)} layers.")
    model.requires_grad_(False)
    for module in (*decoder.layers[-layers:], decoder.norm):
        module.requires_grad_(True)


def _counts(rendered: Rendered) -> dict[str, Any]:
    counts = MixtureCounts.of(rendered.examples)
    lengths = [len(p.token_ids) for p in rendered.prompts]
    return {
        "examples": len(rendered.examples),
        "dropped_too_long": rendered.dropped,
        "longest_prompt_tokens": rendered.longest,
        "mean_prompt_tokens": sum(lengths) / len(lengths),
        "by_source": dict(counts.by_source),
        "by_category": dict(counts.by_category),
        "by_language": dict(counts.by_language),
        "by_negative": dict(counts.by_negative),
    }


def _fit(trainer: Any, folder: RunFolder, resume: bool) -> None:
    checkpoint = None
    if resume:
        for path in folder.drop_incomplete():
            say(f"left out {path.name}: it was not written to its end")
        checkpoint = folder.last_checkpoint()
        step = int(checkpoint.name.rsplit("-", 1)[1]) if checkpoint else 0
        folder.truncate_after(step)
        say(f"resuming from step {step}" if checkpoint else "no complete checkpoint: starting from the beginning")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
