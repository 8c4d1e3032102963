"""The finished files: rows in their final order as Parquet, counted as they are written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.data.build.plan import named
from rlvr.data.build.record import COLUMNS, hash64
from rlvr.data.build.store import Array, Readers, scratch_name
from rlvr.data.license import license_of

ROW_GROUP = 1_000
SAMPLES = 20
_LEVEL = 3
CountKey = tuple[str, str, str, str, str]  # source, category, language, kind, license


@dataclass(frozen=True, slots=True)
class ShardUnit:
    """One Parquet file: which rows it holds, in order (file and row number).

    `stats` is where its counts go. `again`: rows whose id stood before, by their place here, with how many times.
    """

    path: Path
    stats: Path
    split: str
    files: tuple[Path, ...]
    rows: Array  # (rows, 2) integers
    lengths: Array
    again: Mapping[int, int]
    seed: int


def write_shard(unit: ShardUnit) -> int:
    """Write the file and its counts, each under a scratch name first; return the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    scratch = scratch_name(unit.stats.with_suffix(".parquet"))  # not beside the file: that folder is published whole
    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    stats = ShardStats(unit.split, unit.seed)
    with pq.ParquetWriter(scratch, schema, compression="zstd", compression_level=_LEVEL) as writer:
        for texts, lengths in _groups(unit):
            for row, length in zip(texts, lengths, strict=True):
                stats.add(row, length)
            columns = [pa.array(column, pa.string()) for column in zip(*texts, strict=True)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=ROW_GROUP)
    notes = scratch_name(unit.stats)
    notes.write_text(json.dumps(stats.to_json(), ensure_ascii=False), encoding="utf-8")
    notes.replace(unit.stats)
    scratch.replace(unit.path)
    return len(unit.rows)


def _groups(unit: ShardUnit) -> Iterator[tuple[list[list[str]], list[int]]]:
    """The rows in groups of `ROW_GROUP`, with their lengths."""
    readers = Readers(unit.files)
    for start in range(0, len(unit.rows), ROW_GROUP):
        rows = readers.rows(unit.rows[start : start + ROW_GROUP])
        texts = [named(row, unit.again.get(number, 0)) for number, row in enumerate(rows, start)]
        yield texts, unit.lengths[start : start + ROW_GROUP].tolist()


class ShardStats:
    """Counts of the rows of a file, and the rows that are shown of each kind: those of the lowest rank."""

    def __init__(self, split: str, seed: int) -> None:
        self.split = split
        self.seed = seed
        self.counts: Counter[CountKey] = Counter()
        self.lengths: Counter[CountKey] = Counter()
        self.tools: Counter[int] = Counter()
        self.calls: Counter[int] = Counter()
        self.spread: Counter[int] = Counter()
        self.samples: dict[str, list[tuple[int, list[str]]]] = {}

    def add(self, texts: list[str], length: int) -> None:
        meta = json.loads(texts[8])
        kind = kind_of(texts, meta)
        key = (texts[1], texts[2], texts[3] or "unknown", kind, license_of(meta) or "not stated")
        self.counts[key] += 1
        self.lengths[key] += length
        self.tools[len(json.loads(texts[5]))] += 1
        self.calls[len(json.loads(texts[6]))] += 1
        self.spread[length.bit_length()] += 1
        shown = self.samples.setdefault(kind, [])
        rank = hash64(f"{self.seed}/sample/{texts[0]}")
        if len(shown) < SAMPLES or rank < shown[-1][0]:
            shown.append((rank, texts))
            shown.sort(key=lambda s: (s[0], s[1][0]))
            del shown[SAMPLES:]

    def to_json(self) -> dict[str, Any]:
        return {
            "split": self.split,
            "counts": [[*key, n, self.lengths[key]] for key, n in sorted(self.counts.items())],
            "tools": sorted(self.tools.items()),
            "calls": sorted(self.calls.items()),
            "spread": sorted(self.spread.items()),
            "samples": self.samples,
        }


def kind_of(texts: Sequence[str], meta: Mapping[str, Any]) -> str:
    """The kind a row is counted and shown under: a negative's own, `call`, or what is expected in place of one."""
    negative = meta.get("negative")
    if isinstance(negative, Mapping) and negative.get("kind"):
        return str(negative["kind"])
    return "call" if texts[6] != "[]" else f"no call, {texts[7]}"
