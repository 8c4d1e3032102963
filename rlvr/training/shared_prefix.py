"""Log-probabilities of many completions over shared prompts, each prompt computed once.

In function calling a prompt (the tools) is long and a completion is short, and rows of a batch share prompts: the
completions of a GRPO group, or the queries put to one list of tools. The shared part runs once, with its key-value cache
under autograd; keys and values are expanded over the rows, and only the rest of each row runs on top. Log-probabilities
and gradients are those of the plain computation up to rounding (a test compares them).

Only logits of target tokens are computed: a vocabulary of 49,152 costs as much as a third of a 135M model's layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

# A shared prefix shorter than this is not worth a second pass.
MIN_PREFIX = 16
# A row joins a bucket that is padded to at most this times its shortest row.
MAX_PADDED = 1.4
# Rows of logits held at once: (rows, vocabulary) floats.
LOGIT_ROWS = 2048


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence: `ids` without padding, and where its targets begin (tokens `start` … end are predicted)."""

    ids: tuple[int, ...]
    start: int


@dataclass(frozen=True, slots=True)
class TargetScores:
    """For every target token, rows one after another: log-probability, entropy (no gradient), and whether it is the argmax."""

    logps: torch.Tensor  # (targets,) floats
    entropies: torch.Tensor  # (targets,) floats
    hits: torch.Tensor  # (targets,) bools


