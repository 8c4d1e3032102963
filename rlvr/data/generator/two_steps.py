"""Examples of tasks that take two calls: the first turn, where the identifier is looked up, and the second, where it is
known.

The user asks for what the second tool does, and says nothing that it could be called with alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.data.generator.catalogue import load_catalogue
from rlvr.data.generator.tasks import DrawnTask, TwoStepTask, draw_task, load_tasks
from rlvr.negatives import why_answerable
from rlvr.negatives.dependencies import STEP_ABILITIES, STEPS
from rlvr.types import Example, GoldCall, Tool

MOST_BESIDE = 2


@dataclass(frozen=True, slots=True)
class TwoStepGroup:
    """A group of examples of one task, which share one list of tools. `literal`: every value stands in the query."""

    split: str
    id: str
    rng: random.Random
    languages: Mapping[str, float]
    literal: bool

    def examples(self, size: int) -> Iterator[Example]:
        task = self.rng.choice(self._able())
        tools = self._offered(task)
        for k in range(size):
            lang = self.rng.choices(list(self.languages), weights=list(self.languages.values()))[0]
            drawn = self._drawn(task, lang)
            make = second_turn if self.rng.random() < 0.5 else first_turn
            yield make(f"{self.id}-{k}", task, drawn, tools, lang)

    def _able(self) -> list[TwoStepTask]:
        tasks = [t for t in load_tasks() if t.asks.split == self.split]
        spoken = [lang for lang, share in self.languages.items() if share]
        return [t for t in tasks if all(t.asks.literal(lang) for lang in spoken)] if self.literal else tasks

    def _drawn(self, task: TwoStepTask, lang: str) -> DrawnTask:
        templates = (self.literal and task.asks.literal(lang)) or task.asks.templates[lang]
        return draw_task(task, self.rng.choice(templates), lang, self.rng.randrange(2**32))

    def _offered(self, task: TwoStepTask) -> tuple[Tool, ...]:
        """Both tools and at most two of other domains, none of which could stand in for either."""
        drawn = self._drawn(task, next(lang for lang, share in self.languages.items() if share))
        both = (task.first, task.second)
        calls = (GoldCall(task.first.name, drawn.first), GoldCall(task.second.name, drawn.second))
        whole = Example("", "builtin", "multi_turn", ({"role": "user", "content": drawn.query},), both, calls)
        others = [t.tool for t in load_catalogue() if t.split == self.split and t.domain not in task.near]
        wanted = self.rng.randint(0, MOST_BESIDE)
        beside = [t for t in self.rng.sample(others, 2 * MOST_BESIDE) if why_answerable(whole, [t]) is None]
        tools = [*both, *beside[:wanted]]
        self.rng.shuffle(tools)
        return tuple(tools)


def first_turn(id: str, task: TwoStepTask, drawn: DrawnTask, tools: Sequence[Tool], lang: str) -> Example:
    """The request; the first call is due."""
    messages = ({"role": "user", "content": drawn.query},)
    gold = GoldCall(task.first.name, drawn.first)
    return Example(id, "builtin", "multiple", messages, tuple(tools), (gold,), "any", _meta(task, lang))


def second_turn(id: str, task: TwoStepTask, drawn: DrawnTask, tools: Sequence[Tool], lang: str) -> Example:
    """The request, the first call and its result; the second call is due."""
    body = {"type": "function", "function": {"name": task.first.name, "arguments": dict(drawn.first)}}
    messages = (
        {"role": "user", "content": drawn.query},
        {"role": "assistant", "content": "", "tool_calls": [body]},
        {"role": "tool", "content": drawn.result},
    )
    gold = GoldCall(task.second.name, drawn.second)
    return Example(id, "builtin", "multi_turn", messages, tuple(tools), (gold,), "any", _meta(task, lang))


def _meta(task: TwoStepTask, lang: str) -> dict[str, Any]:
    return {
        "lang": lang,
        "domain": task.asks.domain,
        "ability": task.asks.ability[lang],
        "license": "Apache-2.0",
        "split": task.asks.split,
        STEPS: [task.first.name, task.second.name],
        STEP_ABILITIES: [task.looks_up[lang], task.asks.ability[lang]],
    }
