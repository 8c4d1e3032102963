"""Rows on disk between the steps of a build: packed rows one after another, and beside them arrays that say where.

A file is written under a scratch name and gets its own when it is whole, its arrays last: what has a name is complete,
whatever killed the process. Scratch names carry the process, since a worker may outlive its build by a moment. Any row
can be read without the others, so a shuffle needs no memory.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from rlvr.data.build.record import Facts, pack, unpack

Array = npt.NDArray[Any]
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Packed:
    """One row, compressed, with its facts: what a worker hands back. `mark` is the fingerprint for duplicates."""

    data: bytes
    size: int
    facts: Facts
    mark: bytes = b""


def compress(texts: Sequence[str], facts: Facts, mark: bytes = b"") -> Packed:
    import pyarrow as pa

    raw = pack(texts)
    return Packed(pa.Codec("zstd", compression_level=_LEVEL).compress(raw, asbytes=True), len(raw), facts, mark)


@dataclass(frozen=True, slots=True)
class Index:
    """The arrays of one or many files, one element a row; `tools` and `tool_ends` are a list of lists, flat."""

    keys: Array  # uint64
    calls: Array  # bool
    lengths: Array  # uint32
    tool_ends: Array  # uint32: the end of each row's part of `tools`
    tools: Array  # uint64
    questions: Array = field(default_factory=lambda: np.empty(0, np.uint64))

    def __len__(self) -> int:
        return len(self.keys)


class Writer:
    """Writes one file of rows: `add` each, then `close`. Nothing has its name before. The folder must be there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._scratch = scratch_name(path)
        self._file: BinaryIO = self._scratch.open("wb")
        self._facts: list[Facts] = []
        self._ends: list[int] = []
        self._sizes: list[int] = []
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._facts)

    def add(self, row: Packed) -> None:
        self._file.write(row.data)
        self.bytes += len(row.data)
        self._facts.append(row.facts)
        self._ends.append(self.bytes)
        self._sizes.append(row.size)

    def close(self, notes: Mapping[str, Any]) -> None:
        """Finish the file; `notes` are what the step has to say of it, as JSON."""
        _sync(self._file)
        self._file.close()
        self._scratch.replace(self.path)
        arrays = _arrays(self._facts)
        scratch = scratch_name(_index_path(self.path))
        with scratch.open("wb") as file:
            text = np.frombuffer(json.dumps(notes, ensure_ascii=False).encode(), dtype=np.uint8)
            ends, sizes = np.array(self._ends, dtype=np.uint64), np.array(self._sizes, dtype=np.uint32)
            np.savez(file, allow_pickle=False, ends=ends, sizes=sizes, notes=text, **arrays)
            _sync(file)
        scratch.replace(_index_path(self.path))

    def abandon(self) -> None:
        self._file.close()
        self._scratch.unlink(missing_ok=True)


class Reader:
    """Reads single rows of a finished file. It is open only while it reads: there may be thousands of files."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self.path = path
        with np.load(_index_path(path)) as arrays:
            self._ends, self._sizes = arrays["ends"], arrays["sizes"]
        self._codec = pa.Codec("zstd")

    def __len__(self) -> int:
        return len(self._ends)

    def rows(self, numbers: Iterable[int]) -> Iterator[list[str]]:
        """The rows of these numbers, in this order."""
        with self.path.open("rb", buffering=0) as file:
            for number in numbers:
                start = int(self._ends[number - 1]) if number else 0
                data = os.pread(file.fileno(), int(self._ends[number]) - start, start)
                size = int(self._sizes[number])
                yield unpack(self._codec.decompress(data, decompressed_size=size, asbytes=True))


class Readers:
    """The readers of many files, made when they are asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._made: dict[int, Reader] = {}

    def rows(self, places: Array) -> list[list[str]]:
        """Rows by (file, row in it), in their order; each file is read from front to back.  # places: (rows, 2)"""
        out: list[list[str]] = [[] for _ in places]
        order = np.lexsort((places[:, 1], places[:, 0])).tolist()
        for file, group in itertools.groupby(order, key=lambda i: int(places[i, 0])):
            if file not in self._made:
                self._made[file] = Reader(self._files[file])
            here = list(group)
            found = self._made[file].rows(int(places[i, 1]) for i in here)
            for i, texts in zip(here, found, strict=True):
                out[i] = texts
        return out


def is_whole(path: Path) -> bool:
    return path.is_file() and _index_path(path).is_file()


def read_index(path: Path) -> Index:
    with np.load(_index_path(path)) as arrays:
        return Index(*(arrays[name] for name in ("keys", "calls", "lengths", "tool_ends", "tools", "questions")))


def read_notes(path: Path) -> dict[str, Any]:
    """What the step that wrote the file had to say of it."""
    with np.load(_index_path(path)) as arrays:
        notes: dict[str, Any] = json.loads(arrays["notes"].tobytes())
    return notes


def join(indexes: Sequence[Index]) -> Index:
    """The arrays of several files as those of one."""
    ends, before = [], 0
    for index in indexes:
        ends.append(index.tool_ends.astype(np.int64) + before)
        before += len(index.tools)

    def together(name: str, dtype: Any) -> Array:
        found = np.concatenate([np.empty(0, dtype), *(getattr(i, name) for i in indexes)])
        return np.asarray(found, dtype=dtype)

    return Index(
        together("keys", np.uint64),
        together("calls", np.bool_),
        together("lengths", np.uint32),
        np.concatenate([np.empty(0, np.int64), *ends]),
        together("tools", np.uint64),
        together("questions", np.uint64),
    )


def _arrays(rows: Sequence[Facts]) -> dict[str, Any]:
    return {
        "keys": np.array([f.key for f in rows], dtype=np.uint64),
        "calls": np.array([f.calls for f in rows], dtype=np.bool_),
        "lengths": np.array([f.length for f in rows], dtype=np.uint32),
        "tool_ends": np.cumsum([len(f.tools) for f in rows], dtype=np.uint32),
        "tools": np.array([t for f in rows for t in f.tools], dtype=np.uint64),
        "questions": np.array([f.question for f in rows], dtype=np.uint64),
    }


def _index_path(path: Path) -> Path:
    return path.with_suffix(".npz")


def scratch_name(path: Path) -> Path:
    """Beside `path`, and of this process alone."""
    return path.with_name(f"{path.name}.{os.getpid()}.tmp")


def _sync(file: Any) -> None:
    """Onto the disk, so that a name never stands for what a power cut took."""
    file.flush()
    os.fsync(file.fileno())
