"""Evaluations of the very weights that a card is of: found by their fingerprint, not by a label or a path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.errors import UsageError
from rlvr.evaluation.compare import Comparison, compare
from rlvr.evaluation.metrics import Row, rows
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.statistics import Figure, paired_share_difference
from rlvr.evaluation.store import EvalStore, fingerprint
from rlvr.report.model_card.facts import Chain
from rlvr.types import CATEGORIES

BASE = "base"


@dataclass(frozen=True, slots=True)
class Change:
    """How a slice's strict accuracy changed on the same examples: against `before`, a label of the evaluation."""

    what: str
    before: str
    difference: Figure


@dataclass(frozen=True, slots=True)
class Suite:
    """One evaluation folder, as far as it is about this chain.

    `label` is this model's in it, `labels` those of the chain in its order (the base first), `base` and `parent` the
    ones before it where they were evaluated as well.
    """

    folder: Path
    name: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    label: str
    labels: Sequence[str]
    base: str | None
    parent: str | None
    table: Sequence[Row]
    comparisons: Sequence[Comparison]
    changes: Sequence[Change]

    @property
    def n(self) -> int:
        return next(row.n for row in self.table if row.model == self.label)

    @property
    def seed(self) -> int:
        return int(self.settings.get("seed") or 0)


def read_suite(folder: Path, chain: Chain) -> Suite:
    """Read an evaluation folder. Raises `UsageError` where it is none, or this model is not among its models."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such evaluation folder. Give the --out folder of `rlvr eval`.")
    store = EvalStore(folder)
    records: dict[str, list[EvalRecord]] = {}
    for record in store.records():
        records.setdefault(record.model, []).append(record)
    if not records:
        raise UsageError(f"{folder}: holds no evaluation records. Run `rlvr eval … --out {folder}` first.")
    roles = _roles(store, chain, set(records))
    last = chain.last
    if last.path not in roles.values():
        raise UsageError(
            f"{folder}: holds no evaluation of {last.final} as it is: none of its models ({', '.join(records)}) has "
            f"these weights. Evaluate it: `rlvr eval {last.path} … --out {folder}`."
        )
    labels = list(roles)
    label = next(k for k, path in roles.items() if path == last.path)
    seed = int(store.settings.get("seed") or 0)
    base = next((k for k, path in roles.items() if path is None), None)
    parent = next((k for k, path in roles.items() if len(chain.stages) > 1 and path == chain.stages[-2].path), None)
    before = [b for b in dict.fromkeys((base, parent)) if b is not None]
    return Suite(
        folder,
        _name(store.settings, folder),
        store.settings,
        store.versions,
        label,
        labels,
        base,
        parent,
        rows([r for k in labels for r in records[k]], seed),
        [compare(records[b], records[label], seed=seed) for b in before],
        [change for b in before for change in changes(records[b], records[label], b)],
    )


def changes(before: Sequence[EvalRecord], after: Sequence[EvalRecord], label: str) -> list[Change]:
    """Each category's and each language's change of strict accuracy, paired by judged example (Tango's interval)."""
    known = {r.id: r for r in before}
    pairs = [(known[r.id], r) for r in after if r.id in known and r.judged and known[r.id].judged]
    out = []
    present = {b.category for b, _ in pairs}
    names = [c for c in CATEGORIES if c in present] + sorted(present - set(CATEGORIES))
    slices = [(name, [p for p in pairs if p[0].category == name]) for name in names]
    languages = sorted({b.lang for b, _ in pairs if b.lang})
    if len(languages) > 1:
        slices += [(lang, [p for p in pairs if p[0].lang == lang]) for lang in languages]
    for name, of in slices:
        out.append(Change(name, label, paired_share_difference([b.right for b, _ in of], [a.right for _, a in of])))
    return out


def _roles(store: EvalStore, chain: Chain, there: set[str]) -> dict[str, Path | None]:
    """The evaluation's labels that belong to the chain, the base first: label → the stage's folder, `None` the base."""
    models = [m for m in store.models.values() if m.label in there]
    found: dict[str, Path | None] = {}
    if chain.base is not None:
        place = str(chain.base.folder or "")
        prints = {fingerprint(place)} if place else set()
        names = {chain.base.name, chain.base.hub_id, place, str(chain.stages[0].run.get("model") or "")} - {"", None}
        for model in models:
            # A base by its name alone: its files may not be here, and nobody trains into its folder.
            if model.fingerprint in prints or ({model.path, model.fingerprint} & names and not prints):
                found.setdefault(model.label, None)
                break
    for stage in chain.stages:
        mark = fingerprint(stage.final) if stage.final.is_dir() else ""
        label = next((m.label for m in models if m.fingerprint == mark and m.label not in found), None)
        if label is not None:
            found[label] = stage.path
    return found


def _name(settings: Mapping[str, Any], folder: Path) -> str:
    data = str(settings.get("data") or "")
    return Path(data).name if data else folder.resolve().name
