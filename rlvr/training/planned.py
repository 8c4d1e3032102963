"""A recipe's curriculum, even order and resampling, brought to TRL's trainer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from rlvr.training.curriculum import Plan, join, plan
from rlvr.training.even import even_order
from rlvr.training.job import Job, say
from rlvr.training.run_folder import write_atomically
from rlvr.types import Example


def planned_dataset(
    job: Job, args: Any, rows: Sequence[dict[str, Any]], examples: Sequence[Example]
) -> tuple[Any, Plan | None]:
    """The rows in the order in which the run takes them, as a dataset, and the plan; without a curriculum as they come.
    `examples` are those of the rows, one each.

    With one, `args` is told not to shuffle and to make one pass; with `data.order: even` not to shuffle.
    """
    from datasets import Dataset

    options, dataset = job.recipe.curriculum, Dataset.from_list(list(rows))
    if job.recipe.data.order == "even":
        args.shuffle_dataset = False
        return dataset.select(even_order(examples, job.recipe.seed)), None
    if options is None:
        return dataset, None
    prompts = args.generation_batch_size // args.num_generations
    generations = planned_generations(args, len(rows))
    made = plan(
        join(examples, options.file),
        options,
        generations=generations,
        prompts=prompts,
        seed=job.recipe.seed,
    )
    args.shuffle_dataset = False
    if args.max_steps <= 0:
        args.num_train_epochs = 1
    lines = (json.dumps(line, ensure_ascii=False) for line in made.lines(examples))
    text = "".join(line + "\n" for line in lines)
    job.folder.keep_input("curriculum.file", text)
    write_atomically(job.folder.path / "data" / "curriculum.jsonl", text)
    job.folder.record(curriculum={"order": options.order, "generations": generations, **made.counts})
    say(
        f"{job.recipe.name}: curriculum {options.order}: {made.counts['rows']} rows over {generations} generations of "
        f"{prompts} prompts ({made.counts['dropped_unprobed']} dropped: not probed)"
    )
    return dataset.select(made.sequence), made


def planned_generations(args: Any, rows: int) -> int:
    """How many generations a run takes: of `max_steps`, or of its epochs over so many rows."""
    if args.max_steps <= 0:
        prompts = int(args.generation_batch_size) // int(args.num_generations)
        return max(1, math.floor(float(args.num_train_epochs) * (rows // prompts)))
    steps = int(args.max_steps) * int(args.gradient_accumulation_steps)
    return math.ceil(steps / (int(args.steps_per_generation) * int(args.num_iterations)))


def start_resampling(trainer: Any, job: Job, made: Plan | None) -> None:
    """Turn resampling on where the recipe asks for it; under a curriculum among what is open at the time."""
    options = job.recipe.resample
    if options is not None:
        trainer.resample(options.rounds, job.recipe.seed, _spares(trainer.args, made) if made is not None else None)


def _spares(args: Any, made: Plan) -> Callable[[int], Sequence[int]]:
    """Of a step, the places in the planned dataset where rows stand that are open then, each row once."""
    first: dict[int, int] = {}
    for place, index in enumerate(made.sequence):
        first.setdefault(index, place)
    per_step = args.gradient_accumulation_steps / (args.steps_per_generation * args.num_iterations)

    def spares(step: int) -> Sequence[int]:
        number = min(int(step * per_step), len(made.opened) - 1)
        return sorted(first[index] for index in made.opened[number] if index in first)

    return spares
