"""Log-probabilities of targets from hidden states and an output head; no fp32 logits wait for the backward pass.

A vocabulary of 49,152 costs as much as a third of a 135M model's layers, and most of that is moving logits through
memory. Here the softmax is computed once, in the forward pass, and `softmax - one_hot(target)` is kept in the head's
own precision: the negative gradient of a log-probability with respect to the logits. (Kept apart, a probability near
1 would be rounded to bf16 before the 1 is taken off.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

# Rows of fp32 logits held at once: (rows, vocabulary).
LOGIT_ROWS = 256


class HeadScores(NamedTuple):
    """One entry a target: log-probability, entropy (no gradient), and whether the target is the argmax."""

    logps: torch.Tensor  # (targets,) fp32
    entropies: torch.Tensor  # (targets,) fp32
    hits: torch.Tensor  # (targets,) bool


def score_head(head: Any, hidden: torch.Tensor, targets: torch.Tensor, temperature: float) -> HeadScores:
    """Score `targets` (n,) under `head(hidden) / temperature`, with hidden states (n, size).

    A head that is not a plain linear layer without bias (an adapter, say, or one that TRL gave another forward, as
    `cast_lm_head_to_fp32` does) is called as it is, under autograd. Under
    autocast the products are of its precision, and the gradients of the weights' own.
    """
    if type(head) is torch.nn.Linear and head.bias is None and "forward" not in head.__dict__:
        weight, kind = head.weight, hidden.device.type
        if torch.is_autocast_enabled(kind):
            dtype = torch.get_autocast_dtype(kind)
            hidden, weight = hidden.to(dtype), weight.to(dtype)
        with torch.autocast(kind, enabled=False):
            return HeadScores(*_LinearHead.apply(hidden, weight, targets, temperature))
    parts = [
        _called(head, hidden[i : i + LOGIT_ROWS], targets[i : i + LOGIT_ROWS], temperature)
        for i in range(0, targets.numel(), LOGIT_ROWS)
    ]
    logps, entropies, hits = zip(*parts, strict=True)
    return HeadScores(torch.cat(logps), torch.cat(entropies), torch.cat(hits))


def _called(
    head: Any, hidden: torch.Tensor, targets: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    logits = head(hidden).float() / temperature
    logps = logits.log_softmax(-1)
    with torch.no_grad():
        entropies = -(logps.exp() * logps).sum(-1)
        hits = logits.argmax(-1) == targets
    return logps.gather(-1, targets.unsqueeze(-1)).squeeze(-1), entropies, hits


class _LinearHead(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, temperature: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        count = targets.numel()
        kept = any(ctx.needs_input_grad[:2])
        slopes = hidden.new_empty((count, weight.size(0))) if kept else None
        logps, entropies = (torch.empty(count, dtype=torch.float32, device=hidden.device) for _ in range(2))
        hits = torch.empty(count, dtype=torch.bool, device=hidden.device)
        for begin in range(0, count, LOGIT_ROWS):
            rows = slice(begin, min(begin + LOGIT_ROWS, count))
            logits = torch.nn.functional.linear(hidden[rows], weight).float()
            if temperature != 1.0:
                logits.div_(temperature)
            hits[rows] = logits.argmax(-1) == targets[rows]
            logits.sub_(logits.logsumexp(-1, keepdim=True))  # log-probabilities from here
            logps[rows] = logits.gather(-1, targets[rows].unsqueeze(-1)).squeeze(-1)
            shares = logits.exp()
            entropies[rows] = -torch.einsum("nv,nv->n", shares, logits)
            if slopes is not None:
                places = targets[rows].unsqueeze(-1)
                slopes[rows] = shares.scatter_add_(-1, places, -torch.ones_like(places, dtype=shares.dtype))
        ctx.temperature = temperature
        if slopes is not None:
            ctx.save_for_backward(hidden, weight, slopes)
        ctx.mark_non_differentiable(entropies, hits)
        return logps, entropies, hits

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        hidden, weight, slopes = ctx.saved_tensors
        slope = slopes * (-grads[0] / ctx.temperature).unsqueeze(-1).to(hidden.dtype)  # (targets, vocabulary)
        for_hidden = slope @ weight if ctx.needs_input_grad[0] else None
        for_weight = slope.t() @ hidden if ctx.needs_input_grad[1] else None
        return for_hidden, for_weight, None, None
