"""Sentence embeddings for the verifier, from any BERT-like model that transformers loads (extra `train`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from rlvr.extras import require
from rlvr.negatives.verifier import Embed


def load_embedder(model: str, *, batch_size: int = 64, max_tokens: int = 256) -> Embed:
    """A function from texts to vectors of length 1: the mean of the model's last layer over the tokens, as
    sentence-transformers' MiniLM models are used. `model` is a folder or a hub id.

    Raises `MissingExtraError` without torch and transformers.
    """
    for package in ("torch", "transformers"):
        require(package, "train", "an embedding of queries and tools")
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    network: Any = AutoModel.from_pretrained(model).eval()

    def embed(texts: Sequence[str]) -> NDArray[Any]:
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # like lengths together: less padding
        out: NDArray[Any] = np.zeros((len(texts), network.config.hidden_size), np.float64)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            batch = tokenizer(
                [texts[i] for i in rows], padding=True, truncation=True, max_length=max_tokens, return_tensors="pt"
            )
            with torch.inference_mode():
                hidden = network(**batch).last_hidden_state  # (rows, tokens, size)
            mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * mask).sum(1) / mask.sum(1)
            out[rows] = torch.nn.functional.normalize(mean, dim=-1).numpy()
        return out

    return embed
