"""Attention by plain matrix products, for a CPU.

In bf16 torch's fused attention takes three times as long, forward and backward, as two matrix products and a softmax
over a sequence of 600 tokens (`benchmarks/attention.py`). The arithmetic is that of transformers' `eager`, without a
copy of the keys and values for every query head. In a packed sequence (`shared_prefix`) every segment meets its own
tokens and its prefix alone, so that nothing is computed to be masked: that pays in fp32 too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import torch

NAME = "rlvr_matmul"
# Of a packed sequence, in order: (tokens of a segment, the index of the segment that holds its prefix, or None).
Segments: TypeAlias = Sequence[tuple[int, int | None]]


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    segments: Segments | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of (batch, heads, tokens, size) queries over (batch, key heads, keys, size), as transformers calls it.

    `attention_mask` is additive, (batch or 1, 1, tokens, keys). With `segments` it is left aside: a token sees its
    segment up to itself, and all of its segment's prefix. Returns (batch, tokens, heads, size).
    """
    dropout = dropout if dropout and module.training else 0.0
    if segments is None:
        return _attend(query, key, value, attention_mask, scaling, dropout).transpose(1, 2), None
    lengths = [length for length, _ in segments]
    queries, keys, values = (torch.split(x, lengths, dim=2) for x in (query, key, value))
    causal = _causal(max(lengths), query)
    out = []
    for index, (length, prefix) in enumerate(segments):
        own_keys, own_values, mask = keys[index], values[index], causal[:length, :length]
        if prefix is not None and lengths[prefix]:
            own_keys = torch.cat((keys[prefix], own_keys), dim=2)
            own_values = torch.cat((values[prefix], own_values), dim=2)
            mask = torch.nn.functional.pad(mask, (lengths[prefix], 0))
        out.append(_attend(queries[index], own_keys, own_values, mask[None, None], scaling, dropout))
    return torch.cat(out, dim=2).transpose(1, 2), None


def _causal(length: int, like: torch.Tensor) -> torch.Tensor:
    hidden = torch.ones(length, length, dtype=torch.bool, device=like.device).triu(1)
    return like.new_zeros(length, length).masked_fill_(hidden, torch.finfo(like.dtype).min)


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    dropout: float,
) -> torch.Tensor:
    """(batch, heads, tokens, size)."""
    batch, heads, tokens, size = query.shape
    kinds, keys = key.shape[1], key.shape[2]
    folded = (query * scaling).reshape(batch, kinds, heads // kinds * tokens, size)
    scores = (folded @ key.transpose(-1, -2)).view(batch, kinds, heads // kinds, tokens, keys)
    if mask is not None:
        scores = scores + mask[:, :, None, :, :keys]
    shares = torch.softmax(scores, dim=-1)
    if dropout:
        shares = torch.nn.functional.dropout(shares, dropout)
    out = shares.view(batch, kinds, heads // kinds * tokens, keys) @ value
    return out.view(batch, heads, tokens, size)


def takes_segments(model: Any) -> bool:
    """Whether `plain_attention(model, segments)` computes by segments: on a CPU, but for gradient checkpointing.

    Layers that are computed again in the backward pass must be computed as they were, and the block is over by then.
    """
    again = model.training and getattr(model, "is_gradient_checkpointing", False)
    return model.get_input_embeddings().weight.device.type == "cpu" and not again


@contextmanager
def plain_attention(model: Any, segments: Segments | None = None) -> Iterator[None]:
    """Use `attend` inside the block where it is the faster one (`takes_segments`), without segments in bf16 alone.

    The layers must have no sliding window.
    """
    slower = segments is None and model.get_input_embeddings().weight.dtype != torch.bfloat16
    if slower or not takes_segments(model):
        yield
        return
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(NAME, partial(attend, segments=segments))
    config = model.config
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before
