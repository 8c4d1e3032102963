"""What a run's rollouts need: checks before the first step, what TRL is told, and what to say where an engine fails."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from rlvr.errors import ConfigError, RlvrError, RunError, UsageError
from rlvr.prompts import RenderedPrompt
from rlvr.rollouts.engine import grpo_options, machine_problems, serve_command, set_keys
from rlvr.rollouts.ports import GROUP_PORT, check_ports, port_in_use
from rlvr.rollouts.server import ServerLostError, check_server, guard
from rlvr.training.job import Job, say
from rlvr.training.recipe import Recipe, tokens_needed


def check_rollouts(recipe: Recipe, backend: str, model: str) -> None:
    """Check, before a model is loaded, that this machine can do what the recipe asks of its rollouts.

    Raises `UsageError`: a setting that this machine has no use for, a port in use, a server that does not answer.
    """
    if backend not in ("vllm", "vllm_server"):
        if backend == "transformers" and set_keys(recipe.engine):  # rollout: auto, without vLLM
            say("engine: vLLM is not installed, transformers generates; the block is not used")
        return check_ports()
    import torch

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    errors, notes = machine_problems(backend, recipe.engine, cuda=torch.cuda.is_available(), processes=processes)
    if errors:
        raise ConfigError(errors)
    for note in notes:
        say(note)
    if backend == "vllm":
        return check_ports(colocated=True)
    check_ports(group_port=recipe.engine.group_port or GROUP_PORT)
    name = check_server(
        recipe.engine.url,
        server_command(recipe, model),
        timeout=recipe.engine.server_timeout,
        needed_tokens=tokens_needed(recipe),
        say=say,
    )
    say(f"rollouts by the vLLM server at {recipe.engine.url}, which serves {name}")


def server_command(recipe: Recipe, model: str) -> str:
    """The command that starts the server of a recipe."""
    return serve_command(model, recipe.engine, tokens_needed(recipe))


def rollout_options(job: Job) -> dict[str, Any]:
    """What GRPOConfig is told of a job's rollouts."""
    return grpo_options(job.backend, job.recipe.engine, needed_tokens=tokens_needed(job.recipe))


def guard_server(trainer: Any, recipe: Recipe) -> None:
    """Where a trainer samples from a server: retries with a limit, and an error that leaves a checkpoint."""
    if getattr(trainer, "vllm_mode", None) != "server" or not trainer.use_vllm:
        return
    engine = recipe.engine
    guard(
        trainer.vllm_generation,
        url=engine.url,
        retries=engine.retries,
        retry_wait=engine.retry_wait,
        request_timeout=engine.request_timeout,
    )


def rollouts_failed(error: Exception, job: Job, trainer: Any, model: str) -> RlvrError | None:
    """The error to show where a run stopped because of its engine or a port; `None` where it is another.

    Where a server was lost, a checkpoint is written first: that is between two steps, so all that was trained stands.
    """
    if isinstance(error, ServerLostError):
        saved = save_checkpoint(trainer, job)
        return RunError(
            f"{job.folder.path}: {error}. {saved} Start the server again:\n    "
            f"{server_command(job.recipe, model)}\nThen go on with --resume."
        )
    starting = trainer is None and job.backend == "vllm_server"  # later a reward function may ask over the network
    if starting and type(error).__module__.split(".")[0] in ("requests", "urllib3"):
        return RunError(
            f"{job.folder.path}: the vLLM server at {job.recipe.engine.url} failed while the run began: {error}. Start "
            f"it again:\n    {server_command(job.recipe, model)}"
        )
    port = port_in_use(error)
    return UsageError(f"{job.folder.path}: {port}") if port else None


def save_checkpoint(trainer: Any, job: Job) -> str:
    """Write a checkpoint of a trainer that stopped between two steps, and say in a sentence what there is now."""
    step = trainer.state.global_step
    kept = job.folder.last_checkpoint()
    if kept is None or kept.name != f"checkpoint-{step}":
        if not step:
            return "No step was made yet."
        # TRL and transformers save by a callback's wish at the end of a step alone; this one never ends.
        trainer._save_checkpoint(trainer.model, None)
        trainer.callback_handler.on_save(trainer.args, trainer.state, trainer.control)
        kept = job.folder.last_checkpoint()
    return f"The last complete checkpoint is {kept}."


def greedy(trainer: Any, prompts: Sequence[RenderedPrompt], max_new_tokens: int) -> list[tuple[tuple[int, ...], bool]]:
    """Greedy completions of a trainer's engine, whatever its mode: token ids, and whether each was cut.

    TRL's own call is used, which wakes a sleeping engine, gathers over tensor parallel GPUs, and asks a server. Each
    process of a run gets all completions.
    """
    generation, accelerator = trainer.vllm_generation, trainer.accelerator
    generation.sync_weights()
    trainer._last_loaded_step = trainer.state.global_step
    rank, world = accelerator.process_index, accelerator.num_processes
    size = -(-len(prompts) // world)  # of each process; TRL wants the same number in each
    mine = [list(prompts[min(i, len(prompts) - 1)].token_ids) for i in range(rank * size, (rank + 1) * size)]
    told = {"temperature": 0.0, "top_p": 1.0, "top_k": 0, "min_p": None, "repetition_penalty": 1.0}
    told["max_completion_length"] = max_new_tokens
    before = {name: getattr(generation, name) for name in told}
    try:
        for name, value in told.items():
            setattr(generation, name, value)
        _, ids, _, _ = generation.generate(mine, None, num_generations=1)
    finally:
        for name, value in before.items():
            setattr(generation, name, value)
    from accelerate.utils import gather_object

    ends = set(trainer.eos_token_ids)
    made = [tuple(row) for row in gather_object([list(row) for row in ids])][: len(prompts)]
    return [(row, not row or row[-1] not in ends) for row in made]