def group_rows(rows: list[Row]) -> list[tuple[int, list[int]]]:
    """Split rows into groups of neighbours with a common prefix: a list of (prefix length, row indices).

    The prefix never reaches the token before a row's first target, whose hidden state must be computed with the row.
    """
    groups: list[tuple[int, list[int]]] = []
    for index, row in enumerate(rows):
        limit = row.start - 1
        if groups:
            length, members = groups[-1]
            common = _common(rows[members[0]].ids, row.ids, min(length, limit))
            if common >= max(MIN_PREFIX, length // 2):
                groups[-1] = (common, [*members, index])
                continue
        groups.append((max(0, limit), [index]))
    return groups


def _common(a: tuple[int, ...], b: tuple[int, ...], limit: int) -> int:
    for position in range(min(limit, len(a), len(b))):
        if a[position] != b[position]:
            return position
    return min(limit, len(a), len(b))


def score_targets(model: Any, rows: list[Row], *, temperature: float = 1.0) -> TargetScores:
    """Score every row's targets under a causal language model of transformers, sharing prefixes between neighbours.

    Args:
        model: a `PreTrainedModel` for causal language modelling whose layers all use full attention.
        rows: sequences in the order in which the targets are returned.
        temperature: logits are divided by it, as the sampler does.
    """
    device = model.get_input_embeddings().weight.device
    groups = group_rows(rows)
    base, head = model.get_decoder(), model.get_output_embeddings()
    cache, prefix_mask = _prefixes(base, rows, groups, device)
    hidden, targets = _suffixes(base, rows, groups, cache, prefix_mask, device)
    return _score(head, hidden, targets, temperature)


def _prefixes(
    base: Any, rows: list[Row], groups: list[tuple[int, list[int]]], device: torch.device
) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], torch.Tensor]:
    """Run each group's prefix once; return keys and values a layer (groups, heads, width, size), and the mask."""
    from transformers import DynamicCache

    lengths = [length for length, _ in groups]
    width = max(lengths)
    if width == 0:
        return [], torch.zeros(len(groups), 0, dtype=torch.long, device=device)
    ids = torch.zeros(len(groups), width, dtype=torch.long)
    mask = torch.zeros(len(groups), width, dtype=torch.long)
    for g, (length, members) in enumerate(groups):
        if length:
            ids[g, width - length :] = torch.tensor(rows[members[0]].ids[:length])
            mask[g, width - length :] = 1
    ids, mask = ids.to(device), mask.to(device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = DynamicCache()
    base(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
    return [(layer.keys, layer.values) for layer in cache.layers], mask


def _suffixes(
    base: Any,
    rows: list[Row],
    groups: list[tuple[int, list[int]]],
    cache: list[tuple[torch.Tensor, torch.Tensor]],
    prefix_mask: torch.Tensor,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run what is left of every row; return the hidden states that predict targets (targets, size), and the targets."""
    owner = [g for g, (_, members) in enumerate(groups) for _ in members]
    rest = [row.ids[groups[g][0] :] for g, row in zip(owner, rows, strict=True)]
    states: dict[int, torch.Tensor] = {}
    for bucket in buckets([len(r) for r in rest]):
        members = [owner[i] for i in bucket]
        starts = [groups[g][0] for g in members]
        out = _one_bucket(base, [rest[i] for i in bucket], members, starts, cache, prefix_mask, device)
        for place, i in enumerate(bucket):
            first = rows[i].start - groups[owner[i]][0]
            states[i] = out[place, first - 1 : len(rest[i]) - 1]
    targets = [t for row in rows for t in row.ids[row.start :]]
    return torch.cat([states[i] for i in range(len(rows))]), torch.tensor(targets, device=device)


def buckets(lengths: list[int]) -> list[list[int]]:
    """Split rows by length, so that little of a padded batch is padding: (row indices, shortest first).

    >>> buckets([10, 90, 12, 11, 95])
    [[0, 3, 2], [1, 4]]
    """
    out: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if out and lengths[index] <= MAX_PADDED * lengths[out[-1][0]]:
            out[-1].append(index)
        else:
            out.append([index])
    return out


def _one_bucket(
    base: Any,
    rest: list[tuple[int, ...]],
    owner: list[int],
    starts: list[int],
    cache: list[tuple[torch.Tensor, torch.Tensor]],
    prefix_mask: torch.Tensor,
    device: torch.device,
) -> torch.Tensor:
    """Hidden states (rows, width, size) of rows of nearly one length, on top of their groups' prefixes."""
    from transformers import DynamicCache

    width = max(len(r) for r in rest)
    ids = torch.zeros(len(rest), width, dtype=torch.long)
    mask = torch.zeros(len(rest), width, dtype=torch.long)
    for i, tokens in enumerate(rest):
        ids[i, : len(tokens)] = torch.tensor(tokens)
        mask[i, : len(tokens)] = 1
    positions = torch.arange(width) + torch.tensor(starts).unsqueeze(1)
    index = torch.tensor(owner, device=device)
    expanded = DynamicCache()
    for number, (keys, values) in enumerate(cache):
        expanded.update(keys.index_select(0, index), values.index_select(0, index), number)
    full_mask = torch.cat([prefix_mask.index_select(0, index), mask.to(device)], dim=1)
    out = base(
        input_ids=ids.to(device),
        attention_mask=full_mask,
        position_ids=positions.to(device),
        past_key_values=expanded,
        use_cache=True,
    )
    hidden: torch.Tensor = out.last_hidden_state
    return hidden


def _score(head: Any, hidden: torch.Tensor, targets: torch.Tensor, temperature: float) -> TargetScores:
    logps, entropies, hits = [], [], []
    for states, wanted in zip(hidden.split(LOGIT_ROWS), targets.split(LOGIT_ROWS), strict=True):
        logits = head(states).float() / temperature  # (≤ LOGIT_ROWS, vocabulary)
        normaliser = logits.logsumexp(-1)
        logps.append(logits.gather(-1, wanted.unsqueeze(-1)).squeeze(-1) - normaliser)
        with torch.no_grad():
            probabilities = (logits.detach() - normaliser.detach().unsqueeze(-1)).exp()
            entropies.append(normaliser.detach() - (probabilities * logits.detach()).sum(-1))
            hits.append(logits.argmax(-1) == wanted)
    return TargetScores(torch.cat(logps), torch.cat(entropies), torch.cat(hits))


def supports(model: Any) -> bool:
    """Whether a model can share prefixes: a decoder whose layers all attend to everything before them."""
    config = getattr(model, "config", None)
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(config, "final_logit_softcapping", None):
        return False
    return hasattr(model, "get_decoder") and model.get_output_embeddings() is not None and not hasattr(model, "peft_config")
