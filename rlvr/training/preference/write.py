"""Rows to a file that `datasets` loads: JSON lines, gzipped ones, or Parquet; few are held at once."""

from __future__ import annotations

import gzip
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rlvr.errors import UsageError
from rlvr.extras import require
from rlvr.paths import written_whole

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
ROWS_AT_ONCE = 500
_FLOATS = ("margin", "chosen_total", "rejected_total", "total")
_INTEGERS = ("step", "chosen_tokens", "rejected_tokens", "completion_tokens")


def check_out(out: Path, *, force: bool) -> None:
    """Raise `UsageError` where `out` has no name that says its form, or is there and may not be written over."""
    if not out.name.endswith(SUFFIXES):
        raise UsageError(f"{out}: expected a name that ends in {', '.join(SUFFIXES)}.")
    if out.is_dir():
        raise UsageError(f"{out}: is a folder. Give the name of a file, such as {out / 'pairs.jsonl'}.")
    if out.exists() and not force:
        raise UsageError(f"{out}: is there already. Give another --out, or --force to overwrite it.")
    if out.suffix == ".parquet":
        require("pyarrow", "data", "Writing Parquet")


def write_rows(rows: Iterable[Mapping[str, Any]], out: Path) -> int:
    """Write rows and return how many. A crash leaves the old file or the new one; no row leaves no file.

    Raises `RunError` where the disk takes no more.
    """
    with written_whole(out) as scratch:
        count = (_write_parquet if out.suffix == ".parquet" else _write_lines)(iter(rows), scratch, out)
        if not count:
            scratch.unlink(missing_ok=True)  # Parquet without a row was never begun
    return count


def _write_lines(rows: Iterator[Mapping[str, Any]], scratch: Path, out: Path) -> int:
    count = 0
    with scratch.open("wb") as raw:
        # No name and no time inside: the same rows give the same bytes.
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) if out.suffix == ".gz" else raw
        with io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as file:
            for count, row in enumerate(rows, start=1):  # noqa: B007 (the count is what is returned)
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _write_parquet(rows: Iterator[Mapping[str, Any]], scratch: Path, out: Path) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    first = next(rows, None)
    if first is None:
        return 0
    schema, count = pa.schema([(name, _type(name, value)) for name, value in first.items()]), 0
    rows = itertools.chain([first], rows)
    with parquet.ParquetWriter(scratch, schema, compression="zstd") as writer:
        while group := list(itertools.islice(rows, ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count


def _type(name: str, value: Any) -> Any:
    """The Arrow type of a column: of the first row alone it could not be told, where that has no language."""
    import pyarrow as pa

    if isinstance(value, list):
        return pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    return pa.float64() if name in _FLOATS else pa.int64() if name in _INTEGERS else pa.string()
