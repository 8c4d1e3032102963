"""Which prompts come when: a run's prompts planned beforehand from the difficulty that a probe measured. Pure.

The plan is a list of rows as long as the run, so that TRL reads it in order, the same seed gives the same plan, and a
resumed run goes on in it where it stopped.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rlvr.data.difficulty import example_digest
from rlvr.data.filters.difficulty import OTHERS, chosen
from rlvr.data.probe_file import read_probe
from rlvr.errors import DataError, UsageError
from rlvr.strict import checked, raise_mistakes
from rlvr.types import Example


def _share(value: float) -> str | None:
    return None if 0 <= value <= 1 else f"got {value}, expected a share between 0 and 1"


@dataclass(frozen=True, slots=True)
class Band:
    """Prompts whose pass rate lies between `least` and `most`, both included, `until` a share of the run is done."""

    until: float = checked(_share, 1.0)
    least: float = checked(_share, 0.0)
    most: float = checked(_share, 1.0)

    def __post_init__(self) -> None:
        raise_mistakes(self, [] if self.least <= self.most else [f"got the band {self.least} to {self.most}"])


@dataclass(frozen=True, slots=True)
class CurriculumOptions:
    """See docs/training.md, "Curricula".

    `file` is what `rlvr data probe` wrote of the training rows. `easy_first` opens the `start` share of each category
    that passes most often, and the rest by and by until the share `until` of the run is done; `hard_first` the other
    way round. `band` opens what lies in the band of the moment, and of every category at least the share `floor`, the
    nearest to the band. Of what is open, what was drawn least often comes first, in an order drawn with the run's seed.
    `unprobed` says whether rows that the file does not hold are left out, or open from the start.
    """

    file: str
    order: Literal["easy_first", "hard_first", "band"] = "easy_first"
    start: float = checked(_share, 0.3)
    until: float = checked(_share, 0.7)
    bands: tuple[Band, ...] = ()
    floor: float = checked(_share, 0.1)
    unprobed: Literal["drop", "keep"] = "drop"

    def __post_init__(self) -> None:
        more = []
        if (self.order == "band") != bool(self.bands):
            more.append("bands: expected with order: band, and with no other order")
        ends = [band.until for band in self.bands]
        if ends != sorted(set(ends)) or (ends and ends[-1] != 1):
            more.append(f"bands: until must rise and end at 1, got {', '.join(map(str, ends))}")
        raise_mistakes(self, more)


@dataclass(frozen=True, slots=True)
class ResampleOptions:
    """Draw other prompts in place of groups without variance, at most `rounds` times a generation."""

    rounds: int = checked(lambda value: None if value >= 1 else f"got {value}, expected 1 or more", 1)


@dataclass(slots=True)
class Plan:
    """`prompts[g]` are the rows of generation `g`; `opened[g]` those that were open then."""

    prompts: list[list[int]]
    opened: list[frozenset[int]]
    rows: dict[int, Probed]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def sequence(self) -> list[int]:
        """All rows in their order, one entry a prompt."""
        return [index for prompts in self.prompts for index in prompts]

    def lines(self, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """What stands in data/curriculum.jsonl: a line a generation."""
        out = []
        for number, prompts in enumerate(self.prompts):
            rates = [rate for i in prompts if (rate := self.rows[i].pass_rate) is not None]
            out.append(
                {
                    "generation": number,
                    "open": len(self.opened[number]),
                    "pass_rate": sum(rates) / len(rates) if rates else None,
                    "ids": [examples[i].id for i in prompts],
                }
            )
        return out


@dataclass(frozen=True, slots=True)
class Probed:
    """A training row: its place in the data, its category, and how often a model got it right (`None`: not probed)."""

    index: int
    id: str
    category: str
    pass_rate: float | None
    zero_variance: bool = False


def join(examples: Sequence[Example], file: str | Path) -> list[Probed]:
    """Every example with what the probe says of it. Raises `DataError` where the probe is of other examples."""
    known = {row["id"]: row for row in read_probe(file) if row["k"]}
    found, differing = [], []
    for index, example in enumerate(examples):
        row = known.get(example.id)
        if row is not None and row.get("digest") and row["digest"] != example_digest(example):
            differing.append(example.id)
        rate = None if row is None else float(row["pass_rate"])
        found.append(Probed(index, example.id, example.category, rate, bool(row and row.get("zero_variance"))))
    if differing:
        raise DataError(
            str(file),
            f"{len(differing)} examples were probed with another text or other tools, {differing[0]} the first. Probe "
            "the rows that this run trains on (data/train.jsonl of a run with the same data).",
        )
    if not any(row.pass_rate is not None for row in found):
        raise DataError(
            str(file), f"holds none of the {len(found)} training examples. Probe data/train.jsonl of a run."
        )
    return found


def plan(rows: Sequence[Probed], options: CurriculumOptions, *, generations: int, prompts: int, seed: int) -> Plan:
    """Plan `generations` of so many `prompts` each.

    Raises `UsageError` where fewer prompts are open at some time than a generation takes.
    """
    kept = [r for r in rows if r.pass_rate is not None or options.unprobed == "keep"]
    made = Plan([], [], {r.index: r for r in kept}, {"rows": len(kept), "dropped_unprobed": len(rows) - len(kept)})
    deck = _Deck(seed)
    opened: frozenset[int] = frozenset()
    for number in range(generations):
        now = _open(kept, options, number / generations, opened, seed, first=number == 0)
        if len(now) < prompts:
            raise UsageError(
                f"curriculum: {len(now)} prompts are open when {number / generations:.0%} of the run is done, and a "
                f"generation takes {prompts}. Raise curriculum.start or floor, widen the bands, or give more data."
            )
        if now is not opened:
            deck.open(now)
            opened = now
        made.prompts.append(deck.draw(prompts))
        made.opened.append(opened)
    return made


def _open(
    rows: Sequence[Probed], options: CurriculumOptions, done: float, before: frozenset[int], seed: int, *, first: bool
) -> frozenset[int]:
    """The rows that are open when a share of the run is done; `before` itself where nothing changed."""
    always = {r.index for r in rows if r.pass_rate is None}
    if options.order == "band":
        band = next(b for b in options.bands if done < b.until or b.until == 1)
        probed = [
            {"id": r.index, "category": r.category, "pass_rate": r.pass_rate, "zero_variance": r.zero_variance}
            for r in rows
            if r.pass_rate is not None
        ]
        found = {int(i) for i in chosen(probed, band.least, band.most, {OTHERS: options.floor}, seed)}
    else:
        grown = 1.0 if options.until == 0 else min(1.0, done / options.until)
        share = options.start + (1 - options.start) * grown
        found = set()
        for members in _by_category(rows, options.order == "hard_first", seed).values():
            found.update(members[: max(1, round(share * len(members)))])
    now = frozenset(always | found)
    return before if now == before and not first else now


def _by_category(rows: Sequence[Probed], hard_first: bool, seed: int) -> dict[str, list[int]]:
    """The rows of each category in the order in which they open; equal ones in an order drawn with the seed."""
    out: dict[str, list[tuple[float, bytes, int]]] = {}
    for row in rows:
        if row.pass_rate is not None:
            rate = row.pass_rate if hard_first else -row.pass_rate
            out.setdefault(row.category, []).append((rate, _place(seed, 0, row.index), row.index))
    return {name: [index for *_, index in sorted(members)] for name, members in out.items()}


class _Deck:
    """Draws what was drawn least often. What opens later begins where the others are: it does not come alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.times: dict[int, int] = {}
        self.heap: list[tuple[int, bytes, int]] = []

    def open(self, rows: frozenset[int]) -> None:
        least = min((self.times[i] for i in rows if i in self.times), default=0)
        for index in rows:
            self.times[index] = max(self.times.get(index, least), least)
        self.heap = [(self.times[i], _place(self.seed, self.times[i], i), i) for i in rows]
        heapq.heapify(self.heap)

    def draw(self, count: int) -> list[int]:
        drawn = [heapq.heappop(self.heap)[2] for _ in range(count)]
        for index in drawn:
            self.times[index] += 1
            heapq.heappush(self.heap, (self.times[index], _place(self.seed, self.times[index], index), index))
        return drawn


def _place(seed: int, times: int, index: int) -> bytes:
    return hashlib.blake2b(f"{seed}/{times}/{index}".encode(), digest_size=8).digest()
