"""Format mismatch by hand: what may be narrowed, to what, and what is left alone."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rlvr.negatives import NegativeOptions, Tally, synthesize
from rlvr.negatives.narrowing import narrowings
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


def test_fewer_days_than_asked() -> None:
    found = narrow(ask("An outing of 10 days", {"type": "integer", "description": "How long"}, "days", 10))
    assert found is not None
    assert 1 <= found[0]["maximum"] < 10
    assert found[0]["maximum"] in (3, 4, 5, 6, 8)
    assert found[0]["description"] == f"How long. At most {found[0]['maximum']}."


@pytest.mark.parametrize(("default", "kept"), [("train", True), ("boat", False)])
def test_an_option_taken_away(default: str, kept: bool) -> None:
    """What is left stands in the tool's own order, and its default where it is one of those."""
    schema = {"type": "string", "enum": ["train", "boat", "plane"], "description": "Means.", "default": default}
    found = narrow(ask("An outing by boat", schema, "means", "boat"))
    assert found is not None
    assert found[0]["enum"] == ["train", "plane"]
    assert ("default" in found[0]) is kept


def narrowed(tool: str, name: str, value: float, seed: int = 0) -> Mapping[str, Any] | None:
    """A number's schema, narrowed for a tool of this name."""
    schema = {"type": "object", "properties": {name: {"type": "number"}}, "required": [name]}
    found = narrowings(
        GoldCall(tool, {name: value}), Tool(tool, "", schema), ValueBank(), f"{value}", random.Random(seed)
    )
    return next((n.schema for n in found), None)


@pytest.mark.parametrize(
    ("tool", "name", "value", "bounded"),
    [
        ("book_table", "guests", 9, True),
        ("plan_trip", "days", 10, True),
        ("transfer_money", "amount", 180, True),
        ("calculate_tip", "amount", 180, False),  # nobody bounds what is only computed with
        ("convert_currency", "amount", 500, False),
        ("calculate_bmi", "weight", 70, False),
        ("set_alarm", "hour", 18, False),  # which hour, not how many
        ("list_holidays", "month", 5, False),
        ("set_budget", "amount", 500, False),  # a budget is no payment
        ("book_table", "tickets", 9, False),
    ],
)
def test_only_numbers_that_tools_bound_are_bounded(tool: str, name: str, value: float, bounded: bool) -> None:
    assert (narrowed(tool, name, value) is not None) is bounded


@pytest.mark.parametrize(
    ("tool", "arguments", "description"),
    [
        ("list_matches", {"first_day": "2026-05-01", "last_day": "2026-05-09"}, ""),  # one end of a period
        ("calculate_age", {"day": "2026-05-01"}, ""),
        ("create_task", {"day": "2026-05-01"}, "Create a task."),  # a calendar has no end
        ("list_matches", {"day": "2026-05-01"}, "Day, e.g. 2020-01-31"),
        ("list_matches", {"birth_date": "2026-05-01"}, ""),
        ("get_quote", {"symbol": "LUNA"}, ""),
        ("get_weather", {"city": "Paris"}, "Any city."),
        ("calculate_distance", {"city": "Paris"}, ""),
    ],
)
def test_no_tool_is_written_so(tool: str, arguments: Mapping[str, str], description: str) -> None:
    bank = ValueBank()
    for name, values in (("city", ("Lagos", "Boston", "Hanoi", "Quito")), ("symbol", ("ABCD", "EFGH", "IJKL", "MNOP"))):
        bank.add([ask("", {"type": "string"}, name, v) for v in values])
    properties = {k: {"type": "string", "description": description} for k in arguments}
    made = Tool(tool, description, {"type": "object", "properties": properties, "required": list(arguments)})
    assert list(narrowings(GoldCall(tool, arguments), made, bank, "", random.Random(0))) == []


def test_bounds_are_round_numbers() -> None:
    most = {(narrowed("book_table", "guests", 13, seed) or {})["maximum"] for seed in range(30)}
    assert most == {4, 5, 6, 8, 10}
    least = {(narrowed("transfer_money", "amount", 183.5, seed) or {})["minimum"] for seed in range(40)}
    assert least == {250, 500, 1000}


