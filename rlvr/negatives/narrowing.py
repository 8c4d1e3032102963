"""A parameter's schema, narrowed so that it does not take one value: as tools that take less are written.

Tools close lists of places, currencies or languages that they serve; they bound guests, days and baggage by round
numbers, and sums to be sent or invested from below; and some take the days of one year (`dates`). They do not bound
what is only computed with, a clock's hours or a date's day, or one end of a period; no list of theirs holds a market's
tickers; they list what they take in one spelling, and give no example that they do not take.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rlvr.negatives.dates import DATE, other_year
from rlvr.negatives.refusals import fill, language_of_text, load_obstacles, told_more
from rlvr.negatives.values import COUNTED, MONEY, ValueBank, unlike
from rlvr.negatives.words import name_words, stem
from rlvr.types import GoldCall, OneOf, Tool

LEAST_OPTIONS, MOST_OPTIONS = 3, 6
LEAST_LEFT = 2
"""Of a list that a tool has of itself, with one taken away."""

_BOUNDED = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "multipleOf")
_BORN = frozenset(("birth", "birthday", "birthdate", "born", "dob"))
_ENDLESS = frozenset(("symbol", "ticker", "coin"))
_EXAMPLE = re.compile(r"\b(e\.?g|ex|examples?|such as|like|any|all|https?)\b|例如|比如|ví dụ", re.IGNORECASE)
_PAYING = frozenset(map(stem, ("transfer", "deposit", "invest", "donate", "withdraw", "pay", "send", "loan", "borrow")))
_OWED = frozenset(map(stem, ("fine", "bill", "invoice", "rent", "tax", "fee", "due", "ticket", "debt")))
_NOTING = frozenset(map(stem, ("log", "record", "track", "note")))
"""What is owed is paid as it is, and what was measured is noted as it is: no tool bounds either."""
_COMPUTING = frozenset(
    map(
        stem,
        ("calculate", "calculator", "compute", "convert", "estimate", "bmi", "tip", "split", "exchange", "alimony"),
    )
)
_CLOCK = frozenset(("hour", "minute", "day", "week", "month"))  # in the singular: which one, not how many
_NO_VALUES = frozenset(("string", "example", "sample", "test", "placeholder", "here", "current", "your", "my", "null"))
# What people bound counts by, from below a value of 3 to thousands.
_LIMITS = (2, 3, 4, 5, 6, 8, 10, 12, 14, 15, 20, 21, 24, 25, 28, 30, 40, 45, 50, 60, 80, 90, 100, 120, 150, 180)
_SUMS = (1.0, 2.0, 2.5, 5.0)
_PLAIN_WORDS = 3


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A parameter's schema that takes less than it did, and what it takes, as `obstacles.yaml` words it."""

    parameter: str
    value: Any
    schema: Mapping[str, Any]
    accepted: str
    slots: Mapping[str, str | Sequence[str]]


def narrowings(
    gold: GoldCall, tool: Tool, bank: ValueBank, said: str, rng: random.Random, lang: str = "en"
) -> Iterator[Narrowed]:
    """Every required argument's schema, narrowed so that it takes others than the call's value and none that `said`,
    the user's words in lower case, holds. `lang`: the language of the request (`refusals.language_of`)."""
    properties = tool.parameters.get("properties") or {}
    for name in tool.parameters.get("required") or ():
        value, schema = gold.arguments.get(name), properties.get(name)
        if isinstance(value, str) and DATE.match(value) and _is_period(gold):
            continue
        if isinstance(value, OneOf) or not isinstance(schema, Mapping) or "$ref" in schema:
            continue
        if isinstance(value, str):
            known = partial(bank.others, tool.name, name, value, rng, lang)
            yield from _of_text(tool, name, value, schema, known, said)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield from _of_number(tool, name, value, schema, rng)


def _of_text(
    tool: Tool, name: str, value: str, schema: Mapping[str, Any], seen: Callable[[], Sequence[str]], said: str
) -> Iterator[Narrowed]:
    """Other values of the same parameter, or another year where it is a date."""
    if DATE.match(value):
        yield from _of_date(tool, name, value, schema, said)
        return
    known = schema.get("enum")
    if isinstance(known, list):
        options = [v for v in known if v != value]  # in the tool's own order
        if all(isinstance(v, str) and unlike(v, value) and v.lower() not in said for v in options):
            yield from _one_of(name, value, schema, options, LEAST_LEFT)
        return
    named, deed = {*name_words(name)}, {stem(w) for w in name_words(tool.name)}
    if "pattern" in schema or "format" in schema or "const" in schema or named & _ENDLESS or _gives_examples(schema):
        return
    if deed & _COMPUTING and "currency" not in named:
        return
    others = dict.fromkeys(seen())
    fit = [v for v in others if unlike(v, value) and v.lower() not in said and _written_like(v, value)]
    yield from _one_of(name, value, schema, sorted(_one_spelling(fit)[:MOST_OPTIONS]), LEAST_OPTIONS)


