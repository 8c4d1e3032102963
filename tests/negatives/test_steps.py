"""A task of two steps beside the other kinds: its user asks for what the second tool does, whichever call is next."""

from __future__ import annotations

import dataclasses

import pytest

from rlvr.data.generator import GeneratorOptions, generate
from rlvr.negatives import KINDS, NegativeOptions, ToolSet, synthesize
from rlvr.negatives.dependencies import deeds_of
from rlvr.types import Example, GoldCall, Tool

OPTIONS = NegativeOptions(kinds=dict.fromkeys(KINDS, 1.0), share=1.0, twins=True)


@pytest.fixture(scope="module")
def parents() -> list[Example]:
    return list(generate("train", 300, 8, GeneratorOptions(two_step=1.0)))


@pytest.fixture(scope="module")
def pairs(parents: list[Example]) -> list[tuple[Example, Example]]:
    made = list(synthesize(parents, OPTIONS))
    return list(zip(made[::2], made[1::2], strict=True))


def test_what_the_request_takes_is_every_step(parents: list[Example]) -> None:
    for example in parents:
        assert {t.name for t in deeds_of(example)} == set(example.meta["steps"])
        unmarked = dataclasses.replace(example, meta={})
        assert [t.name for t in deeds_of(unmarked)] == [example.ground_truth[0].name]
        assert deeds_of(dataclasses.replace(example, meta={"steps": 2})) == deeds_of(unmarked)


def test_no_twin_wants_a_call_that_is_of_no_use(pairs: list[tuple[Example, Example]]) -> None:
    """Where the second tool is not offered a refusal is right (`partial_fulfilment`): no positive may say otherwise."""
    assert {e.meta["negative"]["kind"] for e, _ in pairs} >= set(KINDS) - {"action_mismatch"}
    for _, twin in pairs:
        names = [t.name for t in twin.tools]
        assert set(twin.meta["steps"]) <= set(names), twin.id
        assert len(names) == len(set(names))


def test_what_the_user_asks_for_is_no_near_twin(parents: list[Example]) -> None:
    """`cancel_stay` cannot find a stay; but "cancel my stay" is not refused with "`cancel_stay` can't do it"."""
    options = dataclasses.replace(OPTIONS, kinds={"action_mismatch": 1.0})
    for negative in list(synthesize(parents, options))[::2]:
        assert not {t.name for t in negative.tools} & set(negative.meta["steps"]), negative.id


def test_a_tool_that_does_the_last_step_is_near() -> None:
    """Another server's tool that does what the user asks for, far from the first step and from the user's words."""
    guest = {"type": "object", "properties": {"email": {"type": "string"}}, "required": ["email"]}
    number = {"type": "object", "properties": {"guest_no": {"type": "integer"}}, "required": ["guest_no"]}
    find = Tool("find_guest", "Look up a person by e-mail address. Returns guest_no.", guest)
    cancel = Tool("cancel_room", "Cancel the hotel room reservation of somebody.", number)
    same = ToolSet("travel", (Tool("drop_room", "Cancel a hotel room reservation.", guest),), "other-hotel")
    parent = Example(
        id="a",
        source="test",
        category="multiple",
        messages=({"role": "user", "content": "I am not coming, call it off: lan@example.com"},),
        tools=(find, cancel),
        ground_truth=(GoldCall("find_guest", {"email": "lan@example.com"}),),
        meta={"steps": ["find_guest", "cancel_room"]},
    )
    options = NegativeOptions(kinds={"server_shuffle": 1.0}, share=1.0)
    assert list(synthesize([parent], options, [same])) == []
    assert len(list(synthesize([dataclasses.replace(parent, meta={})], options, [same]))) == 1
