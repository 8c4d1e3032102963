"""Whether a running engine can take another model's weights: what it read once, when it started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_REWRITTEN = {"_name_or_path", "torch_dtype", "dtype", "transformers_version", "use_cache", "pad_token_id"}


def engine_shape(path: str | Path) -> object:
    """What an engine is built for: config, tokenizer, chat template, end tokens; without what training rewrites there.

    `None` where the folder cannot be read (a hub id): then the model gets an engine of its own.
    """
    folder = Path(path)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        words = _json_or_empty(folder / "tokenizer.json")
        template = folder / "chat_template.jinja"
        chat = template.read_text(encoding="utf-8") if template.is_file() else None
        chat = chat or _json_or_empty(folder / "tokenizer_config.json").get("chat_template")
        ends = _json_or_empty(folder / "generation_config.json").get("eos_token_id")  # vLLM reads it once, at its start
        ends = sorted(ends) if isinstance(ends, list) else [ends]
    except (OSError, ValueError):
        return None
    words = {k: v for k, v in words.items() if k not in ("truncation", "padding")}
    return {k: v for k, v in config.items() if k not in _REWRITTEN}, words, chat, ends


def _json_or_empty(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
