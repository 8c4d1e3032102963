"""The band of difficulty: examples that a probed model sometimes gets right, with a floor for every category."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from rlvr.data.probe_file import read_probe
from rlvr.errors import UsageError
from rlvr.types import Example

OTHERS = "*"
"""In a floor: every category that it does not name."""


class DifficultyBand:
    """Keeps the examples whose pass rate lies between `least` and `most`, both included, and whose reward varied.

    `file` is what `rlvr data probe` wrote. `floor` is the share of a category's probed examples that stays in any
    case: one number for all, or a mapping by category (`*` for the others). Where the band holds fewer, the nearest to
    it are added, those that varied first, then in an order drawn with `seed`. So what a model has mastered does not
    vanish: a set whose refusals were all mastered would teach calling alone.
    Codes: `too_easy`, `too_hard`, `no_variance`; `not_probed` where the file does not hold the example (`unprobed:
    keep` lets it pass), `probed_differently` where it holds another one of the same id.
    """

    name: ClassVar[str] = "difficulty"

    def __init__(
        self,
        file: str | Path,
        least: float = 0.1,
        most: float = 0.9,
        floor: float | Mapping[str, float] = 0.1,
        *,
        seed: int = 0,
        unprobed: Literal["drop", "keep"] = "drop",
    ) -> None:
        floors = dict(floor) if isinstance(floor, Mapping) else {OTHERS: floor}
        _check(least, most, floors)
        self.least, self.most, self.unprobed = least, most, unprobed
        rows = [row for row in read_probe(file) if row["k"]]
        kept = chosen(rows, least, most, floors, seed)
        self._verdicts: dict[str, tuple[str, str | None]] = {
            row["id"]: (str(row.get("digest", "")), None if row["id"] in kept else self._reason(row)) for row in rows
        }

    def why_not(self, example: Example) -> str | None:
        found = self._verdicts.get(example.id)
        if found is None:
            return "not_probed" if self.unprobed == "drop" else None
        if found[0] and found[0] != _digest(example):
            return "probed_differently"
        return found[1]

    def _reason(self, row: Mapping[str, Any]) -> str:
        rate = row["pass_rate"]
        if rate > self.most:
            return "too_easy"
        return "too_hard" if rate < self.least else "no_variance"


def chosen(
    rows: Sequence[Mapping[str, Any]], least: float, most: float, floors: Mapping[str, float], seed: int
) -> set[str]:
    """The ids that stay: the band, and what the floors add."""
    by_category: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_category.setdefault(str(row.get("category")), []).append(row)
    kept: set[str] = set()
    for category, members in by_category.items():
        share = floors.get(category, floors.get(OTHERS, 0.0))
        wanted = math.ceil(share * len(members) - 1e-9)
        ordered = sorted(members, key=lambda r: _distance(r, least, most, seed))
        inside = sum(1 for r in members if _distance(r, least, most, seed)[:2] == (0.0, False))
        kept.update(str(r["id"]) for r in ordered[: max(wanted, inside)])
    return kept


def _distance(row: Mapping[str, Any], least: float, most: float, seed: int) -> tuple[float, bool, bytes]:
    """How far from the band, whether without variance, and a place drawn with the seed."""
    rate = float(row["pass_rate"])
    place = hashlib.blake2b(f"{seed}/{row['id']}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return max(least - rate, rate - most, 0.0), bool(row.get("zero_variance")), place


def _digest(example: Example) -> str:
    from rlvr.data.difficulty import example_digest

    return example_digest(example)


def _check(least: float, most: float, floors: Mapping[str, float]) -> None:
    if not 0 <= least <= most <= 1:
        raise UsageError(f"difficulty: got the band {least} to {most}, expected 0 <= least <= most <= 1")
    wrong = [f"{name}: {share}" for name, share in floors.items() if not 0 <= share <= 1]
    if wrong:
        raise UsageError(f"difficulty: got the floor {', '.join(wrong)}, expected shares between 0 and 1")
