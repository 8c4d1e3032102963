"""`synthesize`: each kind by its own rule, pure for a seed, in a stream, with counts that hold, and twins."""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rlvr.data.generator import generate
from rlvr.data.sources.jsonl import example_from_row
from rlvr.negatives import KINDS, NegativeOptions, Tally, ToolSet, Verifier, synthesize
from rlvr.negatives.words import action_of, cannot_do, plain_name
from rlvr.rewards import score
from rlvr.rewards.words import classify_words
from rlvr.tools import check_ground_truth
from rlvr.types import Example, Tool

ALL_KINDS = dict.fromkeys(KINDS, 1.0)


@pytest.fixture(scope="module")
def parents() -> list[Example]:
    return [e for e in generate("train", 420, 5) if e.ground_truth]


@pytest.fixture(scope="module")
def made(parents: list[Example]) -> list[Example]:
    return list(synthesize(parents, NegativeOptions(count=200, parents=len(parents), seed=3, twins=True)))


@pytest.fixture(scope="module")
def negatives(made: list[Example]) -> list[Example]:
    return [e for e in made if "negative" in e.meta]


def of_kind(negatives: list[Example], kind: str) -> list[Example]:
    found = [e for e in negatives if e.meta["negative"]["kind"] == kind]
    assert len(found) >= 10
    return found


def needed(negative: Example, parents: list[Example]) -> tuple[Example, list[Tool]]:
    parent = next(p for p in parents if p.id == negative.meta["negative"]["parent"])
    names = {c.name for c in parent.ground_truth}
    return parent, [t for t in parent.tools if t.name in names]


def test_each_carries_what_it_is(negatives: list[Example]) -> None:
    assert len(negatives) == 200
    assert len({e.id for e in negatives}) == 200
    for e in negatives:
        about = e.meta["negative"]
        assert set(about) == {"kind", "parent", "seed", "reason", "asked", "score"}
        assert e.id == f"{about['parent']}/{about['kind']}"
        assert (e.category, e.ground_truth, e.expects) == ("irrelevance", (), "refuse")
        assert about["asked"]
        assert about["seed"] == 3
        assert 0 <= about["score"] <= 1
        assert e.tools
        assert len({plain_name(t.name) for t in e.tools}) == len(e.tools)


def test_replies_refuse_in_the_query_s_language(negatives: list[Example]) -> None:
    for e in negatives:
        said = classify_words(e.meta["reply"], e.lang)
        assert said.kind == "refuse", e.meta["reply"]
        assert said.lang in (e.lang, None)
    assert len({e.meta["reply"] for e in negatives}) > 100


def test_a_refusal_is_what_the_reward_wants(negatives: list[Example]) -> None:
    for e in negatives[:20]:
        tools = [t.to_json() for t in e.tools]
        got = score(e.meta["reply"], tools=tools, ground_truth=[], expects=e.expects, lang=e.lang)
        assert got.refusal == 1.0


@pytest.mark.parametrize("kind", ["domain_mismatch", "server_shuffle"])
def test_swapped_tools_cannot_serve(kind: str, negatives: list[Example], parents: list[Example]) -> None:
    verifier = Verifier.fit(t for p in parents for t in p.tools)
    for e in of_kind(negatives, kind):
        parent, wanted = needed(e, parents)
        probe = verifier.probe(parent, wanted)
        assert max(verifier.closeness(probe, t) for t in e.tools) < 1
        assert e.meta["negative"]["score"] < 1
        assert not {plain_name(t.name) for t in wanted} & {plain_name(t.name) for t in e.tools}
        assert e.messages == parent.messages


def test_domains_differ(negatives: list[Example], parents: list[Example]) -> None:
    domain = {t.name: p.meta["domain"] for p in parents for t in p.tools if len(p.tools) == 1}
    for e in of_kind(negatives, "domain_mismatch"):
        assert len(e.tools) <= len(needed(e, parents)[0].tools)
        assert not {domain[t.name] for t in e.tools if t.name in domain} & {e.meta["domain"]}


def test_action_mismatch_has_a_near_twin_with_another_verb(negatives: list[Example], parents: list[Example]) -> None:
    for e in of_kind(negatives, "action_mismatch"):
        _, wanted = needed(e, parents)
        twins = [t for t in e.tools if all(cannot_do(t, action_of(t), action_of(w)) for w in wanted)]
        assert any(action_of(t).nouns & action_of(w).nouns for t in twins for w in wanted)
        assert e.meta["negative"]["score"] >= 0.2