def _one_of(name: str, value: str, schema: Mapping[str, Any], options: Sequence[str], least: int) -> Iterator[Narrowed]:
    if len(options) < least:
        return
    yield Narrowed(name, value, {**schema, "enum": list(options)}, "one_of", {"list": tuple(options)})


def _written_like(other: str, value: str) -> bool:
    """Whether two values could stand in one list: the same script and case, a few words, and no word for a value."""
    words = re.findall(r"\w+", other.lower())
    if not words or len(words) > _PLAIN_WORDS or _NO_VALUES & {*words}:
        return False
    cased = [(v[:1].isupper(), v.isupper(), v.isascii()) for v in (other, value)]
    marks = [bool(re.search(r"[,;()/]", v)) for v in (other, value)]
    return cased[0] == cased[1] and marks[0] == marks[1]


def _one_spelling(values: Sequence[str]) -> list[str]:
    """Without those that are spelt nearly as an earlier one: no tool lists `New York` and `New York City`."""
    kept: list[str] = []
    for value in values:
        if all(unlike(value, other) for other in kept):
            kept.append(value)
    return kept


def _gives_examples(schema: Mapping[str, Any]) -> bool:
    return _EXAMPLE.search(str(schema.get("description") or "")) is not None


def _is_period(gold: GoldCall) -> bool:
    """Whether a call holds two dates: to bound one end of a period alone would be odd."""
    return sum(isinstance(v, str) and DATE.match(v) is not None for v in gold.arguments.values()) > 1


def _of_date(tool: Tool, name: str, value: str, schema: Mapping[str, Any], said: str) -> Iterator[Narrowed]:
    """The days of one year alone, where a tool could be bounded so (`dates`)."""
    if _BORN & {*name_words(name)} or "pattern" in schema or "enum" in schema or _gives_examples(schema):
        return  # nobody bounds the years that people are born in
    year = other_year(tool, name, value, said)
    if year is not None:
        narrowed = {"pattern": rf"^{year}-\d{{2}}-\d{{2}}$", "description": _told(tool, schema, "year", year)}
        yield Narrowed(name, value, {**schema, **narrowed}, "year", {"limit": str(year)})


def _of_number(
    tool: Tool, name: str, value: float, schema: Mapping[str, Any], rng: random.Random
) -> Iterator[Narrowed]:
    """A bound that the value is beyond, of a number that tools often bound: a count, a time, an amount of money."""
    words, whole = {stem(w) for w in name_words(name)}, {*name_words(name)}
    deed = {stem(w) for w in name_words(tool.name)}
    if any(b in schema for b in _BOUNDED) or not 2 <= value < 1e9 or deed & (_COMPUTING | _NOTING | _OWED):
        return
    if words & MONEY:
        limits = [n for n in _sums(value) if n >= 1.2 * value]
        if deed & _PAYING and limits:
            limit = rng.choice(limits)
            narrowed = {**schema, "minimum": limit, "description": _told(tool, schema, "at_least", limit)}
            yield Narrowed(name, value, narrowed, "at_least", {"limit": str(limit)})
    elif words & COUNTED and not whole & _CLOCK:
        limits = [n for n in _LIMITS if max(2.0, 0.3 * value) <= n <= 0.85 * value]
        if limits:
            limit = rng.choice(limits)
            narrowed = {**schema, "maximum": limit, "description": _told(tool, schema, "at_most", limit)}
            yield Narrowed(name, value, narrowed, "at_most", {"limit": str(limit)})


def _sums(value: float) -> list[int]:
    """Round sums up to ten times a value: 50, 100, 200, 250, 500, …"""
    scale = 10 ** (len(str(int(value))) - 1)
    found = {round(step * scale * by) for by in (1, 10) for step in _SUMS}
    return sorted(n for n in found if value < n <= 10 * value)


def _told(tool: Tool, schema: Mapping[str, Any], bound: str, limit: int) -> str:
    """A parameter's description with its bound, in the language of the description, or of the tool's."""
    before = schema.get("description")
    before = before if isinstance(before, str) else ""
    lang = language_of_text(before if before.strip() else tool.description)
    return told_more(before, fill(load_obstacles()["bounds"][bound][lang], {"limit": str(limit)}), lang)
