"""Write examples as JSONL in our own form; `rlvr.data.sources.jsonl` reads them back."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable
from pathlib import Path

from rlvr.errors import UsageError
from rlvr.paths import written_whole
from rlvr.types import Example


def write_jsonl(examples: Iterable[Example], path: str | Path, *, force: bool = False) -> int:
    """Write one line an example, gzipped where the name ends in `.gz`, and return how many. The same examples give the
    same bytes; a crash leaves the old file or the new one.

    Raises `UsageError` where the file is there and `force` is not given, `RunError` where it cannot be written.
    """
    path = Path(path)
    if path.exists() and not force:
        raise UsageError(f"{path}: is there already. Give another --out, or --force to overwrite it.")
    count = 0
    with (
        written_whole(path) as scratch,
        scratch.open("wb") as raw,
        _text(raw, packed=path.suffix == ".gz") as file,
    ):
        for count, example in enumerate(examples, start=1):  # noqa: B007 (the count is what is returned)
            file.write(json.dumps(example.to_json(), ensure_ascii=False) + "\n")
    return count


def _text(raw: io.BufferedWriter, *, packed: bool) -> io.TextIOWrapper:
    """`mtime=0` and no file name: else the same rows would pack to other bytes on another day."""
    binary = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) if packed else raw
    return io.TextIOWrapper(binary, encoding="utf-8", newline="\n")
