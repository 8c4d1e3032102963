"""Rows of one file: JSON lines, JSON, Parquet; the first two may be packed (`.gz`)."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlvr.errors import DataError
from rlvr.extras import require
from rlvr.jsonl import loads, read_lines

SUFFIXES = (".jsonl", ".jsonl.gz", ".ndjson", ".json", ".json.gz", ".parquet")
MAX_ELEMENT_CHARS = 1 << 27
"""The longest element of a JSON array: beyond it, the text is taken to be broken."""

_NOT_DATA = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "schema.json")
_CHUNK = 1 << 20
_BATCH_ROWS = 64
_SPACE = re.compile(r"[\s\ufeff]*+")
_SPACE_OR_COMMA = re.compile(r"[\s,]*+")
_Found = tuple[int, str, Any]


def is_data_file(path: Path) -> bool:
    return path.name.endswith(SUFFIXES) and path.name not in _NOT_DATA


def file_rows(path: Path, start: int = 0, stop: int | None = None) -> Iterator[_Found]:
    """Yield (number, where, value) of the rows of a file; a line that is no JSON has a `DataError` for its value."""
    if path.name.endswith(".parquet"):
        yield from _parquet_rows(path, start, stop)
        return
    found = _lines(path) if _is_lines(path) else _elements(path)
    for number, (where, value) in enumerate(found):
        if stop is not None and number >= stop:
            return
        if number >= start:
            yield number, where, _value(value, where)


def count_exactly(path: Path) -> int:
    """How many rows a file has; files that are not Parquet are read for it."""
    if path.name.endswith(".parquet"):
        return int(_parquet(path).metadata.num_rows)
    return sum(1 for _ in (_lines(path) if _is_lines(path) else _elements(path)))


def rows_in_file(path: Path) -> int | None:
    """About how many rows a file has; `None` where only reading it would tell."""
    if path.name.endswith(".parquet"):
        rows: int = _parquet(path).metadata.num_rows
        return rows
    if not path.name.endswith((".jsonl", ".ndjson")):
        return None
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(4 * _CHUNK)
    lines = head.count(b"\n")
    if len(head) == size:
        return lines + (not head.endswith(b"\n") and size > 0)
    return round(size * lines / len(head)) if lines else None


def file_columns(path: Path) -> dict[str, str] | None:
    """The columns of a Parquet file with their types; `None` for other files."""
    if not path.name.endswith(".parquet"):
        return None
    schema = _parquet(path).schema_arrow
    return {field.name: str(field.type) for field in schema}


def _value(value: Any, where: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return loads(value, where, "the row")
    except DataError as error:
        return error


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    yield from read_lines(path)


def _is_lines(path: Path) -> bool:
    """Whether a file holds one JSON value a line: by its name, else by whether its first line is a whole object."""
    if not path.name.endswith((".json", ".json.gz")):
        return True
    text = _Text(path)
    text.skip(_SPACE)
    if text.peek() != "{":
        return not text.peek()  # an empty file has no rows, as lines
    try:
        loads(text.line(), str(path))
    except DataError:
        return False
    return True


def _elements(path: Path) -> Iterator[tuple[str, Any]]:
    """The elements of a JSON array, read in chunks; a file that holds one object is one row."""
    text = _Text(path)
    text.skip(_SPACE)
    if text.peek() != "[":
        yield f"{path}#0", text.value(f"{path}#0")
        text.skip(_SPACE)
        if text.peek():
            raise DataError(str(path), "holds more than one JSON value, and not one a line")
        return
    text.position += 1
    number = 0
    while True:
        text.skip(_SPACE_OR_COMMA)
        if text.peek() == "]":
            return
        where = f"{path}#{number}"
        if not text.peek():
            raise DataError(where, "the JSON array is not closed: the file is cut short. Fetch it again.")
        yield where, text.value(where)
        number += 1


class _Text:
    """The text of a file, of which only the part that is being read stays in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.buffer = ""
        self.position = 0
        self._ended = False
        self._chunks = _chunks(path)
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        if self.position >= len(self.buffer):
            self._more(_CHUNK)
        return self.buffer[self.position : self.position + 1]

    def skip(self, pattern: re.Pattern[str]) -> None:
        while True:
            found = pattern.match(self.buffer, self.position)
            self.position = found.end() if found else self.position
            if self.position < len(self.buffer) or not self._more(_CHUNK):
                return

    def line(self) -> str:
        """The rest of the line that is being read, or as much of it as an element may have."""
        while (end := self.buffer.find("\n", self.position)) < 0:
            if len(self.buffer) - self.position > MAX_ELEMENT_CHARS or not self._more(len(self.buffer) + _CHUNK):
                return self.buffer[self.position :]
        return self.buffer[self.position : end]

    def value(self, where: str) -> Any:
        """The value that begins here. More text is read, twice as much each time, until it is whole."""
        wanted = _CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self.buffer, self.position)
            except RecursionError:
                raise DataError(where, "is nested too deeply") from None
            except ValueError as error:
                if len(self.buffer) - self.position > MAX_ELEMENT_CHARS or not self._more(wanted):
                    raise DataError(where, f"not valid JSON: {error}. The file is cut short or damaged.") from None
                wanted *= 2
                continue
            self.position = end
            return value

    def _more(self, wanted: int) -> bool:
        """Drop what was read and append at least `wanted` characters; `False` where the file has ended."""
        if self._ended:
            return False
        parts = [self.buffer[self.position :]]
        self.position = 0
        while wanted > 0:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._ended = True
                break
            parts.append(chunk)
            wanted -= len(chunk)
        self.buffer = "".join(parts)
        return len(parts) > 1


def _chunks(path: Path) -> Iterator[str]:
    import gzip
    import zlib

    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    read = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as handle:
            while block := handle.read(_CHUNK):
                yield decoder.decode(block)
                read += len(block)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DataError(str(path), f"not valid UTF-8: {error.reason} after byte {read}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _parquet(path: Path) -> Any:
    require("pyarrow", "data", "reading Parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(str(path), f"is no Parquet file, or a damaged one: {error}") from error


def _parquet_rows(path: Path, start: int, stop: int | None) -> Iterator[_Found]:
    import pyarrow as pa

    file = _parquet(path)
    number = 0
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if number + rows <= start or (stop is not None and number >= stop):
            number += rows
            continue
        try:
            for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group]):
                first, number = number, number + batch.num_rows
                low, high = max(start - first, 0), batch.num_rows if stop is None else min(stop - first, batch.num_rows)
                if low < high:
                    for offset, row in enumerate(batch.slice(low, high - low).to_pylist(), first + low):
                        yield offset, f"{path}#{offset}", row
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}#{number}", f"cannot be read, the Parquet file is damaged: {error}") from error
