"""The tokenizer of a model alone: to count a prompt's tokens, no weights are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlvr.errors import ModelError
from rlvr.extras import require
from rlvr.models.fetch import KNOWN_MODELS, fetch


def load_tokenizer(name: str) -> Any:
    """The tokenizer of a known name, a model folder (one with the tokenizer's files alone will do) or a hub id.

    Raises `ModelError`, with what to do offline, where it cannot be had, `MissingExtraError` without transformers.
    """
    require("transformers", "train", "Counting tokens")
    from transformers import AutoTokenizer

    source = str(fetch(name)) if name in KNOWN_MODELS else str(Path(name).expanduser())
    try:
        return AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{name}: its tokenizer cannot be loaded ({reason}). Without a network, give a folder that holds "
            f"tokenizer.json and tokenizer_config.json."
        ) from error
