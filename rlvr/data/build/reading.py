"""The first step of a build: every source, read from its beginning to its end or until there is enough of it.

Rows go to the workers in chunks and come back in their order; what depends on the order (duplicates, counts) is done
here. The kept rows lie in files, each of which says at what place of its source the next one begins: a stopped build
goes on there, with the fingerprints of the rows that it kept, and writes the same files.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlvr.data.build.feeds import BUILTIN, HubKey, Place, chunks, open_shards, place_of, rows_hint
from rlvr.data.build.progress import Counter, Note, Say
from rlvr.data.build.recipe import DataRecipe, SourceChoice
from rlvr.data.build.screens import duplicate_filter
from rlvr.data.build.steps import Done, Tally, run_steps
from rlvr.data.build.store import Writer, is_whole, read_notes
from rlvr.data.build.workers import Workers
from rlvr.data.filters import RememberingFilter
from rlvr.data.rows import Shard, is_hub_id
from rlvr.errors import ConfigError, DataError, UsageError, guess

REPEATS = "repeats"
"""In a line of what was left out: the number, among the rows that were kept, of the one that it repeats."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is done at once. Smaller numbers cost time and save memory, and lose less work in a kill."""

    chunk_rows: int = 64
    file_rows: int = 10_000
    file_bytes: int = 1 << 28
    parents: int = 20_000


@dataclass(slots=True)
class Read:
    """What one source gave: its files in order, and the counts."""

    files: list[Path] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def read_sources(
    recipe: DataRecipe, folder: Path, workers: Workers, sizes: Sizes, say: Say | None,
    shards: Sequence[Sequence[Shard]], note: Note | None = None,
) -> list[Read]:  # fmt: skip
    """Read every source of a recipe into `folder/NN/…`; what is there already is kept and gone on from.

    Raises `DataError` where a source gives nothing, or what reading it raises.
    """
    duplicates = duplicate_filter(recipe.filters, folder / "duplicates.keys")
    try:
        if duplicates is not None:
            duplicates.restore(_remembered(folder, len(recipe.sources)))
        return [
            _read_one(_Source(recipe, i, folder / f"{i:02d}", sizes, shards[i], note), duplicates, workers, say)
            for i in range(len(recipe.sources))
        ]
    finally:
        if duplicates is not None:
            duplicates.close()


def _read_one(source: _Source, duplicates: RememberingFilter | None, workers: Workers, say: Say | None) -> Read:
    source.resume()
    source.read(duplicates, workers, say)
    if not source.kept:
        why = _why_nothing(source.choice, source.tally, source.first_reject)
        raise DataError(source.name, f"gives no example: {why}")
    return Read(source.files, source.tally)


