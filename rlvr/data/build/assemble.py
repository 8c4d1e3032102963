"""The steps of a build one after another, from the sources to the Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlvr.data.build.folder import DATA, BuildFolder
from rlvr.data.build.negate import Unit, Units, make_negatives, places, units
from rlvr.data.build.plan import SPLITS, Balanced, Taken, balance, negatives_wanted, repeated, take
from rlvr.data.build.progress import Counter, Note, Say
from rlvr.data.build.reading import Read, Sizes
from rlvr.data.build.recipe import DataRecipe
from rlvr.data.build.record import hash64, tool_keys
from rlvr.data.build.shards import ShardUnit, write_shard
from rlvr.data.build.shares import Bounds, left_over, unreachable
from rlvr.data.build.split import Split, lists_of, split_by_tools
from rlvr.data.build.store import Array, Index, join, read_index
from rlvr.data.build.workers import Workers
from rlvr.data.sources.mcp import Server
from rlvr.errors import DataError, UsageError

MUCH = 0.5
"""Of the rows: where the share of calls costs more of them, a person should know before negatives are made."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """What the steps gave: the Parquet files, and what is counted of the way to them."""

    reads: list[Read]
    taken: Taken
    split: Split | None
    servers: int
    negatives: Units | None
    negative_files: list[Path]
    asked: int
    mixed: list[Balanced]
    broken_twins: int
    parquet: list[Path]
    stats: list[Path]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows on disk, file after file, as one list: `ends[i]` is the number of the first row behind file i."""

    files: list[Path]
    ends: Array
    index: Index

    @classmethod
    def of(cls, files: Sequence[Path]) -> _Rows:
        indexes = [read_index(f) for f in files]
        return cls(list(files), np.cumsum([len(i) for i in indexes], dtype=np.int64), join(indexes))


def assemble(
    recipe: DataRecipe, folder: BuildFolder, reads: list[Read], servers: Sequence[Server], workers: Workers,
    sizes: Sizes, say: Say | None, note: Note | None = None,
) -> Assembly:  # fmt: skip
    """Run every step behind the reading that is not yet done.

    Raises `UsageError` where the share of calls cannot hold with the rows that were read, before negatives are made.
    """
    rows = _Rows.of([f for r in reads for f in r.files])
    per_source = np.cumsum([r.tally.kept for r in reads])
    taken = take(recipe, rows.index.keys, [int(n) for n in per_source])
    split = _split(recipe, rows, taken, [[key for t in s.tools for key in tool_keys(t)] for s in servers])
    parts = _parts(taken.rows, split)
    asked, made = 0, list[Unit]()
    negatives: Units | None = None
    if recipe.negatives is not None:
        calls = int(rows.index.calls[taken.rows].sum())
        asked = negatives_wanted(recipe, calls, len(taken.rows) - calls, taken)
        made = units(
            folder.scratch / "negatives", rows.files, rows.ends, rows.index, parts, asked, recipe.seed, sizes.parents,
            _servers_of(split, len(servers)),
        )  # fmt: skip
    _check_share(recipe, rows.index, parts, made, note)
    if recipe.negatives is not None:
        negatives = make_negatives(made, workers, say)
        parts = [np.setdiff1d(p, _numbers(rows, negatives.replaced)) for p in parts]
    everything = _Rows.of([*rows.files, *(u.path for u in made)])
    pairs = _pairs(negatives)
    parts = [
        np.concatenate([p, _negative_rows(everything, len(rows.files), made, s)])
        for p, s in zip(parts, SPLITS, strict=True)
    ]
    tied = np.isin(everything.index.keys, pairs)
    mixed = [
        balance(everything.index, p, recipe.calls_wanted, recipe.seed, s, tied)
        for p, s in zip(parts, SPLITS, strict=True)
    ]
    todo = _shards(recipe, folder, everything, mixed)
    if not todo:
        raise DataError(recipe.name, "no row is left. Look at the counts of rejects and filters.")
    _write(todo, workers, say)
    broken, files = _broken(pairs, everything, mixed), [u.path for u in made]
    paths, stats = [u.path for u in todo], [u.stats for u in todo]
    return Assembly(reads, taken, split, len(servers), negatives, files, asked, mixed, broken, paths, stats)


def _check_share(
    recipe: DataRecipe, index: Index, parts: Sequence[Array], made: Sequence[Unit], note: Note | None
) -> None:
    """Raise `UsageError` where no number of rows can have the share of calls, however many negatives pass."""
    share = recipe.calls_wanted
    if share is None:
        return
    found = [_bounds(recipe, index, s, rows, made) for s, rows in zip(SPLITS, parts, strict=True) if len(rows)]
    if why := unreachable(share, found):
        raise UsageError(why)
    for bounds, have in found:
        if note and (lost := left_over(share, bounds)) > MUCH:
            note(f"calls_wanted {share:g}: {have}, so that {lost:.0%} of them will be left out.")


