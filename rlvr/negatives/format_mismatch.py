"""Format mismatch: the needed tool is offered, and its schema does not take what the query asks for."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rlvr.negatives.base import Made, was_called
from rlvr.negatives.refusals import fill, language_of, load_obstacles, quoted
from rlvr.negatives.shelf import View
from rlvr.negatives.values import COUNTED, MONEY, ValueBank, unlike
from rlvr.negatives.words import name_words, stem
from rlvr.tools import check_ground_truth, is_valid
from rlvr.types import GoldCall, OneOf, Tool

_DATE = re.compile(r"^(\d{4})-\d{2}-\d{2}$")
_MOST_OPTIONS = 6


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A parameter's schema that takes less than it did, and what it takes, as `obstacles.yaml` words it."""

    parameter: str
    value: Any
    schema: Mapping[str, Any]
    accepted: str
    slots: Mapping[str, str]


def make(view: View, bank: ValueBank, rng: random.Random) -> Made | str:
    """Narrow a required parameter so that it does not take what the query asks for; a string says why that cannot be.

    Verified: the value stands in the user's words and in the call; the parameter is required; the narrowed schema
    rejects the call and takes other values, none of which is like the one asked for, may hold it, or stands in the
    query; the tool was not called earlier with what it no longer takes; nothing else in the tool speaks of the
    value; and no other tool might serve (risk below 1, else it is left out). Queries with one call only. The score
    is the greatest risk of the other tools offered. The twin has the schema as it was.
    """
    parent = view.parent
    if len(parent.ground_truth) != 1:
        return "several calls: narrowing one parameter would leave the others"
    gold, tool = parent.ground_truth[0], view.needed[0]
    if was_called(parent, {tool.name}):
        return "the needed tool was called earlier in the dialogue"
    if check_ground_truth(parent.ground_truth, parent.tools):
        return "the ground truth breaks its own schema"
    said = view.said
    options = [n for n in _narrowings(gold, tool, bank, said, rng) if _is_visible(n, tool, said)]
    if not options:
        return "no required argument that could be narrowed"
    chosen = rng.choice(options)
    narrowed = _with(tool, chosen)
    arguments = gold.canonical().arguments
    if is_valid(narrowed, arguments):
        return "the narrowed schema still takes the call"
    risks = [(t, view.verifier.risk(view.probe, t)) for t in parent.tools if t is not tool]
    kept = {id(t) for t, risk in risks if risk < 1}
    offered = [t for t in parent.tools if t is tool or id(t) in kept]
    lang = language_of(parent)
    accepted = fill(str(load_obstacles()["accepted"][chosen.accepted][lang]), chosen.slots)
    return Made(
        tuple(narrowed if t is tool else t for t in offered),
        f"{tool.name} takes {fill(load_obstacles()['accepted'][chosen.accepted]['en'], chosen.slots)} for "
        f"{chosen.parameter}; the query asks for {chosen.value!r:.80}",
        max((risk for _, risk in risks if risk < 1), default=0.0),
        {
            "tool": quoted([tool]),
            "parameter": f"`{chosen.parameter}`",
            "value": f"`{chosen.value}`",
            "accepted": accepted,
        },
        lifted_tools=tuple(offered),
    )


def _narrowings(gold: GoldCall, tool: Tool, bank: ValueBank, said: str, rng: random.Random) -> Iterator[Narrowed]:
    properties = tool.parameters.get("properties") or {}
    for name in tool.parameters.get("required") or ():
        value, schema = gold.arguments.get(name), properties.get(name)
        if isinstance(value, OneOf) or not isinstance(schema, Mapping) or "$ref" in schema:
            continue
        if isinstance(value, str):
            yield from _of_text(tool.name, name, value, schema, bank, said, rng)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield from _of_number(name, value, schema, rng)


