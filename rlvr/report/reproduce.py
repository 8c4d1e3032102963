"""What is needed to come to the same figures: commands, models with their fingerprints, hashes, settings, versions."""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlvr import __version__
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.store import EvalStore
from rlvr.evaluation.suites import SUITES
from rlvr.report.runs import Run
from rlvr.rewards.matching import MODES


def reproduction(
    runs: Sequence[Run], store: EvalStore | None, records: Sequence[EvalRecord], out: Path
) -> dict[str, Any]:
    """Everything that the section shows: `commands` as (what, command), `models`, `hashes`, `settings`, `versions`."""
    commands = [(f"train {run.name}", _train(run)) for run in runs if run.recipe]
    if store is not None and store.settings:
        commands.append(("evaluate", evaluation_command(store)))
    commands.append(("this page", _report(runs, store, out)))
    settings = {} if store is None else store.settings
    versions = {} if store is None else store.versions
    return {
        "commands": commands,
        "models": [] if store is None else _models(store, records),
        "hashes": {} if store is None else _hashes(store),
        "settings": {name: _text(value) for name, value in settings.items()},
        "versions": {name: _text(value) for name, value in versions.items()},
        "page": {"rlvr": __version__, "python": platform.python_version()},
    }


def evaluation_command(store: EvalStore) -> str:
    """The `rlvr eval` that gives the folder's records again, by its settings.

    The count of examples is always given as the limit, which draws the same again, and all where all were drawn; the
    hash of the data tells whether it was the same. A folder that keeps its own `command` has that.
    """
    settings = store.settings
    if isinstance(settings.get("command"), str):
        return str(settings["command"])
    # Of `--structured both` the second of each pair is made by the option.
    models = [m for m in store.models.values() if not (m.free and settings.get("structured") == "both")]
    words = ["rlvr", "eval", *(f"{m.label}={m.path}" for m in models)]
    words += evaluation_flags(settings, str(settings.get("data") or store.folder / "examples.jsonl"))
    if settings.get("rollout") == "endpoint":
        words += _of_a_server(settings, models[0].made_with.get("engine") or {} if models else {})
    return shlex.join([*words, "--out", f"{store.folder}-again"])  # a folder that is complete would be skipped


def evaluation_flags(settings: Mapping[str, Any], data: str) -> list[str]:
    """The options of `rlvr eval` that settings stand for; `data` is a suite's name or a file.

    What an engine, a matching or a suite's option is not given by, but follows from the suite or a server, is left out.
    """
    words = ["--suite" if data in SUITES else "--data", data]
    prefix = "option."
    for name, value in settings.items():
        if name.startswith(prefix):
            words += ["--option", f"{name.removeprefix(prefix)}={value}"]
    matching, rollout = settings.get("matching"), settings.get("rollout")
    flags = {
        "--matching": matching if matching in MODES else None,
        "--parser": settings.get("parser"),
        "--limit": settings.get("examples"),
        "--seed": settings.get("seed"),
        "--rollout": None if rollout == "endpoint" else rollout,
        "--max-new-tokens": settings.get("max_new_tokens"),
        "--max-model-len": _length(settings),
        "--thinking": settings.get("thinking"),
    }
    for flag, value in flags.items():
        if value is not None:
            words += [flag, str(value)]
    structured = settings.get("structured")
    return [*words, *(["--structured"] if structured else []), *(["both"] if structured == "both" else [])]


def _of_a_server(settings: Mapping[str, Any], engine: Mapping[str, Any]) -> list[str]:
    """The options for a server, from what the first model was made with."""
    words = []
    for flag, value in (
        ("--endpoint", engine.get("url")),
        ("--api", settings.get("api")),
        ("--tokenizer", engine.get("tokenizer")),
        ("--concurrency", engine.get("concurrency")),
    ):
        words += [flag, str(value)] if value else []
    return words


def _length(settings: Mapping[str, Any]) -> int | None:
    """The `--max-model-len` that leaves this room for prompts, where they were measured."""
    prompt, new = settings.get("max_prompt_tokens"), settings.get("max_new_tokens")
    return prompt + new if isinstance(prompt, int) and isinstance(new, int) else None


def _train(run: Run) -> str:
    return shlex.join(["rlvr", "train", str(run.path / "recipe.yaml"), "--out", f"{run.path}-again"])


def _report(runs: Sequence[Run], store: EvalStore | None, out: Path) -> str:
    words = ["rlvr", "report", *(str(run.path) for run in runs)]
    words += ["--eval", str(store.folder)] if store is not None else []
    return shlex.join([*words, "--out", str(out)])


def _models(store: EvalStore, records: Sequence[EvalRecord]) -> list[dict[str, str]]:
    judged = Counter(r.model for r in records)
    return [
        {
            "label": m.label,
            "path": m.path,
            "fingerprint": m.fingerprint,
            "judged": str(judged[m.label]),
            "left_out": str(len(m.dropped)),
        }
        for m in store.models.values()
    ]


def _hashes(store: EvalStore) -> dict[str, str]:
    """The SHA-256 of the folder's files that figures come from."""
    files = [store.folder / "examples.jsonl", store.records_path, store.folder / "summary.json"]
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files if f.is_file()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
