"""Examples that no build made, counted as a build counts its own: for the page of a file or a mixture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rlvr.data.build.record import to_texts
from rlvr.data.build.shards import ShardStats
from rlvr.data.build.summary import TABLE, merged_samples, merged_table
from rlvr.types import Example


def summarise_examples(
    examples: Iterable[Example], split: str, seed: int
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The counts and the rows to show, as `rlvr.data.card_tables` reads them; what only a build knows is empty."""
    stats = ShardStats(split, seed)
    for example in examples:
        texts = to_texts(example)
        stats.add(list(texts), len(texts[4]) + len(texts[5]))
    found = stats.to_json()
    table = merged_table([found])
    nothing = {"calls": 0, "others": 0, "left_out_calls": 0, "left_out_others": 0}
    calls = sum(row[-2] for row in table if row[4] == "call")
    rows = sum(row[-2] for row in table)
    counts = {
        "rows": {split: rows},
        "length_unit": "characters",
        "columns": list(TABLE),
        "table": table,
        "sources": [],
        "negatives": None,
        "heldout": None,
        "calls_wanted": {
            "asked": None, "train": nothing, "heldout": nothing,
            split: {**nothing, "calls": calls, "others": rows - calls},
        },
        **{name: found[name] for name in ("tools", "calls", "spread")},
    }  # fmt: skip
    return counts, merged_samples([found])
