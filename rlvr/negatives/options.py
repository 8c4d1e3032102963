"""What to make, and what was made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from rlvr.errors import did_you_mean
from rlvr.negatives.base import KINDS

SHARES: Mapping[str, float] = {
    "domain_mismatch": 0.25,
    "action_mismatch": 0.2,
    "server_shuffle": 0.25,
    "partial_fulfilment": 0.05,
    "missing_permission": 0.15,
    "format_mismatch": 0.1,
}


@dataclass(frozen=True, slots=True)
class NegativeOptions:
    """How many negatives, of which kinds.

    Either `count` or `share`: so many in all, or so many for each calling example (0.5: one for every second; more than
    1: several kinds for one example). With `count`, `parents` says how many calling examples will come, so that the
    negatives are spread over all of them; without it they are made of the first ones. `kinds` are relative weights;
    what the examples of one kind cannot give (few have calls that depend on each other) is made of the others, and
    `Tally` tells. `twins` yields behind each negative its positive. `pool` is how many examples are held at once,
    and lend each other their tools; `max_tools` and `max_characters` bound what one negative offers.

    Raises `ValueError` on what cannot be.
    """

    kinds: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))
    count: int | None = None
    share: float | None = None
    parents: int | None = None
    seed: int = 0
    twins: bool = False
    pool: int = 1_000
    max_tools: int = 16
    max_characters: int = 16_000

    def __post_init__(self) -> None:
        for name in self.kinds:
            if name not in KINDS:
                raise ValueError(f"kinds: {name} is no kind of negative.{did_you_mean(name, KINDS)}")
        if not any(self.kinds.values()) or not all(0 <= w < math.inf for w in self.kinds.values()):
            raise ValueError(f"kinds: got {dict(self.kinds)}, expected weights from 0 up, one at least above 0")
        if (self.count is None) == (self.share is None):
            raise ValueError("give either count (how many in all) or share (how many for each calling example)")
        if self.share is not None and not 0 < self.share <= len(KINDS):
            raise ValueError(f"share: got {self.share}, expected more than 0 and at most {len(KINDS)}")
        for name in ("count", "parents", "pool", "max_tools", "max_characters"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: got {value}, expected at least 1")

    def due(self, seen: int) -> int:
        """How many negatives there should be after `seen` calling examples."""
        if self.share is not None:
            return math.floor(self.share * seen + 1e-9)
        assert self.count is not None
        if self.parents is None:
            return min(self.count, seen)
        return self.count * min(seen, self.parents) // self.parents

    @property
    def most_per_parent(self) -> int:
        rate = self.share if self.share is not None else (self.count or 0) / (self.parents or self.count or 1)
        return max(1, math.ceil(rate))


@dataclass(slots=True)
class Tally:
    """What a run of `synthesize` made, and why examples gave no negative of a kind."""

    parents: int = 0
    made: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    twins: int = 0
    judged: Counter[str] = field(default_factory=Counter)
