"""Action mismatch by hand: which tool of the same domain cannot do what is asked, and which can under another name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from rlvr.negatives import NegativeOptions, Tally, ToolSet, synthesize
from rlvr.types import Example, Tool

MakeTool = Callable[..., Tool]
ONLY = NegativeOptions(kinds={"action_mismatch": 1.0}, share=1.0)


def make(
    parent: Callable[..., Example], query: str, needed: Tool, twin: Tool
) -> tuple[list[Example], list[tuple[str, str]]]:
    """The negatives of one parent, beside a server with one tool, and why there are none."""
    asks = dataclasses.replace(parent(0, needed, **dict.fromkeys(needed.parameters["properties"], "x")))
    asks = dataclasses.replace(asks, messages=({"role": "user", "content": query},))
    tally = Tally()
    return list(synthesize([asks], ONLY, [ToolSet("", (twin,), "s")], tally=tally)), list(tally.refused)


@pytest.fixture
def reserve(tool: MakeTool) -> Tool:
    return tool("reserve_table", "Reserve a table in a restaurant for guests.", guests="string")


def test_a_near_twin_with_another_verb(parent: Callable[..., Example], tool: MakeTool, reserve: Tool) -> None:
    find = tool("find_table", "Find a free table in a restaurant for guests.", guests="string")
    made, _ = make(parent, "Reserve a table at Luna for four.", reserve, find)
    assert [e.tools for e in made] == [(find,)]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("Sales of the shop Luna, please", 1),
        ("Sales of the shop Luna, please. After that, delete its chart.", 0),
        ("Show me the sales of the shop Luna, then I'd like deleting them.", 0),
        ("請給我 Luna 商店的銷售圖表。", 1),
        ("先給我 Luna 商店的銷售圖表，然後刪掉它。", 0),
    ],
)
def test_what_the_user_asks_for_next_is_no_twin(
    parent: Callable[..., Example], tool: MakeTool, query: str, count: int
) -> None:
    """The ground truth of a dialogue taken step by step holds its first call alone."""
    needed = tool("get_sales_chart", "Chart of the sales of a shop by month.", shop="string")
    twin = tool("delete_sales_chart", "Delete a picture of the sales of a shop by month.", shop="string")
    asks = dataclasses.replace(parent(0, needed, shop="x"), messages=({"role": "user", "content": query},))
    asks = dataclasses.replace(asks, tools=(needed, twin))
    zoo = tool("feed_zebra", "Feed a zebra of the zoo.", zebra="string")
    assert len(list(synthesize([asks], ONLY, [ToolSet("", (zoo,), "s")]))) == count


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("diner-server-reserve_table", "Find a free table in a restaurant for guests."),  # the same from another server
        ("table_reserve", "Show a free table in a restaurant for guests."),
    ],
)
def test_the_same_under_another_name_is_no_twin(
    parent: Callable[..., Example], tool: MakeTool, reserve: Tool, name: str, description: str
) -> None:
    made, why = make(parent, "Reserve a table at Luna for four.", reserve, tool(name, description, guests="string"))
    assert (made, why) == ([], [("action_mismatch", "no near twin with another verb")])


def test_what_is_made_when_it_is_asked_for_is_got_and_created_alike(
    parent: Callable[..., Example], tool: MakeTool
) -> None:
    needed = tool("get_sales_chart", "Chart of the sales of a shop by month.", shop="string")
    for verb, description, count in (
        ("create", "Draw a picture of the sales of a shop by month.", 0),
        ("delete", "Delete a picture of the sales of a shop by month.", 1),
    ):
        twin = tool(f"{verb}_sales_chart", description, shop="string")
        made, _ = make(parent, "Sales of the shop Luna, please", needed, twin)
        assert len(made) == count, verb


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("Yes, reserve it for four! Is there parking nearby?", 0),  # the twin may tell
        ("Reserve it for four, and what is on the menu?", 0),
        ("Could you reserve a table at Luna for four?", 1),
        ("Is it free? Then reserve a table at Luna for four.", 1),
    ],
)
def test_a_second_question_that_a_reading_twin_may_answer(
    parent: Callable[..., Example], tool: MakeTool, reserve: Tool, query: str, count: int
) -> None:
    find = tool("find_table", "Find a free table in a restaurant for guests.", guests="string")
    made, why = make(parent, query, reserve, find)
    assert len(made) == count
    assert count or why == [("action_mismatch", "the user asks something besides, which a near twin may tell")]
