"""What two sets of tools have in common, and how much it proves."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from rlvr.data.decontaminate import method_name, signature
from rlvr.data.decontaminate.signatures import PAIR_BITS, ToolIndex
from rlvr.types import Tool

Make = Callable[..., Tool]


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("find_restaurants", "findrestaurants"),
        ("FindRestaurants", "findrestaurants"),
        ("Restaurants_2_FindRestaurants", "findrestaurants"),
        ("maps.findRestaurants", "findrestaurants"),
        ("maps/find-restaurants", "findrestaurants"),
        ("my-maps-server-find_restaurants", "findrestaurants"),
        ("Find Restaurants", "findrestaurants"),
        ("查詢.天氣", "天氣"),
        ("get_2_things", "get2things"),
        ("my-maps-server-findRestaurants", "findrestaurants"),
        ("list-projects", "listprojects"),
        ("math.", "math"),
        ("_", ""),
    ],
)
def test_method_name(name: str, method: str) -> None:
    assert method_name(name) == method


def test_a_signature_is_sorted_and_plain(tool: Make) -> None:
    assert signature(tool("Hotels_4_BookHotel", "check_in", "_from", "Name")) == (
        "bookhotel",
        ("checkin", "from", "name"),
    )


def test_bits_by_hand(tool: Make) -> None:
    index = ToolIndex()
    index.add([tool("a", "city", "orbit"), tool("b", "orbit", "apogee")])
    # Of (at least) 2,000 tools, two have orbit and one apogee; city counts as common, 40.
    assert index.bits(["orbit"]) == math.log2(1000)
    assert index.bits(["apogee"]) == math.log2(2000)
    assert index.bits(["city"]) == math.log2(50)
    assert index.bits(["orbit", "city"]) == pytest.approx(math.log2(1000) + math.log2(50))
    assert index.bits([]) == 0


def test_two_tools_that_stood_together_are_found_and_one_common_name_is_not(tool: Make) -> None:
    index = ToolIndex()
    group = index.add(
        [tool("Trips_1_FindTrip", "city", "departure_day"), tool("Trips_1_BuyTrip", "departure_day", "seats")]
    )
    index.add([tool("get_weather", "city")])
    index.add([tool("get_time", "city")])
    match = index.together([tool("find_trip", "departure_day"), tool("buy_trip", "seats", "fare"), tool("other")])
    assert match is not None
    assert (match.group, match.names) == (group, ("buy_trip", "find_trip"))
    assert match.bits == pytest.approx(math.log2(1000) + math.log2(2000))
    assert index.together([tool("get_weather", "city"), tool("get_time", "city")]) is None  # of two questions
    assert index.together([tool("find_trip", "other"), tool("buy_trip", "seats")]) is None  # names alone
    assert index.together([tool("find_trip", "departure_day")]) is None


def test_little_evidence_is_none(tool: Make) -> None:
    index = ToolIndex()
    index.add([tool("a", "city"), tool("b", "date")])
    assert index.bits(["city", "date"]) > PAIR_BITS
    for n in range(200):
        index.add([tool(f"x{n}", "city", "date")])
    assert index.bits(["city", "date"]) < PAIR_BITS
    assert index.together([tool("a", "city"), tool("b", "date")]) is None


def test_one_tool_needs_many_rare_parameters(tool: Make) -> None:
    index = ToolIndex()
    rare = ("end_x", "start_x", "method", "function")
    index.add([tool("integrate", *rare)])
    index.add([tool("get_weather", "city")])
    assert index.alone([tool("integrate", *rare)]) is not None
    assert index.alone([tool("integrate", *rare, "precision")]) is not None  # four of five
    assert index.alone([tool("integrate", *rare, "precision", "unit")]) is None  # four of six
    assert index.alone([tool("integrate", *rare[:2])]) is None
    assert index.alone([tool("get_weather", "city")]) is None