def _bounds(recipe: DataRecipe, index: Index, split: str, rows: Array, made: Sequence[Unit]) -> tuple[Bounds, str]:
    """What a split can have at most, and in words what it has."""
    calls = int(index.calls[rows].sum())
    others = len(rows) - calls
    planned = sum(u.count for u in made if u.path.name.startswith(f"{split}-"))
    twins = planned if recipe.negatives is not None and recipe.negatives.twins else 0
    have = f"{split} has {calls:,} calling and {others:,} no-call rows"
    have += f", and {planned:,} negatives to come" if planned else ""
    return Bounds.exact(calls + twins, others + planned), have


def _split(recipe: DataRecipe, rows: _Rows, taken: Taken, servers: Sequence[Sequence[int]]) -> Split | None:
    if recipe.heldout is None or not recipe.heldout.share:
        return None
    ends, tools = lists_of(rows.index.tool_ends, rows.index.tools, taken.rows)
    questions = rows.index.questions[taken.rows]
    return split_by_tools(ends, tools, recipe.heldout.share, recipe.seed, servers, questions)


def _parts(rows: Array, split: Split | None) -> list[Array]:
    if split is None:
        return [rows, np.empty(0, np.int64)]
    return [rows[~split.heldout], rows[split.heldout]]


def _servers_of(split: Split | None, count: int) -> list[Array]:
    everyone = np.arange(count)
    return [everyone, everyone[:0]] if split is None else [everyone[~split.extra], everyone[split.extra]]


def _negative_rows(rows: _Rows, first: int, made: Sequence[Unit], split: str) -> Array:
    """The numbers of the negatives of a split; their files come after the first `first` ones."""
    starts = np.concatenate([np.zeros(1, np.int64), rows.ends])
    mine = [i for i, u in enumerate(made, first) if u.path.name.startswith(f"{split}-")]
    return np.concatenate([np.empty(0, np.int64), *(np.arange(starts[i], starts[i + 1]) for i in mine)])


def _shards(recipe: DataRecipe, folder: BuildFolder, rows: _Rows, mixed: Sequence[Balanced]) -> list[ShardUnit]:
    """The files that are to be written."""
    again = repeated(rows.index.keys)
    out: list[ShardUnit] = []
    for split, order in zip(SPLITS, (m.rows for m in mixed), strict=True):
        pieces = [order[i : i + recipe.rows_per_file] for i in range(0, len(order), recipe.rows_per_file)]
        for number, piece in enumerate(pieces):
            name = f"{split}-{number:05d}-of-{len(pieces):05d}"
            out.append(
                ShardUnit(
                    path=folder.finished / DATA / f"{name}.parquet",
                    stats=folder.scratch / "stats" / f"{name}.json",
                    split=split,
                    files=tuple(rows.files),
                    rows=places(piece, rows.ends),
                    lengths=rows.index.lengths[piece],
                    again={i: again[row] for i, row in enumerate(piece.tolist()) if row in again} if again else {},
                    seed=recipe.seed,
                )
            )
    return out


def _pairs(negatives: Units | None) -> Array:
    """The keys of twins, a pair a row."""
    pairs = [(hash64(a), hash64(b)) for a, b in (negatives.twins if negatives else ())]
    return np.array(pairs, dtype=np.uint64).reshape(-1, 2)


def _broken(pairs: Array, rows: _Rows, mixed: Sequence[Balanced]) -> int:
    """How many pairs of twins lost one of them to the share of calls."""
    kept = np.concatenate([rows.index.keys[m.rows] for m in mixed])
    there = np.isin(pairs, kept)
    return int((there[:, 0] != there[:, 1]).sum())


def _numbers(rows: _Rows, found: Sequence[tuple[int, int]]) -> Array:
    """(file, row in it) as row numbers."""
    where = np.array(found, dtype=np.int64).reshape(-1, 2)
    return np.asarray(np.concatenate([np.zeros(1, np.int64), rows.ends])[where[:, 0]] + where[:, 1])


def _write(found: Sequence[ShardUnit], workers: Workers, say: Say | None) -> None:
    for folder in {u.path.parent for u in found} | {u.stats.parent for u in found}:
        folder.mkdir(parents=True, exist_ok=True)  # here: a worker that outlives a killed build must not bring it back
    left = [u for u in found if not (u.path.is_file() and u.stats.is_file())]
    total = sum(len(u.rows) for u in found)
    counter = Counter("write Parquet", "rows", total, say, done=total - sum(len(u.rows) for u in left))
    for rows in workers.map(write_shard, left):
        counter.add(rows)
