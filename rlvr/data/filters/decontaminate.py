"""Decontamination as a filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rlvr.data.decontaminate.index import Flag, Index
from rlvr.types import Example


@dataclass(frozen=True, slots=True)
class Decontaminate:
    """Drops an example that overlaps with what is in `index`.

    Codes: `benchmark_query` (a user message is a question of the benchmark), `benchmark_ngrams` (half of its 8-grams
    are), `benchmark_kin` (its query says nearly what a question does whose tool is offered), `benchmark_tools` (its
    tools stand together in one question), `benchmark_tool` (it calls a tool with the benchmark's rare parameters).
    `flag` says with which row, and why.
    """

    index: Index
    name: ClassVar[str] = "decontaminate"

    def why_not(self, example: Example) -> str | None:
        flag = self.flag(example)
        return flag.code if flag else None

    def flag(self, example: Example) -> Flag | None:
        return self.index.flag(example)
