"""The model that stands for a run, where it may be given to others; and the files that belong to a model."""

from __future__ import annotations

import json
from pathlib import Path

from rlvr.errors import ModelError, UsageError
from rlvr.models.adapter import ADAPTER_CONFIG, holds_model
from rlvr.models.folder import check_length, indexed_shards, inspect_model_folder

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_CARRIED = (".json", ".jinja", ".model", ".txt", ".tiktoken")
_OF_TRAINING = ("trainer_state.json", "training_args.json", "run.json", "preflight.json", "look.json")


def finished_model(source: Path) -> Path:
    """The model folder of a run that has finished, or the folder itself where it is a model's or an adapter's.

    Raises `UsageError` for a run that goes on or was stopped, since its model may still change, `ModelError` where
    there is no model.
    """
    if not source.is_dir():
        raise UsageError(f"{source}: no such folder. Give a run that `rlvr train` wrote, or a model folder.")
    if not (source / "run.json").is_file():
        if holds_model(source):
            return source
        stages = sorted(p.name for p in source.iterdir() if (p / "run.json").is_file())
        if stages:
            raise UsageError(f"{source}: holds several stages. Give one of them: {', '.join(stages)}.")
        raise ModelError(f"{source}: holds neither a run (run.json) nor a model (config.json, {ADAPTER_CONFIG}).")
    if not has_finished(source):
        raise UsageError(
            f"{source}: this run has not finished, and its model may still change. Finish it with --resume. Where it "
            f"shall stay as it is, give {source / 'final'} itself."
        )
    if not holds_model(source / "final"):
        raise ModelError(f"{source}: finished, and {source / 'final'} holds no model. Was it moved?")
    return source / "final"


def has_finished(run: Path) -> bool:
    """Whether a run came to its end; one that was resumed later goes on."""
    try:
        facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
        ended, resumed = facts.get("finished"), facts.get("resumed")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{run / 'run.json'}: cannot be read ({error}).") from error
    return bool(ended) and not (resumed and str(resumed) > str(ended))


def check_weights(folder: Path) -> None:
    """Raise `ModelError` where weights are missing, cut, or of a set of which not all are there."""
    if (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file():
        if not (folder / ADAPTER_WEIGHTS).is_file():
            raise ModelError(f"{folder}: holds {ADAPTER_CONFIG} and no {ADAPTER_WEIGHTS}. Save the adapter again.")
        check_length(folder / ADAPTER_WEIGHTS)
        return
    inspect_model_folder(folder)
    if not (folder / WEIGHTS).is_file() and not (folder / INDEX).is_file():
        raise ModelError(
            f"{folder}: its weights are pickled (.bin). Write safetensors: `rlvr export {folder} --to merged`."
        )
    strange = sorted(p.name for p in folder.glob("*.safetensors") if p.name not in _shards(folder))
    if strange:
        raise ModelError(
            f"{folder}: {strange[0]} is no part of the weights that {INDEX if (folder / INDEX).is_file() else WEIGHTS} "
            "names: they were saved twice, or saving was stopped. Save the model again into an empty folder."
        )


def model_files(folder: Path) -> list[Path]:
    """The files of a model folder that belong to the model: weights, configs, tokenizer, template, licence; no card."""
    shards = _shards(folder)
    return sorted(
        p
        for p in folder.iterdir()
        if p.is_file()
        and not p.name.startswith(".")
        and (p.name in shards or _carried(p.name) or p.name.upper().startswith(("LICENSE", "LICENCE", "NOTICE")))
    )


def _carried(name: str) -> bool:
    return name.endswith(_CARRIED) and name not in _OF_TRAINING


def _shards(folder: Path) -> set[str]:
    if (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file():
        return {ADAPTER_WEIGHTS}
    if (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        return {WEIGHTS}
    return indexed_shards(folder / INDEX)
