"""BFCL as a source, for evaluation and decontamination only: its categories are its shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rlvr.data.rows import Row, Shard
from rlvr.data.sources.base import ExampleSource
from rlvr.data.sources.bfcl import CATEGORIES, load_suite, to_example
from rlvr.errors import UsageError, did_you_mean
from rlvr.types import Example


def categories(location: str | Path | None, config: str | None) -> list[Shard]:
    """One shard a category; `location` is the folder of BFCL's data files, the cache where it is left out."""
    if config is not None and config not in CATEGORIES:
        raise UsageError(f"unknown BFCL category {config!r}.{did_you_mean(config, CATEGORIES)}")
    wanted = CATEGORIES if config is None else (config,)
    return [Shard(str(location or ""), i, len(wanted), name) for i, name in enumerate(wanted)]


def suite(part: Shard) -> list[Example]:
    return load_suite(part.location or None, [part.config or ""])


def _examples(row: Row) -> Sequence[Example]:
    """One question with its possible answers, `{"question": …, "answer": …}`."""
    return [to_example(row.value["question"], row.value.get("answer"))]


SOURCE = ExampleSource("bfcl", _examples, "Apache-2.0", ("question",), evaluation_only=True)
