"""The supervised warm-up: TRL's `SFTTrainer` on completions only, with the prompts' shared parts computed once."""

from __future__ import annotations

from typing import Any

import torch
from trl import SFTConfig, SFTTrainer

from rlvr.training.shared_prefix import Row, score_targets


class SharedPrefixSFTTrainer(SFTTrainer):  # type: ignore[misc]
    """`SFTTrainer` whose loss shares the prompts' common parts between the rows of a batch.

    The loss is the mean negative log-likelihood of the completion tokens, as `SFTTrainer`'s own. Rows that offer the
    same tools must stand beside each other (`train_sampling_strategy="sequential"`).
    """

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        rows = [
            _row(ids, labels, mask)
            for ids, labels, mask in zip(
                inputs["input_ids"].tolist(), inputs["labels"].tolist(), inputs["attention_mask"].tolist(), strict=True
            )
        ]
        scores = score_targets(self.accelerator.unwrap_model(model), rows)
        count = scores.logps.numel() if num_items_in_batch is None else num_items_in_batch
        loss = -scores.logps.sum() / count
        self._metrics["train"]["mean_token_accuracy"].append(scores.hits.float().mean().item())
        self._metrics["train"]["entropy"].append(scores.entropies.mean().item())
        return (loss, {"logits": torch.empty(0)}) if return_outputs else loss


def _row(ids: list[int], labels: list[int], mask: list[int]) -> Row:
    kept = [i for i, m in zip(ids, mask, strict=True) if m]
    wanted = [x for x, m in zip(labels, mask, strict=True) if m]
    start = next((i for i, x in enumerate(wanted) if x != -100), len(kept))
    return Row(tuple(kept), start)


def build_trainer(
    model: Any,
    tokenizer: Any,
    rows: list[dict[str, Any]],
    args: SFTConfig,
    *,
    shared: bool,
    optimizer: Any,
    callbacks: list[Any],
) -> SFTTrainer:
    """An `SFTTrainer` over rows of `input_ids` and `completion_mask`."""
    from datasets import Dataset

    trainer = SharedPrefixSFTTrainer if shared else SFTTrainer
    return trainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        optimizers=(optimizer, None),
        callbacks=callbacks,
    )
