"""Where a build's rows come from: the sources of a recipe, opened at a place where a stopped build goes on."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

from rlvr.data.build.recipe import SourceChoice
from rlvr.data.generator import SPLITS, GeneratorOptions, generate
from rlvr.data.license import with_license
from rlvr.data.rows import Row, Shard, count_rows, find_shards, read_shard
from rlvr.data.sources import get_source, toucan
from rlvr.data.sources.base import Reject, chosen
from rlvr.data.sources.reading import check_fields
from rlvr.data.sources.rejects import NotUnderstood, Unused
from rlvr.errors import DataError, UsageError, guess
from rlvr.types import Example

BUILTIN = "builtin"
Raw: TypeAlias = Row | DataError | Example
Place: TypeAlias = tuple[int, int]  # (shard, row in it)
HubKey: TypeAlias = tuple[str, str | None, str]  # id, config, split
_OWN_OPTIONS = ("split", "seed")
_SUBSETS: Mapping[str, tuple[str, ...]] = {"toucan": toucan.SUBSETS}
"""Of sources as they are published: a local copy may hold others."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows in order, as one piece of work, and where the next one begins."""

    source: int
    rows: tuple[Raw, ...]
    end: Place


def source_problems(choices: Iterable[tuple[int, SourceChoice]]) -> list[str]:
    """What is wrong with sources of a recipe, each with its place there, without opening them."""
    problems = []
    for place, choice in choices:
        where = f"sources[{place}]"
        if choice.source == BUILTIN:
            try:
                _generator(choice)
            except (ValueError, TypeError) as error:
                problems.append(f"{where}.options: {error}")
            continue
        try:
            source = get_source(choice.source)
        except UsageError as error:
            problems.append(f"{where}.source: {error}")
            continue
        if source.evaluation_only:
            problems.append(f"{where}.source: {choice.source} is for evaluation only: nothing of it is trained on.")
            continue
        if choice.location is None and source.hub_id is None:
            problems.append(f"{where}.location: missing; {choice.source} has no place of its own on the hub.")
        if choice.subset is not None and (problem := _subset_problem(choice, choice.subset)):
            problems.append(f"{where}.subset: {problem}")
    return problems


def _subset_problem(choice: SourceChoice, subset: str) -> str | None:
    source = get_source(choice.source)
    if source.subset_field is None:
        return f"{choice.source} has no subsets."
    known = _SUBSETS.get(choice.source, ()) if choice.location in (None, source.hub_id) else ()
    if known and subset not in known:
        return f"got {subset!r}, expected one of {', '.join(known)}.{guess(subset, known)}"
    return None


def place_of(choice: SourceChoice) -> tuple[str, str | None]:
    """Where a source lies and which config of it is read: what the recipe says, else its own place on the hub."""
    source = get_source(choice.source)
    config = choice.config if choice.config or choice.location else source.hub_config
    return choice.location or str(source.hub_id), config


def is_local(choice: SourceChoice) -> bool:
    return Path(place_of(choice)[0]).expanduser().exists()


def open_shards(choice: SourceChoice, begun: Mapping[HubKey, str | None] | None = None) -> list[Shard]:
    """The parts of a source, in order; none for the generator. Raises what reading them raises.

    `begun` are the states of the hub that a build which is gone on with was begun with: it stays with those.
    """
    if choice.source == BUILTIN:
        return []
    location, config = place_of(choice)
    key, revision = (location, config, choice.split), choice.revision
    pinned = revision is not None or key in (begun or {})
    if revision is None and begun is not None:
        revision = begun.get(key)
    shards = find_shards(location, config=config, split=choice.split, revision=revision)
    if not shards[0].hub or pinned:
        return shards
    newest = newest_revision(location)
    return [replace(shard, revision=newest) for shard in shards]


def newest_revision(hub_id: str) -> str | None:
    """The commit of a data set that is read, so that a build is of one state of it; `None` where the hub does not say
    (offline, what is in the cache is read)."""
    try:
        from huggingface_hub import HfApi

        sha = HfApi().dataset_info(hub_id, timeout=20).sha
    except Exception:  # the hub's errors have no common parent
        return None
    return str(sha) if sha else None


