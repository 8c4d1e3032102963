"""The folder of an evaluation: what was asked, the examples, the records, and the summary.

    evaluation.json   settings, models with the fingerprint of their weights, versions
    examples.jsonl    the examples, as they were shown
    records.jsonl     one line an example and model, appended chunk by chunk
    timings.jsonl     how long each completion took, where the engine can say (`rlvr.evaluation.latency`)
    answers.jsonl     a server's answers, as they came (`rlvr.rollouts.journal`)
    summary.json      every figure, unrounded
    table.md          the same for the eye

A folder belongs to one setting: going on with another one is a `UsageError`, since the records would not be comparable.
Where nothing was generated yet (a command that failed), another setting may take the folder.
A model whose weights changed since is evaluated anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rlvr.errors import DataError, UsageError
from rlvr.evaluation.records import EvalRecord, append_records, read_jsonl_tolerant, read_records, write_records
from rlvr.paths import write_whole
from rlvr.types import Example

_SAMPLED_PLACES = 64
_SAMPLE_BYTES = 16_384


@dataclass(slots=True)
class StoredModel:
    """A model of the folder: `dropped` are the ids whose prompts were too long for it.

    `free` is the label of the same model without structured outputs; `made_with` says engine, sampling and chat
    template (`rlvr.evaluation.about`); `versions` are those of the packages that its records were
    made with, several where it was gone on with after an upgrade.
    """

    label: str
    path: str
    fingerprint: str
    dropped: list[str] = field(default_factory=list)
    free: str = ""
    made_with: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


class EvalStore:
    """Reads and writes one evaluation folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records_path = folder / "records.jsonl"
        self.settings: dict[str, Any] = {}
        self.versions: dict[str, str] = {}
        self._now: dict[str, str] = {}
        self.models: dict[str, StoredModel] = {}
        self._load()

    def open(self, settings: Mapping[str, Any], examples: Sequence[Example], versions: Mapping[str, str]) -> None:
        """Begin, or go on with, an evaluation. Raises `UsageError` where the folder belongs to another setting."""
        if self.settings:
            self._check_same(settings)
        elif self.records_path.exists():
            raise UsageError(f"{self.folder}: holds records.jsonl without evaluation.json. Give another --out folder.")
        self.settings, self._now = dict(settings), dict(versions)
        if not any(m.versions for m in self.models.values()):  # else they say what made the records that are here
            self.versions = dict(versions)
        write_text(self.folder / "examples.jsonl", examples_text(examples))
        self.save()

    def register(self, label: str, path: str, print_of_weights: str, free: str = "") -> bool:
        """Note a model; `True` where records of older weights under its label were thrown away."""
        known = self.models.get(label)
        changed = known is not None and known.fingerprint != print_of_weights
        if changed:
            write_records(self.records_path, [r for r in self.records() if r.model != label])
        if known is None or changed:
            self.models[label] = StoredModel(label, path, print_of_weights, free=free)
            self.save()
        return changed

    def note(self, label: str, made_with: Mapping[str, Any], *, begun: bool) -> None:
        """Write beside a model what its completions are made with, before they are made. `begun`: some are there."""
        stored = self.models[label]
        before = stored.versions if begun else {}
        stored.made_with, stored.versions = dict(made_with), _joined([before, self._now])
        self.versions = _joined([m.versions for m in self.models.values()])
        self.save()

    def drop(self, label: str, ids: Sequence[str]) -> None:
        """Note examples that a model cannot be asked."""
        stored = self.models[label]
        stored.dropped = sorted({*stored.dropped, *ids})
        self.save()

    def records(self) -> list[EvalRecord]:
        """All records, models in the order in which they were registered, examples by id."""
        order = {label: i for i, label in enumerate(self.models)}
        found = {(r.model, r.id): r for r in read_records(self.records_path)}
        return sorted(found.values(), key=lambda r: (order.get(r.model, len(order)), r.id))

    def keep_only(self, records: Sequence[EvalRecord]) -> None:
        """Rewrite the records where the file holds others, or a line that was cut."""
        wanted = {(r.model, r.id) for r in records}
        lines = self.records_path.read_bytes().count(b"\n") if self.records_path.exists() else 0
        if lines != len(wanted) or {(r.model, r.id) for r in read_records(self.records_path)} != wanted:
            write_records(self.records_path, records)

    def append(self, records: Sequence[EvalRecord]) -> None:
        append_records(self.records_path, records)

    def examples(self) -> list[dict[str, Any]]:
        """The examples as JSON objects; `[]` in a folder that has none."""
        return [value for _, value in read_jsonl_tolerant(self.folder / "examples.jsonl")]

    def save(self) -> None:
        value = {
            "settings": self.settings,
            "models": [asdict(m) for m in self.models.values()],
            "versions": self.versions,
        }
        write_json(self.folder / "evaluation.json", value)

    def _load(self) -> None:
        path = self.folder / "evaluation.json"
        if not path.exists():
            return
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            self.settings, self.versions = dict(value["settings"]), dict(value["versions"])
            self.models = {m["label"]: StoredModel(**m) for m in value["models"]}
            for model in self.models.values():
                model.versions = model.versions or dict(self.versions)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(str(path), f"not the settings of an evaluation: {error}") from error

    def _check_same(self, settings: Mapping[str, Any]) -> None:
        differing = [
            f"{key}: {self.settings.get(key)!r} there, {settings.get(key)!r} now"
            for key in sorted(set(self.settings) | set(settings))
            if self.settings.get(key) != settings.get(key)
        ]
        if not differing:
            return
        if self.records() or any(self.folder.glob("steps-*.jsonl")):  # steps: of running dialogues
            raise UsageError(
                f"{self.folder}: holds an evaluation with other settings ({'; '.join(differing)}). "
                "Give another --out folder, or the same settings."
            )
        self.models = {}


