"""Run a recipe: data → prompts → trainer → checkpoints → the selected model in `RUN/final`."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rlvr.data.mixture import MixtureCounts
from rlvr.errors import ModelError
from rlvr.models import KNOWN_MODELS, resolve
from rlvr.models.adapter import adapter_folder, holds_model
from rlvr.rollouts import choose_backend
from rlvr.training import processes
from rlvr.training.dataset import Rendered, render_mixture
from rlvr.training.early import check_early, check_rows
from rlvr.training.job import Job, say
from rlvr.training.lock import hold
from rlvr.training.log_options import check_packages
from rlvr.training.lora import load_policy
from rlvr.training.memory import keep_freed_memory, peak_memory
from rlvr.training.precision import choose_precision, frozen_dtype
from rlvr.training.recipe import Recipe
from rlvr.training.rollout_engine import check_rollouts, rollouts_failed
from rlvr.training.run_folder import RunFolder, full_disk, now, save_model, versions

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def train(
    recipe: Recipe,
    resolved: Mapping[str, Any],
    out: str | Path,
    *,
    resume: bool = False,
    preflight: bool | None = None,
) -> Path:
    """Run a recipe in the folder `out` and return the folder of the selected model.

    Every process of an `accelerate launch` calls it alike; one of them writes. `preflight` asks for all of its checks,
    as `rlvr train` does; those that cost little run always, and their errors stop the run unless it is false.

    Raises:
        UsageError: the folder holds another run or is being written, the data or the model cannot be used.
        RunError: preflight found an error, and nothing was written; or the disk is full; what was written before still
            loads, and `resume=True` goes on.
        PreemptedError: a SIGTERM came; a checkpoint was saved, and `resume=True` goes on.
        GuardError: a guard of the recipe stopped the run.
    """
    processes.join(recipe.trl.get("ddp_timeout"))
    folder = RunFolder(out)
    with ExitStack() as held:
        processes.from_main(lambda: held.enter_context(hold(folder.path)))
        processes.from_main(lambda: folder.check(resolved, resume=resume))
        if resume and processes.from_main(lambda: folder.has_finished(resolved)):
            say(f"{folder.path}: is finished; nothing is left to do.")
            return folder.final
        return _train(recipe, resolved, folder, resume, preflight)


def _train(
    recipe: Recipe, resolved: Mapping[str, Any], folder: RunFolder, resume: bool, preflight: bool | None
) -> Path:
    from rlvr.training.preflight import before_training

    started = time.monotonic()
    check_packages(recipe.log)
    check_early(recipe)
    backend = choose_backend(recipe.rollout) if recipe.kind == "grpo" else "none"
    # One process fetches a known model; the others find it, or fetch their own machine's.
    processes.from_main(lambda: model_source(recipe.model))
    source = model_source(recipe.model)
    check_rollouts(recipe, backend, source)
    job = _prepare(recipe, folder, source, backend)
    # One process checks for all; a model that is spread over several takes no step in one of them.
    depth = "model" if preflight and not resume and processes.count() == 1 else "cheap"
    report = processes.from_main(lambda: before_training(job, source, depth=depth, stop=preflight is not False))
    _record(job, resolved, source, resume)
    if not resume and processes.is_main():
        report.write(folder.path / "preflight.json")
    from rlvr.training.assemble import build_trainer, engine
    from rlvr.training.guards import watched

    trainer = None
    try:
        with engine(job):
            trainer = build_trainer(job)
            with watched(trainer, folder):
                _fit(trainer, folder, resume)
    except Exception as error:
        if (told := rollouts_failed(error, job, trainer, source)) is not None:
            raise told from error
        if writing_failed(error, folder.path):
            raise full_disk(folder, error) from error
        if not resume and (trainer is None or trainer.state.global_step == 0):
            folder.forget()  # what was wrong will be mended, and the command given again
        raise
    if recipe.selection is None:
        save_model(trainer.accelerator.unwrap_model(trainer.model), job.tokenizer, folder.final)
    seconds, memory = time.monotonic() - started, peak_memory()
    folder.record(finished=now(), seconds=round(seconds, 1), steps=trainer.state.global_step, **memory)
    held = f", at most {memory['peak_memory_gib']:.1f} GiB of memory" if "peak_memory_gib" in memory else ""
    say(f"{recipe.name}: {trainer.state.global_step} steps in {seconds / 60:.1f} min{held} → {folder.final}")
    processes.barrier()
    return folder.final


def writing_failed(error: Exception, folder: Path) -> bool:
    """Whether an error of a trainer says that the disk took no more, or that the run's folder cannot be written.

    torch and safetensors raise their own kinds. A connection that fails is an `OSError` too (a reward function may ask
    a judge), and is none of these.
    """
    if isinstance(error, OSError):
        named = error.filename if isinstance(error.filename, (str, os.PathLike)) else None
        inside = named is not None and Path(named).absolute().is_relative_to(folder.absolute())
        return inside or error.errno in _NO_ROOM
    signs = ("PytorchStreamWriter", "inline_container", "os error")  # of torch's writer, its checks, and safetensors
    return any(sign in str(error) for sign in signs)


def model_source(name: str) -> str:
    """A recipe's model: a known name, a hub id, a model folder, or a run folder (then its selected model)."""
    path = Path(name).expanduser()
    if (path / "run.json").is_file():
        if not holds_model(path / "final"):
            raise ModelError(f"{name}: this run has not finished: it holds no final model. Finish it with --resume.")
        return str(path / "final")
    if adapter_folder(path) is not None:
        return str(path)
    if missing_run(name, path):
        raise ModelError(
            f"{name}: the run that this recipe starts from is not there. Run it first (rlvr train … --out {name}), or "
            "name another model with --model: a run folder, a model folder, a hub id or a known name."
        )
    return resolve(name, say=say)


