"""Whether two sides may be compared at all: the same examples, the same ground truth, the same matching.

Everything that forbids it is told at once, in one error. What does not forbid it, but may explain a difference (another
engine, another limit of tokens), is a note that stands under the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.errors import UsageError
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.sides import Side
from rlvr.evaluation.statistics import clustered_width
from rlvr.evaluation.suites.common import GROUP

# What a model is asked and what it is judged by: it must be equal under one id.
_JUDGED = ("ground_truth", "expects", "messages", "tools")
# Settings that name the data; they are checked apart, by what they stand for.
_OF_DATA = {"data_sha256", "examples", "data", "matching"}
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two sides whose examples were checked; `ids` are those of both, in order, the others are left out."""

    before: Side
    after: Side
    ids: tuple[str, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def pairs(self) -> list[tuple[EvalRecord, EvalRecord]]:
        return [(self.before.records[i], self.after.records[i]) for i in self.ids]


def pair(before: Side, after: Side, *, shared_only: bool = False) -> Pairing:
    """Check two sides and put them side by side.

    With `shared_only`, examples that one side alone has are left out and counted, where they are an error otherwise.

    Raises `UsageError` with every reason: other examples, data or matching, another ground truth under one id.
    """
    ids = tuple(i for i in before.records if i in after.records)
    only_before = tuple(i for i in before.records if i not in after.records)
    only_after = tuple(i for i in after.records if i not in before.records)
    others = [] if shared_only and ids else _of_examples(before, after, ids, only_before, only_after)
    within = _of_content(before, after, ids)
    if others or within:
        advice = "Evaluate both on the same data and with the same --matching"
        advice += ", or compare what overlaps with --shared-only." if ids and not within else "."
        lines = [
            f"{before.label} and {after.label} cannot be compared:",
            *(f"- {p}" for p in (*others, *within)),
            advice,
        ]
        raise UsageError("\n".join(lines))
    notes = [*_left_out(before, after, ids, only_before, only_after), *_not_checked(before, after)]
    notes += [*_settings(before, after), *_weights(before, after), *_not_judged(before, after, ids)]
    notes += _relatives(before, after, ids)
    return Pairing(before, after, ids, only_before, only_after, tuple(notes))


def _of_examples(
    before: Side, after: Side, ids: Sequence[str], only_before: Sequence[str], only_after: Sequence[str]
) -> list[str]:
    """What `shared_only` passes over."""
    if not ids:
        counts = [f"{s.label} has {len(s.records):,} ({_some(s.records)})" for s in (before, after)]
        return [f"they share no example: {', '.join(counts)}"]
    out = []
    if only_before or only_after:
        parts = [f"they did not see the same examples: {len(ids):,} are shared"]
        for side, alone, other in ((before, only_before, after), (after, only_after, before)):
            if alone:
                parts.append(f"{len(alone):,} only {side.label} has ({_some(alone)}){_why(other, alone)}")
        out.append("; ".join(parts))
    hashes = [side.settings.get("data_sha256") for side in (before, after)]
    if None not in hashes and hashes[0] != hashes[1]:
        out.append(
            f"they were evaluated on different data: data_sha256 {str(hashes[0])[:12]} and {str(hashes[1])[:12]}"
        )
    return out


def _why(side: Side, ids: Sequence[str]) -> str:
    """What the side that lacks these examples says of them."""
    if side.missing:
        return f", {side.label} is unfinished by {side.missing:,}: run its `rlvr eval` again"
    long = sum(i in side.dropped for i in ids)
    return f", {long:,} of them too long for {side.label}" if long else ""


def _of_content(before: Side, after: Side, ids: Sequence[str]) -> list[str]:
    """What differs under one id: never to be mended by leaving examples out, since nobody would know which is right."""
    differing: dict[str, list[str]] = {name: [] for name in _NAMES}
    for i in ids:
        one, two = before.records[i], after.records[i]
        for name in ("matching", "wants_call", "category", "lang"):
            if getattr(one, name) != getattr(two, name):
                differing[name].append(i)
        left, right = (side.examples.get(i) if side.examples is not None else None for side in (before, after))
        if left is None or right is None:
            continue
        for name in _JUDGED:
            if left.get(name) != right.get(name):
                differing[name].append(i)
    return [
        f"{_NAMES[name]} {'are' if name in ('messages', 'tools') else 'is'} another under one id in {len(found):,} of "
        f"{len(ids):,} shared examples ({_some(found)}){_modes(before, after, found) if name == 'matching' else ''}"
        for name, found in differing.items()
        if found
    ]


_NAMES = {
    "matching": "the matching",
    "ground_truth": "the ground truth",
    "expects": "what the words should be",
    "messages": "the messages",
    "tools": "the tools",
    "wants_call": "whether a call is wanted",
    "category": "the category",
    "lang": "the language",
}


def _modes(before: Side, after: Side, ids: Sequence[str]) -> str:
    modes = (sorted({side.records[i].matching for i in ids}) for side in (before, after))
    return ": " + ", then ".join(" and ".join(m) for m in modes)


def _left_out(
    before: Side, after: Side, ids: Sequence[str], only_before: Sequence[str], only_after: Sequence[str]
) -> list[str]:
    if not (only_before or only_after):
        unfinished = [f"{s.label} {s.missing:,}" for s in (before, after) if s.missing]
        return [f"Unfinished evaluations, examples still to come: {', '.join(unfinished)}."] if unfinished else []
    return [
        f"{len(ids):,} shared examples are compared; left out: {len(only_before):,} that only {before.label} has, "
        f"{len(only_after):,} that only {after.label} has."
    ]


def _not_checked(before: Side, after: Side) -> list[str]:
    bare = [str(side.origin) for side in (before, after) if side.examples is None]
    if not bare:
        return []
    return [
        f"Not checked: whether questions and ground truth are the same, since {' and '.join(dict.fromkeys(bare))} "
        "holds records without examples.jsonl. Checked: ids, categories, languages, whether a call is wanted, matching."
    ]


def _settings(before: Side, after: Side) -> list[str]:
    if not (before.settings and after.settings):
        return []
    parts = [
        f"{key} {_shown(before.settings.get(key))} and {_shown(after.settings.get(key))}"
        for key in sorted((set(before.settings) | set(after.settings)) - _OF_DATA)
        if before.settings.get(key) != after.settings.get(key)
    ]
    parts += [
        f"{name} {before.versions.get(name, 'none')} and {after.versions.get(name, 'none')}"
        for name in sorted(set(before.versions) | set(after.versions))
        if before.versions.get(name) != after.versions.get(name)
    ]
    return [f"Not only the models differ: {'; '.join(parts)}."] if parts else []


def _weights(before: Side, after: Side) -> list[str]:
    if before.fingerprint is None or before.fingerprint != after.fingerprint:
        return []
    return ["Both sides have the same weights: what differs comes from the settings, the engine or the batches."]


def _not_judged(before: Side, after: Side, ids: Sequence[str]) -> list[str]:
    open_ones = sum(not _judged(before, after, i) for i in ids)
    if not open_ones:
        return []
    return [
        f"{open_ones:,} of {len(ids):,} examples have no verdict of ours on both sides (a benchmark's own checker "
        "alone can judge them): they count in no accuracy, and are neither won nor lost."
    ]


def _judged(before: Side, after: Side, example_id: str) -> bool:
    return before.records[example_id].judged and after.records[example_id].judged


def _relatives(before: Side, after: Side, ids: Sequence[str]) -> list[str]:
    """Examples made of one another (a negative and what it was made of, a suite's changes) are no independent draws."""
    if before.examples is None:
        return []
    roots = _families(ids, before.examples)
    families = len(set(roots))
    if families == len(ids):
        return []
    judged = [(i, root) for i, root in zip(ids, roots, strict=True) if _judged(before, after, i)]
    moved = [float(after.records[i].right) - float(before.records[i].right) for i, _ in judged]
    ratio = clustered_width(moved, [root for _, root in judged])
    wide = "" if ratio is None else f": one of accuracy that keeps relatives together is {ratio:.2f} times as wide"
    return [
        f"The {len(ids):,} examples stem from {families:,} (negatives share the query of what they were made of; some "
        "suites show a question several times). "
        f"Intervals and p take them as independent{wide}."
    ]


def _families(ids: Sequence[str], examples: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """For each example the name of its family: all that are joined by a negative's parent or a suite's group."""
    above: dict[str, str] = {}

    def root(name: str) -> str:
        while above.setdefault(name, name) != name:
            name = above[name]
        return name

    for i in ids:
        for relative in _relatives_of(examples.get(i, {}).get("meta")):
            above[root(i)] = root(relative)
    return [root(i) for i in ids]


def _relatives_of(meta: Any) -> Iterator[str]:
    if not isinstance(meta, Mapping):
        return
    negative, group = meta.get("negative"), meta.get(GROUP)
    if isinstance(negative, Mapping) and negative.get("parent"):
        yield str(negative["parent"])
    if group:
        yield f"group {group}"


def _shown(value: object) -> str:
    return "unset" if value is None else str(value)


def _some(ids: Iterable[str]) -> str:
    items = list(ids)
    return ", ".join(items[:_SHOWN]) + (", …" if len(items) > _SHOWN else "")
