"""Attention by plain matrix products, for bf16 on a CPU.

There torch's fused attention takes three times as long, forward and backward, as two matrix products and a softmax over
a sequence of 600 tokens (`benchmarks/attention.py`). The arithmetic is that of transformers' `eager`, without a
copy of the keys and values for every query head.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

NAME = "rlvr_matmul"


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of (batch, heads, tokens, size) queries over (batch, key heads, keys, size), as transformers calls it.

    `attention_mask` is additive, (batch or 1, 1, tokens, keys). Returns (batch, tokens, heads, size).
    """
    batch, heads, tokens, size = query.shape
    kinds, keys = key.shape[1], key.shape[2]
    folded = (query * scaling).reshape(batch, kinds, heads // kinds * tokens, size)
    scores = (folded @ key.transpose(-1, -2)).view(batch, kinds, heads // kinds, tokens, keys)
    if attention_mask is not None:
        scores = scores + attention_mask[:, :, None, :, :keys]
    shares = torch.softmax(scores, dim=-1)
    if dropout:
        shares = torch.nn.functional.dropout(shares, dropout, module.training)
    out = shares.view(batch, kinds, heads // kinds * tokens, keys) @ value
    return out.view(batch, heads, tokens, size).transpose(1, 2), None


@contextmanager
def plain_attention(model: Any) -> Iterator[None]:
    """Use `attend` inside the block where it is the faster one: a model in bf16 on a CPU, without a sliding window."""
    weight = model.get_input_embeddings().weight
    if weight.dtype != torch.bfloat16 or weight.device.type != "cpu":
        yield
        return
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
    config = model.config
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before
