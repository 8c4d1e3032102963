"""Mixtures: sources in order, filters, negatives in place of calling rows, counts, and mistakes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.generator import GeneratorOptions, generate
from rlvr.data.license import one_key
from rlvr.data.mixture import DataOptions, MixtureCounts, SourceOptions, load_mixture
from rlvr.data.write import write_jsonl
from rlvr.errors import ConfigError, DataError
from rlvr.strict import build
from rlvr.types import Example

ROWS = list(generate("train", 120, 21))


@pytest.fixture
def file(tmp_path: Path) -> str:
    write_jsonl(ROWS, tmp_path / "rows.jsonl")
    return "rows.jsonl"


def load(root: Path, *sources: SourceOptions) -> list[Example]:
    return load_mixture(DataOptions(sources), root)


def ids(examples: list[Example]) -> list[str]:
    return [e.id for e in examples]


def test_a_file_as_it_is(file: str, tmp_path: Path) -> None:
    assert load(tmp_path, SourceOptions("jsonl", path=file, shuffle=False)) == ROWS
    absolute = load(Path("/"), SourceOptions("jsonl", path=str(tmp_path / file), shuffle=False))
    assert absolute == ROWS


def test_shuffle_skip_and_count(file: str, tmp_path: Path) -> None:
    whole = load(tmp_path, SourceOptions("jsonl", path=file, seed=1))
    assert whole != ROWS
    assert sorted(ids(whole)) == sorted(ids(ROWS))
    first = load(tmp_path, SourceOptions("jsonl", path=file, seed=1, count=20))
    rest = load(tmp_path, SourceOptions("jsonl", path=file, seed=1, skip=20))
    assert first + rest == whole
    assert load(tmp_path, SourceOptions("jsonl", path=file, seed=2)) != whole


def test_filters(file: str, tmp_path: Path) -> None:
    few = load(tmp_path, SourceOptions("jsonl", path=file, max_tools=1))
    assert {len(e.tools) for e in few} == {1}
    some = load(tmp_path, SourceOptions("jsonl", path=file, categories={"simple": 1, "irrelevance": 1}))
    assert {e.category for e in some} == {"simple", "irrelevance"}
    said = load(tmp_path, SourceOptions("jsonl", path=file, expects="answer"))
    assert {e.expects for e in said if not e.ground_truth} == {"answer"}
    assert {e.expects for e in said if e.ground_truth} == {"any"}


def test_negatives_stand_in_place_of_calling_rows(file: str, tmp_path: Path) -> None:
    plain = load(tmp_path, SourceOptions("jsonl", path=file, shuffle=False))
    mixed = load(tmp_path, SourceOptions("jsonl", path=file, shuffle=False, negatives=0.5))
    assert len(mixed) == len(plain)
    made = [(a, b) for a, b in zip(plain, mixed, strict=True) if a != b]
    calling = sum(bool(e.ground_truth) for e in plain)
    assert 0.3 * calling < len(made) < 0.7 * calling
    for before, after in made:
        assert after.id == f"{before.id}/server_shuffle"
        assert after.meta["negative"]["parent"] == before.id
        assert after.query == before.query
    assert mixed == load(tmp_path, SourceOptions("jsonl", path=file, shuffle=False, negatives=0.5))
    assert mixed != load(tmp_path, SourceOptions("jsonl", path=file, shuffle=False, negatives=0.5, seed=1))
    every = load(tmp_path, SourceOptions("jsonl", path=file, negatives=1.0))
    assert sum(bool(e.ground_truth) for e in every) < 0.05 * calling


def test_no_negative_is_made_of_a_dialogue_that_shows_calls(tmp_path: Path) -> None:
    """Beside other tools its history would contradict them; the other rows make up for it."""
    steps = list(generate("train", 200, 5, GeneratorOptions(two_step=0.3)))
    named = [
        replace(e, messages=({"role": "system", "content": f"You may use {e.ground_truth[0].name}."}, *e.messages))
        if i % 7 == 0 and e.ground_truth
        else e
        for i, e in enumerate(steps)
    ]
    write_jsonl(named, tmp_path / "steps.jsonl")
    bound = {e.id for e in named if any(m["role"] == "tool" or "You may use" in str(m["content"]) for m in e.messages)}
    assert len(bound) > 20
    mixed = load(tmp_path, SourceOptions("jsonl", path="steps.jsonl", negatives=0.4))
    made = {e.meta["negative"]["parent"] for e in mixed if e.id.endswith("/server_shuffle")}
    calling = sum(bool(e.ground_truth) for e in named)
    assert not made & bound
    assert 0.3 * calling < len(made) < 0.5 * calling


def test_repeats_have_ids_and_negatives_of_their_own(file: str, tmp_path: Path) -> None:
    twice = load(tmp_path, SourceOptions("jsonl", path=file, shuffle=False, repeat=2, negatives=0.5))
    assert len(twice) == 2 * len(ROWS)
    assert len(set(ids(twice))) == len(twice)
    kinds = [bool(e.ground_truth) for e in twice]
    assert kinds[: len(ROWS)] != kinds[len(ROWS) :]


def test_the_generator_skips_and_takes_options(tmp_path: Path) -> None:
    whole = load(tmp_path, SourceOptions("builtin", count=30, seed=4))
    assert whole == [one_key(e, "train") for e in generate("train", 30, 4)]
    assert {"license", "licence"} & set(whole[0].meta) == {"license"}
    assert load(tmp_path, SourceOptions("builtin", count=20, skip=10, seed=4)) == whole[10:]
    options = SourceOptions(
        "builtin", count=20, split="heldout", languages={"vi": 1}, tools_offered={3: 1.0}, group_size=4
    )
    examples = load(tmp_path, options)
    assert {e.lang for e in examples} == {"vi"}
    assert {len(e.tools) for e in examples if e.ground_truth} == {3}
    assert {e.meta["split"] for e in examples} == {"heldout"}
    stating = load(tmp_path, SourceOptions("builtin", count=20, seed=4, states_optional=1.0))
    assert stating == [one_key(e, "train") for e in generate("train", 20, 4, GeneratorOptions(states_optional=1.0))]


def test_sources_follow_each_other_and_ids_are_unique(file: str, tmp_path: Path) -> None:
    one, two = SourceOptions("builtin", count=5, seed=1), SourceOptions("jsonl", path=file, count=5)
    both = load(tmp_path, one, two)
    assert both == load(tmp_path, one) + load(tmp_path, two)
    with pytest.raises(DataError, match="5 ids stand more than once in the mixture"):
        load(tmp_path, one, one)


def test_a_file_named_twice_gives_some_of_its_rows_more_weight(file: str, tmp_path: Path) -> None:
    whole = SourceOptions("jsonl", path=file, shuffle=False)
    some = SourceOptions("jsonl", path=file, shuffle=False, categories={"parallel": 1.0}, repeat=2)
    mixed = load(tmp_path, whole, some)
    parallel = [e for e in ROWS if e.category == "parallel"]
    assert parallel
    assert mixed[: len(ROWS)] == ROWS
    added = mixed[len(ROWS) :]
    assert ids(added) == [f"{e.id}~source1" for e in parallel] + [f"{e.id}~source1~1" for e in parallel]
    assert [e.ground_truth for e in added] == [e.ground_truth for e in parallel] * 2


def test_a_source_that_gives_nothing_is_told(file: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl: source 0 gives no example"):
        load(tmp_path, SourceOptions("jsonl", path=file, skip=1000))
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path, SourceOptions("jsonl", path="none.jsonl"))


def test_a_prompt_has_a_token_at_least() -> None:
    problems: list[str] = []
    options = {"sources": [{"source": "builtin", "count": 1}], "max_prompt_tokens": 0}
    assert build(DataOptions, options, where="r.yaml", problems=problems) is None
    assert problems == ["r.yaml: max_prompt_tokens: got 0, expected at least 1"]


def test_counts() -> None:
    counts = MixtureCounts.of(ROWS)
    for counter in (counts.by_source, counts.by_category, counts.by_language):
        assert sum(counter.values()) == len(ROWS)
    assert sum(counts.by_negative.values()) == counts.by_category["irrelevance"]
    bare = Example("x", "s", "simple", (), (), ())
    assert MixtureCounts.of([bare]).by_language == {"unknown": 1}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"source": "jsonl"}, "source jsonl needs a path"),
        ({"source": "builtin"}, "give a count"),
        ({"source": "jsonl", "path": "a", "negatives": 1.5}, "negatives: got 1.5, expected a share between 0 and 1"),
        ({"source": "builtin", "count": 0}, "count: got 0, expected at least 1"),
        ({"source": "builtin", "count": 1, "skip": -1}, "skip: got -1"),
        ({"source": "builtin", "count": 1, "group_size": 0}, "group_size: got 0"),
        ({"source": "builtin", "count": 10**20}, "count: got 1e+20, expected at most 1000000000"),
        ({"source": "builtin", "count": 1, "negatives": 0.5}, "negatives: does nothing for source builtin"),
        ({"source": "builtin", "count": 1, "max_tools": 1}, "max_tools: does nothing for source builtin"),
        ({"source": "builtin", "count": 1, "path": "a"}, "path: does nothing for source builtin"),
        ({"source": "jsonl", "path": "a", "split": "heldout"}, "split: does nothing for source jsonl"),
        ({"source": "jsonl", "path": "a", "languages": {"en": 1}}, "languages: does nothing for source jsonl"),
        ({"source": "parquet", "path": "a", "group_size": 2}, "group_size: does nothing for source parquet"),
        ({"source": "parquet", "path": "a", "states_optional": 0.5}, "states_optional: does nothing for source parq"),
        ({"source": "parquet", "path": "a", "split": "validation"}, "split: validation is the generator's"),
        ({"source": "builtin", "count": 1, "states_optional": 2}, "states_optional: got 2, expected a share between 0"),
        ({"source": "jsonl", "path": "a", "repeat": 0}, "repeat: got 0"),
        ({"source": "builtin", "count": 1, "categories": {"simpel": 1}}, "categories: simpel unknown"),
        ({"source": "builtin", "count": 1, "languages": {"fr": 1}}, "fr unknown, expected some of en, vi, zh"),
        ({"source": "builtin", "count": 1, "languages": {"en": 0}}, "languages: got"),
        ({"source": "builtin", "count": 1, "languages": {"en": "x"}}, "languages.en: got 'x', expected a number"),
        ({"source": "builtin", "count": 1, "tools_offered": {"two": 1}}, "the key 'two' is not an integer"),
        ({"source": "builtin", "count": 1, "tools_offered": {1: 1}, "categories": {"multiple": 1}}, "no size fits"),
        ({"source": "bultin", "count": 1}, "Did you mean builtin?"),
        ({"source": "builtin", "count": 1, "split": "test"}, "expected one of train, validation, heldout"),
    ],
)  # fmt: skip
def test_mistakes_are_told(source: dict[str, Any], message: str) -> None:
    problems: list[str] = []
    assert build(DataOptions, {"sources": [source]}, where="r.yaml", problems=problems) is None
    assert any(message in p for p in problems), problems
    assert all(p.startswith("r.yaml: sources[0]") for p in problems)
    assert str(ConfigError(problems))


def test_written_rows_are_what_was_given(tmp_path: Path) -> None:
    assert write_jsonl(ROWS, tmp_path / "a.jsonl") == len(ROWS)
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids(ROWS)
    assert all("\\u" not in line for line in lines)
