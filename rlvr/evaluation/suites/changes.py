"""What `robustness` changes about an example, each alone: names, order, descriptions, distractors, the query's words.

Every change is a pure function of the example and a seeded generator. It gives the changed example, whose calls changed
with it where they had to, or `None` where the example leaves nothing to change.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rlvr.data.vary.names import RENAMABLE, vary_tool
from rlvr.errors import DataError
from rlvr.negatives import Verifier, why_answerable
from rlvr.negatives.dependencies import deeds_of
from rlvr.negatives.words import plain_name
from rlvr.tools import check_ground_truth
from rlvr.types import Example, GoldCall, Tool, gold_calls_from_json

QUERIES = "queries"
"""In `meta`: the request in other words, by `paraphrase` or language: a text, or `query` with its `ground_truth`."""
DESCRIPTIONS = "descriptions"
"""In `meta`: other descriptions of the tools, by name."""

Change = Callable[[Example, random.Random], "Example | None"]

_OPENINGS = (
    "Call this function when the following is needed:",
    "What this tool is for:",
    "Purpose:",
    "Use it for this task:",
    "This endpoint serves one request:",
    "Summary of the operation:",
)
_TRIES = 30
_LETTERS = "bcdfghjklmnpqrstvwxz23456789"


def renamed(example: Example, rng: random.Random) -> Example | None:
    """Tools and parameters under other names, as another team would have called them; nothing else of them changes."""
    if _shows_names(example):
        return None
    taken: set[str] = set()
    tools: list[Tool] = []
    names: dict[str, tuple[str, Mapping[str, str]]] = {}
    for tool in example.tools:
        made = _rename(tool, {*taken, *(t.name for t in example.tools)}, rng)
        if made is None:
            return None
        taken.add(made[0].name)
        tools.append(made[0])
        names[tool.name] = (made[0].name, made[1])
    return _with_names(example, tools, names)


def masked(example: Example, rng: random.Random) -> Example | None:
    """Tools under names that say nothing: their descriptions alone tell them apart. Parameters keep their names."""
    if _shows_names(example) or not all(t.description.strip() for t in example.tools):
        return None
    used: set[str] = set()
    names: dict[str, tuple[str, Mapping[str, str]]] = {}
    for tool in example.tools:
        while (name := "fn_" + "".join(rng.choice(_LETTERS) for _ in range(5))) in used:
            pass
        used.add(name)
        names[tool.name] = (name, {})
    tools = [replace(t, name=names[t.name][0]) for t in example.tools]
    return _with_names(example, tools, names)


def shuffled(example: Example, rng: random.Random) -> Example | None:
    """Tools, and the parameters of each, in another order."""
    order = _other_order(example.tools, rng)
    tools = []
    for tool in order:
        properties = tool.parameters.get("properties")
        if isinstance(properties, Mapping):
            names = _other_order(list(properties), rng)
            tool = replace(tool, parameters={**tool.parameters, "properties": {n: properties[n] for n in names}})
        tools.append(tool)
    changed = replace(example, tools=tuple(tools))
    return None if _written(changed.tools) == _written(example.tools) else changed


def described(example: Example, rng: random.Random) -> Example | None:
    """Tools in other words: those of `meta["descriptions"]`; where it has none, another opening before the old ones."""
    given = example.meta.get(DESCRIPTIONS)
    texts: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    tools = []
    for tool in example.tools:
        text = str(texts.get(tool.name) or "")
        if not text and tool.description.strip():
            text = f"{rng.choice(_OPENINGS)} {tool.description}"
        tools.append(replace(tool, description=text or tool.description))
    return None if tuple(tools) == example.tools else replace(example, tools=tuple(tools))


def in_other_words(key: str) -> Change:
    """The query as `meta["queries"]` has it under `key`: `paraphrase`, `vi`, `zh` or another language."""

    def change(example: Example, rng: random.Random) -> Example | None:
        given = example.meta.get(QUERIES)
        found = given.get(key) if isinstance(given, Mapping) else None
        if found is None:
            return None
        text, gold = _asked(found, example, key)
        messages = [dict(m) for m in example.messages]
        at = max(i for i, m in enumerate(messages) if m.get("role") == "user")
        messages[at]["content"] = text
        meta = dict(example.meta)
        if key != "paraphrase":
            meta["lang"] = key
            meta.pop("lang_tag", None)
        return replace(example, messages=tuple(messages), ground_truth=gold, meta=meta)

    return change


class Distractors:
    """Tools that do not fit, put among those of an example: of other domains, and not near by the library's verifier.

    The tools of 64 distractors hold those of 32, so that the levels of one example differ by what is added alone.
    """

    def __init__(self, pool: Sequence[tuple[str, Tool]], seed: int, most: int) -> None:
        """`pool` are tools with their domains (an empty one says nothing), `most` the largest level."""
        self.pool = list({plain_name(t.name): (domain, t) for domain, t in reversed(pool)}.values())[::-1]
        self.verifier = Verifier.fit(t for _, t in self.pool)
        self.seed, self.most = seed, most
        self._drawn: dict[str, list[Tool]] = {}

    def drawn(self, example: Example) -> list[Tool]:
        """Up to `most` distractors for an example, in the order in which the levels take them."""
        if example.id not in self._drawn:
            self._drawn[example.id] = self._draw(example)
        return self._drawn[example.id]

    def change(self, level: int) -> Change:
        """The example with `level` distractors among its tools; `None` where there are not as many."""

        def change(example: Example, rng: random.Random) -> Example | None:
            added = self.drawn(example)[:level]
            if len(added) < level:
                return None
            tools = list(example.tools)
            for tool in added:
                tools.insert(rng.randint(0, len(tools)), tool)
            return replace(example, tools=tuple(tools))

        return change

    def _draw(self, example: Example) -> list[Tool]:
        needed = deeds_of(example)
        probe = self.verifier.probe(example, needed)
        order = list(range(len(self.pool)))
        random.Random(f"{self.seed}/distractors/{example.id}").shuffle(order)
        own = str(example.meta.get("domain") or "").lower()
        taken = {plain_name(t.name) for t in example.tools}
        out: list[Tool] = []
        for domain, tool in (self.pool[i] for i in order):
            if len(out) == self.most:
                break
            name = plain_name(tool.name)
            if name in taken or (own and domain.lower() == own):
                continue
            if self.verifier.risk(probe, tool) < 1 and why_answerable(example, [tool]) is None:
                taken.add(name)
                out.append(tool)
        return out


def _shows_names(example: Example) -> bool:
    """Whether the dialogue itself holds the names: calls of earlier turns, or a system message that tells of tools."""
    if any(m.get("tool_calls") or m.get("role") in ("tool", "function") for m in example.messages):
        return True
    system = " ".join(str(m.get("content") or "") for m in example.messages if m.get("role") in ("system", "developer"))
    return any(t.name in system for t in example.tools)


def _rename(tool: Tool, taken: set[str], rng: random.Random) -> tuple[Tool, Mapping[str, str]] | None:
    """The tool under a new name, its parameters too; their order, which `vary_tool` changes, is left as it was."""
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    for _ in range(_TRIES):
        varied = vary_tool(tool, taken - {tool.name}, rng)
        if varied.tool.name != tool.name and varied.tool.name not in taken:
            break
    else:
        return None
    schema = dict(tool.parameters)
    names = dict(varied.parameters)
    if not set(schema) <= RENAMABLE:  # its keywords refer to parameters by name
        names = {n: n for n in properties}
    elif properties:
        schema["properties"] = {names[n]: value for n, value in properties.items()}
        if "required" in schema:
            schema["required"] = [names[n] for n in schema["required"] if n in names]
    return Tool(varied.tool.name, tool.description, schema), names


def _with_names(
    example: Example, tools: Sequence[Tool], names: Mapping[str, tuple[str, Mapping[str, str]]]
) -> Example | None:
    calls = []
    for call in example.ground_truth:
        name, parameters = names[call.name]
        calls.append(GoldCall(name, {parameters.get(k, k): v for k, v in call.arguments.items()}))
    changed = replace(example, tools=tuple(tools), ground_truth=tuple(calls))
    return None if check_ground_truth(changed.ground_truth, changed.tools) else changed


def _other_order(items: Sequence[Any], rng: random.Random) -> list[Any]:
    """The items in another order than they had, where there are two at least."""
    order = list(items)
    for _ in range(_TRIES):
        rng.shuffle(order)
        if order != list(items):
            break
    return order


def _written(tools: Sequence[Tool]) -> str:
    """Tools as they are written into a prompt: with the order of their parameters, which mappings do not compare."""
    return json.dumps([t.to_json() for t in tools], ensure_ascii=False, default=str)


def _asked(found: Any, example: Example, key: str) -> tuple[str, tuple[GoldCall, ...]]:
    where = f"{example.id}: meta.{QUERIES}.{key}"
    if isinstance(found, str) and found.strip():
        return found, example.ground_truth
    if isinstance(found, Mapping) and isinstance(found.get("query"), str):
        gold = gold_calls_from_json(found.get("ground_truth", [c.to_json() for c in example.ground_truth]), where)
        problems = check_ground_truth(gold, example.tools)
        if problems:
            raise DataError(where, "; ".join(problems))
        return found["query"], gold
    raise DataError(where, f"got {found!r:.60}, expected a text, or an object with `query` and `ground_truth`")
