"""Risks of tools: by name, by likeness, by what they could do; and the same figures from a shelf as one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from rlvr.negatives import Limits, ToolSet, Verifier
from rlvr.negatives.shelf import Look, Shelf, Sizes
from rlvr.negatives.verifier import SURE
from rlvr.types import Example, Tool

MakeTool = Callable[..., Tool]
MakeExample = Callable[..., Example]


@pytest.fixture
def catalogue(tool: MakeTool) -> list[Tool]:
    return [
        tool("get_forecast", "Weather forecast for a city.", city="string"),
        tool("rain_outlook", "Weather forecast of rain for a city.", city="string"),
        tool("play_song", "Plays a song on a loudspeaker.", title="string"),
        tool("book_table", "Reserves a table in a restaurant.", guests="integer"),
        tool("pay_invoice", "Pays an invoice from an account.", invoice="string"),
        tool("measure_dust", "Measures dust in a workshop.", workshop="string"),
    ]


def test_risks_by_hand(catalogue: list[Tool], parent: MakeExample, tool: MakeTool) -> None:
    verifier = Verifier.fit(catalogue)
    probe = verifier.probe(parent(), [catalogue[0]])
    assert verifier.risk(probe, tool("getForecast", "Anything else at all.")) == SURE  # the needed tool's name
    assert verifier.risk(probe, tool("ask", "Ask.")) == SURE  # could do anything
    assert verifier.risk(probe, tool("go", "")) == SURE  # says nothing
    assert verifier.risk(probe, catalogue[1]) > 1  # a near twin
    assert verifier.risk(probe, catalogue[2]) == 0  # no word in common
    assert verifier.risk(probe, tool("question_desk", "Takes your question 0 about anything.")) == SURE


def test_the_query_itself_counts(catalogue: list[Tool], parent: MakeExample) -> None:
    """The needed tool may say it in other words than the user."""
    verifier = Verifier.fit(catalogue)
    asks = dataclasses.replace(parent(), messages=({"role": "user", "content": "Reserve a table in the restaurant"},))
    assert verifier.risk(verifier.probe(asks, [catalogue[5]]), catalogue[3]) > 1
    assert verifier.risk(verifier.probe(asks, [catalogue[5]]), catalogue[2]) == 0


@pytest.mark.parametrize(
    ("name", "description", "why"),
    [("go", "", "says too little"), ("web_search", "Searches the web for pages.", "nearly any")],
)
def test_what_cannot_be_verified(
    name: str, description: str, why: str, catalogue: list[Tool], parent: MakeExample, tool: MakeTool
) -> None:
    verifier = Verifier.fit(catalogue)
    assert why in str(verifier.probe(parent(), [tool(name, description)]).why_not)
    assert verifier.probe(parent(), [catalogue[0]]).why_not is None


def test_a_shelf_gives_the_same_risks(catalogue: list[Tool], parent: MakeExample) -> None:
    verifier = Verifier.fit(catalogue)
    shelf = Shelf([ToolSet("a", tuple(catalogue[:3])), ToolSet("b", tuple(catalogue[2:]))], verifier)
    probe = verifier.probe(parent(), [catalogue[0]])
    seen = Look(shelf, probe)
    assert len(shelf.tools) == 6  # play_song stands once
    assert seen.risks.tolist() == pytest.approx([verifier.closeness(probe, t) for t in shelf.tools])
    assert seen.sets.tolist() == [False, True]  # the needed tool and its near twin are in the first
    assert seen.far(0).tools == (catalogue[2],)


def test_a_shelf_parts_long_sets_and_leaves_out_what_does_anything(
    catalogue: list[Tool], verifier_tools: list[Tool]
) -> None:
    verifier = Verifier.fit(catalogue)
    shelf = Shelf([ToolSet("a", (*catalogue, *verifier_tools), "s", ("t",))], verifier, Sizes(tools=4))
    assert [len(s.tools) for s in shelf.sets] == [4, 2]
    assert {(s.domain, s.name, s.same) for s in shelf.sets} == {("a", "s", ("t",))}
    assert not {t.name for t in verifier_tools} & {t.name for t in shelf.tools}
    assert Shelf([ToolSet("a", tuple(catalogue))], verifier, Sizes(characters=10)).sets == []
    empty = Shelf((), verifier)
    assert Look(empty, verifier.probe(catalogue_parent(catalogue), [catalogue[0]])).risks.shape == (0,)


@pytest.fixture
def verifier_tools(tool: MakeTool) -> list[Tool]:
    return [tool("run_command", "Runs a shell command."), tool("x", ""), tool("PLAY-song", "Plays another song twice.")]


def catalogue_parent(catalogue: Sequence[Tool]) -> Example:
    return Example("p", "t", "simple", ({"role": "user", "content": "rain?"},), tuple(catalogue), ())


def test_embeddings_add_to_the_core(catalogue: list[Tool], parent: MakeExample) -> None:
    """A function that finds songs and forecasts alike makes the song a risk, as no word did."""
    asked: list[str] = []

    def embed(texts: Sequence[str]) -> Any:
        asked.extend(texts)
        return np.array(
            [[1.0, 0.0] if "song" in t or "forecast" in t or "question" in t else [0.0, 1.0] for t in texts]
        )

    verifier = Verifier.fit(catalogue, Limits(embedded_on_topic=0.5), embed)
    probe = verifier.probe(parent(), [catalogue[0]])
    assert verifier.risk(probe, catalogue[2]) == 2.0  # the cosine 1 over the limit 0.5
    assert verifier.risk(probe, catalogue[3]) == 0.0
    shelf = Shelf([ToolSet("a", tuple(catalogue))], verifier)
    risks = Look(shelf, probe).risks.tolist()
    assert risks == pytest.approx([verifier.closeness(probe, t) for t in shelf.tools])
    assert len(asked) == len(set(asked))  # each text once


def test_what_is_far(catalogue: list[Tool], parent: MakeExample, tool: MakeTool) -> None:
    """Nearer than the limits of what is far: a word in common, a word of asking in common, a domain in common."""
    asks_for = dataclasses.replace(parent(), messages=({"role": "user", "content": "Get the outlook of Oslo"},))
    verifier = Verifier.fit(catalogue, Limits(far_domain=0.0))
    probe = verifier.probe(asks_for, [catalogue[0]])
    far = tool("measure_dust", "Measures dust in a workshop.", workshop="string")
    assert verifier.closeness(probe, far) == 0.0
    assert verifier.closeness(probe, tool("measure_dust", "Get the dust of a workshop.")) == 1.0
    assert verifier.closeness(probe, tool("city_dust", "Measures dust of a city.")) > 1
    sets = [
        ToolSet(domain, tuple(tool(f"{word}_{i}", f"{word} {other} work.", x="string") for i in range(3)))
        for domain, word, other in (
            ("weather", "forecast", "storm"), ("weather", "forecast", "storm"), ("music", "violin", "guitar"),
            ("music", "violin", "guitar"), ("sport", "football", "tennis"), ("sport", "football", "tennis"),
            ("law", "court", "judge"), ("law", "court", "judge"),
        )
    ]  # fmt: skip
    informed = verifier.with_domains(sets)
    probe = informed.probe(asks_for, [catalogue[0]])
    storm = tool("storm_scale", "Scale of a storm at sea.", x="string")
    assert verifier.closeness(verifier.probe(asks_for, [catalogue[0]]), storm) == 0.0  # no word in common
    assert informed.closeness(probe, storm) > 1  # at home in the same domain
    assert informed.closeness(probe, tool("judge_bench", "Bench of a judge at court.", x="string")) < 1
    shelf = Shelf([ToolSet("a", (storm, far))], informed)
    assert Look(shelf, probe).risks.tolist() == pytest.approx([informed.closeness(probe, t) for t in shelf.tools])
    assert verifier.with_domains(sets[:2]).topics is None  # one domain tells nothing


def test_another_deed_is_no_namesake_and_no_homonym(tool: MakeTool) -> None:
    """A verb that excludes the needed one is not enough: the two may do the same, or be about different things."""
    needed = tool("get_booking", "Show a booking of a hotel room.", code="string")
    cancels = tool("cancel_booking", "Cancel a booking of a hotel room.", code="string")
    verifier = Verifier.fit([needed, cancels])
    assert verifier.is_another_deed(cancels, needed)
    chart = tool("get_chart", "Chart of figures.", rows="string")
    assert not verifier.is_another_deed(tool("create_chart", "Draws figures.", rows="string"), chart)
    assert not verifier.is_another_deed(tool("notes-server-get_booking", "Cancels it.", code="string"), needed)
    sets = [
        ToolSet(domain, tuple(tool(f"{word}_{i}", f"{word} {other} stream.", x="string") for i in range(3)), f"{n}")
        for domain, word, other in (
            ("rivers", "water", "fish"), ("media", "video", "viewer"),
            ("law", "court", "judge"), ("sport", "goal", "match"),
        )
        for n in range(2)
    ]  # fmt: skip
    informed = verifier.with_domains(sets)
    video = tool("list_stream", "List a video stream with its viewer.", x="string")
    assert informed.is_another_deed(tool("delete_stream", "Delete a video stream of a viewer.", x="string"), video)
    assert not informed.is_another_deed(tool("delete_stream", "Delete a stream of water with fish.", x="string"), video)
