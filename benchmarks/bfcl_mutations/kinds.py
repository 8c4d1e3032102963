"""All kinds of mutation of a row's calls, each seeded by the row and the kind."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

from bfcl_mutations.base import Call, drawn_answers, first_answers, raw_answers, schema_of
from bfcl_mutations.official import Row
from bfcl_mutations.values import VALUE_KINDS, sites, value_at, with_value

Make = Callable[[Row, list[Call], random.Random], list[Call] | None]
"""From a row and right calls: mutated calls, or `None` where this kind of mutation cannot be done to them."""


def _change(index: int, calls: list[Call], **changes: Any) -> list[Call]:
    return [{**c, **changes} if i == index else c for i, c in enumerate(calls)]


def _value_kind(name: str, deep: bool) -> Make:
    fits, change = VALUE_KINDS[name]

    def make(row: Row, calls: list[Call], rng: random.Random) -> list[Call] | None:
        found = [
            (i, path)
            for i, call in enumerate(calls)
            for path in sites(call["arguments"])
            if (len(path) > 1) == deep and fits(value_at(call["arguments"], path))
        ]
        if not found:
            return None
        index, path = rng.choice(found)
        arguments = calls[index]["arguments"]
        new = change(copy.deepcopy(value_at(arguments, path)), rng)
        return _change(index, calls, arguments=with_value(arguments, path, new))

    return make


def _drop(required: bool | None) -> Make:
    def make(row: Row, calls: list[Call], rng: random.Random) -> list[Call] | None:
        found = []
        for i, call in enumerate(calls):
            wanted = schema_of(row, call["name"]).get("required", [])
            found += [(i, k) for k in call["arguments"] if required is None or (k in wanted) == required]
        if not found:
            return None
        index, name = rng.choice(found)
        left = {k: v for k, v in calls[index]["arguments"].items() if k != name}
        return _change(index, calls, arguments=left)

    return make


def _with_argument(*values: Any, known: bool) -> Make:
    """One argument more: one that the function knows and the call does not give, or one that it does not know."""

    def make(row: Row, calls: list[Call], rng: random.Random) -> list[Call] | None:
        index = rng.randrange(len(calls))
        call = calls[index]
        properties = schema_of(row, call["name"]).get("properties", {})
        names = [n for n in properties if n not in call["arguments"]] if known else ["note"]
        if not names:
            return None
        name = rng.choice(names)
        return _change(index, calls, arguments={**call["arguments"], name: rng.choice(values)})

    return make


def _default_given(row: Row, calls: list[Call], rng: random.Random) -> list[Call] | None:
    found = []
    for i, call in enumerate(calls):
        properties = schema_of(row, call["name"]).get("properties", {})
        found += [(i, n, s["default"]) for n, s in properties.items() if "default" in s and n not in call["arguments"]]
    if not found:
        return None
    index, name, default = rng.choice(found)
    return _change(index, calls, arguments={**calls[index]["arguments"], name: default})


def _defaults_omitted(row: Row, calls: list[Call], rng: random.Random) -> list[Call] | None:
    out = []
    for call in calls:
        schema = schema_of(row, call["name"])
        properties, required = schema.get("properties", {}), schema.get("required", [])
        kept = {
            k: v
            for k, v in call["arguments"].items()
            if k in required or "default" not in properties.get(k, {}) or properties[k]["default"] != v
        }
        out.append({**call, "arguments": kept})
    return out if out != calls else None


def _argument_renamed(row: Row, calls: list[Call], rng: random.Random) -> list[Call] | None:
    found = [(i, k) for i, call in enumerate(calls) for k in call["arguments"]]
    if not found:
        return None
    index, old = rng.choice(found)
    new = rng.choice([old.upper(), old + "s", old.replace("_", ""), "arg"])
    if new in calls[index]["arguments"]:
        return None
    renamed = {(new if k == old else k): v for k, v in calls[index]["arguments"].items()}
    return _change(index, calls, arguments=renamed)


def _values_swapped(row: Row, calls: list[Call], rng: random.Random) -> list[Call] | None:
    found = [i for i, call in enumerate(calls) if len(call["arguments"]) > 1]
    if not found:
        return None
    index = rng.choice(found)
    a, b = rng.sample(sorted(calls[index]["arguments"]), 2)
    arguments = calls[index]["arguments"]
    return _change(index, calls, arguments={**arguments, a: arguments[b], b: arguments[a]})


def _function_name(change: Callable[[str], str]) -> Make:
    def make(row: Row, calls: list[Call], rng: random.Random) -> list[Call] | None:
        index = rng.randrange(len(calls))
        return _change(index, calls, name=change(calls[index]["name"]))

    return make


def _name_with_underscores(row: Row, calls: list[Call], rng: random.Random) -> list[Call] | None:
    found = [i for i, call in enumerate(calls) if "." in call["name"]]
    if not found:
        return None
    index = rng.choice(found)
    return _change(index, calls, name=calls[index]["name"].replace(".", "_"))


def _other_function(row: Row, calls: list[Call], rng: random.Random) -> list[Call] | None:
    index = rng.randrange(len(calls))
    others = [f["name"] for f in row.functions if f["name"] != calls[index]["name"]]
    return _change(index, calls, name=rng.choice(others)) if others else None


def _values_exchanged(row: Row, calls: list[Call], rng: random.Random) -> list[Call] | None:
    """One argument's values of two calls, the one for the other."""
    found = [
        (i, j, k)
        for i, a in enumerate(calls)
        for j, b in enumerate(calls)
        if i < j
        for k in a["arguments"]
        if k in b["arguments"] and a["arguments"][k] != b["arguments"][k]
    ]
    if not found:
        return None
    i, j, name = rng.choice(found)
    first, second = calls[i]["arguments"], calls[j]["arguments"]
    out = _change(i, calls, arguments={**first, name: second[name]})
    return _change(j, out, arguments={**second, name: first[name]})


