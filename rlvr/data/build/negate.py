"""The negatives of a build: made from the rows that were taken, each split from its own rows and servers alone.

The calling rows of a split, in a seeded order, are cut into units; each makes its part of the negatives in any process
and writes a file of rows. Which unit a row is in depends on the rows alone.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rlvr.data.build.ahead import load_servers, make_judge
from rlvr.data.build.draw import apportion, ranks
from rlvr.data.build.plan import SPLITS, named, repeated
from rlvr.data.build.progress import Counter as Progressing
from rlvr.data.build.progress import Say
from rlvr.data.build.recipe import NegativeChoice
from rlvr.data.build.record import to_example
from rlvr.data.build.steps import Steps, Tally, current
from rlvr.data.build.store import Array, Index, Packed, Readers, Writer, is_whole, read_notes
from rlvr.data.build.workers import Workers
from rlvr.negatives import NegativeOptions, Verifier, load_embedder, synthesize
from rlvr.negatives import Tally as Made
from rlvr.negatives.options import SHARES
from rlvr.types import Example

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of work: which rows are parents (file, row in it), how many negatives, and which servers may help.

    `again`: parents whose id stood before, by their place here, with how many times; they go by the id under which they
    are written, so that a negative is tied to its own parent and no other.
    """

    path: Path
    files: tuple[Path, ...]
    parents: Array  # (parents, 2) integers
    count: int
    seed: int
    servers: tuple[int, ...]
    again: Mapping[int, int]


@dataclass(slots=True)
class Units:
    """What the units made: counts, pairs of twins (keys: ids of the negative and of its positive), parents whose twin
    stands for them (file, row in it), how many of each kind were made and passed the filters, and why parents gave no
    negative of a kind."""

    tally: Tally = field(default_factory=Tally)
    twins: list[tuple[str, str]] = field(default_factory=list)
    replaced: list[tuple[int, int]] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)


def units(
    folder: Path, files: Sequence[Path], ends: Array, index: Index, splits: Sequence[Array], wanted: int, seed: int,
    parents: int, servers: Sequence[Array],
) -> list[Unit]:  # fmt: skip
    """Cut the calling rows of each split (`splits`: row numbers) into units of at most `parents`.

    File i holds the rows before `ends[i]`; `servers` are the numbers of the servers that each split may draw from.
    """
    calling = [rows[index.calls[rows]] for rows in splits]
    again = repeated(index.keys)
    out: list[Unit] = []
    for number, (rows, count) in enumerate(zip(calling, apportion(wanted, [len(c) for c in calling]), strict=True)):
        order = rows[np.argsort(ranks(index.keys[rows], f"{seed}/parents"), kind="stable")]
        pieces = [order[i : i + parents] for i in range(0, len(order), parents)]
        allowed = tuple(int(s) for s in servers[number])
        for i, (piece, part) in enumerate(zip(pieces, apportion(count, [len(p) for p in pieces]), strict=True)):
            if part:
                path = folder / f"{SPLITS[number]}-{i:05d}.rows"
                stood = {place: again[row] for place, row in enumerate(piece.tolist()) if row in again} if again else {}
                out.append(Unit(path, tuple(files), places(piece, ends), part, seed + i, allowed, stood))
    return out


def places(rows: Array, ends: Array) -> Array:
    """Row numbers of all files together as (file, row in it): (rows, 2) integers."""
    files = np.searchsorted(ends, rows, side="right")
    starts = np.concatenate([np.zeros(1, np.int64), ends])[files]
    return np.stack([files, rows - starts], axis=1).astype(np.int32)


def make_negatives(found: Sequence[Unit], workers: Workers, say: Say | None) -> Units:
    """Make the files of all units; those that are whole stay. Return what all of them made."""
    for folder in {u.path.parent for u in found}:
        folder.mkdir(parents=True, exist_ok=True)
    left = [u for u in found if not is_whole(u.path)]
    total = sum(u.count for u in found)
    counter = Progressing("make negatives", "negatives", total, say, done=total - sum(u.count for u in left))
    for count in workers.map(_make, left):
        counter.add(count)
    out = Units()
    for unit in found:
        notes = read_notes(unit.path)
        out.tally.add(Tally.from_json(notes["tally"]))
        out.twins += [(negative, twin) for negative, twin in notes["twins"]]
        out.replaced += [(int(f), int(r)) for f, r in unit.parents[notes["replaced"]]]
        out.made.update(notes["made"])
        out.kept.update(notes["kept"])
        out.refused.update({(kind, why): n for kind, why, n in notes["refused"]})
    return out