class _Source:
    """One source on its way into files."""

    def __init__(
        self, recipe: DataRecipe, index: int, folder: Path, sizes: Sizes, shards: Sequence[Shard],
        note: Note | None = None,
    ) -> None:  # fmt: skip
        self.choice = recipe.sources[index]
        self.index = index
        self.folder = folder
        self.sizes = sizes
        self.shards = shards
        self.note = note
        self.enough = recipe.wanted(index) if self.choice.take == "first" else None
        self.there: int | None = None
        self.files: list[Path] = []
        self.tally = Tally()
        self.place: Place = (0, 0)
        self.finished = False
        self.first_reject = ""

    @property
    def kept(self) -> int:
        return self.tally.kept

    @property
    def name(self) -> str:
        """For people: its place in the recipe, what it is, and what is read."""
        read = dict.fromkeys(s.name for s in self.shards)
        more = f" and {len(read) - 1} more files" if len(read) > 1 else ""
        return f"sources[{self.index}] ({', '.join([self.choice.source, *list(read)[:1]])}{more})"

    def resume(self) -> None:
        """Take over the files that an earlier process finished."""
        while not self.finished and is_whole(path := self._path()):
            notes = read_notes(path)
            self.tally.add(Tally.from_json(notes["tally"]))
            self.place = (notes["place"][0], notes["place"][1])
            self.finished = notes["finished"]
            self.files.append(path)

    def read(self, duplicates: RememberingFilter | None, workers: Workers, say: Say | None) -> None:
        if self.finished:
            return
        self.there = rows_hint(self.choice, self.shards)
        counter = Counter(f"read {self.choice.source}", "rows", self.there, say, done=self.tally.rows)
        found = chunks(self.index, self.choice, self.shards, self.place, self.sizes.chunk_rows)
        done = workers.map(run_steps, found)
        while not self.finished:
            self._one_file(done, duplicates, counter)

    def _one_file(self, done: Iterator[Done], duplicates: RememberingFilter | None, counter: Counter) -> None:
        """Fill one file. It ends at the end of a chunk, so that where it ends depends on the rows alone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        part = _Part(self._path())
        try:
            for chunk in done:
                self._add(chunk, part, duplicates)
                self.place = chunk.end
                kept = self.kept + part.tally.kept
                counter.add(chunk.tally.rows, *self._how_far(kept, self.tally.rows + part.tally.rows))
                self.finished = self.enough is not None and kept >= self.enough
                if self.finished or part.full(self.sizes):
                    break
            else:
                self.finished = True
            part.close(self.place, self.finished, duplicates)
        except BaseException:
            part.writer.abandon()
            raise
        self.tally.add(part.tally)
        self.files.append(part.writer.path)
        if len(self.files) == 1 and not self.finished and self.note and _none_of_subset(self.tally):
            self.note(f"{self.name}: {_why_nothing(self.choice, self.tally)} Reading goes on.")

    def _how_far(self, kept: int, rows: int) -> tuple[str, int | None]:
        """How many rows were kept, in words; and after how many rows there will be enough, where reading stops then."""
        if self.enough is None:
            return f"{kept:,} kept", None
        needed = -(-rows * self.enough // kept) if kept else None
        ends = [n for n in (needed, self.there) if n is not None]
        return f"{kept:,} of {self.enough:,} kept", min(ends, default=None)

    def _add(self, chunk: Done, part: _Part, duplicates: RememberingFilter | None) -> None:
        part.tally.add(chunk.tally)
        part.left_out += chunk.left_out
        if not self.first_reject:
            told = next((line for line in chunk.left_out if line.get("reason")), None)
            self.first_reject = f" The first is {told['where']}: {told['reason']}." if told else ""
        for row_id, where, row in chunk.rows:
            if self.enough is not None and self.kept + part.tally.kept >= self.enough:
                return
            reason = duplicates.why_not_key(row.mark) if duplicates is not None else None
            if duplicates is not None and reason is not None:
                part.tally.dropped[duplicates.name, reason] += 1
                line: dict[str, Any] = {"source": self.choice.source, "id": row_id, "where": where, "kind": "dropped"}
                line["code"] = f"{duplicates.name}: {reason}"
                part.left_out.append(line | {REPEATS: duplicates.original(row.mark)})
                continue
            part.writer.add(row)
            part.tally.kept += 1

    def _path(self) -> Path:
        return self.folder / f"{len(self.files):05d}.rows"


class _Part:
    """A file that is being filled, and what is said beside it."""

    def __init__(self, path: Path) -> None:
        self.writer = Writer(path)
        self.tally = Tally()
        self.left_out: list[dict[str, Any]] = []

    def full(self, sizes: Sizes) -> bool:
        return self.tally.rows >= sizes.file_rows or self.writer.bytes >= sizes.file_bytes

    def close(self, place: Place, finished: bool, duplicates: RememberingFilter | None) -> None:
        lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self.left_out)
        left_out_path(self.writer.path).write_text(lines, encoding="utf-8")
        notes: dict[str, Any] = {"tally": self.tally.to_json(), "place": list(place), "finished": finished}
        notes["remembered"] = duplicates.state() if duplicates is not None else None
        self.writer.close(notes)


def _remembered(folder: Path, sources: int) -> dict[str, Any]:
    """The state of the duplicates' filter when the last whole file was closed."""
    state: dict[str, Any] = {"rows": 0}
    for index in range(sources):
        for number in itertools.count():
            path = folder / f"{index:02d}" / f"{number:05d}.rows"
            if not is_whole(path):
                break
            state = read_notes(path)["remembered"]
    return state


def left_out_path(path: Path) -> Path:
    """Where the rows stand that were left out while a file was filled."""
    return path.with_suffix(".left_out.jsonl")


def open_sources(recipe: DataRecipe, begun: Mapping[HubKey, str | None] | None = None) -> list[list[Shard]]:
    """The shards of every source, of the hub's states that a build was `begun` with.

    Before any work is done, it raises `ConfigError` with all that is wrong with the places of local sources, or what
    opening the first of the others raises.
    """
    opened: dict[int, list[Shard]] = {}
    problems = []
    for index, choice in enumerate(recipe.sources):
        if choice.source != BUILTIN and is_hub_id(place_of(choice)[0]):
            continue  # the hub is asked when all that lies here is right
        try:
            opened[index] = open_shards(choice, begun)
        except DataError:
            raise
        except UsageError as error:
            problems.append(f"sources[{index}]: {error}")
    if problems:
        raise ConfigError(problems)
    return [opened[i] if i in opened else open_shards(choice, begun) for i, choice in enumerate(recipe.sources)]


def _none_of_subset(tally: Tally) -> bool:
    """Whether there were rows, and all but broken lines of other subsets than the one that was asked for."""
    others = tally.dropped["subset", "another_subset"]
    return others > 0 and others + tally.rejected["not_understood", "not_a_row"] == tally.rows


def _why_nothing(choice: SourceChoice, tally: Tally, first_reject: str = "") -> str:
    if not tally.rows:
        return "it holds no row."
    if _none_of_subset(tally) and choice.subset is not None:
        there = ", ".join(f"{name or 'none'} ({n:,})" for name, n in tally.subsets.most_common())
        return (
            f"none of {tally.rows:,} rows is of the subset {choice.subset!r}.{guess(choice.subset, tally.subsets)} The "
            f"rows' subsets: {there}."
        )
    reasons = [f"{n} {kind} ({code})" for (kind, code), n in tally.rejected.most_common(3)]
    reasons += [f"{n} dropped by {name} ({code})" for (name, code), n in tally.dropped.most_common(3)]
    return f"of {tally.rows} rows " + (", ".join(reasons) if reasons else "none was left") + "." + first_reject
