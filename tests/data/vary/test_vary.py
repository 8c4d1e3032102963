"""What is varied changes everywhere at once; what is right stays right."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from rlvr.data.generator import generate
from rlvr.data.generator.catalogue import load_catalogue
from rlvr.data.vary import vary
from rlvr.data.vary.names import load_synonyms, styled, vary_tool, words_of
from rlvr.data.vary.optional import fitting, optional_parameters
from rlvr.data.vary.values import invented, load_things, plain, renamed, strings, vary_values
from rlvr.parsers import get_parser
from rlvr.rewards import score
from rlvr.tools import validate
from rlvr.types import Example, GoldCall, OneOf, Tool

EXAMPLES = list(generate("train", 400, 3))


def test_calls_stay_valid_and_name_tools_that_are_offered() -> None:
    for example in vary(EXAMPLES, 1):
        tools = {t.name: t for t in example.tools}
        assert len(tools) == len(example.tools)
        for call in example.ground_truth:
            assert validate(tools[call.name], call.canonical().arguments) == []


def test_values_that_stood_in_the_query_still_do() -> None:
    for before, after in zip(EXAMPLES, vary(EXAMPLES, 1), strict=True):
        old, new = (list(strings([c.arguments for c in e.ground_truth])) for e in (before, after))
        stood = sum(value in before.query for value in old)
        assert sum(value in after.query for value in new) >= stood, after.id


def test_most_of_it_changes_and_calls_and_refusals_alike() -> None:
    varied = vary(EXAMPLES, 1)
    for wants in (True, False):
        pairs = [(a, b) for a, b in zip(EXAMPLES, varied, strict=True) if bool(a.ground_truth) is wants]
        changed = sum(a.query != b.query for a, b in pairs) / len(pairs)
        assert 0.5 < changed < 0.95
    assert sum(a.tools != b.tools for a, b in zip(EXAMPLES, varied, strict=True)) / len(EXAMPLES) > 0.9


def test_what_a_negative_asked_for_changes_with_its_query() -> None:
    seen = 0
    for example in vary(EXAMPLES, 1):
        asked = example.meta.get("negative", {}).get("asked", ())
        for value in strings([a["arguments"] for a in asked]):
            seen += value in example.query
    assert seen > 30


def test_neighbours_keep_one_list_of_tools() -> None:
    before = [len(list(g)) for _, g in itertools.groupby(EXAMPLES, key=lambda e: e.tools)]
    after = [len(list(g)) for _, g in itertools.groupby(vary(EXAMPLES, 1), key=lambda e: e.tools)]
    assert before == after


def test_the_listed_parameters_are_those_of_no_tool_and_no_query_names_them() -> None:
    """Else the ground truth, which leaves them out, would be wrong."""
    added = load_synonyms()["optional"]
    own = {p for t in load_catalogue() for p in t.tool.parameters.get("properties", {})}
    assert {"_".join(words_of(p)) for p in own}.isdisjoint(added)
    queries = " ".join(e.query.lower() for e in EXAMPLES)
    assert [name for name in added if name.replace("_", " ") in queries and "_" in name] == []


def test_what_is_added_is_mostly_what_other_tools_have_and_fill() -> None:
    """A parameter that is never filled is known by its name, and so is one that always is."""
    listed, known = load_synonyms()["optional"], optional_parameters(EXAMPLES)
    assert set(listed) < set(known)
    borrowed = set(known) - set(listed)
    filled = {p for e in EXAMPLES for c in e.ground_truth for p in c.arguments}
    assert len(borrowed) > len(listed)
    assert len(borrowed & filled) > 20
    assert all(known[n].get("type") == "boolean" or "enum" in known[n] for n in borrowed)


def test_no_parameter_goes_and_a_fifth_is_more_than_before() -> None:
    more = before = 0
    for old, new in zip(EXAMPLES, vary(EXAMPLES, 1), strict=True):
        for a, b in zip(old.tools, new.tools, strict=True):
            own, varied = (t.parameters["properties"] for t in (a, b))
            assert not Counter(map(_text, own.values())) - Counter(map(_text, varied.values())), b
            more, before = more + len(varied) - len(own), before + len(own)
    assert 0.1 < more / before < 0.4


def _text(schema: Any) -> str:
    return json.dumps(schema, sort_keys=True)


SIZE = Tool("buy_shirt", "Order a shirt.", {"type": "object", "properties": {"size": {"type": "string"}}})


@pytest.mark.parametrize(
    ("name", "schema", "query", "lang", "fits"),
    [
        ("gift_wrap", {"type": "boolean"}, "A large shirt.", "en", True),
        ("gift_wrap", {"type": "boolean"}, "A shirt as a gift.", "en", False),
        ("giftWrap", {"type": "boolean"}, "A shirt as a gift.", "en", False),
        ("shirt_color", {"type": "boolean"}, "One, please.", "en", False),  # a word of the tool's name
        ("order_again", {"type": "boolean"}, "One, please.", "en", False),  # of its description
        ("size", {"type": "boolean"}, "One, please.", "en", False),  # of a parameter
        ("layer", {"type": "string", "enum": ["sheer", "full_cover"]}, "One, please.", "en", True),
        ("layer", {"type": "string", "enum": ["sheer", "full_cover"]}, "One with a Cover.", "en", False),
        ("layer", {"type": "string", "enum": ["sheer", "full_cover"]}, "請給我一件。", "zh", False),
        ("gift_wrap", {"type": "boolean"}, "請給我一件。", "zh", True),
        ("client", {"type": "string", "enum": ["web", "mobile"]}, "請給我一件。", "zh", True),  # of the list
    ],
)
def test_what_a_query_or_a_tool_speaks_of_is_not_added(
    name: str, schema: dict[str, Any], query: str, lang: str, fits: bool
) -> None:
    message = {"role": "user", "content": query}
    example = Example("e", "hand", "simple", (message,), (SIZE,), (), "none", {"lang": lang})
    assert (name in fitting({name: schema}, [example])) is fits


def test_free_values_are_not_borrowed() -> None:
    schema = {"type": "object", "properties": {"when": {"type": "string"}, "guests": {"type": "integer"}}}
    schema["properties"] |= {"level": {"enum": [1, 2]}, "pets": {"type": "boolean"}, "must": {"type": "boolean"}}
    tool = Tool("t", "", {**schema, "required": ["must"]})
    example = replace(example_of("Hanoi", {"city": "Hanoi"}), tools=(tool,))
    assert set(optional_parameters([example])) - set(load_synonyms()["optional"]) == {"pets"}


def test_added_parameters_stand_anywhere_and_are_renamed_like_the_others() -> None:
    places, names = set(), set()
    for seed in range(300):
        varied = vary_tool(TOOL, set(), random.Random(seed), {"pets": {"type": "boolean"}})
        assert set(varied.parameters) == {"city", "days", "unit"}
        more = [n for n in varied.tool.parameters["properties"] if n not in varied.parameters.values()]
        places |= {list(varied.tool.parameters["properties"]).index(n) for n in more}
        names |= set(more)
        assert varied.tool.parameters["required"] == [varied.parameters["city"]]
    assert places == {0, 1, 2, 3}
    assert "pets" in names
    assert len(names) > 8
    assert list(TOOL.parameters["properties"]) == ["city", "days", "unit"]


def test_the_same_seed_gives_the_same_examples_and_another_does_not() -> None:
    assert vary(EXAMPLES[:40], 5) == vary(EXAMPLES[:40], 5)
    assert vary(EXAMPLES[:40], 5) != vary(EXAMPLES[:40], 6)


def test_the_share_is_of_lists_of_tools() -> None:
    assert vary(EXAMPLES, 1, share=0.0) == EXAMPLES
    varied = [e for e in vary(EXAMPLES, 1, share=0.5) if e.meta.get("varied")]
    assert 0.3 < len(varied) / len(EXAMPLES) < 0.7


def test_the_ground_truth_still_earns_the_most() -> None:
    for example in vary(EXAMPLES[:60], 2):
        if not example.ground_truth:
            continue
        text = get_parser("hermes").render([c.canonical() for c in example.ground_truth])
        breakdown = score(text, tools=example.tools, ground_truth=example.ground_truth, query=example.query)
        assert breakdown.correctness == 1.0


TOOL = Tool(
    "get_weather",
    "Weather of a city.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"type": "string"}},
        "required": ["city"],
    },
)


def example_of(query: str, arguments: dict, **meta) -> Example:
    message = {"role": "user", "content": query}
    return Example("e", "hand", "simple", (message,), (TOOL,), (GoldCall("get_weather", arguments),), "any", meta)


def test_a_dialogue_of_several_messages_is_left_as_it_is() -> None:
    example = example_of("Hanoi, please.", {"city": "Hanoi"})
    longer = Example(
        "e", "hand", "simple", ({"role": "assistant", "content": "Where?"}, *example.messages), *_rest(example)
    )
    assert vary([longer], 1) == [longer]


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("Tell Anna Keller: Anna Keller has the keys", {"city": "Anna Keller", "unit": "Anna Keller has the keys"}),
        ("Find a vegan Italian pasta, please.", {"city": "vegan Italian pasta", "unit": "vegan"}),
        ("Where is parcel PK4001?", {"city": "PK4001", "days": 4001}),
    ],
)
def test_a_value_that_is_a_part_of_another_stays_where_it_was_said(query: str, arguments: dict[str, Any]) -> None:
    for seed in range(60):
        (made,) = vary([example_of(query, arguments)], seed)
        for value in made.ground_truth[0].arguments.values():
            assert str(value) in made.query, made


def test_a_ground_truth_with_alternatives_is_left_as_it_is() -> None:
    example = example_of("Hanoi, please.", {"city": OneOf(("Hanoi", "Ha Noi"))})
    assert vary([example], 1) == [example]


def _rest(example: Example) -> tuple:
    return example.tools, example.ground_truth, example.expects, example.meta


def test_a_value_the_query_does_not_hold_is_not_changed() -> None:
    assert vary_values("The capital of Vietnam.", {"city": "Hanoi"}, "en", random.Random(1)) == {}


def test_plain_words_are_swapped_for_others_in_half_of_the_cases() -> None:
    swapped = [
        vary_values("Sell my tea set.", {"item": "tea set"}, "en", random.Random(seed), ["blue paint", "fern"])
        for seed in range(200)
    ]
    assert all(new in ({}, {"tea set": "blue paint"}, {"tea set": "fern"}) for new in swapped)
    assert 70 <= sum(bool(new) for new in swapped) <= 130  # half, four standard deviations of 7 either way


def test_a_word_that_is_a_part_of_another_is_not_swapped() -> None:
    arguments = {"item": "tea"}
    for seed in range(20):
        assert vary_values("The team wants tea.", arguments, "en", random.Random(seed), ["fern"]) == {}
    assert any(vary_values("We want tea.", arguments, "en", random.Random(seed), ["fern"]) for seed in range(20))
    assert any(vary_values("我要紅茶喔", {"item": "紅茶"}, "zh", random.Random(s), ["蕨類"]) for s in range(20))


def test_what_is_swapped_in_is_not_in_the_query_nor_part_of_another_value() -> None:
    for seed in range(40):
        new = vary_values(
            "A fern, tea and salt.", {"items": ["tea", "salt"]}, "en", random.Random(seed), ["fern", "jam", "plum jam"]
        )
        assert "fern" not in new.values()
        assert set(new.values()) != {"jam", "plum jam"}


def test_pinned_values_are_never_swapped() -> None:
    tool = Tool("tune", "", {"type": "object", "properties": {"mode": {"type": "string", "enum": ["soft jazz"]}}})
    call = GoldCall("tune", {"mode": "soft jazz"})
    message = {"role": "user", "content": "Play soft jazz."}
    example = Example("e", "hand", "simple", (message,), (tool,), (call,))
    for seed in range(20):
        assert vary([example], seed)[0].ground_truth[0].arguments.popitem()[1] == "soft jazz"


def test_a_string_that_some_schema_pins_stays_everywhere() -> None:
    properties = {"kind": {"type": "string", "enum": ["dog", "cat"]}, "label": {"type": "string"}}
    tool = Tool("tag", "", {"type": "object", "properties": properties})
    message = {"role": "user", "content": "Tag this dog as dog."}
    example = Example("e", "hand", "simple", (message,), (tool,), (GoldCall("tag", {"kind": "dog", "label": "dog"}),))
    for seed in range(20):
        (varied,) = vary([example], seed)
        assert set(varied.ground_truth[0].arguments.values()) == {"dog"}


def test_things_are_plain_words_and_none_is_asked_for_in_the_held_out_split() -> None:
    asked = {v for e in generate("heldout", 600, 5) for c in e.ground_truth for v in strings(c.arguments)}
    for lang, words in load_things().items():
        assert len(set(words)) == len(words) >= 60, lang
        assert all(plain(word) for word in words), lang
        assert not asked & set(words), lang


def test_a_schema_that_refers_to_parameters_by_name_keeps_them() -> None:
    schema = {**TOOL.parameters, "dependentRequired": {"days": ["unit"]}}
    varied = vary_tool(Tool("get_weather", "", schema), set(), random.Random(4), {"pets": {"type": "boolean"}})
    assert varied.tool.parameters == schema


def test_a_taken_name_is_not_given_again() -> None:
    names = {vary_tool(TOOL, set(), random.Random(s)).tool.name for s in range(60)}
    assert len(names) > 5
    taken = names - {"get_weather"}
    assert {vary_tool(TOOL, taken, random.Random(s)).tool.name for s in range(60)} == {"get_weather"}


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("2026-03-14", "dddd-dd-dd"),
        ("2026-03", "dddd-dd"),
        ("08:30", "dd:dd"),
        ("A-48213", "A-ddddd"),
        ("SE19", "AAdd"),
    ],
)
def test_codes_and_dates_keep_their_shape(value: str, shape: str) -> None:
    changed = {renamed(value, "en", random.Random(s)) for s in range(20)}
    assert len(changed) > 5
    for text in changed:
        assert "".join("d" if c.isdigit() else "A" if c.isalpha() else c for c in text) == shape


@pytest.mark.parametrize("value", ["living room", "cardiology", "tom@example.org", "https://example.com/menu", "燈"])
def test_words_with_a_meaning_and_addresses_stay(value: str) -> None:
    assert all(renamed(value, "en", random.Random(s)) == value for s in range(10))


def test_names_change_in_their_own_script() -> None:
    rng = random.Random(2)
    assert renamed("市立美術館", "zh", rng)[2:] == "美術館"
    assert all(word.istitle() for word in renamed("Nguyễn Thị Lan", "vi", rng).split())
    assert invented(rng).istitle()


def test_names_are_split_and_joined() -> None:
    assert words_of("HTTPServer.getURL2") == ["http", "server", "get", "url", "2"]
    assert styled(["a"], "dotted") == "a"


def test_every_synonym_is_a_name() -> None:
    synonyms = load_synonyms()
    for kind in ("tool", "parameter"):
        assert len(synonyms[kind]) >= 20
        for words in synonyms[kind].values():
            assert len(words) == len(set(words)) > 1
            assert all(w.isidentifier() and w == w.lower() for w in words)
