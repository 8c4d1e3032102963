"""What a build did, as one JSON object: the manifest's `counts`, which the card and the page are written from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlvr.data.build.assemble import Assembly
from rlvr.data.build.draw import apportion
from rlvr.data.build.negate import weights
from rlvr.data.build.plan import SPLITS, Balanced, Taken
from rlvr.data.build.recipe import DataRecipe
from rlvr.data.build.record import COLUMNS
from rlvr.data.build.shards import SAMPLES
from rlvr.data.build.split import Split
from rlvr.data.build.steps import Tally
from rlvr.negatives import KINDS

TABLE = ("split", "source", "category", "lang", "kind", "license", "rows", "length")
_Stats = Mapping[str, Any]


def summarise(recipe: DataRecipe, made: Assembly, stats: Sequence[_Stats]) -> dict[str, Any]:
    """Counts of every step; `stats` are those of the finished files."""
    table = merged_table(stats)
    return {
        "rows": {s: sum(row[-2] for row in table if row[0] == s) for s in SPLITS},
        "length_unit": "tokens" if recipe.filters.tokenizer else "characters",
        "columns": list(TABLE),
        "table": table,
        "sources": [_source(recipe, i, read.tally, made.taken) for i, read in enumerate(made.reads)],
        "negatives": None if made.negatives is None else _negatives(recipe, made),
        "heldout": None if made.split is None else _heldout(recipe, made.split),
        "calls_wanted": _calls_wanted(recipe, table, made.mixed),
        **{name: _histogram(stats, name) for name in ("tools", "calls", "spread")},
    }


def merged_samples(stats: Sequence[_Stats]) -> list[dict[str, str]]:
    """The rows that are shown: of each kind those of the lowest rank among all files."""
    found: dict[str, list[tuple[int, list[str]]]] = {}
    for one in stats:
        for kind, rows in one["samples"].items():
            found.setdefault(kind, []).extend((rank, texts) for rank, texts in rows)
    out = []
    for kind in sorted(found, key=kind_order):
        for _, texts in sorted(found[kind], key=lambda s: (s[0], s[1][0]))[:SAMPLES]:
            out.append({"kind": kind, **dict(zip(COLUMNS, texts, strict=True))})
    return out


def kind_order(kind: str) -> tuple[int, str]:
    """Calls first, negatives next, what sources answered in words last."""
    return (0 if kind == "call" else 2 if kind.startswith("no call") else 1, kind)


def load_stats(paths: Sequence[Path]) -> list[dict[str, Any]]:
    return [json.loads(p.read_text(encoding="utf-8")) for p in paths]


def merged_table(stats: Sequence[_Stats]) -> list[list[Any]]:
    """The counts of several files as one table, whose columns are `TABLE`."""
    rows: Counter[tuple[str, ...]] = Counter()
    lengths: Counter[tuple[str, ...]] = Counter()
    for one in stats:
        for *key, n, length in one["counts"]:
            rows[one["split"], *key] += n
            lengths[one["split"], *key] += length
    order = {s: i for i, s in enumerate(SPLITS)}
    return [[*key, rows[key], lengths[key]] for key in sorted(rows, key=lambda k: (order[k[0]], *k[1:]))]


def _source(recipe: DataRecipe, index: int, tally: Tally, taken: Taken) -> dict[str, Any]:
    choice = recipe.sources[index]
    named = {k: v for k in ("location", "config", "subset", "revision") if (v := getattr(choice, k)) is not None}
    return {
        "source": choice.source,
        **named,
        "asked": taken.wanted[index],
        "taken": taken.taken[index],
        **tally.to_json(),
    }


def _negatives(recipe: DataRecipe, made: Assembly) -> dict[str, Any]:
    assert made.negatives is not None
    assert recipe.negatives is not None
    tally = made.negatives.tally
    wanted = weights(recipe.negatives)
    kinds = [kind for kind in KINDS if wanted.get(kind)]
    asked = apportion(made.asked, [wanted[kind] for kind in kinds])
    return {
        "asked": made.asked,
        "parents": tally.rows,
        "servers": made.servers,
        "units": len(made.negative_files),
        "made": tally.examples,
        "kept": tally.kept,
        "twins": len(made.negatives.twins),
        "broken_twins": made.broken_twins,
        "asked_by_kind": dict(zip(kinds, asked, strict=True)),
        "by_kind": dict(sorted(made.negatives.made.items())),
        "kept_by_kind": dict(sorted(made.negatives.kept.items())),
        "refused": [[*key, n] for key, n in sorted(made.negatives.refused.items())],
        "dropped": [[*key, n] for key, n in sorted(tally.dropped.items())],
    }


def _heldout(recipe: DataRecipe, split: Split) -> dict[str, Any]:
    asked = recipe.heldout.share if recipe.heldout else 0.0
    rows = int(split.heldout.sum())
    return {"asked": asked, "rows": rows, "of": len(split.heldout), "groups": split.groups, "largest": split.largest}


def _calls_wanted(recipe: DataRecipe, table: Sequence[Sequence[Any]], mixed: Sequence[Balanced]) -> dict[str, Any]:
    out: dict[str, Any] = {"asked": recipe.calls_wanted}
    for name, one in zip(SPLITS, mixed, strict=True):
        rows = [row for row in table if row[0] == name]
        calls = sum(row[-2] for row in rows if row[4] == "call")
        out[name] = {"calls": calls, "others": sum(row[-2] for row in rows) - calls,
                     "left_out_calls": one.left_out_calls, "left_out_others": one.left_out_others}  # fmt: skip
    return out


def _histogram(stats: Sequence[_Stats], name: str) -> list[list[int]]:
    total: Counter[int] = Counter()
    for one in stats:
        total.update(dict(one[name]))
    return [[value, total[value]] for value in sorted(total)]
