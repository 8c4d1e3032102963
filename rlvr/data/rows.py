"""Rows of a data set, one after another in bounded memory: from a file, a folder of files, or the Hugging Face hub.

A location is cut into shards, one a file; a row is known by its shard's number and its own, both counted from 0, and
the order never changes. So shards can be read side by side, and a reader that was stopped can go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.data.row_files import SUFFIXES, count_exactly, file_columns, file_rows, is_data_file, rows_in_file
from rlvr.errors import DataError, UsageError, guess

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_DEFAULT, _DATA = "default", "data"  # the hub's names for the only config, and for the folder of its files
_SPLIT_NAME = re.compile(r"(train|test|validation|valid|val|dev|heldout)(?:[-_.]|$)")


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was found. `where` is "file:line", "file#row" or "hub-id/config/split#row", for people.

    `key` is its number, with the shard's before it where there are several; it makes an id where the row has none.
    """

    where: str
    value: Mapping[str, Any]
    key: str = "0"
    location: str = ""


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of a location, to be read on its own: a file, or one of the parts that the hub's data set has."""

    location: str
    index: int = 0
    of: int = 1
    config: str | None = None
    split: str = "train"
    revision: str | None = None
    hub: bool = False

    @property
    def name(self) -> str:
        """For people: the file, or the hub's id with configuration and split."""
        if not self.hub:
            return self.location
        version = f"@{self.revision}" if self.revision else ""
        return "/".join(p for p in (self.location + version, self.config, self.split) if p)

    def key(self, number: int) -> str:
        return f"{self.index}.{number}" if self.of > 1 else str(number)


def find_shards(
    location: str | Path, *, config: str | None = None, split: str = "train", revision: str | None = None
) -> list[Shard]:
    """The parts of a file, a folder or a data set of the hub, in their order.

    In a folder, the subfolder named as `config` is taken where files lie in subfolders, and of files that are named by
    split (`train-00000-of-00004.parquet`) those of `split`. Raises `UsageError` where there is nothing to read, or no
    such subfolder or split, `DataError` where two Parquet files do not have the same columns.
    """
    path = Path(location).expanduser()
    if path.is_dir() and (path / "manifest.json").is_file() and (path / "data").is_dir():
        path /= "data"  # what `rlvr data build` wrote: beside it lie rows to read and rows that were left out
    if path.is_dir():
        files = _folder_files(path, config, split)
    elif path.is_file():
        if not is_data_file(path):
            raise UsageError(f"{path}: its name ends in none of {', '.join(SUFFIXES)}.")
        files = [path]
    elif is_hub_id(location):
        from rlvr.data.hub import hub_parts

        parts = hub_parts(str(location), config, split, revision)
        return [Shard(str(location), i, parts, config, split, revision, hub=True) for i in range(parts)]
    else:
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UsageError(
            f"{location}: no such file or folder, and no id of a data set on the hub (owner/name). Check the "
            f"path.{guess(path.name, beside)}"
        )
    _same_columns(files)
    return [Shard(str(f), i, len(files), config, split) for i, f in enumerate(files)]


def is_hub_id(location: str | Path) -> bool:
    """Whether a location is one of the hub's: nothing lies here under that name, and it is written as owner/name."""
    text = str(location)
    return not Path(text).expanduser().exists() and bool(_HUB_ID.fullmatch(text)) and not text.endswith(SUFFIXES)


def read_shard(shard: Shard, start: int = 0, stop: int | None = None) -> Iterator[Row | DataError]:
    """Yield the rows of a shard from number `start` up to `stop` (not included).

    A row of its own that is no object (a broken line of JSON) comes as a `DataError` in its place. A shard that is
    damaged as a whole (a truncated gzip, bytes that are no UTF-8, a damaged Parquet file) raises one.
    """
    if shard.hub:
        from rlvr.data.hub import hub_rows

        found: Iterator[tuple[int, str, Any]] = hub_rows(shard, start, stop)
    else:
        found = file_rows(Path(shard.location), start, stop)
    for number, where, value in found:
        if isinstance(value, DataError):
            yield value
        elif isinstance(value, Mapping):
            yield Row(where, value, shard.key(number), shard.name)
        else:
            yield DataError(where, f"a row must be an object, got {type(value).__name__}")


def count_rows(shards: list[Shard]) -> int | None:
    """About how many rows there are, for a progress bar: exact for Parquet, by the length of the first lines for
    JSON lines; `None` where it cannot be told without reading everything."""
    total = 0
    for shard in shards:
        found = None if shard.hub else rows_in_file(Path(shard.location))
        if found is None:
            return None
        total += found
    return total


def shard_size(shard: Shard) -> int:
    """How many rows a shard has, counted."""
    if not shard.hub:
        return count_exactly(Path(shard.location))
    return sum(1 for _ in read_shard(shard))


def _folder_files(folder: Path, config: str | None, split: str) -> list[Path]:
    if config and config != _DEFAULT:
        folder = _config_folder(folder, config)
    found = sorted(p for p in folder.rglob("*") if p.is_file() and is_data_file(p) and not _hidden(p, folder))
    if not found:
        raise UsageError(f"{folder}: holds no file that ends in {', '.join(SUFFIXES)}.")
    named = [(p, m[1]) for p in found if (m := _SPLIT_NAME.match(p.name))]
    if len(named) == len(found):
        wanted = [p for p, name in named if name == split]
        if not wanted:
            there = ", ".join(sorted({name for _, name in named}))
            hint = guess(split, {name for _, name in named})
            raise UsageError(f"{folder}: holds no split {split!r} (its files are named {there}).{hint}")
        return wanted
    return found


def _config_folder(folder: Path, config: str) -> Path:
    """The subfolder of a config; the folder itself where all its files lie in it."""
    if (folder / config).is_dir():
        return folder / config
    below = {p.relative_to(folder).parts[0] for p in folder.rglob("*") if p.parent != folder and is_data_file(p)}
    configs = sorted(name for name in below if name != _DATA and not name.startswith((".", "_")))
    if not configs:
        return folder
    raise UsageError(
        f"{folder}: holds no config {config!r} (its subfolders are {', '.join(configs)}).{guess(config, configs)} "
        f"Without a config all of them are read."
    )


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)


def _same_columns(files: list[Path]) -> None:
    """Raise `DataError` where Parquet files of one folder differ in their columns."""
    first: tuple[Path, dict[str, str]] | None = None
    for file in files:
        columns = file_columns(file)
        if columns is None:
            continue
        if first is None:
            first = (file, columns)
        elif columns != first[1]:
            changed = sorted(set(columns.items()) ^ set(first[1].items()))
            names = ", ".join(dict.fromkeys(name for name, _ in changed))
            raise DataError(
                str(file), f"its columns are not those of {first[0]}: {names} differ. Read them as two sources."
            )
