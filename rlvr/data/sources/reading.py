"""Read a source: rows → examples and rejects, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from rlvr.data.rows import Row, Shard, count_rows, find_shards, read_shard, shard_size
from rlvr.data.sources import (
    bfcl_rows,
    builtin,
    glaive,
    hammer,
    hermes,
    llamafactory,
    mcp,
    ms_swift,
    openai,
    own_form,
    rlla,
    sgd,
    sharegpt,
    toolace,
    toucan,
    traces,
    xlam,
)
from rlvr.data.sources.base import Source, Turns, chosen
from rlvr.data.sources.rejects import NotUnderstood, Reject, Unused
from rlvr.errors import DataError, UsageError, did_you_mean
from rlvr.types import Example

_ALL: tuple[Source, ...] = (
    own_form.JSONL,
    own_form.PARQUET,
    builtin.SOURCE,
    xlam.SOURCE,
    toolace.SOURCE,
    toucan.SOURCE,
    hermes.SOURCE,
    glaive.SOURCE,
    sharegpt.APIGEN_MT,
    rlla.SOURCE,
    hammer.SOURCE,
    openai.SOURCE,
    sharegpt.SHAREGPT,
    ms_swift.SOURCE,
    llamafactory.SOURCE,
    sgd.SOURCE,
    traces.SOURCE,
    mcp.SOURCE,
    bfcl_rows.SOURCE,
)
SOURCES: dict[str, Source] = {source.name: source for source in _ALL}


def get_source(name: str) -> Source:
    """The source of a name. Raises `UsageError` with the nearest one where there is none."""
    if name not in SOURCES:
        raise UsageError(f"unknown source {name!r}.{did_you_mean(name, SOURCES)}")
    return SOURCES[name]


def shards(
    name: str,
    location: str | Path | None = None,
    *,
    config: str | None = None,
    split: str = "train",
    revision: str | None = None,
) -> list[Shard]:
    """The parts that a source can be read in, always in the same order; each may be given to `read` as a location.

    Raises `UsageError` where there is nothing to read, `DataError` where two Parquet files differ in their columns.
    """
    source = get_source(name)
    if name == "builtin":
        return [Shard(str(location or "0"), config=config, split=split)]
    if name == "bfcl":
        return bfcl_rows.categories(location, config)
    where = location if location is not None else source.hub_id
    if where is None:
        raise UsageError(f"source {name}: give a location (a file or folder); it is published nowhere.")
    if config is None and str(where) == source.hub_id:
        config = source.hub_config
    return find_shards(where, config=config, split=split, revision=revision)


def count_hint(parts: Sequence[Shard]) -> int | None:
    """About how many rows the parts of a source have; `None` where it cannot be told without reading them."""
    return count_rows(list(parts))


def read(
    name: str,
    location: str | Path | Shard | None = None,
    *,
    config: str | None = None,
    split: str = "train",
    turns: Turns = "all",
    subset: str | None = None,
    start: int = 0,
    stop: int | None = None,
    rejects: Callable[[Reject], None],
    revision: str | None = None,
) -> Iterator[Example]:
    """Yield the examples of a source, in order; what becomes none is handed to `rejects` with its reason.

    `location` is a file, a folder, an id on the hub (by default the source's own) or one of its `shards`; for
    `builtin` it is the seed. Rows are read from number `start` up to `stop` (not included), counted over all shards.
    `turns`: every turn of a dialogue, or the first or last alone. `subset`: only rows of that subset (Toucan's
    `irrelevant`). Raises `UsageError` where the source cannot be reached or gives no row at all, `DataError` where a
    file is damaged or holds rows of another form.
    """
    source = get_source(name)
    if isinstance(location, Shard):
        parts = [location]
    else:
        parts = shards(name, location, config=config, split=split, revision=revision)
    return _read(source, parts, turns, subset, start, stop, rejects)


def _read(
    source: Source,
    parts: Sequence[Shard],
    turns: Turns,
    subset: str | None,
    start: int,
    stop: int | None,
    rejects: Callable[[Reject], None],
) -> Iterator[Example]:
    seen, fitting = 0, False
    for part in parts:
        begin, end = max(start - seen, 0), None if stop is None else stop - seen
        if end is not None and end <= 0:
            break
        if begin and len(parts) > 1:
            size = shard_size(part)
            if size <= begin:
                seen += size
                continue
        rows = begin
        for number, found in read_rows(source, part, turns=turns, subset=subset, start=begin, stop=end):
            rows = number + 1
            fitting = fitting or bool(found)
            for item in found:
                if isinstance(item, Example):
                    yield item
                else:
                    rejects(item)
        seen += rows
    if not fitting and start == 0 and stop is None:
        what = f"row whose {source.subset_field} is {subset!r}" if seen and subset is not None else "row"
        raise UsageError(f"source {source.name}: {', '.join(p.name for p in parts)} holds no {what}.")


def read_rows(
    source: Source,
    part: Shard,
    *,
    turns: Turns = "all",
    subset: str | None = None,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[tuple[int, Sequence[Example | Reject]]]:
    """Yield (row number, what it became) of one shard: nothing, for rows of other subsets than `subset`.

    Raises `DataError` where the first row has none of the columns that the source's rows have.
    """
    if subset is not None and source.subset_field is None:
        raise UsageError(f"source {source.name} has no subsets; it cannot be read with subset={subset!r}.")
    if source.name == "builtin":
        made: Iterator[Example] = builtin.generated(part.location, part.split, start, stop)
    elif source.name == "bfcl":
        made = islice(bfcl_rows.suite(part), start, stop)
    else:
        yield from _rows(source, part, turns, subset, start, stop)
        return
    yield from ((number, [example]) for number, example in enumerate(made, start))


def _rows(
    source: Source, part: Shard, turns: Turns, subset: str | None, start: int, stop: int | None
) -> Iterator[tuple[int, Sequence[Example | Reject]]]:
    for number, row in enumerate(read_shard(part, start, stop), start):
        if isinstance(row, Row):
            if number == start:
                check_fields(source, row)
            if subset is not None and row.value.get(source.subset_field or "") != subset:
                yield number, ()
                continue
        yield number, chosen(_of_row(source, row, part, number), turns)


def _of_row(source: Source, row: Row | DataError, part: Shard, number: int) -> Sequence[Example | Reject]:
    name = f"{source.name}-{part.key(number)}"
    if isinstance(row, DataError):
        return [Reject(source.name, name, row.where, "not_understood", "row", row.what)]
    try:
        return source.examples(row)
    except NotUnderstood as error:
        return [Reject(source.name, name, error.where, "not_understood", error.code, error.what)]
    except Unused as error:
        return [Reject(source.name, name, error.where, "unused", error.code, error.what)]


def check_fields(source: Source, row: Row) -> None:
    """Raise `DataError` where a row is plainly in another source's form."""
    missing = _missing(source, row)
    if not missing:
        return
    others = [s.name for s in SOURCES.values() if s.fields and not _missing(s, row)]
    hint = f" They look like those of: {', '.join(others)}." if others else ""
    raise DataError(
        row.where,
        f"the rows are not those of source {source.name}: no {', '.join(missing)} among the columns "
        f"{', '.join(map(str, row.value))}.{hint}",
    )


def _missing(source: Source, row: Row) -> list[str]:
    return [f.replace("|", " or ") for f in source.fields if not any(name in row.value for name in f.split("|"))]
