"""A job's trainer: TRL's, with what the recipe, the machine and rlvr's two savings ask for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from rlvr.errors import ModelError
from rlvr.training.dataset import grpo_rows, in_batches_of_lists, render_mixture, warmup_rows
from rlvr.training.early import trl_config, trl_errors
from rlvr.training.job import Job, say
from rlvr.training.lora import prepare_trainer, trainer_options
from rlvr.training.rollout_engine import guard_server, rollout_options
from rlvr.training.rule import needs_start


def build_trainer(job: Job) -> Any:
    """The trainer of a job, ready to train."""
    from datasets import disable_progress_bars
    from transformers import PrinterCallback

    from rlvr.training.loggers import place_loggers

    disable_progress_bars()
    trainer = _grpo_trainer(job) if job.recipe.kind == "grpo" else _warmup_trainer(job)
    prepare_trainer(trainer, job.recipe.lora)
    trainer.remove_callback(PrinterCallback)  # LogCallback writes the metrics, and a line of progress
    place_loggers(trainer, job)
    return trainer


def _options(job: Job) -> dict[str, Any]:
    """What TRL is told beside the recipe's own `trl`; the recipe wins where it may say something."""
    import torch

    from rlvr.training.loggers import logging_options

    common = {
        "output_dir": str(job.folder.saved.partial),
        "seed": job.recipe.seed,
        **logging_options(job),
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
    """Whether prompts are shared: wherever they can be, unless the recipe says off. A fallback says why."""
    from rlvr.training.sharing import by_options, disagreement, drops_out, why_not

    if job.recipe.shared_prefix == "off":
        return False
    reason = by_options(job.recipe.trl) or why_not(job.model) or disagreement(job.model)
    if job.recipe.lora is not None and job.recipe.lora.lora_dropout:
        reason = reason or "lora_dropout drops other values for every completion of a prompt"
    reason = reason or drops_out(job.model, bool(job.recipe.trl.get("disable_dropout")))
    if reason is None:
        return True
    if job.recipe.shared_prefix == "on":
        raise ModelError(f"{job.recipe.model}: shared_prefix: on: {reason}. Use shared_prefix: auto, which falls back.")
    say(f"{job.recipe.name}: prompts are not shared: {reason}. Steps take longer; the results are the same.")
    return False


def _optimizer(job: Job, args: Any) -> Any:
    if job.precision.name != "bf16-master" or job.recipe.lora is not None:  # an adapter is fp32 as it is
        return None
    from transformers import Trainer

    from rlvr.training.master_weights import MasterWeights

    with trl_errors():
        optimizer_cls, options = Trainer.get_optimizer_cls_and_kwargs(args, job.model)
    decay: dict[bool, list[Any]] = {True: [], False: []}
    for parameter in job.model.parameters():
        if parameter.requires_grad:
            decay[parameter.ndim > 1].append(parameter)  # as transformers: norms and biases do not decay
    groups = [
        {"params": params, "weight_decay": args.weight_decay if decays else 0.0}
        for decays, params in decay.items()
        if params
    ]
    return MasterWeights(groups, optimizer_cls, **options)


def _callbacks(job: Job, show: str) -> list[Any]:
    from rlvr.training.callbacks import LogCallback, TimeBudgetCallback

    budget = [TimeBudgetCallback(job.folder, job.recipe.max_minutes)] if job.recipe.max_minutes is not None else []
    return [*budget, LogCallback(job.folder, show)]


def _watch(job: Job, trainer: Any, looks: Any = None) -> Any:
    """Let the recipe's guards watch; they stand behind all other callbacks."""
    from rlvr.training.guards import GuardCallback

    if any(job.recipe.guards.given()):
        trainer.add_callback(GuardCallback(job.folder, job.recipe.guards, looks))
    return trainer


def _warmup_trainer(job: Job) -> Any:
    from trl import SFTConfig

    from rlvr.training.warmup import build_trainer

    rendered, shared = job.rendered, _shared(job)
    if shared:
        rendered = in_batches_of_lists(rendered, int(job.recipe.trl.get("per_device_train_batch_size", 8)))
    rows = warmup_rows(rendered, job.tokenizer, job.recipe.parser, job.recipe.targets, job.recipe.seed)
    longest = max(len(r["input_ids"]) for r in rows)
    options = {
        "train_sampling_strategy": "sequential",
        "completion_only_loss": True,
        **_options(job),
        "max_length": longest,
    }
    args = trl_config(SFTConfig, options)
    with trl_errors():
        trainer = build_trainer(
            job.model,
            job.tokenizer,
            rows,
            args,
            shared=shared,
            decision_weight=job.recipe.targets.decision_weight,
            optimizer=_optimizer(job, args),
            callbacks=_callbacks(job, "loss"),
            **trainer_options(job.recipe.lora, job.model),
        )
    return _watch(job, trainer)


def engine(job: Job) -> AbstractContextManager[None]:
    """On a CPU, vLLM needs a small piece of its own around TRL; a CUDA machine gets nothing."""
    from rlvr.rollouts.vllm_cpu import colocated_on_cpu, is_cpu

    on_cpu = job.backend == "vllm" and is_cpu()
    return colocated_on_cpu(job.recipe.engine.cpu_cache_gib) if on_cpu else nullcontext()


def _composition(job: Job) -> Any:
    """What the recipe's stage pays, the same after a resume; the file's other stages and its description may change."""
    from rlvr.rewards import load_composition

    composition = load_composition(str(job.recipe.composition), stage=job.recipe.stage)
    job.folder.keep_input("composition", repr(replace(composition, description="", stages=())))
    return composition


def _grpo_trainer(job: Job) -> Any:
    from trl import GRPOConfig

    from rlvr.integrations.trl import markup_is_special
    from rlvr.training.callbacks import SampleCallback
    from rlvr.training.environment import environment_road
    from rlvr.training.groups import trainer_class
    from rlvr.training.planned import planned_dataset, start_resampling
    from rlvr.training.recorder import record
    from rlvr.training.trajectory_samples import TrajectorySampleCallback

    recipe = job.recipe
    composition = _composition(job)
    eos = eos_token_ids(job.model, job.tokenizer)
    road = environment_road(job, composition, eos) if recipe.environment is not None else None
    # TRL's texts lack special tokens: where they are a call's markup, the rewards read the ids.
    by_ids = markup_is_special(job.tokenizer, recipe.parser)
    rewards = (
        road.rewards
        if road
        else composition.reward_functions(
            parser=recipe.parser, eos_token_ids=eos, tokenizer=job.tokenizer if by_ids else None
        )
    )
    options = {**_options(job), **rollout_options(job), **(road.config_options if road else {})}
    args = trl_config(GRPOConfig, {**options, "reward_weights": composition.weights()})
    rows = road.rows if road else grpo_rows(job.rendered, job.tokenizer)
    weights = {r.__name__: w for r, w in zip(rewards, composition.weights(), strict=True)}
    samples = (TrajectorySampleCallback if road else SampleCallback)(job.folder, weights, rows, recipe.parser)
    table = None
    if road is None:  # a trajectory has no one prompt and completion to be rescored
        categories = {e.id: e.category for e in job.rendered.examples}
        table = record(job.folder, rewards, composition, args, categories, recipe.log.completions)
    shared = _shared(job)
    dataset, plan = planned_dataset(job, args, rows, road.examples if road else job.rendered.examples)
    with trl_errors():
        trainer = trainer_class(shared)(
            model=job.model,
            reward_funcs=rewards,
            args=args,
            train_dataset=dataset,
            processing_class=job.tokenizer,
            optimizers=(_optimizer(job, args), None),
            callbacks=[*([table] if table else []), *_callbacks(job, "reward"), samples],
            **trainer_options(recipe.lora, job.model),
            **(road.trainer_options if road else {}),
        )
    _push_refusals(trainer, job, by_ids)
    guard_server(trainer, recipe)
    if shared:
        trainer.skip_zero_advantage = recipe.skip_zero_advantage
    samples.trainer = trainer
    if table is not None:
        table.trainer = trainer
        samples.table = table if by_ids else None
    start_resampling(trainer, job, plan)
    looks = _looks(job, trainer, composition, table) if recipe.selection is not None else None
    if looks is not None:
        trainer.add_callback(looks)
    return _watch(job, trainer, looks)


def _push_refusals(trainer: Any, job: Job, by_ids: bool) -> None:
    from rlvr.training.refusal_push import PushesAgain

    if job.recipe.refusal_push is not None:
        push = trainer.push_refusals(job.recipe.refusal_push, job.recipe.parser, job.tokenizer if by_ids else None)
        trainer.add_callback(PushesAgain(push))


def _looks(job: Job, trainer: Any, composition: Any, table: Any) -> Any:
    from rlvr.training.looks import LookCallback
    from rlvr.training.recorder import write_look
    from rlvr.training.selection import check_held_out, shared_look

    recipe, options = job.recipe, job.recipe.selection
    assert options is not None
    held_out = render_mixture(options.data, job.tokenizer, recipe.parser, recipe.thinking)
    check_held_out(options.rule, recipe.guards, held_out)
    lines = (json.dumps(example.to_json(), ensure_ascii=False) for example in held_out.examples)
    job.folder.keep_input("selection.data", "\n".join(lines))
    length = trainer.args.max_completion_length
    compared = needs_start(options.rule) or recipe.guards.false_calls is not None

    def keep(made: Sequence[Any]) -> None:
        if table is not None and trainer.is_world_process_zero():
            write_look(job.folder, trainer.state.global_step, held_out, made, composition, table.info)

    return LookCallback(
        job.folder,
        lambda: shared_look(trainer, held_out, recipe.parser, length, composition.matching, keep),
        job.tokenizer,
        every=options.every,
        rule=options.rule,
        start=options.start or compared,
        keep=options.keep,
    )


def eos_token_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Every token that ends a completion: the generation config's and the tokenizer's."""
    ends = model.generation_config.eos_token_id
    ids = set(ends if isinstance(ends, (list, tuple)) else [ends]) | {tokenizer.eos_token_id}
    return tuple(sorted(i for i in ids if i is not None))