def test_permission_is_denied_in_the_prompt(negatives: list[Example], parents: list[Example]) -> None:
    notes = set()
    for e in of_kind(negatives, "missing_permission"):
        parent, wanted = needed(e, parents)
        assert check_ground_truth(parent.ground_truth, e.tools) == []  # offered, and the call would be valid
        assert e.messages[0]["role"] == "system"
        assert e.messages[1:] == parent.messages
        note = str(e.messages[0]["content"])
        assert note in e.meta["negative"]["reason"]
        assert forbids(note, wanted, [t for t in e.tools if t.name not in {w.name for w in wanted}], e.tools)
        notes.add(note.replace(wanted[0].name, "X"))
    assert len(notes) > 8


def forbids(note: str, wanted: list[Tool], others: list[Tool], offered: tuple[Tool, ...]) -> bool:
    """By name, by a list that the tool is not on, by a role that its description asks for, or for all that writes."""
    if all(w.name in note for w in wanted):
        return True
    if others and all(t.name in note for t in others):
        return not any(w.name in note for w in wanted)
    if all("Only callers with the role" in t.description for t in offered if t.name in {w.name for w in wanted}):
        return any(f"`{role}`" in note for role in ("viewer", "guest", "trainee", "reader"))
    writes = all(action_of(w).kind in ("create", "update", "delete", "send") for w in wanted)
    return writes and any(words in note for words in ("read-only", "chỉ", "唯讀"))


def test_format_is_refused_by_the_schema(negatives: list[Example], parents: list[Example]) -> None:
    for e in of_kind(negatives, "format_mismatch"):
        parent, wanted = needed(e, parents)
        problems = check_ground_truth(parent.ground_truth, e.tools)
        assert len(problems) == 1  # the narrowed parameter, and nothing else
        narrowed = next(t for t in e.tools if t.name == wanted[0].name)
        changed = [
            k for k, v in narrowed.parameters["properties"].items() if v != wanted[0].parameters["properties"][k]
        ]
        assert len(changed) == 1
        assert changed[0] in narrowed.parameters["required"]
        assert f": {changed[0]}: " in problems[0]
        assert str(parent.ground_truth[0].arguments[changed[0]]) in parent.query
        value = str(parent.ground_truth[0].arguments[changed[0]])
        assert f"`{changed[0]}`" in e.meta["reply"] or value in e.meta["reply"]


def test_partial_fulfilment_misses_the_first_step(parents: list[Example]) -> None:
    chain = example_from_row(CHAIN, "chain")
    options = NegativeOptions(kinds={"partial_fulfilment": 1.0}, count=1, twins=True)
    negative, twin = synthesize([chain, *parents[:40]], options)
    assert [m["role"] for m in negative.messages] == ["user"]
    names = {t.name for t in negative.tools}
    assert "shop-get_orders" in names
    assert "shop-find_user" not in names
    assert "shop-list_users" not in names  # it could stand in for the first step
    assert [c["name"] for c in negative.meta["negative"]["asked"]] == ["shop-find_user", "shop-get_orders"]
    assert negative.meta["negative"]["reason"] == (
        "shop-find_user is not offered; shop-get_orders takes user_id = 'u-719', which only shop-find_user tells"
    )
    assert "find user" in negative.meta["reply"]
    assert [c.name for c in twin.ground_truth] == ["shop-find_user"]
    assert {t.name for t in twin.tools} == names | {"shop-find_user"}
    assert twin.messages == negative.messages
    assert check_ground_truth(twin.ground_truth, twin.tools) == []


def test_twins_stand_behind_their_negatives(made: list[Example], parents: list[Example]) -> None:
    by_id = {p.id: p for p in parents}
    assert len(made) == 400
    for negative, twin in zip(made[::2], made[1::2], strict=True):
        parent = by_id[negative.meta["negative"]["parent"]]
        assert negative.meta["twin"] == {"id": twin.id, "parent": parent.id}
        assert twin.meta["twin"] == {"id": negative.id, "parent": parent.id}
        assert twin.id == f"{negative.id}/twin"
        assert twin.query == negative.query
        assert twin.ground_truth
        assert check_ground_truth(twin.ground_truth, twin.tools) == []
        assert twin.expects == parent.expects
        assert "negative" not in twin.meta
        swapped = negative.meta["negative"]["kind"] in ("domain_mismatch", "action_mismatch", "server_shuffle")
        if swapped:
            assert {t.name for t in negative.tools} < {t.name for t in twin.tools}
        else:
            assert (twin.tools, twin.messages) != (negative.tools, negative.messages)


