"""Dates that are narrowed to the days of another year: where a tool could be written so, and nowhere else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rlvr.negatives.dates import other_year
from rlvr.negatives.narrowing import Narrowed, narrowings
from rlvr.negatives.values import ValueBank
from rlvr.types import GoldCall, Tool

DAY = "2026-05-01"


def tool(name: str, description: str, parameter: str = "day", of_parameter: str = "") -> Tool:
    schema: dict[str, Any] = {"type": "string", **({"description": of_parameter} if of_parameter else {})}
    properties = {parameter: schema}
    return Tool(name, description, {"type": "object", "properties": properties, "required": [parameter]})


def narrowed(made: Tool, said: str, seed: int = 0) -> list[Narrowed]:
    (parameter,) = made.parameters["properties"]
    return list(narrowings(GoldCall(made.name, {parameter: DAY}), made, ValueBank(), said, random.Random(seed)))


BOOKS = tool("book_hut", "Book a hut in the hills.")
FLIGHTS = tool("search_flights", "Search flights of a day.")
LEDGER = tool("list_expenses", "List the expenses of a day.")


@pytest.mark.parametrize(
    ("made", "said", "year"),
    [
        (BOOKS, "a hut on 2026-05-01, please", 2027),
        (FLIGHTS, "which flights are there on 2026-05-01?", 2027),
        (LEDGER, "what did i spend on 2026-05-01?", 2025),
        (LEDGER, "expenses of 2026-05-01", 2025),
        (tool("get_match_results", "Get the results of a day's matches."), "who won on 2026-05-01", 2025),
    ],
)
def test_the_year_that_a_tool_could_take(made: Tool, said: str, year: int) -> None:
    for seed in range(6):  # nothing is drawn: the other year might read oddly
        (found,) = narrowed(made, said, seed)
        assert found.schema["pattern"] == rf"^{year}-\d{{2}}-\d{{2}}$"
        assert found.schema["description"] == f"Only days of {year}."
        assert found.slots == {"limit": str(year)}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        # moves, from or to a day
        (tool("move_meeting", "Move a meeting.", "new_date"), "move my meeting from 2026-04-30 to 2026-05-01"),
        (tool("move_meeting", "Move a meeting to another day."), "dời cuộc họp sang 2026-05-01"),
        (BOOKS, "i have the hut on 2026-04-28; book 2026-05-01 instead of it"),
        (BOOKS, "change my hut to 2026-05-01"),
        (BOOKS, "把小屋改到 2026-05-01"),
        (FLIGHTS, "flights on 2026-04-30 or 2026-05-01"),
        (tool("search_flights", "Search flights.", "original_date"), "the flight of 2026-05-01"),
        # what is past has no horizon of bookings
        (tool("book_expense", "Book an expense in the ledger."), "i spent 40 euros on 2026-05-01"),
        (BOOKS, "i stayed there on 2026-05-01 already"),
        (BOOKS, "mình đã ở đó hôm 2026-05-01"),
        (FLIGHTS, "which flight did i take on 2026-05-01"),
        (FLIGHTS, "我去年 2026-05-01 搭的班機"),
        # an archive does not hold what is to come
        (LEDGER, "what will i have to pay on 2026-05-01"),
        (LEDGER, "sắp tới 2026-05-01 phải trả gì"),
        (tool("get_price_history", "Historical prices of a stock.", "start"), "prices since 2026-05-01"),
        # tools that take any day, or do something else about it
        (tool("get_forecast", "Get the weather forecast of a day."), "the weather on 2026-05-01"),
        (tool("get_flight_status", "Live status of a flight."), "is the flight of 2026-05-01 on time"),
        (tool("list_tasks", "List the tasks of a day."), "my tasks of 2026-05-01"),
        (tool("cancel_hut", "Cancel the booking of a hut."), "cancel 2026-05-01"),
        (tool("log_run", "Logs a run."), "a run on 2026-05-01"),
        (tool("create_event", "Create an event."), "lunch on 2026-05-01"),
        (tool("send_invoice", "Send an invoice.", "due_date"), "due on 2026-05-01"),
        # the user names the other year
        (BOOKS, "a hut on 2026-05-01, as planned for 2027"),
    ],
)  # fmt: skip
def test_what_would_read_oddly(made: Tool, said: str) -> None:
    assert [narrowed(made, said, seed) for seed in range(6)] == [[]] * 6


@pytest.mark.parametrize(
    ("description", "of_parameter", "said"),
    [
        ("Đặt chỗ ở trong núi cho khách.", "", "Chỉ nhận các ngày trong năm 2027."),
        ("Reserve a hut.", "ngày nhận phòng của khách", "ngày nhận phòng của khách. Chỉ nhận các ngày trong năm 2027."),
        ("预订山里的小屋", "", "只接受 2027 年的日期。"),
        ("Reserve a hut.", "入住的日期。", "入住的日期。只接受 2027 年的日期。"),
        ("Reserve a hut.", "Day of arrival.", "Day of arrival. Only days of 2027."),
    ],
)
def test_a_bound_is_told_in_the_language_of_the_description(description: str, of_parameter: str, said: str) -> None:
    (found,) = narrowed(tool("reserve_hut", description, of_parameter=of_parameter), "2026-05-01")
    assert found.schema["description"] == said


def test_only_dates() -> None:
    assert other_year(BOOKS, "day", "1 May 2026", "a hut on 1 may 2026") is None
    assert other_year(BOOKS, "until", DAY, "a hut until 2026-05-01") is None
