"""What is compared: one model's records, and what is known of the examples that they answer.

A side is named on the command line as `[NAME=]PATH[:LABEL]`: PATH an evaluation folder or a file of records, LABEL one
of the models in it, NAME what the tables call it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rlvr.errors import DataError, UsageError, did_you_mean
from rlvr.evaluation.records import EvalRecord, read_records
from rlvr.evaluation.store import EvalStore


@dataclass(frozen=True, slots=True)
class Side:
    """One model's answers, by example id.

    `label` is its name in the tables, `model` its name in the records. `examples` is `None` where nothing but a file of
    records is known; then ground truth cannot be checked. `dropped` are examples that were left out as too long.
    """

    label: str
    model: str
    origin: Path
    records: Mapping[str, EvalRecord]
    examples: Mapping[str, Mapping[str, Any]] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    fingerprint: str | None = None

    @property
    def missing(self) -> int:
        """How many examples the evaluation has not come to yet."""
        total = self.settings.get("examples")
        return max(0, total - len(self.records) - len(self.dropped)) if isinstance(total, int) else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "model": self.model,
            "origin": str(self.origin),
            "records": len(self.records),
            "dropped": len(self.dropped),
            "missing": self.missing,
            "fingerprint": self.fingerprint,
            "settings": dict(self.settings),
            "versions": dict(self.versions),
        }


def load_sides(arguments: Sequence[str], models: Sequence[str] = ()) -> list[Side]:
    """The sides that the arguments name, in their order; one argument alone stands for every model in it.

    `models` are labels to choose by, where a folder holds several and the argument does not say which.

    Raises:
        UsageError: no such path or label, a label that chooses nothing, several models where one is wanted, one side
            alone, or a side twice.
        DataError: a broken file.
    """
    read: dict[Path, list[Side]] = {}
    sides: list[Side] = []
    for text in arguments:
        name, path, label = split_argument(text)
        if path not in read:
            read[path] = _read(path)
        chosen = _choose(read[path], path, [label] if label else models)
        if len(chosen) > 1 and (len(arguments) > 1 or name):
            raise UsageError(
                f"{path}: holds {len(chosen)} models ({_listed(s.model for s in chosen)}); say which one, as "
                f"{path}:{chosen[0].model}, or with --model LABEL."
            )
        sides += [replace(s, label=name) if name else s for s in chosen]
    unknown = [label for label in models if label not in {s.model for s in sides}]
    if unknown:
        known = {s.model: s for group in read.values() for s in group}
        raise UsageError(f"--model {unknown[0]}: none of these evaluations takes it.{did_you_mean(unknown[0], known)}")
    if len(sides) < 2:
        where = f"{sides[0].origin} holds {sides[0].model} alone" if sides else "no side is given"
        raise UsageError(f"{where}: a comparison needs two models. Give another evaluation folder beside it.")
    return _named_apart(sides)


def split_argument(text: str) -> tuple[str, Path, str]:
    """`[NAME=]PATH[:LABEL]` → name, path and label, each "" where it is not given.

    A path may hold `=` and `:` itself: what exists as a path is one. Raises `UsageError` where nothing does.
    """
    found = _path_and_label(text)
    if found is not None:
        return "", *found
    name, equals, rest = text.partition("=")
    found = _path_and_label(rest) if equals else None
    if found is None:
        raise UsageError(
            f"{rest if equals else text}: no such evaluation folder or file of records. Give the --out folder of "
            "`rlvr eval`, FOLDER:LABEL, or a records.jsonl."
        )
    return name, *found


def _path_and_label(text: str) -> tuple[Path, str] | None:
    if text and Path(text).exists():
        return Path(text), ""
    for place, letter in enumerate(text):
        if letter == ":" and place and Path(text[:place]).exists():
            return Path(text[:place]), text[place + 1 :]
    return None


def _read(path: Path) -> list[Side]:
    """Every model of a folder, or of a file of records."""
    folder = path.parent if path.name == "records.jsonl" else path
    try:
        if (folder / "evaluation.json").is_file():
            return _of_store(EvalStore(folder))
        return _of_file(folder / "records.jsonl" if path.is_dir() else path)
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from error


def _of_store(store: EvalStore) -> list[Side]:
    examples = {str(e.get("id")): e for e in store.examples() if isinstance(e, Mapping)}
    sides = []
    for label, records in _by_model(store.records()).items():
        model = store.models.get(label)
        sides.append(
            Side(
                label,
                label,
                store.folder,
                _by_id(records, store.folder),
                examples or None,
                store.settings,
                store.versions,
                frozenset(model.dropped) if model else frozenset(),
                model.fingerprint if model else None,
            )
        )
    if not sides:
        raise UsageError(f"{store.folder}: holds no evaluation records yet. Run its `rlvr eval` again first.")
    return sides


def _of_file(path: Path) -> list[Side]:
    records = read_records(path)
    if not records:
        raise UsageError(
            f"{path}: no evaluation records there. Give the --out folder of `rlvr eval`, or a records.jsonl."
        )
    return [Side(label, label, path, _by_id(group, path)) for label, group in _by_model(records).items()]


def _by_model(records: Sequence[EvalRecord]) -> dict[str, list[EvalRecord]]:
    out: dict[str, list[EvalRecord]] = {}
    for record in records:
        out.setdefault(record.model, []).append(record)
    return out


def _by_id(records: Sequence[EvalRecord], origin: Path) -> dict[str, EvalRecord]:
    """Records by id, in the order of the ids, so that no figure depends on the order of writing."""
    out = {r.id: r for r in sorted(records, key=lambda r: r.id)}
    if len(out) < len(records):
        seen: set[str] = set()
        twice = next(r.id for r in records if r.id in seen or seen.add(r.id))  # type: ignore[func-returns-value]
        raise DataError(str(origin), f"{records[0].model}: example {twice!r} stands in the records twice")
    return out


def _choose(sides: Sequence[Side], path: Path, labels: Sequence[str]) -> list[Side]:
    if not labels:
        return list(sides)
    known = {s.model: s for s in sides}
    chosen = [known[label] for label in labels if label in known]
    if not chosen:
        wanted = " or ".join(repr(label) for label in labels)
        raise UsageError(f"{path}: holds no model {wanted}.{did_you_mean(labels[0], known)}")
    return chosen


def _named_apart(sides: Sequence[Side]) -> list[Side]:
    """The sides with labels that differ: where two share one, each is called by its folder too."""
    places = [(s.origin.resolve(), s.model) for s in sides]
    twice = next((s for i, s in enumerate(sides) if places[i] in places[:i]), None)
    if twice is not None:
        raise UsageError(f"{twice.origin}:{twice.model} is given twice: it would be compared with itself")
    out = list(sides)
    for label in {s.label for s in sides}:
        mine = [i for i, s in enumerate(sides) if s.label == label]
        if len(mine) == 1:
            continue
        for i, name in zip(mine, _shortest_apart([places[i][0] for i in mine]), strict=True):
            out[i] = replace(sides[i], label=f"{label} ({name})")
    if len({s.label for s in out}) < len(out):
        raise UsageError("two sides carry one name: give them names of their own, as NAME=FOLDER:LABEL")
    return out


def _shortest_apart(paths: Sequence[Path]) -> list[str]:
    """As many last parts of each path as it takes to tell them apart; whole paths where that does not help."""
    for count in range(1, max(len(p.parts) for p in paths) + 1):
        names = ["/".join(p.parts[-count:]) for p in paths]
        if len(set(names)) == len(names):
            return names
    return [str(p) for p in paths]


def _listed(words: object, most: int = 6) -> str:
    items = [str(w) for w in words]  # type: ignore[attr-defined]
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")
