"""The three kinds of negatives: pure functions, with provenance, never answerable."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from rlvr.data.generator import generate
from rlvr.negatives import KINDS, ToolSet, action_mismatch, domain_mismatch, server_shuffle, why_answerable
from rlvr.types import Example, Tool

MakeTool = Callable[..., Tool]
MakeExample = Callable[..., Example]


@pytest.fixture
def near(tool: MakeTool) -> list[Tool]:
    return [
        tool("delete_weather_alert", "Remove a storm warning.", alert="string"),
        tool("list_stations", "Measuring stations near a place.", place="string"),
        tool("get_forecast", "Weather forecast for a city.", city="string"),
    ]


@pytest.fixture
def far(tool: MakeTool) -> list[ToolSet]:
    return [
        ToolSet("weather", (tool("rain_radar", "Radar picture.", area="string"),)),
        ToolSet("music", (tool("play_song", "Play a song.", title="string"),)),
        ToolSet("twins", (tool("getForecast", "Another forecast.", city="string"),)),
        ToolSet("empty", ()),
    ]


def test_action_mismatch_offers_siblings_that_cannot_do_it(parent: MakeExample, near: list[Tool]) -> None:
    made = action_mismatch(parent(), near, seed=3, count=5)
    assert made is not None
    assert {t.name for t in made.tools} == {"delete_weather_alert", "list_stations"}
    assert (made.id, made.category, made.ground_truth, made.expects) == (
        "p0/action_mismatch",
        "irrelevance",
        (),
        "refuse",
    )
    assert made.meta["negative"] == {
        "kind": "action_mismatch",
        "parent": "p0",
        "seed": 3,
        "reason": "the query wants get_forecast; the tools are of the same domain and do something else",
        "asked": [{"name": "get_forecast", "arguments": {"city": "Huế"}}],
    }
    assert (made.query, made.lang, made.meta["domain"]) == ("question 0", "en", "weather")
    assert action_mismatch(parent(), near[2:], seed=3) is None
    one = action_mismatch(parent(), near, seed=3)
    assert one is not None
    assert len(one.tools) == 1


def test_domain_mismatch_takes_another_domain(parent: MakeExample, far: list[ToolSet]) -> None:
    for seed in range(10):
        made = domain_mismatch(parent(), far, seed)
        assert made is not None
        assert [t.name for t in made.tools] == ["play_song"]
        assert made.meta["negative"]["reason"] == "the query is about weather, the tools about music"
    assert domain_mismatch(parent(), [far[0], far[2], far[3]], 0) is None
    unknown = domain_mismatch(parent(domain=None), far[:1], 0)
    assert unknown is not None
    assert "something else" in unknown.meta["negative"]["reason"]


def test_server_shuffle_swaps_tools_in_order(parent: MakeExample, tool: MakeTool) -> None:
    parents = [
        parent(0),
        parent(1, tool("play_song", "Play a song.", title="string"), title="x"),
        parent(2, tool("bookTable", "Reserve a restaurant.", guests="integer"), guests=2),
    ]
    made = server_shuffle(parents, seed=1)
    assert [m.id for m in made] == ["p0/server_shuffle", "p1/server_shuffle", "p2/server_shuffle"]
    for before, after in zip(parents, made, strict=True):
        assert after.messages == before.messages
        assert after.tools != before.tools
        assert any(after.tools == other.tools for other in parents)
    assert server_shuffle(parents[:1], seed=1) == []
    assert server_shuffle([parents[0]], seed=1, donors=[parent(7)]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_pure(kind: str, parent: MakeExample, near: list[Tool], far: list[ToolSet]) -> None:
    others = [parent(1, near[0], alert="a"), parent(2, near[1], place="b")]

    def make(seed: int) -> object:
        if kind == "action_mismatch":
            return action_mismatch(parent(), near, seed, count=1)
        if kind == "domain_mismatch":
            return domain_mismatch(parent(), far, seed)
        return server_shuffle([parent()], seed, others)

    random.seed(0)
    state = random.getstate()
    assert make(1) == make(1)
    assert random.getstate() == state
    assert len({repr(make(seed)) for seed in range(12)}) > 1


def test_none_of_many_can_be_answered() -> None:
    parents = [e for e in generate("train", 300, 9) if e.ground_truth]
    made = server_shuffle(parents, seed=2)
    assert len(made) > 0.95 * len(parents)
    by_id = {p.id: p for p in parents}
    for negative in made:
        before = by_id[negative.meta["negative"]["parent"]]
        assert why_answerable(before, negative.tools) is None
        assert not {c.name for c in before.ground_truth} & {t.name for t in negative.tools}
