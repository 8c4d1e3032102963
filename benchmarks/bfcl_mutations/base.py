"""The calls that mutations start from: drawn from a row's possible answers, without any code of the library's."""

from __future__ import annotations

import random
from typing import Any

from bfcl_mutations.official import Row

Call = dict[str, Any]
"""`{"name": str, "arguments": {str: value}}`."""
MARK = ""


def schema_of(row: Row, function: str) -> dict[str, Any]:
    """The raw parameters of one of the row's functions; the empty schema where it offers none of that name."""
    return next((f["parameters"] for f in row.functions if f["name"] == function), {})


def first_answers(row: Row) -> list[Call]:
    """The first accepted value of each argument; what has none but the mark is left out."""
    return [_call(row, answer, None) for answer in row.answers]


def drawn_answers(row: Row, rng: random.Random) -> list[Call]:
    """Any accepted value of each argument; what may be left out is left out half of the time."""
    return [_call(row, answer, rng) for answer in row.answers]


def raw_answers(row: Row) -> list[Call]:
    """The first entry of each argument as it stands in the file: with the lists inside objects, and with the mark."""
    return [
        {"name": name, "arguments": {k: v[0] for k, v in arguments.items() if v}}
        for answer in row.answers
        for name, arguments in answer.items()
    ]


def _call(row: Row, answer: dict[str, dict[str, list[Any]]], rng: random.Random | None) -> Call:
    ((name, arguments),) = answer.items()
    properties = schema_of(row, name).get("properties", {})
    chosen = {k: _choose(v, properties.get(k, {}), rng) for k, v in arguments.items()}
    return {"name": name, "arguments": {k: v[0] for k, v in chosen.items() if v}}


def _choose(accepted: list[Any], schema: dict[str, Any], rng: random.Random | None) -> list[Any]:
    """One value in a list, or the empty list for leaving the argument out."""
    values = [v for v in accepted if v != MARK]
    if not values or (rng is not None and MARK in accepted and rng.random() < 0.5):
        return []
    value = values[0] if rng is None else rng.choice(values)
    return [_literal(value, schema, rng)]


def _literal(value: Any, schema: dict[str, Any], rng: random.Random | None) -> Any:
    """Objects, and objects in arrays, list the accepted values of each key; everything else stands as it is."""
    if isinstance(value, dict) and schema.get("type") == "dict":
        return _object(value, rng)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict) and items.get("type") == "dict":
        return [_object(v, rng) if isinstance(v, dict) else v for v in value]
    return value


def _object(value: dict[str, Any], rng: random.Random | None) -> dict[str, Any]:
    chosen = {k: _choose(v, {}, rng) if isinstance(v, list) else [v] for k, v in value.items()}
    return {k: v[0] for k, v in chosen.items() if v}
