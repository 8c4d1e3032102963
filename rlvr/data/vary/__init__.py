"""Vary the surface of examples, so that a model learns to read schemas and to copy values, not to know them by heart.

A catalogue of a hundred tools is soon known by heart: a model then calls by habit, and fails on a tool that it has not
seen. Function masking (Hammer, arXiv:2410.04587) puts random names in the place of known ones; here they are other
plausible names, with optional parameters added, and other names and codes in the queries. What is right stays
right: calls, tools and queries change together.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rlvr.data.vary.names import Renamed, vary_tool
from rlvr.data.vary.optional import fitting, optional_parameters
from rlvr.data.vary.values import leaves, load_things, plain, strings, vary_values
from rlvr.types import Example, GoldCall, OneOf, Tool

__all__ = ["vary"]


def vary(examples: Sequence[Example], seed: int, share: float = 1.0) -> list[Example]:
    """Vary a share of the examples' lists of tools, and the queries put to them, in order.

    Neighbours with the same tools keep the same ones, so that a trainer can still compute them once. Examples whose
    dialogue holds more than one message, or whose ground truth gives alternatives, are left as they are: their calls
    stand in more than one place. The same seed gives the same examples.

    Args:
        share: of lists of tools that are varied, between 0 and 1.
    """
    out: list[Example] = []
    others, known = _others(examples), optional_parameters(examples)
    for index, (_, group) in enumerate(itertools.groupby(examples, key=lambda e: e.tools)):
        members = list(group)
        rng = random.Random(f"{seed}/{index}/{members[0].id}")
        varied = rng.random() < share and all(_simple(e) for e in members)
        out += _vary_group(members, others, known, rng) if varied else members
    return out


def _simple(example: Example) -> bool:
    if len(example.messages) != 1 or not isinstance(example.messages[0].get("content"), str):
        return False
    return not any(_alternatives(call.arguments) for call in example.ground_truth)


def _alternatives(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_alternatives(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return any(_alternatives(v) for v in value)
    return isinstance(value, OneOf)


def _others(examples: Sequence[Example]) -> dict[str, list[str]]:
    """By language, what these examples ask for in plain words, and things that nobody asked for."""
    out = {lang: set(words) for lang, words in load_things().items()}
    for example in examples:
        tools = {tool.name: tool for tool in example.tools}
        for call in example.ground_truth:
            fixed = _fixed(tools[call.name])
            found = strings({k: v for k, v in call.arguments.items() if k not in fixed})
            out.setdefault(example.lang or "en", set()).update(v for v in found if plain(v) and v in example.query)
    return {lang: sorted(words) for lang, words in out.items()}


def _vary_group(
    members: list[Example], others: Mapping[str, list[str]], known: Mapping[str, Any], rng: random.Random
) -> list[Example]:
    renamed: dict[str, Renamed] = {}
    further = fitting(known, members)
    for tool in members[0].tools:
        taken = {r.tool.name for r in renamed.values()} | {t.name for t in members[0].tools if t is not tool}
        renamed[tool.name] = vary_tool(tool, taken, rng, further)
    return [_vary_example(example, renamed, others, random.Random(rng.random())) for example in members]


def _vary_example(
    example: Example, renamed: Mapping[str, Renamed], others: Mapping[str, list[str]], rng: random.Random
) -> Example:
    lang = example.lang or "en"
    new: dict[str, str] = {}
    pinned = set(_pinned(example, renamed))
    for free in _free_arguments(example, renamed):
        for old, word in vary_values(example.query, free, lang, rng, others.get(lang, ())).items():
            if old not in pinned and not any(old in known or known in old for known in new):
                new[old] = word
    if _loses_a_value(example, new):
        new = {}
    message = {**example.messages[0], "content": _replaced(example.query, new)}
    calls = tuple(_vary_call(call, renamed[call.name], new) for call in example.ground_truth)
    tools = tuple(renamed[t.name].tool for t in example.tools)
    meta = {**example.meta, "varied": True}
    if "negative" in meta:
        meta["negative"] = _mapped(meta["negative"], new)
    return replace(example, messages=(message,), tools=tools, ground_truth=calls, meta=meta)


def _loses_a_value(example: Example, new: Mapping[str, str]) -> bool:
    """Whether a value that stays stood in the query and no longer does, being a part of one that changes (or holding
    one): "Anna" and "Anna has the keys", "vegan" and "vegan pasta"."""
    changed = _replaced(example.query, new)
    said = (leaf for call in example.ground_truth for leaf in leaves(call.arguments))
    kept = (str(leaf) for leaf in said if isinstance(leaf, (str, int, float)) and leaf not in new)
    return any(text in example.query and text not in changed for text in kept)


def _free_arguments(example: Example, renamed: Mapping[str, Renamed]) -> Iterator[Mapping[str, Any]]:
    """The arguments of each call that no enum or pattern pins; a negative's are those that its query asked for.

    A query that is to be refused changes like the others, or invented names would tell a model that it should call.
    """
    for call in example.ground_truth:
        fixed, names = _fixed(renamed[call.name].tool), renamed[call.name].parameters
        yield {k: v for k, v in call.arguments.items() if names.get(k, k) not in fixed}
    for asked in example.meta.get("negative", {}).get("asked", ()):
        yield asked["arguments"]


def _pinned(example: Example, renamed: Mapping[str, Renamed]) -> Iterator[str]:
    """Strings that a schema pins in some call: where another argument says the same, it stays too."""
    for call in example.ground_truth:
        fixed, names = _fixed(renamed[call.name].tool), renamed[call.name].parameters
        yield from strings({k: v for k, v in call.arguments.items() if names.get(k, k) in fixed})


def _fixed(tool: Tool) -> set[str]:
    """Parameters whose strings the schema pins somewhere: their values stay."""
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    return {name for name, schema in properties.items() if "enum" in str(schema) or "pattern" in str(schema)}


def _vary_call(call: GoldCall, renamed: Renamed, new: Mapping[str, str]) -> GoldCall:
    values = {renamed.parameters.get(k, k): _mapped(v, new) for k, v in call.arguments.items()}
    order = [p for p in renamed.tool.parameters.get("properties", {}) if p in values]
    order += [p for p in values if p not in order]
    return GoldCall(renamed.tool.name, {p: values[p] for p in order})


def _mapped(value: Any, new: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return new.get(value, value)
    if isinstance(value, Mapping):
        return {k: _mapped(v, new) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mapped(v, new) for v in value]
    return value


def _replaced(text: str, new: Mapping[str, str]) -> str:
    """Replace in one pass, longest first, so that no replacement is replaced again."""
    out, place = [], 0
    olds = sorted(new, key=len, reverse=True)
    while place < len(text):
        old = next((o for o in olds if text.startswith(o, place)), None)
        out.append(new[old] if old else text[place])
        place += len(old) if old else 1
    return "".join(out)