def test_the_twin_of_a_permission_has_the_same_note_lifted(made: list[Example]) -> None:
    for negative, twin in zip(made[::2], made[1::2], strict=True):
        if negative.meta["negative"]["kind"] == "missing_permission":
            assert twin.messages[0]["role"] == "system"
            assert twin.messages[0] != negative.messages[0]
            assert twin.tools == negative.tools


def test_the_same_seed_gives_the_same_bytes(parents: list[Example]) -> None:
    def lines(seed: int, given: list[Example]) -> list[str]:
        options = NegativeOptions(count=60, parents=len(given), seed=seed, pool=100)
        return [json.dumps(e.to_json(), ensure_ascii=False) for e in synthesize(iter(given), options)]

    state = random.getstate()
    assert lines(1, parents) == lines(1, list(parents))
    assert random.getstate() == state
    assert lines(1, parents) != lines(2, parents)


def test_nothing_is_read_before_it_is_needed(parents: list[Example]) -> None:
    read = 0

    def stream() -> Iterator[Example]:
        nonlocal read
        for read, example in enumerate(parents, start=1):  # noqa: B007 (counted outside)
            yield example

    made = synthesize(stream(), NegativeOptions(share=0.5, pool=50))
    next(made)
    assert read <= 100


@pytest.mark.parametrize(("count", "pool"), [(90, 40), (150, 300), (7, 50), (400, 100)])
def test_counts_hold(count: int, pool: int, parents: list[Example]) -> None:
    options = NegativeOptions(
        count=count, parents=len(parents), pool=pool, kinds={**ALL_KINDS, "partial_fulfilment": 0}
    )
    tally = Tally()
    made = list(synthesize(parents, options, tally=tally))
    assert len(made) == count == tally.made.total()
    assert tally.parents == len(parents)
    assert len({e.id for e in made}) == count


def test_shares_of_kinds_hold_where_they_can(parents: list[Example]) -> None:
    kinds = {"server_shuffle": 2.0, "missing_permission": 1.0}
    made = synthesize(parents, NegativeOptions(kinds=kinds, count=90, parents=len(parents), pool=50))
    counted = Counter(e.meta["negative"]["kind"] for e in made)
    assert counted == {"server_shuffle": 60, "missing_permission": 30}


def test_what_a_kind_cannot_give_the_others_do(parents: list[Example]) -> None:
    tally = Tally()
    kinds = {"partial_fulfilment": 1.0, "server_shuffle": 1.0}
    made = list(synthesize(parents, NegativeOptions(kinds=kinds, count=80, parents=len(parents)), tally=tally))
    assert len(made) == 80
    assert tally.made == {"server_shuffle": 80}
    assert tally.refused["partial_fulfilment", "no call that all the others depend on"] > 0


def test_hard_kinds_stand_in_before_easy_ones(parents: list[Example]) -> None:
    """No example has calls that depend on each other: the 40 of that kind are shared out 3 to 1 between the kinds whose
    label is true by construction, and none of them is made of tools that are only others."""
    tally = Tally()
    kinds = {"partial_fulfilment": 4.0, "domain_mismatch": 2.0, "missing_permission": 3.0, "format_mismatch": 1.0}
    options = NegativeOptions(kinds=kinds, count=100, parents=len(parents), pool=len(parents))
    made = list(synthesize(parents, options, tally=tally))
    assert len(made) == 100
    assert tally.made == {"domain_mismatch": 20, "missing_permission": 60, "format_mismatch": 20}


def test_what_is_not_wanted_stands_in_for_nothing(parents: list[Example]) -> None:
    kinds = {"partial_fulfilment": 1.0, "domain_mismatch": 1.0, "missing_permission": 0.0}
    tally = Tally()
    made = list(synthesize(parents, NegativeOptions(kinds=kinds, count=30, parents=len(parents)), tally=tally))
    assert len(made) == 30
    assert tally.made == {"domain_mismatch": 30}


def test_servers_come_before_the_tools_of_other_examples(parents: list[Example]) -> None:
    servers = [ToolSet(str(p.meta["domain"]), p.tools, f"number {i}") for i, p in enumerate(parents[:60])]
    options = NegativeOptions(kinds={"server_shuffle": 1.0}, share=1.0)
    for given, whose in ((servers, "are those of the server number"), ([], "are those of another example")):
        made = list(synthesize(parents[60:160], options, given))
        assert len(made) > 80
        assert {whose in e.meta["negative"]["reason"] for e in made} == {True}


