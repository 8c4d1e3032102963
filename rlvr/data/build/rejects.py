"""The rejects file: every row that was left out, in order, and of a duplicate the row that it repeats.

While rows are read a duplicate is noted with the number of the row it repeats, among those that were kept; its id and
place are looked up here, at the end, when all rows lie on the disk.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlvr.data.build.negate import negatives_left_out, places
from rlvr.data.build.reading import REPEATS, Read, left_out_path
from rlvr.data.build.steps import place_in_source
from rlvr.data.build.store import Readers, read_notes
from rlvr.data.filters import NearDuplicates

_AT_ONCE = 1_000
_KEY = f'"{REPEATS}"'


def write_rejects(path: Path, reads: Sequence[Read], negative_files: Sequence[Path]) -> None:
    files = [f for read in reads for f in read.files]
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(_told(files))
        for negatives in negative_files:
            out.writelines(_line(row) for row in negatives_left_out(negatives))


def _told(files: Sequence[Path]) -> Iterator[str]:
    """The lines of what was left out while the files were filled."""
    ends = np.cumsum([read_notes(f)["tally"]["kept"] for f in files], dtype=np.int64)
    readers = Readers(files)
    lines = itertools.chain.from_iterable(_lines(left_out_path(f)) for f in files)
    while block := list(itertools.islice(lines, _AT_ONCE)):
        rows = {i: json.loads(line) for i, line in enumerate(block) if _KEY in line}
        rows = {i: row for i, row in rows.items() if REPEATS in row}
        found = readers.rows(places(np.array([row.pop(REPEATS) for row in rows.values()], np.int64), ends))
        for (i, row), texts in zip(rows.items(), found, strict=True):
            block[i] = _line(row | {"reason": _repeats(row["code"], texts)})
        yield from block


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as file:
        yield from file


def _repeats(code: str, texts: Sequence[str]) -> str:
    place = place_in_source(json.loads(texts[8]))
    nearly = "nearly " if code.startswith(NearDuplicates.name) else ""
    return f"{nearly}the same as {texts[0]}" + (f" ({place})" if place else "")


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