def _joined(versions: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The packages of all, each with the versions that occur: `0.1.0`, or `0.1.0 and 0.2.0`."""
    out: dict[str, list[str]] = {}
    for package, version in ((p, v) for told in versions for p, text in told.items() for v in text.split(" and ")):
        if version not in out.setdefault(package, []):
            out[package].append(version)
    return {package: " and ".join(found) for package, found in out.items()}


def examples_text(examples: Sequence[Example]) -> str:
    """The examples as JSONL, by id: the same for the same examples in any order."""
    ordered = sorted(examples, key=lambda e: e.id)
    return "".join(json.dumps(e.to_json(), ensure_ascii=True, sort_keys=True) + "\n" for e in ordered)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


_OF_TRAINING = ("trainer_state.json", "training_args.bin", "look.json")
"""Beside a model's weights in a run's folder, and no part of it."""


def fingerprint(path: str | Path) -> str:
    """What tells one set of weights from another: sizes, and bytes sampled over the weight files, config and tokenizer.

    Training moves nearly every weight, so 64 places of 16 KiB a file see it, in milliseconds where a full hash of a
    large model takes minutes. A name that is no folder (a hub id) is its own fingerprint.
    """
    folder = Path(path)
    if not folder.is_dir():
        return str(path)
    total = hashlib.sha256()
    files = [p for p in sorted(folder.iterdir()) if p.suffix in (".safetensors", ".bin", ".json", ".jinja", ".model")]
    for file in (p for p in files if p.is_file() and p.name not in _OF_TRAINING):
        size = file.stat().st_size
        total.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as handle:
            if size <= _SAMPLED_PLACES * _SAMPLE_BYTES:
                total.update(handle.read())
                continue
            for i in range(_SAMPLED_PLACES):
                handle.seek((size - _SAMPLE_BYTES) * i // (_SAMPLED_PLACES - 1))
                total.update(handle.read(_SAMPLE_BYTES))
    return total.hexdigest()


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step, so that a kill leaves the old one or the new one."""
    write_whole(path, text.encode("utf-8"))
