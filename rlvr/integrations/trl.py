"""TRL: a composition as the `reward_funcs` and `reward_weights` of `GRPOTrainer`, set up by the tokenizer.

    rewards = grpo_rewards("function_calling", stage="stage1", tokenizer=tokenizer)
    GRPOTrainer(reward_funcs=rewards.reward_funcs, args=GRPOConfig(reward_weights=rewards.reward_weights, …), …)

The dataset needs the columns of `rlvr.integrations.row_of` beside `prompt`. TRL hands `tools` to the rewards and never
to the chat template: render the prompts first, with `rlvr.training.dataset` or a way of your own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.errors import UsageError
from rlvr.integrations.scorer import row_of
from rlvr.parsers import detect, get_parser
from rlvr.parsers.token_ids import end_token_ids, special_tokens
from rlvr.rewards import Composition, load_composition
from rlvr.rewards.told import end_ids
from rlvr.types import ToolCall

__all__ = ["GRPORewards", "grpo_rewards", "markup_is_special", "row_of"]


@dataclass(frozen=True)
class GRPORewards:
    """What goes into the trainer. `by_ids`: completions are parsed from their token ids, special tokens included."""

    reward_funcs: list[Any]
    reward_weights: list[float]
    parser: str
    eos_token_ids: tuple[int, ...]
    by_ids: bool


def grpo_rewards(
    composition: str | Path | Composition = "function_calling",
    *,
    stage: str | None = None,
    tokenizer: Any = None,
    parser: str | None = None,
    eos_token_ids: Collection[int] | int | None = None,
    reasoning_parser: str = "think",
    reasoning_opened: bool = False,
) -> GRPORewards:
    """A composition for `GRPOTrainer`: one function a component, then the composition's own, async ones among them.

    From the tokenizer come the parser (its chat template's, where `parser` is not named), the tokens that end a
    completion (its own, and the special ones that models are known to stop at; name `eos_token_ids` where the
    generation config has others; a completion that holds none was cut), and whether text must be parsed from ids, since
    TRL skips special tokens before a reward sees the text.
    Raises `UsageError` where there is neither a tokenizer nor a parser, or the template's format is not known.
    """
    if parser is None:
        if tokenizer is None:
            raise UsageError("name the parser, or give the tokenizer, whose chat template tells it.")
        parser = detect(tokenizer)
    if not isinstance(composition, Composition):
        composition = load_composition(composition, stage)
    elif stage is not None and stage != composition.stage:
        raise UsageError(f"the composition is at {composition.stage}; load it at {stage!r} with load_composition.")
    eos = tuple(sorted(end_token_ids(tokenizer) if eos_token_ids is None else end_ids(eos_token_ids)))
    by_ids = tokenizer is not None and markup_is_special(tokenizer, parser)
    functions = composition.reward_functions(
        parser=parser,
        eos_token_ids=eos,
        reasoning_opened=reasoning_opened,
        reasoning_parser=reasoning_parser,
        tokenizer=tokenizer if by_ids else None,
    )
    return GRPORewards(list(functions), composition.weights(), parser, eos, by_ids)


def markup_is_special(tokenizer: Any, parser: str) -> bool:
    """Whether decoding without special tokens loses a call's markup, or a reasoning block's."""
    text = f"<think>a</think>{get_parser(parser).render([ToolCall('f', {'a': 1})])}"
    if parser == "llama3_json":
        text += "<|python_tag|>"  # read, and never rendered
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    special = special_tokens(tokenizer)
    return any(i in special for i in ids)
