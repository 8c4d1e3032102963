"""Run a recipe: data → prompts → trainer → checkpoints → the selected model in `RUN/final`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.data.mixture import DataOptions, MixtureCounts, load_mixture
from rlvr.errors import ModelError, RunError
from rlvr.models import resolve
from rlvr.rollouts import choose_backend
from rlvr.training.dataset import Rendered, grpo_rows, render_all, shuffled_by_tools, warmup_rows
from rlvr.training.precision import Precision, choose_precision
from rlvr.training.recipe import Recipe
from rlvr.training.run_folder import RunFolder, now, save_model, versions, write_atomically


def say(line: str) -> None:
    """One line of progress, on stderr: stdout is for results."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@dataclass(slots=True)
class Job:
    """What both kinds of training share."""

    recipe: Recipe
    folder: RunFolder
    precision: Precision
    model: Any
    tokenizer: Any
    rendered: Rendered
    backend: str


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
    try:
        with _engine(job):
            trainer = _grpo_trainer(job) if recipe.kind == "grpo" else _warmup_trainer(job)
            _fit(trainer, folder, resume)
    except OSError as error:
        kept = folder.last_checkpoint()
        left = f"The last complete checkpoint is {kept}." if kept else "No checkpoint was written yet."
        raise RunError(f"{out}: writing failed ({error}). {left} Free space, then go on with --resume.") from error
    if recipe.selection is None:
        save_model(trainer.accelerator.unwrap_model(trainer.model), job.tokenizer, folder.final)
    folder.record(finished=now(), seconds=round(time.monotonic() - started, 1), steps=trainer.state.global_step)
    minutes = (time.monotonic() - started) / 60
    say(f"{recipe.name}: {trainer.state.global_step} steps in {minutes:.1f} min → {folder.final}")
    return folder.final


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
    precision = choose_precision(recipe.precision)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(source, dtype=getattr(torch, precision.load_dtype))
    except (OSError, ValueError) as error:
        raise ModelError(f"{source}: cannot be loaded: {error}") from error
    model.config.use_cache = False
    if recipe.train_last_layers is not None:
        freeze_below(model, recipe.train_last_layers)
    rendered = _render(recipe.data, tokenizer, recipe)
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


def _render(data: DataOptions, tokenizer: Any, recipe: Recipe) -> Rendered:
    examples = load_mixture(data)
    if data.shuffle_groups:
        examples = shuffled_by_tools(examples, data.seed)
    return render_all(examples, tokenizer, recipe.parser, data.max_prompt_tokens)


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


def _options(job: Job) -> dict[str, Any]:
    """What TRL is told beside the recipe's own `trl`; the recipe wins where it may say something."""
    import torch

    common = {
        "output_dir": str(job.folder.checkpoints),
        "seed": job.recipe.seed,
        "report_to": [],
        "disable_tqdm": True,
        # Recomputing activations saves memory that short sequences do not need.
        "gradient_checkpointing": False,
        "logging_steps": 1,
        "save_total_limit": 2,
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        **job.precision.trl_options(),
    }
    return {**common, **job.recipe.trl}


def _shared(job: Job) -> bool:
    """Whether prompts are shared: asked for, or `auto` on a CPU with a model that can."""
    import torch

    from rlvr.training.shared_prefix import supports

    if job.recipe.shared_prefix == "off":
        return False
    able = supports(job.model)
    if job.recipe.shared_prefix == "on" and not able:
        raise ModelError(
            f"{job.recipe.model}: shared_prefix: on needs full attention in every layer. Use shared_prefix: auto."
        )
    return able and (job.recipe.shared_prefix == "on" or not torch.cuda.is_available())


def _optimizer(job: Job, args: Any) -> Any:
    if job.precision.name != "bf16-master":
        return None
    from rlvr.training.master_weights import MasterWeightAdamW

    return MasterWeightAdamW(
        [p for p in job.model.parameters() if p.requires_grad],
        lr=args.learning_rate,
        betas=(args.adam_beta1, args.adam_beta2),
        eps=args.adam_epsilon,
        weight_decay=args.weight_decay,
    )


