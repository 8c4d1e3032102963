"""verl: `compute_score`, its batch form, rows of a Parquet file, and a reward manager that sees what was cut.

    reward.custom_reward_function.path=pkg://rlvr.integrations.verl
    +reward.custom_reward_function.reward_kwargs.composition=function_calling
    +reward.custom_reward_function.reward_kwargs.stage=stage1

verl's own managers decode without special tokens and do not say what was cut at the length limit; `RewardManager` does
both. It is made when it is asked for, since its base class loads Ray:

    reward.reward_manager.source=importlib
    reward.reward_manager.name=RewardManager
    reward.reward_manager.module.path=pkg://rlvr.integrations.verl
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rlvr.errors import DataError
from rlvr.integrations.scorer import Scorer, read_row, row_of
from rlvr.parsers.token_ids import end_token_ids
from rlvr.types import Example

if TYPE_CHECKING:
    RewardManager: type[Any]

DATA_SOURCE = "rlvr"
_PROMPT_TOKENS = 40


def compute_score(
    data_source: Any,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    *,
    composition: str = "function_calling",
    stage: str | None = None,
    parser: str = "hermes",
    reasoning_parser: str = "think",
    reasoning_opened: bool = False,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float]:
    """One completion's numbers: `score` is the reward, `acc` 1 where it is right, and each component by its name.

    `ground_truth` and, in `extra_info`, `tools`, `expects`, `lang` and `query` are what `to_row` writes; `truncated` in
    it marks a completion that was cut. The reward model's address and tokenizer are verl's, and not used.
    Raises `DataError` with the row's id for a row that cannot be scored.
    """
    return compute_score_batch(
        [data_source],
        [solution_str],
        [ground_truth],
        [extra_info],
        composition=composition,
        stage=stage,
        parser=parser,
        reasoning_parser=reasoning_parser,
        reasoning_opened=reasoning_opened,
    )[0]


def compute_score_batch(
    data_sources: Sequence[Any],
    solution_strs: Sequence[str],
    ground_truths: Sequence[Any],
    extra_infos: Sequence[Mapping[str, Any] | None],
    *,
    composition: str = "function_calling",
    stage: str | None = None,
    parser: str = "hermes",
    reasoning_parser: str = "think",
    reasoning_opened: bool = False,
) -> list[dict[str, float]]:
    """The same over a batch, as verl's `batch` reward manager asks for it."""
    scorer = _scorer(composition, stage, parser, reasoning_parser, reasoning_opened)
    rows = [_row(*row) for row in zip(ground_truths, extra_infos, strict=True)]
    return [s.numbers() for s in scorer.batch(list(solution_strs), rows)]


def to_row(example: Example, data_source: str = DATA_SOURCE) -> dict[str, Any]:
    """One row of verl's Parquet files; verl renders `prompt` itself, with the tools where its config says so."""
    row = row_of(example)
    return {
        "data_source": data_source,
        "prompt": [dict(m) for m in example.messages],
        "ability": example.category,
        "reward_model": {"style": "rule", "ground_truth": row.pop("ground_truth")},
        "extra_info": row,
    }


def _row(ground_truth: Any, extra_info: Mapping[str, Any] | None) -> dict[str, Any]:
    extra = read_row(extra_info or {}, "extra_info")
    if extra.get("tools") is None:
        raise DataError(str(extra.get("id") or "extra_info"), "no tools; write the rows with to_row")
    return {**extra, "ground_truth": ground_truth}


@lru_cache(maxsize=16)
def _scorer(composition: str, stage: str | None, parser: str, reasoning_parser: str, opened: bool) -> Scorer:
    return Scorer(composition, stage, parser, reasoning_parser, opened)


def __getattr__(name: str) -> Any:
    if name == "RewardManager":
        return _manager()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@lru_cache(maxsize=1)
def _manager() -> type[Any]:
    base = import_module("verl.experimental.reward_loop.reward_manager.base").RewardManagerBase
    return type("RewardManager", (_Manager, base), {"__module__": __name__, "__doc__": _Manager.__doc__})


class _Manager:
    """A reward manager that decodes special tokens too, and counts a completion without its end as cut.

    `compute_score` is `compute_score` above, or a function of the same signature.
    """

    tokenizer: Any

    def __init__(
        self,
        config: Any,
        tokenizer: Any,
        compute_score: Any = None,
        reward_router_address: str | None = None,
        reward_model_tokenizer: Any = None,
    ) -> None:
        super().__init__(config=config, tokenizer=tokenizer, compute_score=compute_score)  # type: ignore[call-arg]
        self.score = compute_score or globals()["compute_score"]

    async def run_single(self, data: Any) -> dict[str, Any]:
        """Score the last sequence of one item, in a thread, so that the loop stays free."""
        item = data[-1:][0]
        ids, truncated = completion_ids(item, _ends(self.tokenizer))
        text = _decode(self.tokenizer, ids)
        fields = item.non_tensor_batch
        extra = {
            "prompts": _end_of_prompt(self.tokenizer, item),
            **fields.get("extra_info", {}),
            "truncated": truncated,
        }
        truth = fields["reward_model"]["ground_truth"]
        source = fields.get("data_source", DATA_SOURCE)
        result = await asyncio.to_thread(
            self.score, data_source=source, solution_str=text, ground_truth=truth, extra_info=extra
        )
        numbers = dict(result) if isinstance(result, Mapping) else {"score": float(result)}
        return {"reward_score": numbers["score"], "reward_extra_info": numbers}


def completion_ids(item: Any, ends: frozenset[int]) -> tuple[list[int], bool]:
    """The ids of an item's completion without padding and end, and whether it was cut at the length limit.

    `item.batch` holds `responses` (length) and `attention_mask` (prompt and completion).
    """
    responses = item.batch["responses"]
    length = responses.shape[-1]
    valid = int(item.batch["attention_mask"][-length:].sum())
    ids = [int(i) for i in responses[:valid]]
    truncated = bool(ends) and ends.isdisjoint(ids)
    while ids and ids[-1] in ends:
        ids.pop()
    return ids, truncated


def _end_of_prompt(tokenizer: Any, item: Any) -> str | None:
    """The last of an item's prompt as text: it tells whether a reasoning block was opened there. Padding is left."""
    ids = item.batch["prompts"][-_PROMPT_TOKENS:] if "prompts" in item.batch.keys() else ()  # noqa: SIM118 (a TensorDict)
    return _decode(tokenizer, [int(i) for i in ids]) if len(ids) else None


def _ends(tokenizer: Any) -> frozenset[int]:
    pad = getattr(tokenizer, "pad_token_id", None)
    return end_token_ids(tokenizer) | ({int(pad)} if pad is not None else set())


def _decode(tokenizer: Any, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