def missing_run(name: str, path: Path) -> bool:
    """Whether a name that stands for nothing here can only be a run's folder: no hub id begins with `runs/`, or has
    two slashes."""
    if name in KNOWN_MODELS or path.exists() or path.is_absolute() or name.startswith("."):
        return False
    return path.parts[:1] == ("runs",) or name.count("/") > 1


def _prepare(recipe: Recipe, folder: RunFolder, source: str, backend: str) -> Job:
    import torch
    from transformers import AutoTokenizer, set_seed
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    set_seed(recipe.seed)
    if not torch.cuda.is_available():
        keep_freed_memory()
    precision = processes.from_main(lambda: choose_precision(recipe.precision))  # `auto` is a measurement
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left")
        check_reference(source, recipe)
        model = load_policy(source, recipe.lora, getattr(torch, frozen_dtype(precision, recipe.lora is not None)))
    except (OSError, ValueError) as error:
        raise ModelError(f"{source}: cannot be loaded: {error}") from error
    model.config.use_cache = False
    if recipe.train_last_layers is not None:
        freeze_below(model, recipe.train_last_layers)
    rendered = render_mixture(recipe.data, tokenizer, recipe.parser, recipe.thinking)
    check_rows(recipe, rendered.examples)  # here, before the minutes of a preflight
    say(
        f"{recipe.name}: {len(rendered.examples)} examples ({rendered.dropped} dropped: prompt longer than "
        f"{recipe.data.max_prompt_tokens} tokens), {precision.name}, {torch.get_num_threads()} threads"
    )
    return Job(recipe, folder, precision, model, tokenizer, rendered, backend)


def check_reference(source: str, recipe: Recipe) -> None:
    """Raise `ModelError` where a KL term would pull towards another model than the one that the run starts from.

    TRL makes its reference from the folder that the model's config names. Of an adapter that is merged as it is loaded
    that is the model below it.
    """
    beta = recipe.trl.get("beta", 0.0) if recipe.kind == "grpo" else 0.0
    if beta and recipe.lora is None and adapter_folder(source) is not None:
        raise ModelError(
            f"{source}: holds an adapter, and with trl.beta {beta:g} the run would be pulled back to the model below "
            f"it. Merge it first (rlvr models merge {source} --out FOLDER) and start from FOLDER, or give lora."
        )


def _record(job: Job, resolved: Mapping[str, Any], source: str, resume: bool) -> None:
    """Write what the run is, before its first step."""
    recipe, folder = job.recipe, job.folder
    lines = [json.dumps(e.to_json(), ensure_ascii=False) for e in job.rendered.examples]
    processes.from_main(lambda: folder.keep_data(lines, resume=resume))
    folder.open(resolved)
    facts = {"stage": recipe.name, "kind": recipe.kind, "model": source, "seed": recipe.seed, "versions": versions()}
    facts |= {"precision": job.precision.name, "rollout": job.backend, "data": _counts(job.rendered)}
    facts |= {"processes": processes.count(), "finished": None}
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
    from rlvr.training import keeping

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    keeper = keeping.CheckpointCallback(folder, trainer)
    trainer.add_callback(keeper)
    checkpoint = keeping.resume(trainer, folder) if resume else None
    if checkpoint is not None and keeping.has_ended(trainer, checkpoint):
        keeping.finish(trainer, checkpoint)
        return
    with keeper.listening():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
