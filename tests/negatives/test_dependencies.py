"""Which first step the other calls cannot do without, and which they can."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from rlvr.negatives.dependencies import first_step, last_step
from rlvr.types import Example, GoldCall, Tool

Call = tuple[str, dict[str, Any]]


def tools() -> tuple[Tool, ...]:
    def make(name: str, *required: str, about: str = "") -> Tool:
        properties = {key: {"type": "string"} for key in required}
        return Tool(name, about, {"type": "object", "properties": properties, "required": list(required)})

    return (
        make("find_user", "name", about="Finds a user by name. Returns the user's id."),
        make("get_orders", "user_id"),
        make("refund", "order_id"),
        make("search_mail", "query"),
        make("create_folder", "name"),
        make("move_file", "file", "folder"),
        make("get_weather", "city"),
        make("register_phone", "phone"),
        make("call_phone", "phone"),
        make("login", "phone"),
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


FOLDER: Call = ("create_folder", {"name": "Tax 2026"})
MOVE: Call = ("move_file", {"file": "a.pdf", "folder": "Tax 2026"})


@pytest.mark.parametrize(
    ("gold", "query", "found"),
    [
        ([FOLDER, MOVE], "Create the folder Tax 2026, then move a.pdf into it", True),
        ([FOLDER, MOVE], "先建立 Tax 2026 資料夾，再把 a.pdf 移過去", True),
        ([FOLDER, MOVE], "Tạo thư mục Tax 2026 rồi chuyển a.pdf vào đó", True),
        ([FOLDER, MOVE], "Tax 2026 and a.pdf", False),  # nothing says in what order
        ([MOVE, FOLDER], "Move a.pdf to Tax 2026, then create it", False),
        ([FOLDER, ("move_file", {"file": "a.pdf", "folder": "Old"})], "Create Tax 2026, then move a.pdf to Old", False),
        ([FOLDER, FOLDER], "Create Tax 2026, then again", False),
        # An equal value is what the user said: it serves the second call without the first.
        ([("search_mail", {"query": "Tax 2026"}), MOVE], "Search Tax 2026, then move a.pdf there", False),
        ([("login", {"phone": "0912-345"}), ("get_weather", {"city": "0912-345"})], "Log in, then 0912-345", False),
        ([("register_phone", {"phone": "0912-345"}), ("call_phone", {"phone": "0912-345"})], "0912-345, then", False),
        ([FOLDER, ("search_mail", {"query": "Tax 2026"})], "Create Tax 2026, then search Tax 2026", False),
        ([("find_user", {"name": "Ann"}), ("get_orders", {"user_id": "$find_user.id"})], "Ann's orders", True),
        ([("find_user", {"name": "Ann"}), ("get_orders", {"user_id": "find_user"})], "Ann's orders", False),
        ([("find_user", {"name": "Ann"}), ("get_orders", {"user_id": "$u"})], "Ann's orders", False),
        # An identifier that nobody said, of which the first tool says that it returns it.
        ([("find_user", {"name": "Ann"}), ("get_orders", {"user_id": "u-719"})], "Ann's orders", True),
        ([("find_user", {"name": "Ann"}), ("get_orders", {"user_id": "u-719"})], "Ann is u-719", False),
        ([("find_user", {"name": "Ann"}), ("refund", {"order_id": "o-55"})], "Refund Ann", False),
    ],
)
def test_calls_of_one_turn(gold: list[Call], query: str, found: bool) -> None:
    step = first_step(example(gold, query=query))
    assert (step is not None) is found
    assert step is None or step.call.name == gold[0][0]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("latitude", "48.8566"), ("airport_code", "cdg1"), ("cid", "2244"), ("year", "1969"), ("start", "2026-03-14"),
        ("time_from", "14:30"), ("released", "1998"),
    ],
)  # fmt: skip
def test_what_a_model_knows_or_works_out_is_no_dependency(name: str, told: str) -> None:
    looked_up = Tool("look_up", "Looks it up.", {"type": "object", "properties": {"q": {"type": "string"}}})
    schema = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    later = Tool("use_it", "Uses it.", schema)
    body = {"type": "function", "function": {"name": "look_up", "arguments": {"q": "Paris"}}}
    messages = (
        {"role": "user", "content": "About Paris"},
        {"role": "assistant", "content": "", "tool_calls": [body]},
        {"role": "tool", "content": json.dumps({name: told})},
    )
    call = GoldCall("use_it", {name: told})
    assert first_step(Example("x", "t", "multi_turn", messages, (looked_up, later), (call,))) is None
    other = Tool("use_it", "", {"type": "object", "properties": {"file_no": {}}, "required": ["file_no"]})
    told_only = (*messages[:2], {"role": "tool", "content": "file X-12345"})
    call = GoldCall("use_it", {"file_no": "X-12345"})
    assert first_step(Example("x", "t", "multi_turn", told_only, (looked_up, other), (call,))) is not None
    listed = Tool("use_it", "", {**other.parameters, "properties": {"file_no": {"enum": ["X-12345", "X-9"]}}})
    assert first_step(Example("x", "t", "multi_turn", told_only, (looked_up, listed), (call,))) is None


def test_the_last_step_goes_only_where_nothing_else_was_asked_for() -> None:
    whole = example([("refund", {"order_id": "o-55"})], [FIND, ORDERS])
    assert last_step(whole) is None  # who knows whether the user wants the orders too
    names = ["find_user", "get_orders", "refund"]
    step = last_step(dataclasses.replace(whole, meta={"steps": names}))
    assert step is not None
    assert (step.call.name, step.is_last) == ("refund", True)
    assert [c.name for c in step.calls] == names
    assert step.how == "find_user, get_orders only looks up what refund takes"
    assert last_step(dataclasses.replace(whole, meta={"steps": names[1:]})) is None


def test_hostile_results_take_no_time() -> None:
    deep = "[" * 50_000
    history = [(("find_user", {"name": "Ann"}), deep + "a:" * 50_000)]
    assert first_step(example([("get_orders", {"user_id": "u-719"})], history)) is None
