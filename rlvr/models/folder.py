"""What a folder must hold to be a model that transformers and vLLM can load."""

from __future__ import annotations

import json
from pathlib import Path

from rlvr.errors import ModelError

WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")


def check_model_folder(path: str | Path) -> Path:
    """Return the folder where it holds a config, weights and a tokenizer; raise `ModelError` that names what is missing.

    An adapter folder (peft) is told apart, since it needs its base model.
    """
    path = Path(path)
    if not path.is_dir():
        raise ModelError(f"{path}: no such model folder. Give a folder, a hub id, or a name that `rlvr models list` shows.")
    if (path / "adapter_config.json").is_file() and not (path / "config.json").is_file():
        raise ModelError(f"{path}: holds a peft adapter without its base model. Merge it (`merge_and_unload`) and save.")
    missing = []
    if not (path / "config.json").is_file():
        missing.append("config.json")
    if not any((path / name).is_file() for name in WEIGHT_FILES):
        missing.append("weights (model.safetensors)")
    if not any((path / name).is_file() for name in TOKENIZER_FILES):
        missing.append("a tokenizer (tokenizer.json)")
    if missing:
        hint = _checkpoint_hint(path)
        raise ModelError(f"{path}: is not a complete model folder: no {', no '.join(missing)}.{hint}")
    _check_json(path / "config.json")
    return path


def _checkpoint_hint(path: Path) -> str:
    for name in ("final", "best"):
        if (path / name / "config.json").is_file():
            return f" It looks like a run folder: did you mean {path / name}?"
    return ""


def _check_json(path: Path) -> None:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON ({error}). The copy may be cut: fetch the model again.") from error
