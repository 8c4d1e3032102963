"""The supervised warm-up: TRL's `SFTTrainer` on completions only, with the prompts' shared parts computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from trl import SFTConfig, SFTTrainer

from rlvr.errors import UsageError
from rlvr.training.shared_prefix import Row
from rlvr.training.sharing import score_inside

# How many tokens decide: with some tokenizers "<tool_call>" and "<think>" share their first.
DECIDING = 2


class SharedPrefixSFTTrainer(SFTTrainer):  # type: ignore[misc]
    """`SFTTrainer` whose loss shares the prompts' common parts between the rows of a batch.

    The loss is the mean negative log-likelihood of the completion tokens, as `SFTTrainer`'s own, but that the tokens
    which decide whether to call count more (`decision_weights`). Rows that offer the same tools must stand beside each
    other (`train_sampling_strategy="sequential"`).
    """

    decision_weight = 1.0
    opening: tuple[int, ...] = ()  # the token ids of an opening reasoning tag

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if self.aux_loss_enabled or self.label_smoother is not None:
            # What TRL adds for a mixture of experts, and smoothing, go through whole logits.
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        rows = [
            _row(ids, labels, mask)
            for ids, labels, mask in zip(
                inputs["input_ids"].tolist(), inputs["labels"].tolist(), inputs["attention_mask"].tolist(), strict=True
            )
        ]
        with self.accelerator.autocast():
            scores = score_inside(model, self.accelerator.unwrap_model(model), rows)
        count = scores.logps.numel() if num_items_in_batch is None else num_items_in_batch
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            # It counts the tokens of all processes, whose gradients are averaged.
            count = count / self.accelerator.num_processes
        weights = decision_weights(rows, self.opening, self.decision_weight).to(scores.logps)
        loss = -(scores.logps * weights / weights.mean()).sum() / count
        self._metrics["train"]["mean_token_accuracy"].append(scores.hits.float().mean().item())
        self._metrics["train"]["entropy"].append(scores.entropies.mean().item())
        return (loss, {"logits": torch.empty(0)}) if return_outputs else loss


def decision_weights(rows: Sequence[Row], opening: tuple[int, ...], weight: float) -> torch.Tensor:
    """One weight a target token, row after row: `weight` for the first `DECIDING` of a completion and for as many after
    its opening reasoning tag, 1 for the others.
    """
    parts = []
    for row in rows:
        completion = row.ids[row.start :]
        part = torch.ones(len(completion))
        part[:DECIDING] = weight
        if opening and completion[: len(opening)] == opening:
            part[len(opening) : len(opening) + DECIDING] = weight
        parts.append(part)
    return torch.cat(parts)


def opening_ids(tokenizer: Any) -> tuple[int, ...]:
    """The token ids with which every reasoning block begins, whatever stands in it."""
    ids = [tokenizer(f"<think>\n{text}", add_special_tokens=False)["input_ids"] for text in ("A", "i", "他", "Đ")]
    return tuple(first for first, *others in zip(*ids, strict=False) if all(x == first for x in others))


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
    decision_weight: float = 1.0,
    optimizer: Any,
    callbacks: list[Any],
    peft_config: Any = None,
) -> SFTTrainer:
    """An `SFTTrainer` over rows of `input_ids` and `completion_mask`; `peft_config` makes an adapter (`lora_config`).

    Raises `UsageError` where decisions shall count more than once and TRL's own loss is taken, which cannot: prompts
    are not shared, labels are smoothed, or the model is a balanced mixture of experts; and for the loss `dft` over
    shared prompts, which is not computed there.
    """
    from datasets import Dataset

    if shared and args.loss_type == "dft":
        raise UsageError("trl.loss_type: dft is not computed over shared prompts: set shared_prefix: off, or take nll.")
    if decision_weight != 1.0 and not shared:
        raise UsageError("targets.decision_weight needs shared prefixes: set shared_prefix: on, or leave it out.")
    trainer = (SharedPrefixSFTTrainer if shared else SFTTrainer)(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        optimizers=(optimizer, None),
        callbacks=callbacks,
        peft_config=peft_config,
    )
    if shared:
        if decision_weight != 1.0 and (trainer.aux_loss_enabled or trainer.label_smoother is not None):
            raise UsageError(
                "targets.decision_weight cannot be had with trl.label_smoothing_factor, nor with a mixture of experts "
                "that TRL balances: leave it out, or set trl.router_aux_loss_coef: 0."
            )
        trainer.decision_weight, trainer.opening = decision_weight, opening_ids(tokenizer)
    return trainer
