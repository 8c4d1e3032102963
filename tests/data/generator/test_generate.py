"""Generated examples: seeded, right, answerable where they should be, and as mixed as asked."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.data.generator import LANGUAGES, SPLITS, GeneratorOptions, generate, load_catalogue
from rlvr.rewards import classify_words, score
from rlvr.tools import check_ground_truth
from rlvr.types import CALLING_CATEGORIES, Example

Made = Mapping[str, list[Example]]
CATALOGUE = {t.name: t for t in load_catalogue()}
both = pytest.mark.parametrize("split", SPLITS)


def to_bytes(examples: Iterator[Example] | list[Example]) -> bytes:
    return "".join(json.dumps(e.to_json(), ensure_ascii=False) + "\n" for e in examples).encode()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(), split=st.sampled_from(SPLITS), count=st.integers(1, 40))
def test_the_same_seed_gives_the_same_bytes(seed: int, split: str, count: int) -> None:
    first = to_bytes(generate(split, count, seed))
    assert first == to_bytes(generate(split, count, seed))
    assert first != to_bytes(generate(split, count, seed + 1))
    assert to_bytes(generate(split, count + 10, seed)).startswith(first)


def test_it_does_not_touch_the_global_randomness() -> None:
    import random

    random.seed(1)
    state = random.getstate()
    list(generate("train", 20, 1))
    assert random.getstate() == state


@both
def test_ids_are_unique_and_the_count_is_kept(made: Made, split: str) -> None:
    assert len({e.id for e in made[split]}) == len(made[split]) == 1500
    assert len({e.query for e in made[split]}) > 1400


@both
def test_every_ground_truth_validates(made: Made, split: str) -> None:
    assert [(e.id, p) for e in made[split] for p in check_ground_truth(e.ground_truth, e.tools)] == []
    assert all(bool(e.ground_truth) == (e.category in CALLING_CATEGORIES) for e in made[split])


@both
def test_a_split_uses_its_own_tools_only(made: Made, split: str) -> None:
    assert {CATALOGUE[t.name].split for e in made[split] for t in e.tools} == {split}


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    else:
        yield value


def phrasings(spec: Any, value: Any, lang: str) -> list[str]:
    """How a value of an enum or boolean may be said, by its specification."""
    if isinstance(spec, (list, tuple)):
        return [str(words) for entry in spec if entry["value"] == value for words in entry[lang]]
    return phrasings(spec["items"], value, lang) if isinstance(spec, Mapping) and "items" in spec else []


@both
def test_every_value_stands_in_the_query(made: Made, split: str) -> None:
    """A string or number as it is; an enum or boolean by one of its phrasings, or by the words of a template itself."""
    checked = 0
    for example in made[split]:
        lang = str(example.lang)
        for call in example.ground_truth:
            tool = CATALOGUE[call.name]
            fixed = [dict(t.fixed) for t in tool.templates[lang] if t.fixed]
            for path, value in paths(call.arguments):
                checked += 1
                said = phrasings(tool.values.get(path, {}), value, lang)
                implied = any(f.get(path) == value or f.get(path.split(".")[0]) == value for f in fixed)
                implied |= any(value in list(leaves(f)) for f in fixed)
                plain = str(value) in example.query
                assert plain or implied or any(w in example.query for w in said), (example.query, path, value)
                if not said and not implied:
                    assert plain, (example.query, path, value)
    assert checked > 1500


def paths(arguments: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            yield from paths(value, f"{before}{name}.")
        elif isinstance(value, (list, tuple)):
            yield from ((before + name, v) for v in value)
        else:
            yield before + name, value


@both
def test_no_placeholder_is_left(made: Made, split: str) -> None:
    assert not [e.query for e in made[split] if "{" in e.query or "}" in e.query]
    assert not [e.meta["reply"] for e in made[split] if "{" in e.meta.get("reply", "")]


@both
def test_no_call_is_asked_for_twice(made: Made, split: str) -> None:
    for example in made[split]:
        calls = [json.dumps(c.to_json(), sort_keys=True) for c in example.ground_truth]
        assert len(set(calls)) == len(calls), example.query


@both
def test_no_call_contradicts_another(made: Made, split: str) -> None:
    """No two temperatures for one room, whatever the templates leave out (`once_per` of the catalogue)."""
    limited = 0
    for example in (e for e in made[split] if e.category == "parallel"):
        once_per = CATALOGUE[example.ground_truth[0].name].once_per
        if once_per is not None:
            limited += 1
            asked = [json.dumps([c.arguments.get(name) for name in once_per]) for c in example.ground_truth]
            assert len(set(asked)) == len(asked), example.query
    assert limited > 10


@both
def test_categories_mean_what_they_say(made: Made, split: str) -> None:
    for example in made[split]:
        names = [c.name for c in example.ground_truth]
        if example.category == "simple":
            assert (len(names), len(example.tools)) == (1, 1)
        elif example.category == "multiple":
            assert len(names) == 1 < len(example.tools)
        elif example.category == "parallel":
            assert len(names) > 1 == len(set(names))
        elif example.category == "parallel_multiple":
            assert len(set(names)) == len(names) == 2
        else:
            assert example.category == "irrelevance"
            assert not names


@both
def test_shares_are_near_what_is_asked(made: Made, split: str) -> None:
    languages = Counter(e.lang for e in made[split])
    assert set(languages) == set(LANGUAGES)
    assert languages["en"] / 1500 == pytest.approx(0.5, abs=0.05)
    categories = Counter(e.category for e in made[split])
    assert set(categories) == {*CALLING_CATEGORIES, "irrelevance"}
    assert categories["irrelevance"] / 1500 == pytest.approx(0.25, abs=0.05)


@both
def test_negatives_are_not_answerable(made: Made, split: str) -> None:
    kinds: Counter[str] = Counter()
    for example in made[split]:
        negative = example.meta.get("negative")
        assert bool(negative) == (example.category == "irrelevance")
        if not negative:
            continue
        kinds[negative["kind"]] += 1
        assert set(negative) == {"kind", "parent", "seed", "reason", "asked"}
        assert example.expects == "refuse"
        assert negative["parent"] in example.id
        wanted = [t for t in CATALOGUE.values() if t.ability[str(example.lang)] == example.meta["ability"]]
        assert wanted
        assert not {t.name for t in wanted} & {t.name for t in example.tools}
        if negative["kind"] == "action_mismatch":
            assert {CATALOGUE[t.name].domain for t in example.tools} & {t.domain for t in wanted}
        if negative["kind"] == "domain_mismatch":
            assert CATALOGUE[example.tools[0].name].domain not in {t.domain for t in wanted} or len(example.tools) > 1
    assert min(kinds[k] for k in ("domain_mismatch", "action_mismatch", "server_shuffle")) >= 30


@both
def test_refusals_refuse_in_the_language_of_the_query(made: Made, split: str) -> None:
    replies = [(e.lang, e.meta["reply"]) for e in made[split] if "reply" in e.meta]
    assert len(replies) > 300
    assert len(set(replies)) > 200
    assert [(lang, r) for lang, r in replies if classify_words(r, lang).kind != "refuse"] == []
    assert [(lang, r) for lang, r in replies if classify_words(r, lang).lang != lang] == []


def test_the_ground_truth_earns_the_most(made: Made) -> None:
    """A canonical answer to every example is right, in both stages."""
    from rlvr.parsers import get_parser

    parser = get_parser("hermes")
    for example in itertools.islice(made["train"], 0, None, 10):
        calls = [c.canonical() for c in example.ground_truth]
        text = parser.render(calls) if calls else str(example.meta["reply"])
        for stage in ("stage1", "stage2"):
            breakdown = score(
                text,
                tools=[t.to_json() for t in example.tools],
                ground_truth=[c.to_json() for c in example.ground_truth],
                expects=example.expects,
                lang=example.lang,
                stage=stage,
            )
            assert breakdown.right, breakdown.explain()
            assert breakdown.efficiency == 0.1, breakdown.explain()


@pytest.mark.parametrize("category", [*CALLING_CATEGORIES, "irrelevance"])
def test_one_category_alone(category: str) -> None:
    examples = list(generate("heldout", 30, 2, GeneratorOptions(categories={category: 1.0})))
    assert {e.category for e in examples} == {category}


def test_groups_share_their_tools() -> None:
    examples = list(generate("train", 48, 4, GeneratorOptions(group_size=12)))
    groups = itertools.groupby(examples, key=lambda e: e.id.split("/")[0].rsplit("-", 1)[0])
    assert all(len({frozenset(t.name for t in e.tools) for e in group if e.ground_truth}) == 1 for _, group in groups)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"languages": {"en": 0.0}}, "languages: got"),
        ({"languages": {}}, "languages: got"),
        ({"categories": {"simple": -1.0, "parallel": 2.0}}, "categories: got"),
        ({"categories": {"multi_turn": 1.0}}, "multi_turn is not made by the generator"),
        ({"tools_offered": {0: 1.0}}, "expected sizes from 1 to 16"),
        ({"tools_offered": {1.5: 1.0}}, "expected sizes from 1 to 16"),
        ({"group_size": 0}, "group_size: got 0, expected 1 or more"),
        ({"group_size": -1}, "group_size: got -1, expected 1 or more"),
        ({"group_size": 1.5}, "group_size: got 1.5, expected 1 or more"),
        ({"tools_offered": {1: 1.0}, "categories": {"multiple": 1.0}}, "no size fits the categories"),
        ({"negatives": {"domain_mismatch": float("nan")}}, "negatives: got"),
        ({"languages": {"en": 1.0, "fr": 0.5}}, "languages: got fr, expected some of en, vi, zh"),
        ({"negatives": {"missing_permission": 1.0}}, "negatives: got missing_permission, expected some of domain_mism"),
    ],
)
def test_options_that_nothing_could_be_drawn_with(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GeneratorOptions(**options)


@both
def test_without_spoken_values_a_call_is_copied_from_its_query(split: str) -> None:
    missing = [
        (e.id, value)
        for e in generate(split, 400, 5, GeneratorOptions(spoken=0.0))
        for call in e.ground_truth
        for value in leaves(call.canonical().arguments)
        if str(value) not in e.query
    ]
    assert missing == []


@pytest.mark.parametrize("split", ["train", "heldout"])  # of validation's values nearly all are said as they are
def test_spoken_values_may_stand_in_other_words(split: str) -> None:
    examples = list(generate(split, 400, 5, GeneratorOptions(spoken=1.0)))
    values = [(e, v) for e in examples for c in e.ground_truth for v in leaves(c.canonical().arguments)]
    assert 0.05 < sum(str(v) not in e.query for e, v in values) / len(values) < 0.6


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("name", ["spoken", "two_step", "states_optional"])
def test_a_share_out_of_range_is_refused(name: str, share: float) -> None:
    with pytest.raises(ValueError, match=rf"{name}: got .*, expected a share between 0 and 1"):
        GeneratorOptions(**{name: share})


def test_a_split_without_tasks_of_two_steps() -> None:
    with pytest.raises(ValueError, match="two_step: the split validation has no tasks of two steps"):
        next(generate("validation", 1, 0, GeneratorOptions(two_step=0.1)))


def stating(split: str, share: float | None, category: str = "simple") -> list[bool]:
    """Of the requests for tools that can be asked for with an optional parameter and without, which have one.

    For a negative it is the request that nothing fits.
    """
    options = GeneratorOptions(categories={category: 1.0}, states_optional=share, spoken=0.0)
    out = []
    for e in generate(split, 900, 5, options):
        asked = [c.canonical().to_json() for c in e.ground_truth] or e.meta["negative"]["asked"]
        tool = CATALOGUE[asked[0]["name"]]
        required = set(tool.tool.parameters["required"])
        stated = [{*t.placeholders, *t.fixed} <= required for t in tool.literal(str(e.lang))]
        if len(set(stated)) == 2:
            out.append(not set(asked[0]["arguments"]) <= required)
    return out


@both
@pytest.mark.parametrize("category", ["simple", "irrelevance"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_the_share_of_requests_that_state_an_optional_parameter(split: str, category: str, share: float) -> None:
    found = stating(split, share, category)
    assert len(found) > 150
    assert abs(sum(found) / len(found) - share) < (0.1 if 0 < share < 1 else 1e-9)


def test_left_out_it_is_the_templates_own_share() -> None:
    assert sum(stating("train", None)) / len(stating("train", None)) == pytest.approx(0.42, abs=0.06)


def test_a_refusal_names_the_subject_of_the_tools_only_where_it_is_another() -> None:
    """Somebody who asks for a stock's price is told nothing by "I only deal with stocks", nor is that the whole truth
    of a list that also books trains."""
    named = every = 0
    for example in generate("train", 1500, 5):
        if example.category != "irrelevance":
            continue
        lang, reply = str(example.lang), str(example.meta["reply"])
        topics = {CATALOGUE[t.name].topic[lang] for t in example.tools}
        wanted = CATALOGUE[example.meta["negative"]["asked"][0]["name"]]
        asked, reply = wanted.topic[lang], reply.replace(wanted.ability[lang], "")
        if any(topic in reply for topic in topics):
            named += 1
            assert len(topics) == 1, reply
            assert asked not in topics, reply
        every += 1
    assert 0 < named < every
