"""Write examples as another trainer's files: `rlvr data export`. Rows pass through one by one; few are held at once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rlvr.data.mixture import read_parquet
from rlvr.data.plain_turns import plain_turns
from rlvr.data.sources.jsonl import read_jsonl
from rlvr.errors import DataError, UsageError
from rlvr.extras import require
from rlvr.integrations.verl import DATA_SOURCE, to_row
from rlvr.jsonl import is_utf8
from rlvr.paths import written_whole
from rlvr.types import Example

TARGETS = ("verl",)
ROWS_AT_ONCE = 500
"""Rows of one group of the Parquet file, and the most that is held in memory."""


def read_examples(path: Path, split: str = "train") -> Iterator[Example]:
    """The examples of a JSONL file, a Parquet file, or a split of what `rlvr data build` wrote, one after another.

    Raises `UsageError` where there is no such file, `DataError` at the first row that cannot be used.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder. Build data with `rlvr data build`.")
    return read_parquet(path, split) if path.is_dir() or path.suffix == ".parquet" else read_jsonl(path)


def verl_row(
    example: Example, index: int, split: str, *, parser: str = "hermes", tokenizer: Any = None
) -> dict[str, Any]:
    """One row of verl: `data_source`, `prompt`, `ability`, `reward_model` and `extra_info`.

    The prompt's turns are plain text with the tools in them (`plain_turns`). `extra_info` holds what the reward reads,
    and `split` and `index`, which verl keeps beside its rollouts.
    """
    row = to_row(example, DATA_SOURCE)
    extra = {**row["extra_info"], "split": split, "index": index}
    return {**row, "prompt": plain_turns(example, parser, tokenizer), "extra_info": extra}


def verl_schema() -> Any:
    """The Arrow schema of verl's rows. Tools and ground truth are JSON strings: structs would be padded with nulls."""
    import pyarrow as pa

    text = pa.string()
    turn = pa.struct([("role", text), ("content", text)])
    read = [(name, text) for name in ("id", "tools", "ground_truth", "expects", "lang", "query", "split")]
    return pa.schema(
        [
            ("data_source", text),
            ("prompt", pa.list_(turn)),
            ("ability", text),
            ("reward_model", pa.struct([("style", text), ("ground_truth", text)])),
            ("extra_info", pa.struct([*(r for r in read if r[0] != "ground_truth"), ("index", pa.int64())])),
        ]
    )


def export_verl(
    examples: Iterable[Example],
    out: Path,
    *,
    split: str = "train",
    parser: str = "hermes",
    tokenizer: Any = None,
    force: bool = False,
) -> int:
    """Write verl's Parquet file and return its number of rows. A crash leaves the old file or the new one.

    Raises `UsageError` where the file is there and `force` is not given, `DataError` where there is nothing to write or
    a prompt cannot be written, `RunError` where the disk takes no more.
    """
    require("pyarrow", "data", "Writing Parquet")
    if out.exists() and not force:
        raise UsageError(f"{out}: is there already. Give another --out, or --force to overwrite it.")
    if out.is_dir():
        raise UsageError(f"{out}: is a folder. Give the name of a file, such as {out / f'{split}.parquet'}.")
    rows = (verl_row(e, i, split, parser=parser, tokenizer=tokenizer) for i, e in enumerate(examples))
    with written_whole(out) as scratch:
        count = _write(rows, scratch)
        if not count:
            raise DataError(str(out), "there is no example to write. Check the data and its --split.")
    return count


def _write(rows: Iterator[dict[str, Any]], path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, count = verl_schema(), 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(itertools.islice(rows, ROWS_AT_ONCE)):
            try:
                table = pa.Table.from_pylist(group, schema=schema)
            except UnicodeEncodeError:
                broken = next(row for row in group if not is_utf8(json.dumps(row, ensure_ascii=False)))
                told = "holds half a surrogate pair, which Parquet cannot. Mend the text, or leave the row out."
                raise DataError(ascii(broken["extra_info"].get("id"))[1:-1], told) from None
            writer.write_table(table)
            count += len(group)
    return count
