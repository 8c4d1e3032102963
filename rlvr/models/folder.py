"""What a folder must hold to be a model that transformers and vLLM can load."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from rlvr.errors import ModelError

WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")


def check_model_folder(path: str | Path) -> Path:
    """Return the folder where it holds a config, weights and a tokenizer; else `ModelError` names what is missing.

    An adapter folder (peft) is told apart, since it needs its base model.
    """
    path = Path(path)
    if not path.is_dir():
        raise ModelError(
            f"{path}: no such model folder. Give a folder, a hub id, or a name that `rlvr models list` shows."
        )
    if (path / "adapter_config.json").is_file() and not (path / "config.json").is_file():
        raise ModelError(
            f"{path}: holds a peft adapter without its base model. Merge it: `rlvr models merge {path} --out FOLDER`."
        )
    missing = []
    if not (path / "config.json").is_file():
        missing.append("config.json")
    if not any((path / name).is_file() for name in WEIGHT_FILES):
        missing.append("weights (model.safetensors)")
    if not any((path / name).is_file() for name in TOKENIZER_FILES):
        missing.append("tokenizer (tokenizer.json)")
    if missing:
        hint = _checkpoint_hint(path)
        raise ModelError(f"{path}: is not a complete model folder: no {', no '.join(missing)}.{hint}")
    _read_json(path / "config.json")
    return path


def inspect_model_folder(path: str | Path) -> str:
    """Say in one line what a complete model folder holds. Raises `ModelError` also where weights are cut short.

    Beyond `check_model_folder`: every file that the index of the weights names is there, and every safetensors file is
    as long as its header says. No weight is loaded.
    """
    path = check_model_folder(path)
    config = _read_json(path / "config.json")
    index = path / "model.safetensors.index.json"
    shards = [path / "model.safetensors"]
    if not shards[0].is_file():
        shards = sorted(path / name for name in indexed_shards(index)) if index.is_file() else []
    for shard in shards:
        if not shard.is_file():
            raise ModelError(
                f"{path}: the index of the weights names {shard.name}, which is not there. Fetch it again."
            )
        check_length(shard)
    size = sum((shard.stat().st_size for shard in shards), 0) / 1e6
    kind = ", ".join(config.get("architectures") or ["architecture unknown"])
    context = config.get("max_position_embeddings", "unknown")
    return f"{path}: a complete model folder ({kind}, context {context} tokens, weights {size:.1f} MB)"


def indexed_shards(index: Path) -> set[str]:
    """The weight files that an index names. Raises `ModelError` where it is none."""
    names = _read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ModelError(f"{index}: names no weight files (weight_map). Fetch the model again.")
    return {str(name) for name in names.values()}


def check_length(file: Path) -> None:
    """A safetensors file begins with the length of its header, and the header tells where the last tensor ends."""
    size = file.stat().st_size
    with file.open("rb") as weights:
        head = weights.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        text = weights.read(length) if 8 + length <= size else b""
    try:
        header = json.loads(text)
        end = (
            8 + length + max((t["data_offsets"][1] for name, t in header.items() if name != "__metadata__"), default=0)
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{file}: is not a safetensors file, or is cut. Fetch or save the model again.") from error
    if end != size:
        raise ModelError(f"{file}: has {size} bytes, and its header wants {end}. Fetch or save the model again.")


def _checkpoint_hint(path: Path) -> str:
    for name in ("final", "best"):
        if (path / name / "config.json").is_file():
            return f" It looks like a run folder: did you mean {path / name}?"
    return ""


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path}: cannot be read as JSON ({error}). The copy may be cut: fetch the model again."
        ) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: got {type(value).__name__}, expected an object. Fetch the model again.")
    return value
