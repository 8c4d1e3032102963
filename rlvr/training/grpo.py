"""GRPO with TRL's `GRPOTrainer`, and three savings that leave its gradient as it is.

TRL has no public hook at these places: `_prepare_inputs`, `_compute_loss` and `_get_per_token_logps_and_entropies` are
overridden, each with TRL's own arguments, and call TRL's where a saving would change the loss (`sharing.why_not`, and
the conditions below).

A group's prompt is computed once (`shared_prefix`), and so is a completion that was sampled several times. Completions
whose advantage is 0 are left out of the pass: without a KL term and with a loss that is normalised by the tokens of the
whole generation (`dapo`), they add nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from trl import GRPOTrainer

from rlvr.training import processes
from rlvr.training.shared_prefix import Row
from rlvr.training.sharing import score_inside

# Loss types that TRL normalises by the generation's tokens: leaving rows out does not change what the others weigh.
NORMALISED_GLOBALLY = ("dapo", "cispo")
# Loss types that TRL normalises by the tokens of a micro-batch: which rows stand together is part of the loss.
NORMALISED_BY_BATCH = ("bnpo",)


class SharedPrefixGRPOTrainer(GRPOTrainer):  # type: ignore[misc]
    """`GRPOTrainer` that computes prompts and repeated completions once, and skips those without advantage."""

    skip_zero_advantage = True
    _buffered_inputs: list[dict[str, Any]]

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        if self.model.training and self._buffered_inputs is not before:
            # TRL has shuffled the rows before it split them: bring those of one prompt together again.
            window = self.args.gradient_accumulation_steps
            if self.loss_type not in NORMALISED_BY_BATCH and self._rows_are_independent():
                self._buffered_inputs = regroup_windows(self._buffered_inputs, window)
            inputs = self._buffered_inputs[self._step % self.args.steps_per_generation]
        return inputs

    def _rows_are_independent(self) -> bool:
        """Whether a row's part of the loss is the same whatever rows stand beside it.

        It is not under a bonus for entropy, and not where a mixture of experts is balanced over the batch's tokens.
        """
        balanced = getattr(self, "aux_loss_enabled", False)
        return bool(self.top_entropy_quantile == 1.0) and not self._entropy_bonus_enabled and not balanced

    def _rows_kept(self, inputs: dict[str, Any]) -> None:
        """Called with what is left of a batch, where rows were left out."""

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        if (
            self.skip_zero_advantage
            and self.beta == 0.0
            and self.loss_type in NORMALISED_GLOBALLY
            and self._rows_are_independent()
            and self.model.training
        ):
            keep = inputs["advantages"] != 0
            # One row at least, so that the step has a graph, and as many in every process, since TRL gathers them. The
            # loss of those that are added is 0.
            keep = at_least(keep, processes.largest(max(1, int(keep.sum()))))
            inputs = {k: _select(v, keep) for k, v in inputs.items()}
            self._rows_kept(inputs)
        return super()._compute_loss(model, inputs)

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Any, attention_mask: Any, logits_to_keep: int, *args: Any, **kwargs: Any
    ) -> Any:
        # The head's entropies carry no gradient, which a bonus for entropy needs.
        bonus = self._entropy_bonus_enabled and torch.is_grad_enabled()
        other = any(kwargs.get(k) is not None for k in ("pixel_values", "token_type_ids", "mm_token_type_ids"))
        if bonus or other or kwargs.get("compute_aux_loss"):
            return super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, *args, **kwargs
            )
        rows = rows_of(input_ids, attention_mask, logits_to_keep)
        # Rows of one prompt beside each other, and what was sampled twice computed once.
        scored = sorted(set(rows), key=lambda row: (row.ids[: row.start], row.ids))
        with self.accelerator.autocast():
            scores = score_inside(model, self.accelerator.unwrap_model(model), scored, self.temperature)
        logps = scatter(scores.logps, scored, rows, logits_to_keep)
        entropies = scatter(scores.entropies, scored, rows, logits_to_keep)
        return logps, entropies if kwargs.get("compute_entropy") else None, None


def rows_of(input_ids: torch.Tensor, attention_mask: torch.Tensor, logits_to_keep: int) -> list[Row]:
    """Rows of TRL's padded tensors: prompts padded on the left, completions (the last columns) on the right."""
    rows = []
    for ids, mask in zip(input_ids.tolist(), attention_mask.tolist(), strict=True):
        prompt = [t for t, m in zip(ids[:-logits_to_keep], mask[:-logits_to_keep], strict=True) if m]
        completion = [t for t, m in zip(ids[-logits_to_keep:], mask[-logits_to_keep:], strict=True) if m]
        rows.append(Row(tuple(prompt + completion), len(prompt)))
    return rows


def scatter(values: torch.Tensor, scored: list[Row], rows: list[Row], width: int) -> torch.Tensor:
    """Spread the targets' values of `scored`, one row after another, over a (rows, width) tensor.

    Every row of `rows` stands in `scored`, once however often it stands in `rows`.
    """
    begins: dict[Row, int] = {}
    total = 0
    for row in scored:
        begins[row] = total
        total += len(row.ids) - row.start
    places: list[int] = []
    sources: list[int] = []
    for i, row in enumerate(rows):
        length = len(row.ids) - row.start
        places += range(i * width, i * width + length)
        sources += range(begins[row], begins[row] + length)
    flat = torch.zeros(len(rows) * width, dtype=values.dtype, device=values.device)
    taken = values[torch.tensor(sources, dtype=torch.long, device=values.device)]
    return flat.index_put((torch.tensor(places, dtype=torch.long, device=values.device),), taken).view(len(rows), width)


def regroup_windows(batches: list[dict[str, Any]], window: int) -> list[dict[str, Any]]:
    """`regroup` within the micro-batches of one optimizer step, `window` of them, so that no step gets other rows."""
    if window % len(batches) == 0:
        return regroup(batches)
    if len(batches) % window:
        return batches
    return [b for i in range(0, len(batches), window) for b in regroup(batches[i : i + window])]


def regroup(batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Bring rows of one prompt together over all batches, and split them again in the same sizes.

    Batches that hold lists (images, say) stay as they are.
    """
    if len(batches) < 2 or any(isinstance(value, list) for value in batches[0].values()):
        return batches
    prompts = torch.cat([b["prompt_ids"] for b in batches]).tolist()
    first = {tuple(p): i for i, p in reversed(list(enumerate(prompts)))}
    order = torch.tensor(sorted(range(len(prompts)), key=lambda i: (first[tuple(prompts[i])], i)))
    sizes = [b["prompt_ids"].size(0) for b in batches]
    out: list[dict[str, Any]] = [dict(b) for b in batches]
    for key, value in batches[0].items():
        if isinstance(value, torch.Tensor) and value.dim() > 0 and value.size(0) == sizes[0]:
            joined = torch.cat([b[key] for b in batches])[order.to(value.device)]
            for batch, part in zip(out, torch.split(joined, sizes), strict=True):
                batch[key] = part
    return out


def at_least(keep: torch.Tensor, count: int) -> torch.Tensor:
    """Mark the first unmarked rows too, until `count` of them are.

    >>> at_least(torch.tensor([False, True, False, False]), 2).tolist()
    [True, True, False, False]
    """
    left = count - int(keep.sum())
    unmarked = (~keep).nonzero()[: max(0, left), 0]
    return keep.index_fill(0, unmarked, True)


def _select(value: Any, keep: torch.Tensor) -> Any:
    if isinstance(value, torch.Tensor) and value.dim() > 0 and value.size(0) == keep.size(0):
        return value[keep.to(value.device)]
    return value