def test_servers_of_the_same_label_or_toolset_are_passed_over(
    tool: Callable[..., Tool], parent: Callable[..., Example]
) -> None:
    def server(label: str, name: str, same: tuple[str, ...], *words: str) -> ToolSet:
        tools = tuple(tool(f"{w}_{name}", f"Handles {w} for {name} people.", x="string") for w in words)
        return ToolSet(label, tools, name, same)

    servers = [
        server("Weather", "rainy", (), "umbrella", "storm"),
        server("Weather", "sunny", (), "parasol", "heat"),
        server("Other", "copy", ("rainy",), "drizzle", "shower"),
        server("Music", "band", (), "guitar", "violin"),
    ]
    asks = dataclasses.replace(parent(domain=None), meta={"lang": "en", "server": "rainy"})
    for seed in range(8):
        options = NegativeOptions(kinds={"server_shuffle": 1.0}, count=1, seed=seed)
        (made,) = synthesize([asks], options, servers)
        assert {t.name for t in made.tools} == {"guitar_band", "violin_band"}


def test_servers_may_be_any_object_with_their_fields(tool: Callable[..., Tool], parent: Callable[..., Example]) -> None:
    @dataclasses.dataclass(frozen=True)
    class Server:
        name: str
        label: str
        tools: tuple[Tool, ...]
        same_toolset: tuple[str, ...]

    band = Server("band", "Music", (tool("tune_guitar", "Tunes a guitar for the stage.", string="integer"),), ())
    (made,) = synthesize([parent()], NegativeOptions(kinds={"domain_mismatch": 1.0}, count=1), [band])
    assert [t.name for t in made.tools] == ["tune_guitar"]
    assert "(Music)" in made.meta["negative"]["reason"]


@pytest.mark.parametrize("shown", ["called", "named"])
def test_a_dialogue_that_shows_the_needed_tool(
    shown: str, parent: Callable[..., Example], parents: list[Example]
) -> None:
    query = {"role": "user", "content": "question 0"}
    messages: dict[str, tuple[dict[str, Any], ...]] = {
        "called": (query, _call("get_forecast", {}), {"role": "tool", "content": "1"}, query),
        "named": ({"role": "system", "content": "Call get_forecast for weather."}, query),
    }
    shows = dataclasses.replace(parent(), messages=messages[shown])
    for kind in ("server_shuffle", "domain_mismatch", "action_mismatch"):
        made = synthesize([shows, *parents[:30]], NegativeOptions(kinds={kind: 1.0}, share=1.0))
        assert "p0" not in {e.meta["negative"]["parent"] for e in made}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"count": 1, "kinds": {"domain_mismatches": 1.0}}, "Did you mean domain_mismatch"),
        ({"count": 1, "kinds": {"domain_mismatch": 0.0}}, "one at least above 0"),
        ({"count": 1, "kinds": {"domain_mismatch": float("nan")}}, "one at least above 0"),
        ({}, "either count"),
        ({"count": 1, "share": 0.1}, "either count"),
        ({"share": 0.0}, "more than 0"),
        ({"share": 7.0}, "at most 6"),
        ({"count": 0}, "count: got 0"),
        ({"count": 1, "pool": 0}, "pool: got 0"),
    ],
)
def test_mistakes_in_the_options(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NegativeOptions(**given)


def test_nothing_gives_nothing(parent: Callable[..., Example]) -> None:
    assert list(synthesize([], NegativeOptions(count=5))) == []
    assert list(synthesize([dataclasses.replace(parent(), ground_truth=())], NegativeOptions(count=5))) == []
    assert list(synthesize([parent()], NegativeOptions(kinds={"server_shuffle": 1.0}, count=5))) == []


def _tool(name: str, description: str, /, **types: str) -> dict[str, Any]:
    properties = {key: {"type": kind} for key, kind in types.items()}
    schema = {"type": "object", "properties": properties, "required": list(types)}
    return {"name": name, "description": description, "parameters": schema}


def _call(name: str, arguments: dict[str, str]) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


CHAIN: dict[str, Any] = {
    "id": "chain",
    "messages": [
        {"role": "user", "content": "Which orders did Ann Miller place?"},
        _call("shop-find_user", {"name": "Ann Miller"}),
        {"role": "tool", "content": '{"id": "u-719"}'},
    ],
    "tools": [
        _tool("shop-find_user", "Find a user of the shop by name.", name="string"),
        _tool("shop-list_users", "List the users of the shop by name.", name="string"),
        _tool("shop-get_orders", "Get the orders that a user placed.", user_id="string"),
    ],
    "ground_truth": [{"name": "shop-get_orders", "arguments": {"user_id": "u-719"}}],
}
