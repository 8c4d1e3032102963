"""Format mismatch by hand: what may be narrowed, to what, and what is left alone."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rlvr.negatives import NegativeOptions, Tally, synthesize
from rlvr.negatives.values import ValueBank, is_listable, unlike
from rlvr.types import Example, GoldCall, Tool

ONLY = NegativeOptions(kinds={"format_mismatch": 1.0}, share=1.0)


def ask(
    query: str, schema: Mapping[str, Any], name: str, value: object, *, required: bool = True, **meta: str
) -> Example:
    parameters = {"type": "object", "properties": {name: dict(schema)}, "required": [name] if required else []}
    tool = Tool("trip_planner", "Plans an outing with picnic and museum.", parameters)
    messages = ({"role": "user", "content": query},)
    return Example(
        "p", "t", "simple", messages, (tool,), (GoldCall(tool.name, {name: value}),), "any", {"lang": "en", **meta}
    )


CITIES = [
    ask(f"An outing in {c}", {"type": "string"}, "city", c) for c in ("Paris", "Lagos", "Boston", "Hanoi", "Quito")
]
MEANS = {"type": "string", "enum": ["boat", "plane", "train"], "description": "boat or plane or train"}


def narrow(example: Example, others: list[Example] | None = None) -> tuple[Mapping[str, Any], Example] | None:
    """The narrowed parameter's schema, and the negative."""
    known = [dataclasses.replace(e, id=f"o{i}") for i, e in enumerate(others or [])]
    for made in synthesize([example, *known], ONLY):
        if made.meta["negative"]["parent"] == "p":
            (schema,) = made.tools[0].parameters["properties"].values()
            return schema, made
    return None


def test_other_cities() -> None:
    found = narrow(CITIES[0], CITIES[1:])
    assert found is not None
    schema, made = found
    assert schema["enum"] == ["Boston", "Hanoi", "Lagos", "Quito"]
    assert "`Paris`" in made.meta["reply"]
    assert made.meta["negative"]["reason"].startswith("trip_planner takes only `Boston`, `Hanoi`")


def test_a_date_of_another_year() -> None:
    found = narrow(ask("An outing on 2026-05-01", {"type": "string"}, "date", "2026-05-01"))
    assert found is not None
    year = found[0]["pattern"][1:5]
    assert year != "2026"
    assert found[0]["description"] == f"Only days of {year}."


def test_fewer_days_than_asked() -> None:
    found = narrow(ask("An outing of 10 days", {"type": "integer", "description": "How long"}, "days", 10))
    assert found is not None
    assert 1 <= found[0]["maximum"] < 10
    assert found[0]["description"] == f"How long. At most {found[0]['maximum']}."


def test_an_option_taken_away() -> None:
    schema = {"type": "string", "enum": ["train", "boat", "plane"], "description": "How to get there."}
    found = narrow(ask("An outing by boat", schema, "means", "boat"))
    assert found is not None
    assert found[0]["enum"] == ["plane", "train"]


@pytest.mark.parametrize(
    ("example", "why"),
    [
        (ask("An outing in Paris", {"type": "string"}, "city", "Paris", required=False), "it may be left out"),
        (ask("An outing in the capital of France", {"type": "string"}, "city", "Paris"), "the user did not say it"),
        (ask("Comparison of parishes", {"type": "string"}, "city", "Paris"), "a part of another word"),
        (ask("An outing for 5 tickets", {"type": "integer"}, "tickets", 5), "two calls would do"),
        (ask("Show 50 outings", {"type": "integer"}, "limit", 50), "fewer would do"),
        (ask("Indian food", {"type": "string"}, "cuisine", "Indian"), "another may hold it"),
        (ask("By boat", {"enum": ["boat", "any", "train"]}, "means", "boat"), "another stands for it"),
        (ask("By boat", {"enum": ["boat", "house boat", "train"]}, "means", "boat"), "nearly the same"),
        (ask("1 day", {"type": "integer"}, "days", 1), "nothing is less"),
        (ask("10 days", {"type": "integer", "maximum": 30}, "days", 10), "bounded already"),
        (ask("By boat", MEANS, "means", "boat"), "the description still offers it"),
    ],
)  # fmt: skip
def test_what_is_left_alone(example: Example, why: str) -> None:
    assert narrow(example, CITIES[1:]) is None, why


def test_a_tool_that_was_called_earlier_with_another_value() -> None:
    call = {"type": "function", "function": {"name": "trip_planner", "arguments": {"city": "Lagos"}}}
    messages = (
        {"role": "user", "content": "An outing in Lagos"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "done"},
        {"role": "user", "content": "And in Paris?"},
    )
    tally = Tally()
    made = list(synthesize([dataclasses.replace(CITIES[0], messages=messages)], ONLY, tally=tally))
    assert made == []
    assert tally.refused["format_mismatch", "the needed tool was called earlier in the dialogue"] == 1


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("city", "Hanoi", True),
        ("departureCity", "Đà Nẵng", True),
        ("currency", "USD", True),
        ("cuisine", "Indian", False),
        ("song_name", "Night", False),
        ("city", "10001 Main Street", False),
        ("city", "x" * 41, False),
    ],
)
def test_whose_values_exclude_each_other(name: str, value: str, fits: bool) -> None:
    assert is_listable(name, value) is fits


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("Paris", "Hanoi", True), ("USD", "EUR", True), ("台北", "高雄", True), ("New York", "York", False),
        ("German", "de", False), ("Berlin", "Berlim", False), ("bus", "any", False), ("USD", "usd", False),
    ],
)  # fmt: skip
def test_values_that_cannot_stand_for_each_other(one: str, other: str, apart: bool) -> None:
    assert unlike(one, other) is apart
    assert unlike(other, one) is apart


def test_the_bank_prefers_the_same_tool() -> None:
    bank = ValueBank()
    bank.add(CITIES)
    zoos = [GoldCall("zoo", {"city": name}) for name in ("Riga", "Oslo", "Turin")]
    others = [dataclasses.replace(CITIES[0], ground_truth=(zoo,)) for zoo in zoos]
    bank.add(others)
    assert set(bank.others("trip_planner", "city", "Rome", random.Random(0))) == {
        "Paris",
        "Lagos",
        "Boston",
        "Hanoi",
        "Quito",
    }
    assert len(bank.others("unknown", "city", "Rome", random.Random(0))) == 8
    assert bank.others("trip_planner", "cuisine", "Indian", random.Random(0)) == []


def test_the_twin_has_the_schema_as_it_was(parent: Callable[..., Example]) -> None:
    options = dataclasses.replace(ONLY, twins=True)
    made = list(
        synthesize([CITIES[0], *(dataclasses.replace(e, id=f"o{i}") for i, e in enumerate(CITIES[1:]))], options)
    )
    twin = next(e for e in made if e.id == "p/format_mismatch/twin")
    assert twin.tools == CITIES[0].tools
    assert twin.ground_truth == CITIES[0].ground_truth
