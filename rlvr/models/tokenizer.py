"""The tokenizer of a model alone: to count a prompt's tokens, no weights are needed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from rlvr.errors import ModelError
from rlvr.extras import require
from rlvr.models.fetch import KNOWN_MODELS, fetch

_FILES = ("tokenizer", "chat_template", "special_tokens_map", "added_tokens", "vocab", "merges")


def tokenizer_digest(name: str | Path) -> str:
    """A SHA-256 of the files that tokenize and render prompts; a hub id is its own digest."""
    folder = Path(name)
    if not folder.is_dir():
        return str(name)
    total = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        place = file.relative_to(folder)
        if place.parts[0].startswith(_FILES) or place.parts[0] == "additional_chat_templates":
            total.update(f"{place.as_posix()} {file.stat().st_size}\n".encode() + file.read_bytes())
    return total.hexdigest()


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
