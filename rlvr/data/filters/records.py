"""Keys of one size, in memory and (where a path is given) in a file, found again by a part of them.

    Records     the keys, by row number
    FirstRows   which row was the first with these bytes at this place of its key

A Python set of the same keys would take 100 to 120 bytes each; this takes the key and 6 to 9 bytes.
"""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rlvr.errors import DataError, RunError

_FULL = 0.7  # beyond this share of used slots the chains of a table grow long
_GROWTH = 1.5
_LEAST_SLOTS = 1024
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2**64 / the golden ratio: spreads neighbouring keys
_MASK = 0xFFFF_FFFF_FFFF_FFFF
_SHIFT = 20
_BUFFER_BYTES = 1 << 20


class Records:
    """Keys of `size` bytes. With a `path` they are appended to that file too, from which `load` reads them back."""

    def __init__(self, size: int, path: str | Path | None = None) -> None:
        self.size = size
        self.path = None if path is None else Path(path)
        self.data = bytearray()
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return len(self.data) // self.size

    def __getitem__(self, row: int) -> bytes:
        return bytes(self.data[row * self.size : (row + 1) * self.size])

    def append(self, key: bytes) -> None:
        """Raises `RunError` where the disk does not take it."""
        if len(key) != self.size:
            raise ValueError(f"a key has {len(key)} bytes, expected {self.size}")
        if self.path is not None:
            self._write(key)
        self.data += key

    def load(self, rows: int) -> None:
        """Take the first `rows` keys of the file and cut off the rest. Raises `DataError` where there are fewer."""
        self.close()
        wanted = rows * self.size
        if self.path is None:
            if wanted > len(self.data):
                raise DataError("", f"{len(self)} keys are remembered, {rows} are wanted. Give the filter a store.")
            del self.data[wanted:]
            return
        try:
            content = self.path.read_bytes()[:wanted] if rows else b""
            if len(content) < wanted:
                raise DataError(
                    str(self.path), f"holds {len(content) // self.size} keys, {rows} are wanted. Build anew."
                )
            if self.path.exists():
                os.truncate(self.path, wanted)
        except OSError as error:
            raise DataError(str(self.path), f"cannot be read: {error.strerror or error}") from error
        self.data = bytearray(content)

    def sync(self) -> None:
        """Return when every key is on the disk. Raises `RunError` where it is full."""
        if self._file is None:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritten(error) from error

    def close(self) -> None:
        if self._file is not None:
            self.sync()
            self._file.close()
            self._file = None

    def columns(self, start: int, width: int) -> NDArray[np.uint64]:
        """Bytes `start` to `start + width` (at most 8) of every key, as numbers.  # (rows,)"""
        table = np.frombuffer(self.data, dtype=np.uint8).reshape(-1, self.size)
        padded = np.zeros((len(table), 8), dtype=np.uint8)
        padded[:, :width] = table[:, start : start + width]
        return padded.view("<u8").reshape(-1).astype(np.uint64, copy=False)

    def _write(self, key: bytes) -> None:
        assert self.path is not None
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # What a run before left there is not ours, unless it was loaded.
                self._file = self.path.open("ab" if self.data else "wb", buffering=_BUFFER_BYTES)
            self._file.write(key)
        except OSError as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> RunError:
        return RunError(f"{self.path}: cannot be written ({error.strerror or error}). Free some space and run again.")


class FirstRows:
    """A table from `width` bytes (at most 8) at `start` of a key to the first row that has them.

    Only row numbers are kept, 4 bytes in an open-addressed table that is 47 to 70 percent full: 6 to 9 bytes a row. The
    bytes themselves stand in the `Records`. Of rows with the same bytes only the first is kept, so that a common part
    costs no more than a rare one, and looking up takes the same time however many rows there are.
    """

    def __init__(self, records: Records, start: int, width: int) -> None:
        if not 1 <= width <= 8:
            raise ValueError(f"width: got {width}, expected 1 to 8")
        self._records, self._start, self._width = records, start, width
        self._slots = array("I", bytes(4 * _LEAST_SLOTS))
        self._used = 0

    @property
    def size(self) -> int:
        """How many bytes the table takes, its records not counted."""
        return len(self._slots) * self._slots.itemsize

    def find(self, key: bytes) -> int | None:
        """The first row whose key has the same bytes here as `key`."""
        row = self._slots[self._slot(key)]
        return row - 1 if row else None

    def add(self, key: bytes, row: int) -> None:
        """Note that `row` holds `key`; nothing changes where another row came before with the same bytes."""
        slot = self._slot(key)
        if self._slots[slot]:
            return
        self._slots[slot] = row + 1
        self._used += 1
        if self._used > _FULL * len(self._slots):
            self.rebuild(int(len(self._slots) * _GROWTH))

    def rebuild(self, slots: int | None = None) -> None:
        """Make the table again from all records, with at least the given number of slots."""
        found = self._records.columns(self._start, self._width)
        numbers, first = np.unique(found, return_index=True)
        order = np.argsort(first, kind="stable")
        numbers, first = numbers[order], first[order]
        count = max(_LEAST_SLOTS, slots or 0, int(len(numbers) / _FULL * 1.2))
        self._slots = array("I", _placed(numbers, first, count).tobytes())
        self._used = len(numbers)

    def _slot(self, key: bytes) -> int:
        """Where the bytes of `key` stand, or the free slot where they would."""
        start, width, size = self._start, self._width, self._records.size
        mine = key[start : start + width]
        slots, data = self._slots, self._records.data
        count = len(slots)
        here = ((int.from_bytes(mine, "little") * _MULTIPLIER & _MASK) >> _SHIFT) % count
        while row := slots[here]:
            at = (row - 1) * size + start
            if data[at : at + width] == mine:
                return here
            here = here + 1 if here + 1 < count else 0
        return here


def _placed(numbers: NDArray[np.uint64], rows: NDArray[np.int64], count: int) -> NDArray[np.uint32]:
    """The slots of a table of `count`, each holding a row + 1 or 0: linear probing, all rows a step at a time."""
    slots = np.zeros(count, dtype=np.uint32)
    here = (((numbers * np.uint64(_MULTIPLIER)) >> np.uint64(_SHIFT)) % np.uint64(count)).astype(np.int64)
    left, settled = np.arange(len(numbers)), np.zeros(len(numbers), dtype=bool)
    while len(left):
        free = slots[here[left]] == 0
        candidates = left[free]
        places, chosen = np.unique(here[candidates], return_index=True)
        slots[places] = (rows[candidates[chosen]] + 1).astype(np.uint32)
        settled[candidates[chosen]] = True
        left = left[~settled[left]]
        here[left] += 1
        here[left[here[left] == count]] = 0
    return slots