CALL_KINDS: dict[str, Make] = {
    "answer_as_written": lambda row, _c, _r: raw_answers(row),
    "argument_dropped": _drop(None),
    "required_dropped": _drop(True),
    "optional_dropped": _drop(False),
    "null_invented": _with_argument(None, known=False),
    "blank_invented": _with_argument("", known=False),
    "text_invented": _with_argument("x", known=False),
    "number_invented": _with_argument(0, 1, 1.5, known=False),
    "boolean_invented": _with_argument(True, False, known=False),
    "list_invented": _with_argument([], [1], known=False),
    "object_invented": _with_argument({}, {"a": 1}, known=False),
    "optional_given": _with_argument(0, "x", True, 1.5, [], known=True),
    "optional_blank": _with_argument("", None, [], {}, known=True),
    "argument_renamed": _argument_renamed,
    "values_swapped": _values_swapped,
    "default_given": _default_given,
    "defaults_omitted": _defaults_omitted,
    "arguments_reordered": lambda _row, calls, _r: [
        {**c, "arguments": dict(reversed(list(c["arguments"].items())))} for c in calls
    ],
    "arguments_gone": lambda _row, calls, _r: [{**calls[0], "arguments": {}}, *calls[1:]],
    "arguments_one_deeper": lambda _row, calls, _r: [{**c, "arguments": {"arguments": c["arguments"]}} for c in calls],
    "function_upper": _function_name(str.swapcase),
    "function_longer": _function_name(lambda name: f"{name}_now"),
    "function_prefixed": _function_name(lambda name: f"functions.{name}"),
    "function_padded": _function_name(lambda name: f" {name}"),
    "function_unknown": _function_name(lambda _: "do_it"),
    "function_with_underscores": _name_with_underscores,
    "function_other": _other_function,
    "calls_reversed": lambda _row, calls, _r: calls[::-1] if len(calls) > 1 else None,
    "calls_shuffled": lambda _row, calls, rng: rng.sample(calls, len(calls)) if len(calls) > 1 else None,
    "call_gone": lambda _row, calls, rng: _without(calls, rng.randrange(len(calls))),
    "calls_gone": lambda _row, _calls, _r: [],
    "call_repeated": lambda _row, calls, rng: [*calls, rng.choice(calls)],
    "calls_doubled": lambda _row, calls, _r: [*calls, *calls],
    "call_unknown_before": lambda _row, calls, _r: [{"name": "do_it", "arguments": {}}, *calls],
    "call_unknown_after": lambda _row, calls, _r: [*calls, {"name": "do_it", "arguments": {}}],
    "call_instead_of_another": lambda _row, calls, _r: [calls[0], *calls[:-1]] if len(calls) > 1 else None,
    "values_exchanged": _values_exchanged,
}


def _without(calls: list[Call], index: int) -> list[Call]:
    return [c for i, c in enumerate(calls) if i != index]


KINDS: dict[str, Make] = {
    **CALL_KINDS,
    **{name: _value_kind(name, deep=False) for name in VALUE_KINDS},
    **{f"{name}_inside": _value_kind(name, deep=True) for name in VALUE_KINDS},
}


def completions(row: Row, seed: int) -> Iterator[tuple[str, list[Call]]]:
    """The row's possible answers, first and drawn, and one completion of every kind of mutation that fits it.

    Mutations start from drawn answers, so that every accepted value and omission comes up over the rows.
    """
    yield "first_answers", first_answers(row)
    for number in range(3):
        yield "drawn_answers", drawn_answers(row, random.Random(f"{seed} {row.id} drawn {number}"))
    for kind, make in KINDS.items():
        rng = random.Random(f"{seed} {row.id} {kind}")
        mutated = make(row, drawn_answers(row, rng), rng)
        if mutated is not None:
            yield kind, mutated