def rows_hint(choice: SourceChoice, shards: Sequence[Shard]) -> int | None:
    """About how many rows there are; `None` where nobody knows, or they are made without end."""
    return None if choice.source == BUILTIN else count_rows(list(shards))


def chunks(index: int, choice: SourceChoice, shards: Sequence[Shard], start: Place, size: int) -> Iterator[Chunk]:
    """The rows of source `index` from `start` on, `size` at a time. No chunk spans two shards."""
    if choice.source == BUILTIN:
        split, seed, options = _generator(choice)
        made = itertools.islice(generate(split, 2**62, seed, options), start[1], None)
        yield from _cut(index, made, (0, start[1]), size)
        return
    for number in range(start[0], len(shards)):
        first = start[1] if number == start[0] else 0
        rows = read_shard(shards[number], first)
        yield from _cut(index, _checked(rows, choice) if not first else rows, (number, first), size)


def understood(choice: SourceChoice, raw: Raw) -> tuple[list[Example], list[Reject]] | None:
    """One row as examples, and what was rejected of it; `None` for a row of another subset. A pure function."""
    if isinstance(raw, Example):
        return [replace(raw, meta=with_license(raw.meta, get_source(BUILTIN).license))], []
    if isinstance(raw, DataError):
        return [], [Reject(choice.source, "", raw.where, "not_understood", "not_a_row", raw.what)]
    source = get_source(choice.source)
    if choice.subset is not None and subset_of(choice, raw) != choice.subset:
        return None
    try:
        found = chosen(source.examples(raw), choice.turns)
    except NotUnderstood as error:
        return [], [Reject(choice.source, raw.key, error.where, "not_understood", error.code, error.what)]
    except Unused as error:
        return [], [Reject(choice.source, raw.key, error.where, "unused", error.code, error.what)]
    except DataError as error:
        return [], [Reject(choice.source, raw.key, error.where or raw.where, "invalid", "not_scorable", error.what)]
    examples = [e for e in found if isinstance(e, Example)]
    if choice.expects:
        examples = [e if e.ground_truth else replace(e, expects=choice.expects) for e in examples]
    return examples, [r for r in found if isinstance(r, Reject)]


def subset_of(choice: SourceChoice, raw: Raw) -> str:
    """The name of a row's subset; empty where it has none."""
    return str(raw.value.get(str(get_source(choice.source).subset_field)) or "") if isinstance(raw, Row) else ""


def _checked(rows: Iterator[Row | DataError], choice: SourceChoice) -> Iterator[Row | DataError]:
    """The rows of a shard from its beginning. Raises `DataError` where the first is plainly of another source."""
    for number, row in enumerate(rows):
        if number == 0 and isinstance(row, Row):
            check_fields(get_source(choice.source), row)
        yield row


def _cut(index: int, rows: Iterator[Any], place: Place, size: int) -> Iterator[Chunk]:
    shard, number = place
    while taken := tuple(itertools.islice(rows, size)):
        number += len(taken)
        yield Chunk(index, taken, (shard, number))


def _generator(choice: SourceChoice) -> tuple[str, int, GeneratorOptions]:
    """The generator's split, seed and options. Raises `ValueError` on what it does not know."""
    given: Mapping[str, Any] = choice.options
    known = {f.name for f in fields(GeneratorOptions)}
    unknown = sorted(set(given) - known - set(_OWN_OPTIONS))
    if unknown:
        raise ValueError(f"{', '.join(unknown)} unknown, expected some of {', '.join(sorted({*known, *_OWN_OPTIONS}))}")
    split, seed = given.get("split", choice.split), given.get("seed", 0)
    if choice.location is not None:
        raise ValueError("location: the generator has none; give its seed as options: {seed: 7}")
    if split not in SPLITS or not isinstance(seed, int):
        raise ValueError(f"got split {split!r} and seed {seed!r}, expected one of {', '.join(SPLITS)}, and an integer")
    return split, seed, GeneratorOptions(**{k: v for k, v in given.items() if k in known})
