"""Which first step the other calls cannot do without, and which they can."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from rlvr.negatives.dependencies import first_step
from rlvr.types import Example, GoldCall, Tool

Call = tuple[str, dict[str, Any]]


def tools() -> tuple[Tool, ...]:
    def make(name: str, *required: str) -> Tool:
        properties = {key: {"type": "string"} for key in required}
        return Tool(name, "", {"type": "object", "properties": properties, "required": list(required)})

    return (
        make("find_user", "name"),
        make("get_orders", "user_id"),
        make("refund", "order_id"),
        make("search_mail", "query"),
        make("create_folder", "name"),
        make("move_file", "file", "folder"),
        make("get_weather", "city"),
    )


def example(
    gold: Sequence[Call], history: Sequence[tuple[Call, Any]] = (), query: str = "Refund what Ann bought"
) -> Example:
    messages: list[Mapping[str, Any]] = [{"role": "user", "content": query}]
    for (name, arguments), result in history:
        body = {"type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        messages += [{"role": "assistant", "content": "", "tool_calls": [body]}]
        messages += [{"role": "tool", "content": json.dumps(result)}]
    calls = tuple(GoldCall(name, arguments) for name, arguments in gold)
    return Example("x", "t", "multi_turn", tuple(messages), tools(), calls)


FIND: tuple[Call, Any] = (("find_user", {"name": "Ann"}), {"id": "u-719"})
ORDERS: tuple[Call, Any] = (("get_orders", {"user_id": "u-719"}), [{"order": "o-55"}])


def test_a_value_that_only_the_first_result_tells() -> None:
    step = first_step(example([("get_orders", {"user_id": "u-719"})], [FIND]))
    assert step is not None
    assert (step.call.name, [c.name for c in step.others]) == ("find_user", ["get_orders"])
    assert step.how == "get_orders takes user_id = 'u-719', which only find_user tells"
    assert [m["role"] for m in step.messages] == ["user"]


def test_a_chain_depends_on_its_first_call() -> None:
    step = first_step(example([("refund", {"order_id": "o-55"})], [FIND, ORDERS]))
    assert step is not None
    assert (step.call.name, [c.name for c in step.others]) == ("find_user", ["get_orders", "refund"])


@pytest.mark.parametrize(
    ("gold", "history", "query"),
    [
        ([("get_orders", {"user_id": "u-719"})], [FIND], "Orders of Ann, whose id is u-719"),  # the user said it
        (
            [("get_weather", {"city": "Oslo"})],
            [(FIND[0], {"city": "Oslo"})],
            "Weather at Ann's",
        ),  # words could stand in
        ([("search_mail", {"query": "Ann"})], [FIND], "Ann"),  # independent
        (
            [("get_orders", {"user_id": "u-719"}), ("search_mail", {"query": "Ann"})],
            [FIND],
            "Ann",
        ),  # one is independent
        ([("find_user", {"name": "u-719"})], [FIND], "Ann"),  # the same tool again
        ([("get_orders", {"user_id": "u-1"})], [FIND], "Ann"),  # the result does not tell it
        ([("get_orders", {"user_id": "u-719"})], [], "Ann"),  # no step before
    ],
)
def test_no_dependency(gold: list[Call], history: list[tuple[Call, Any]], query: str) -> None:
    assert first_step(example(gold, history, query)) is None


def test_an_earlier_request_that_was_served_by_calls() -> None:
    later = example([("get_orders", {"user_id": "u-719"})], [FIND])
    messages = (*example([], [FIND]).messages, {"role": "assistant", "content": "Done."}, *later.messages)
    assert first_step(Example("x", "t", "multi_turn", messages, tools(), later.ground_truth)) is None


def test_calls_without_their_results_tell_nothing() -> None:
    whole = example([("get_orders", {"user_id": "u-719"})], [FIND])
    broken = (*whole.messages, {"role": "tool", "content": "again"})
    assert first_step(Example("x", "t", "multi_turn", broken, tools(), whole.ground_truth)) is None
    assert first_step(example([])) is None


@pytest.mark.parametrize(
    ("gold", "found"),
    [
        ([("create_folder", {"name": "Tax 2026"}), ("move_file", {"file": "a.pdf", "folder": "Tax 2026"})], True),
        ([("move_file", {"file": "a.pdf", "folder": "Tax 2026"}), ("create_folder", {"name": "Tax 2026"})], False),
        ([("create_folder", {"name": "Tax 2026"}), ("move_file", {"file": "a.pdf", "folder": "Old"})], False),
        ([("create_folder", {"name": "Tax"}), ("create_folder", {"name": "Tax"})], False),
        ([("search_mail", {"query": "Tax 2026"}), ("move_file", {"file": "a.pdf", "folder": "Tax 2026"})], False),
        ([("find_user", {"name": "Ann"}), ("get_orders", {"user_id": "$find_user.id"})], True),
        ([("find_user", {"name": "Ann"}), ("get_orders", {"user_id": "find_user"})], False),
        ([("find_user", {"name": "Ann"}), ("get_orders", {"user_id": "$u"})], False),
    ],
)
def test_calls_of_one_turn(gold: list[Call], found: bool) -> None:
    step = first_step(example(gold))
    assert (step is not None) is found
    assert step is None or step.call.name == gold[0][0]


def test_hostile_results_take_no_time() -> None:
    deep = "[" * 50_000
    history = [(("find_user", {"name": "Ann"}), deep + "a:" * 50_000)]
    assert first_step(example([("get_orders", {"user_id": "u-719"})], history)) is None
