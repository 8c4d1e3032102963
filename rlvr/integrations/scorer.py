"""What every adapter stands on: a composition over rows, users' functions included, and an example as a row."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rlvr.errors import DataError, UsageError
from rlvr.rewards import Composition, load_composition
from rlvr.rewards.columns import batch_samples, opened_reasoning
from rlvr.rewards.components import COMPONENTS
from rlvr.rewards.functions import bind_function, is_async, run_async
from rlvr.rewards.told import flag, flags
from rlvr.types import Example

COLUMNS = ("id", "tools", "ground_truth", "expects", "lang", "query", "prompts")
"""What is read of a row, beside `truncated` and `reasoning_opened`."""
_NEEDED = ("tools", "ground_truth")


@dataclass(frozen=True, slots=True)
class Scored:
    """One completion's reward: the weighted sum, the verdict, and each score; `None` where one does not apply."""

    total: float
    right: bool
    scores: Mapping[str, float | None]

    def numbers(self) -> dict[str, float]:
        """Numbers alone, under the same names for every row, as trainers log them.

        `score` is the reward and `acc` 1 where the completion is right: never take `score` for accuracy. What does not
        apply is 0: it is so for a whole group, and adds nothing to its advantages. A function of yours that has the
        name of one of the two is not shown.

        >>> Scored(1.22, True, {"format": 1.0, "refusal": None}).numbers()
        {'format': 1.0, 'refusal': 0.0, 'score': 1.22, 'acc': 1.0}
        """
        named = {name: 0.0 if value is None else value for name, value in self.scores.items()}
        return {**named, "score": self.total, "acc": float(self.right)}


@dataclass(frozen=True)
class Scorer:
    """A composition at a stage, bound to a tool-call format: rows in, rewards out.

    `composition` is a name, a path or a `Composition`; `stage` defaults to its first. `reasoning_opened` says that
    prompts end inside a reasoning block; a row's own `reasoning_opened` goes before it.
    """

    composition: str | Path | Composition = "function_calling"
    stage: str | None = None
    parser: str = "hermes"
    reasoning_parser: str = "think"
    reasoning_opened: bool = False

    @cached_property
    def loaded(self) -> Composition:
        """The composition at its stage. Raises `UsageError` where there is none."""
        given = self.composition
        if not isinstance(given, Composition):
            return load_composition(given, self.stage)
        if self.stage is not None and self.stage != given.stage:
            raise UsageError(f"the composition is at {given.stage}; load it at {self.stage!r} with load_composition.")
        return given

    def batch(
        self, completions: Sequence[Any], rows: Sequence[Mapping[str, Any]], truncated: Sequence[bool] | None = None
    ) -> list[Scored]:
        """Score completions (text or message lists), each beside its row. `truncated` goes before the rows' own.

        Raises `UsageError` where the lengths differ, `DataError` with the row's id for a row that cannot be scored.
        """
        if len(completions) != len(rows):
            raise UsageError(f"{len(rows)} rows for {len(completions)} completions; each needs one")
        if not rows:
            return []
        columns: dict[str, Any] = {name: [row.get(name) for row in rows] for name in COLUMNS}
        columns = {name: values for name, values in columns.items() if name in _NEEDED or any(values)}
        cut = [r.get("truncated") for r in rows] if truncated is None else truncated
        columns["truncated"] = flags("truncated", cut, len(rows))
        seen = opened_reasoning(len(rows), {"prompts": columns.get("prompts")})
        columns["reasoning_opened"] = [
            (self.reasoning_opened or by_prompt)
            if r.get("reasoning_opened") is None
            else flag("reasoning_opened", r["reasoning_opened"])
            for r, by_prompt in zip(rows, seen, strict=True)
        ]
        composition = self.loaded
        known = {**columns, "reasoning_parser": self.reasoning_parser}
        samples = batch_samples(
            completions, columns["tools"], columns["ground_truth"], self.parser, composition.matching, known
        )
        by_name: dict[str, Sequence[float | None]] = {
            c.name: [COMPONENTS[c.name].of(sample, c.params) for sample in samples] for c in composition.components
        }
        by_name.update(_own(composition, completions, columns))
        each = [dict(zip(by_name, values, strict=True)) for values in zip(*by_name.values(), strict=True)]
        rights = [sample.right for sample in samples]
        return [Scored(composition.total(s), right, s) for s, right in zip(each, rights, strict=True)]

    def one(self, completion: Any, row: Mapping[str, Any], truncated: bool | None = None) -> Scored:
        """Score one completion beside its row."""
        return self.batch([completion], [row], None if truncated is None else [truncated])[0]


def row_of(example: Example) -> dict[str, Any]:
    """What a reward reads of an example, flat, with JSON strings: Arrow would pad nested tools to a common schema.

    >>> row_of(Example("a", "", "irrelevance", ({"role": "user", "content": "Hi."},), (), (), "any", {"lang": "en"}))
    {'id': 'a', 'tools': '[]', 'ground_truth': '[]', 'expects': 'any', 'lang': 'en', 'query': 'Hi.'}
    """
    return {
        "id": example.id,
        "tools": json.dumps([t.to_json() for t in example.tools], ensure_ascii=False),
        "ground_truth": json.dumps([c.to_json() for c in example.ground_truth], ensure_ascii=False),
        "expects": example.expects,
        "lang": example.lang,
        "query": example.query,
    }


def read_row(value: Any, where: str) -> Mapping[str, Any]:
    """A row that came as an object or as a JSON string of one. Raises `DataError` where it is neither."""
    if isinstance(value, (str, bytes)):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise DataError(where, f"is not JSON: {error}") from error
    if not isinstance(value, Mapping):
        raise DataError(where, f"got {type(value).__name__}, expected an object with tools and ground_truth")
    return value


def _own(composition: Composition, completions: Sequence[Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of a composition's own functions; the async ones wait beside each other."""
    functions = [bind_function(spec) for spec in composition.functions]
    out: dict[str, Any] = {}
    waiting: list[Any] = []
    for function in functions:
        if is_async(function):
            waiting.append(function)
        else:
            out[function.name] = function(completions, **columns)

    async def wait() -> list[Any]:
        return list(await asyncio.gather(*(f(completions, **columns) for f in waiting)))

    if waiting:
        out.update(zip((f.name for f in waiting), run_async(wait()), strict=True))
    return {f.name: out[f.name] for f in functions}