@pytest.mark.parametrize(
    ("others", "left"),
    [
        (["Lagos", "Boston", "Hanoi"], ["Boston", "Hanoi", "Lagos"]),
        (["Lagos", "Boston"], None),  # no tool is made for two towns
        (["Lagos", "Boston", "hanoi"], None),  # written in another way
        (["Lagos", "Boston", "Your City"], None),
        (["Lagos", "Boston", "Hanoi, Vietnam"], None),
        (["New York", "New York City", "Boston", "Hanoi"], ["Boston", "Hanoi", "New York"]),
    ],
)
def test_a_list_is_one_that_a_tool_could_have(others: list[str], left: list[str] | None) -> None:
    bank = ValueBank()
    bank.add([ask(f"An outing in {c}", {"type": "string"}, "city", c) for c in others])
    tool = CITIES[0].tools[0]
    for seed in range(8):
        found = list(narrowings(GoldCall(tool.name, {"city": "Paris"}), tool, bank, "paris", random.Random(seed)))
        enums = [n.schema["enum"] for n in found]
        assert (not enums) if left is None else (len(enums) == 1 and len(enums[0]) == len(left))
        assert left is None or {v.split(" City")[0] for v in enums[0]} == set(left)


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
        ("东京", "東京", False), ("首尔", "首爾", False), ("台中", "臺中", False), ("法语", "法文", False),
        ("臺北", "臺中", True), ("日語", "法語", True), ("英國", "韓國", True), ("韓國", "南韓", False),
        ("Sài Gòn", "Thành phố Hồ Chí Minh", False), ("TP.HCM", "Sài Gòn", False), ("Sài Gòn", "Đà Nẵng", True),
        ("Mumbai", "Bombay", False), ("Anh", "Mỹ", True),
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
    bank.add([ask(f"To {c}", {"type": "string"}, "location", c) for c in ("Riga", "Brazil", "Oslo")])
    assert bank.others("unknown", "location", "Rome", random.Random(0)) == []  # towns and countries
    assert bank.others("trip_planner", "cuisine", "Indian", random.Random(0)) == []


def test_a_list_holds_values_of_one_language_and_script() -> None:
    """A tool that serves London and Hà Nội, or 東京 and 东京, is none that people write."""
    asked = {
        "What is on in {}?": ("London", "Leeds", "York", "Bath", "Bristol"),
        "Thời tiết ở {} hôm nay thế nào?": ("Hanoi", "Vinh", "Can Tho", "Pleiku", "Da Lat"),
        "請問{}現在的天氣怎麼樣？": ("東京", "臺中", "大阪", "首爾", "高雄"),
        "请问{}现在的天气怎么样？": ("东京", "台中", "广州", "首尔", "上海"),
    }
    bank, said = ValueBank(), {"en": 0, "vi": 1, "zh": 2, "zh-Hans": 3}
    for query, cities in asked.items():
        asks = [ask(query.format(city), {"type": "string"}, "city", city) for city in cities]
        bank.add([dataclasses.replace(example, meta={}) for example in asks])
    for lang, place in said.items():
        (value, *_), cities = list(asked.values())[place], set(list(asked.values())[place])
        assert set(bank.others("trip_planner", "city", value, random.Random(0), lang)) == cities
    assert bank.others("trip_planner", "city", "Paris", random.Random(0), "fr") == []


@pytest.mark.parametrize(
    ("tool", "name", "value"),
    [("library_pay_fine", "amount", 14.15), ("log_body_weight", "weight_kg", 73.7), ("log_workout", "minutes", 30)],
)
def test_what_is_owed_or_noted_has_no_bound(tool: str, name: str, value: float) -> None:
    assert narrowed(tool, name, value) is None


def test_the_twin_has_the_schema_as_it_was(parent: Callable[..., Example]) -> None:
    options = dataclasses.replace(ONLY, twins=True)
    made = list(
        synthesize([CITIES[0], *(dataclasses.replace(e, id=f"o{i}") for i, e in enumerate(CITIES[1:]))], options)
    )
    twin = next(e for e in made if e.id == "p/format_mismatch/twin")
    assert twin.tools == CITIES[0].tools
    assert twin.ground_truth == CITIES[0].ground_truth