def _of_text(
    tool: str, name: str, value: str, schema: Mapping[str, Any], bank: ValueBank, said: str, rng: random.Random
) -> Iterator[Narrowed]:
    """Other values of the same parameter, or another year where it is a date."""
    if found := _DATE.match(value):
        if {"birth", "birthday", "birthdate", "born", "dob"} & {*name_words(name)}:
            return  # nobody bounds the years that people are born in
        year = int(found[1]) + rng.choice((-3, -2, -1, 1, 2, 3))
        if "pattern" not in schema and "enum" not in schema and str(year) not in said:
            narrowed = {**schema, "pattern": f"^{year}-", "description": _and(schema, f"Only days of {year}.")}
            yield Narrowed(name, value, narrowed, "year", {"limit": str(year)})
        return
    known = schema.get("enum")
    if isinstance(known, list):
        fit = [v for v in known if v != value]
        if not all(isinstance(v, str) and unlike(v, value) and v.lower() not in said for v in fit):
            return  # one of the others may stand for it
    else:
        others = bank.others(tool, name, value, rng)
        fit = [v for v in dict.fromkeys(others) if unlike(v, value) and v.lower() not in said][:_MOST_OPTIONS]
    if len(fit) >= 2:
        options = sorted(fit)
        marked = ", ".join(f"`{v}`" for v in options[:_MOST_OPTIONS]) + (" …" if len(options) > _MOST_OPTIONS else "")
        yield Narrowed(name, value, {**schema, "enum": options}, "one_of", {"list": marked})


def _of_number(name: str, value: float, schema: Mapping[str, Any], rng: random.Random) -> Iterator[Narrowed]:
    """A bound that the value is beyond, of a number that tools often bound: a count, a time, an amount of money."""
    bounds = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "multipleOf")
    words = {stem(w) for w in name_words(name)}
    if any(b in schema for b in bounds) or not words & (COUNTED | MONEY) or not 2 <= value < 1e9:
        return
    if words & MONEY:
        limit = _rounded(value * rng.uniform(1.5, 4))
        if limit > value:
            narrowed = _bounded(schema, "minimum", limit, "At least")
            yield Narrowed(name, value, narrowed, "at_least", {"limit": str(limit)})
        return
    limit = _rounded(value * rng.uniform(0.3, 0.8))
    if 1 <= limit < value:
        yield Narrowed(name, value, _bounded(schema, "maximum", limit, "At most"), "at_most", {"limit": str(limit)})


def _bounded(schema: Mapping[str, Any], key: str, limit: int, words: str) -> dict[str, Any]:
    kept = {k: v for k, v in schema.items() if k != "default"}
    return {**kept, key: limit, "description": _and(schema, f"{words} {limit}.")}


def _rounded(value: float) -> int:
    """To one or two leading digits, as people set limits."""
    whole = int(value)
    step: int = 10 ** max(0, len(str(whole)) - 2)
    return whole // step * step


def _and(schema: Mapping[str, Any], more: str) -> str:
    before = schema.get("description")
    return f"{before.rstrip().rstrip('.')}. {more}" if isinstance(before, str) and before.strip() else more


def _is_visible(narrowed: Narrowed, tool: Tool, said: str) -> bool:
    """The value is the user's own, and nothing else in the tool's description speaks of it or of what it takes."""
    value = str(narrowed.value).lower()
    if not re.search(rf"(?<!\w){re.escape(value)}(?!\w)" if value.isascii() else re.escape(value), said):
        return False
    speaks = [
        tool.description,
        str((tool.parameters.get("properties") or {})[narrowed.parameter].get("description", "")),
    ]
    return not any(value in text.lower() for text in speaks)


def _with(tool: Tool, narrowed: Narrowed) -> Tool:
    schema = {k: v for k, v in narrowed.schema.items() if k != "default" or "enum" not in narrowed.schema}
    properties = {**tool.parameters["properties"], narrowed.parameter: schema}
    return Tool(tool.name, tool.description, {**tool.parameters, "properties": properties})
