"""A job's trainer: TRL's, with what the recipe, the machine and rlvr's two savings ask for."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rlvr.errors import ModelError
from rlvr.training.dataset import grpo_rows, render_mixture, warmup_rows
from rlvr.training.job import Job, say


def build_trainer(job: Job) -> Any:
    """The trainer of a job, ready to train."""
    from datasets import disable_progress_bars
    from transformers import PrinterCallback

    disable_progress_bars()
    trainer = _grpo_trainer(job) if job.recipe.kind == "grpo" else _warmup_trainer(job)
    trainer.remove_callback(PrinterCallback)  # LogCallback writes the metrics, and a line of progress
    return trainer


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
    """Whether prompts are shared: wherever they can be, unless the recipe says off. A fallback says why."""
    from rlvr.training.sharing import disagreement, why_not

    if job.recipe.shared_prefix == "off":
        return False
    reason = why_not(job.model) or disagreement(job.model)
    if reason is None:
        return True
    if job.recipe.shared_prefix == "on":
        raise ModelError(f"{job.recipe.model}: shared_prefix: on: {reason}. Use shared_prefix: auto, which falls back.")
    say(f"{job.recipe.name}: prompts are not shared: {reason}. Steps take longer; the results are the same.")
    return False


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
    from rlvr.training.callbacks import LogCallback, TimeBudgetCallback

    # The budget's time is written before LogCallback marks a checkpoint as complete.
    budget = [TimeBudgetCallback(job.folder, job.recipe.max_minutes)] if job.recipe.max_minutes is not None else []
    return [*budget, LogCallback(job.folder, show)]


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
        decision_weight=job.recipe.targets.decision_weight,
        optimizer=_optimizer(job, args),
        callbacks=_callbacks(job, "loss"),
    )


def engine(job: Job) -> AbstractContextManager[None]:
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
    held_out = render_mixture(options.data, job.tokenizer, job.recipe.parser)
    length = trainer.args.max_completion_length

    def score() -> tuple[float, int]:
        return strict_score(trainer, held_out, job.recipe.parser, length)

    return SelectionCallback(job.folder, options.every, score, job.tokenizer)


def eos_token_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Every token that ends a completion: the generation config's and the tokenizer's."""
    ends = model.generation_config.eos_token_id
    ids = set(ends if isinstance(ends, (list, tuple)) else [ends]) | {tokenizer.eos_token_id}
    return tuple(sorted(i for i in ids if i is not None))
