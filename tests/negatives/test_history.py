"""Dialogues with earlier calls: the prompt that a negative shows must be one in which they could have been made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from rlvr.negatives import NegativeOptions, Tally, synthesize
from rlvr.negatives.base import called
from rlvr.types import Example, GoldCall, Tool

TEXT = {"type": "string"}


def schema(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": dict.fromkeys(names, TEXT), "required": list(names)}


PLAN = Tool("plan_outing", "Plan an outing with picnic and museum in a city.", schema("city"))
NEAR = Tool("outing_planner", "Plans an outing with picnic and museum in a city.", schema("city"))
PAINT = Tool("paint_fence", "Paint a garden fence in a colour.", schema("colour"))
SHOW = Tool("show_invoice", "Show an unpaid bill.", schema("number"))
SEND = Tool("send_letter", "Send a letter by post.", schema("text"))


def dialogue(needed: Tool, arguments: Mapping[str, str], before: Tool | None, *others: Tool, asks: str = "") -> Example:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "First of all, see to it."}]
    if before is not None:
        call = {"type": "function", "function": {"name": before.name, "arguments": dict.fromkeys(("a",), "b")}}
        messages += [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "content": "done"}]
        messages.append({"role": "assistant", "content": "It is done."})
    messages.append({"role": "user", "content": asks or " ".join(["And now", *arguments.values()])})
    gold = (GoldCall(needed.name, dict(arguments)),)
    return Example("p", "t", "multi_turn", tuple(messages), (needed, *others), gold, "any", {"lang": "en"})


def donors() -> list[Example]:
    towns = ("Lagos", "Boston", "Hanoi", "Quito")
    return [dataclasses.replace(dialogue(PLAN, {"city": t}, None), id=t) for t in towns]


def made(kind: str, example: Example, seed: int = 0) -> tuple[Example | None, Tally]:
    tally = Tally()
    options = NegativeOptions(kinds={kind: 1.0}, share=1.0, seed=seed)
    found = synthesize([example, *donors()], options, tally=tally)
    return next((e for e in found if e.meta["negative"]["parent"] == "p"), None), tally


@pytest.mark.parametrize("kind", ["missing_permission", "format_mismatch"])
def test_a_tool_that_the_dialogue_called_is_not_left_out(kind: str) -> None:
    """`outing_planner` might do it too, so it may not be offered; and it was called, so it must be."""
    example, tally = made(kind, dialogue(PLAN, {"city": "Paris"}, NEAR, NEAR, PAINT))
    assert example is None
    assert tally.refused[kind, "a tool that might serve as well was called earlier in the dialogue"] == 1
    without, _ = made(kind, dialogue(PLAN, {"city": "Paris"}, None, NEAR, PAINT))
    assert without is not None
    assert [t.name for t in without.tools] == ["plan_outing", "paint_fence"]


@pytest.mark.parametrize("kind", ["missing_permission", "format_mismatch"])
def test_a_tool_that_was_called_and_is_far_stays(kind: str) -> None:
    example, _ = made(kind, dialogue(PLAN, {"city": "Paris"}, PAINT, NEAR, PAINT))
    assert example is not None
    assert [t.name for t in example.tools] == ["plan_outing", "paint_fence"]
    assert called(example.messages) == {"paint_fence"}


@pytest.mark.parametrize("kind", ["missing_permission", "format_mismatch"])
def test_the_needed_tool_was_not_called(kind: str) -> None:
    example, tally = made(kind, dialogue(PLAN, {"city": "Paris"}, PLAN, PAINT))
    assert example is None
    assert any("called earlier" in why for of, why in tally.refused if of == kind)


@pytest.mark.parametrize(("before", "may_be"), [(SHOW, True), (PAINT, False), (SEND, False), (None, True)])
def test_a_session_that_only_reads_has_not_written(before: Tool | None, may_be: bool) -> None:
    """`paint_fence` has no verb that is known to read."""
    remind = Tool("create_reminder", "Create a reminder for a person.", schema("text"))
    notes = []
    for seed in range(60):
        example, _ = made("missing_permission", dialogue(remind, {"text": "lunch"}, before, SHOW, PAINT, SEND), seed)
        assert example is not None
        notes.append(str(example.messages[0]["content"]))
    assert any("read-only" in note for note in notes) is may_be


@pytest.mark.parametrize(
    ("description", "more"),
    [
        ("Plan an outing in a city.", ". Only callers with the role `"),
        ("規劃城市裡的野餐與博物館行程", "。只有角色為 `"),
        ("规划城市里的野餐与博物馆行程", "。仅角色为 `"),
        ("Lên kế hoạch đi dã ngoại và bảo tàng", ". Chỉ người có vai trò `"),
    ],
)
def test_a_role_is_asked_for_in_the_language_of_the_description(description: str, more: str) -> None:
    plan = dataclasses.replace(PLAN, description=description)
    said = set()
    for seed in range(60):
        example, _ = made("missing_permission", dialogue(plan, {"city": "Paris"}, None), seed)
        said.add(example.tools[0].description if example else "")
    assert any(s.startswith(description.rstrip(".") + more) for s in said)
    assert all(s == description or more in s for s in said)


def test_the_names_of_calls() -> None:
    bare = {"role": "assistant", "content": "", "tool_calls": [{"name": "a", "arguments": {}}, None, {"function": 3}]}
    assert called((bare, {"role": "user", "content": "x"})) == {"a"}


@pytest.mark.parametrize("before", [True, False])
def test_a_missing_step_was_not_made_for_an_earlier_request(before: bool) -> None:
    find = Tool("find_guest", "Find a guest by name.", schema("name"))
    bill = Tool("bill_guest", "Write a bill for a stay.", schema("guest"))
    asked = dialogue(find, {"name": "Lan"}, find if before else None, bill, PAINT)
    calls = (GoldCall("find_guest", {"name": "Lan"}), GoldCall("bill_guest", {"guest": "$find_guest.id"}))
    example, tally = made("partial_fulfilment", dataclasses.replace(asked, ground_truth=calls))
    assert (example is None) is before
    if before:
        assert tally.refused["partial_fulfilment", "tools were called earlier in the dialogue"] == 1