def weights(choice: NegativeChoice) -> dict[str, float]:
    """The weights of the kinds: the recipe's, or the generator's own."""
    return dict(choice.kinds) or dict(SHARES)


def negatives_left_out(path: Path) -> list[dict[str, str]]:
    """What a unit made and a filter dropped."""
    rows: list[dict[str, str]] = read_notes(path)["left_out"]
    return rows


def _make(unit: Unit) -> int:
    readers = Readers(unit.files)
    groups = (unit.parents[i : i + _AT_ONCE] for i in range(0, len(unit.parents), _AT_ONCE))
    texts = (row for group in groups for row in readers.rows(group))
    _Work(unit, current()).run(to_example(named(row, unit.again.get(i, 0))) for i, row in enumerate(texts))
    return unit.count


class _Work:
    """One unit being made."""

    def __init__(self, unit: Unit, steps: Steps) -> None:
        self.unit = unit
        self.steps = steps
        choice = steps.recipe.negatives
        assert choice is not None  # units are made of a recipe that wants negatives
        self.choice: NegativeChoice = choice
        self.tally = Tally(rows=len(unit.parents))
        self.left_out: list[dict[str, str]] = []
        self.twins: list[tuple[str, str]] = []
        self.with_twin: set[str] = set()
        self.ids: list[str] = []
        self.kept: Counter[str] = Counter()

    def run(self, parents: Iterator[Example]) -> None:
        writer = Writer(self.unit.path)
        made = Made()
        try:
            for pair in self._pairs(self._synthesized(self._noted(parents), made)):
                self._write(pair, writer)
            replaced = [i for i, name in enumerate(self.ids) if name in self.with_twin]
            writer.close(
                {
                    "tally": self.tally.to_json(),
                    "twins": self.twins,
                    "replaced": replaced,
                    "left_out": self.left_out,
                    "made": dict(sorted(made.made.items())),
                    "kept": dict(sorted(self.kept.items())),
                    "refused": [[*key, n] for key, n in sorted(made.refused.items())],
                }
            )
        except BaseException:
            writer.abandon()
            raise

    def _noted(self, parents: Iterator[Example]) -> Iterator[Example]:
        for parent in parents:
            self.ids.append(parent.id)
            yield parent

    def _synthesized(self, parents: Iterator[Example], made: Made) -> Iterator[Example]:
        choice, unit = self.choice, self.unit
        options = NegativeOptions(
            count=unit.count,
            parents=len(unit.parents),
            seed=unit.seed,
            twins=choice.twins,
            pool=choice.pool,
            max_tools=choice.max_tools,
            kinds=weights(choice),
        )
        everyone = shared(load_servers, self.steps.recipe)
        servers = [everyone[i] for i in unit.servers]
        first = list(itertools.islice(parents, choice.pool))
        embed = shared(load_embedder, choice.embeddings) if choice.embeddings else None
        verifier = Verifier.fit((t for one in (*servers, *first) for t in one.tools), embed=embed)
        judge = make_judge(choice.judge) if choice.judge is not None else None
        rest = itertools.chain(first, parents)
        yield from synthesize(rest, options, servers or None, verifier=verifier, judge=judge, tally=made)

    def _pairs(self, found: Iterable[Example]) -> Iterator[tuple[Example, ...]]:
        """Negatives alone, or each with the twin behind it."""
        stream = iter(found)
        for example in stream:
            yield (example, next(stream)) if self.choice.twins else (example,)

    def _write(self, pair: tuple[Example, ...], writer: Writer) -> None:
        """Twins pass the filters together or not at all."""
        self.tally.examples += 1
        packed: list[Packed] = []
        for example in pair:
            one = self.steps.one(example, self.tally, self.left_out, made=True)
            if one is None:
                return
            packed.append(one)
        for row in packed:
            writer.add(row)
        self.tally.kept += 1
        self.kept[str(pair[0].meta["negative"]["kind"])] += 1
        if len(pair) > 1:
            self.twins.append((pair[0].id, pair[1].id))
            self.with_twin.add(str(pair[0].meta["negative"]["parent"]))


_SHARED: dict[tuple[str, str], Any] = {}


def shared(load: Any, of: Any) -> Any:
    """What `load(of)` gives, loaded once a process."""
    key = (load.__name__, repr(of))
    if key not in _SHARED:
        _SHARED[key] = load(of)
    return _SHARED[key]