def _callbacks(job: Job, show: str) -> list[Any]:
    from rlvr.training.callbacks import LogCallback, TimeLimitCallback

    out: list[Any] = [LogCallback(job.folder, show)]
    if job.recipe.max_minutes is not None:
        out.append(TimeLimitCallback(job.recipe.max_minutes))
    return out


def _warmup_trainer(job: Job) -> Any:
    from trl import SFTConfig

    from rlvr.training.warmup import build_trainer

    rows = warmup_rows(job.rendered, job.tokenizer, job.recipe.parser, job.recipe.targets, job.recipe.seed)
    longest = max(len(r["input_ids"]) for r in rows)
    args = SFTConfig(
        **{
            "train_sampling_strategy": "sequential",
            "completion_only_loss": True,
            **_options(job),
            "max_length": longest,
        }
    )
    return build_trainer(
        job.model,
        job.tokenizer,
        rows,
        args,
        shared=_shared(job),
        optimizer=_optimizer(job, args),
        callbacks=_callbacks(job, "loss"),
    )


def _engine(job: Job) -> AbstractContextManager[None]:
    """On a CPU, vLLM needs a small piece of its own around TRL; a CUDA machine gets nothing."""
    from rlvr.rollouts.vllm_cpu import colocated_on_cpu, is_cpu

    return colocated_on_cpu() if job.backend == "vllm" and is_cpu() else nullcontext()


def _grpo_trainer(job: Job) -> Any:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from rlvr.rewards import load_composition
    from rlvr.training.callbacks import SampleCallback
    from rlvr.training.grpo import SharedPrefixGRPOTrainer

    recipe = job.recipe
    composition = load_composition(str(recipe.composition), stage=recipe.stage)
    eos = eos_token_ids(job.model, job.tokenizer)
    rewards = composition.reward_functions(parser=recipe.parser, eos_token_ids=eos)
    vllm = {"use_vllm": True, "vllm_mode": "colocate"} if job.backend == "vllm" else {}
    args = GRPOConfig(**{**_options(job), **vllm, "reward_weights": composition.weights()})
    rows = grpo_rows(job.rendered, job.tokenizer)
    weights = {r.__name__: w for r, w in zip(rewards, composition.weights(), strict=True)}
    samples = SampleCallback(job.folder, weights, rows, recipe.parser)
    shared = _shared(job)
    trainer = (SharedPrefixGRPOTrainer if shared else GRPOTrainer)(
        model=job.model,
        reward_funcs=rewards,
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=job.tokenizer,
        optimizers=(_optimizer(job, args), None),
        callbacks=[*_callbacks(job, "reward"), samples],
    )
    if shared:
        trainer.skip_zero_advantage = recipe.skip_zero_advantage
    samples.trainer = trainer
    if recipe.selection is not None:
        trainer.add_callback(_selection(job, trainer))
    return trainer


def _selection(job: Job, trainer: Any) -> Any:
    from rlvr.training.callbacks import SelectionCallback
    from rlvr.training.selection import strict_score

    options = job.recipe.selection
    assert options is not None
    held_out = _render(options.data, job.tokenizer, job.recipe)
    length = trainer.args.max_completion_length

    def score() -> tuple[float, int]:
        return strict_score(trainer, held_out, job.recipe.parser, length)

    return SelectionCallback(job.folder, options.every, score, job.tokenizer)


def eos_token_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Every token that ends a completion: the generation config's and the tokenizer's."""
    ends = model.generation_config.eos_token_id
    ids = set(ends if isinstance(ends, (list, tuple)) else [ends]) | {tokenizer.eos_token_id}
    return tuple(sorted(i for i in ids if i is not None))


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
