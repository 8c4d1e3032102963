"""A data recipe is strict: all its mistakes at once, each with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.build import load_data_recipe
from rlvr.errors import ConfigError
from tests.data.build.conftest import base

A = {"source": "jsonl", "location": "a.jsonl"}


def problems(tmp_path: Path, *overrides: str, **recipe: Any) -> list[str]:
    path = tmp_path / "r.yaml"
    path.write_text(json.dumps(base(**recipe)))
    with pytest.raises(ConfigError) as caught:
        load_data_recipe(path, overrides)
    return [p.removeprefix(f"{path}: ") for p in caught.value.problems]


def test_every_mistake_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        sources=[{**A, "cuont": 4}, {**A, "turns": "frist"}, {**A, "source": "xlma"}],
        filters={"tokeniser": "x"},
        hedlout={"share": 0.1},
    )
    assert found == [
        "hedlout: unknown key. Did you mean heldout?",
        "sources[0].cuont: unknown key. Did you mean count?",
        "sources[1].turns: got 'frist', expected one of all, first, last. Did you mean first?",
        "filters.tokeniser: unknown key. Did you mean tokenizer?",
        "sources[2].source: unknown source 'xlma'. Did you mean xlam?",
    ]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"sources": []}, "sources: got none"),
        ({"sources": [{"source": "xlma"}]}, "sources[0].source: unknown source 'xlma'. Did you mean xlam?"),
        ({"sources": [{"source": "jsonl"}]}, "sources[0].location: missing; jsonl has no place of its own on the hub."),
        ({"sources": [{"source": "bfcl"}]}, "sources[0].source: bfcl is for evaluation only: nothing of it"),
        ({"sources": [{**A, "subset": "x"}]}, "sources[0].subset: jsonl has no subsets."),
        (
            {"sources": [{"source": "toucan", "subset": "irelevant"}]},
            "sources[0].subset: got 'irelevant', expected one of single-turn-original, single-turn-diversify, "
            "irrelevant, multi-turn. Did you mean irrelevant?",
        ),
        ({"sources": [{**A, "count": 0}]}, "sources[0].count: got 0, expected at least 1"),
        ({"sources": [{**A, "count": 1, "share": 0.5}]}, "sources[0]: count and share: give one of them"),
        ({"sources": [{**A, "options": {"seed": 1}}]}, "sources[0]: options: go with source builtin"),
        ({"sources": [{"source": "builtin"}]}, "source builtin makes examples without end: give a count"),
        (
            {"sources": [{"source": "builtin", "count": 1, "options": {"sede": 1}}]},
            "sources[0].options: sede unknown, expected some of categories",
        ),
        (
            {"sources": [{"source": "builtin", "count": 1, "options": {"languages": {"en": 0}}}]},
            "sources[0].options: languages: got {'en': 0}",
        ),
        ({"sources": [{"source": "builtin", "count": 1, "location": "7"}]}, "give its seed as options: {seed: 7}"),
        (
            {"sources": [{**A, "share": 0.5}, {**A, "share": 0.6}], "total": 9, "negatives": None},
            "shares: 0.5 + 0.6 = 1.1, expected 1",
        ),
        (
            {"sources": [{**A, "share": 0.5}, {**A, "share": 0.5}], "total": 9, "negatives": {"share": 0.1}},
            "shares: 0.5 + 0.5 + 0.1 = 1.1, expected 1 (the negatives' share counts too)",
        ),
        ({"sources": [{**A, "share": 1}]}, "total: missing; shares are parts of it"),
        ({"sources": [{**A, "share": 0.5}, A], "total": 9}, "some have a share and some have none"),
        ({"total": 9}, "total: goes with shares"),
        ({"calls_wanted": 0.61234}, "calls_wanted: got 0.61234, expected at most 3 decimals"),
        ({"calls_wanted": 1.5}, "calls_wanted: got 1.5, expected a share between 0 and 1"),
        ({"negatives": {}, "calls_wanted": None}, "negatives: give a count or a share"),
        ({"negatives": {"count": 1, "kinds": {"server_shufle": 1}}}, "kinds: server_shufle unknown, expected some of"),
        ({"negatives": {"count": 1, "kinds": {"server_shuffle": 0}}}, "one of them above 0"),
        ({"negatives": {"count": 1, "judge": {"endpoint": "here", "model": "m", "cache": "c"}}}, "begins with http"),
        ({"filters": {"max_prompt_tokens": 100}}, "max_prompt_tokens: needs a tokenizer to count with"),
        (
            {"negatives": {"count": 1, "kinds": {"server_shufle": 1, "nonsense": 1}}},
            "negatives.kinds: nonsense, server_shufle unknown, expected some of domain_mismatch, action_mismatch, "
            "server_shuffle, partial_fulfilment, missing_permission, format_mismatch. Did you mean server_shuffle?",
        ),
        ({"filters": {"languages": ["en", "zz"]}}, "filters.languages: zz unknown, expected some of en, vi, zh, unkn"),
        ({"filters": {"difficulty": {"file": "p", "floor": {"*": 2}}}}, "difficulty.floor: *: got 2, expected a share"),
        ({"filters": {"tools": [4, 1]}}, "tools: got [4, 1], expected [least, most]"),
        ({"filters": {"near_threshold": 0.1}}, "near_threshold: got 0.1"),
        ({"filters": {"difficulty": {"file": "p", "least": 0.9, "most": 0.1}}}, "least 0.9 is above most 0.1"),
        ({"heldout": {"share": 1}}, "share: got 1, expected a share from 0 to below 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_and_what_is_expected(tmp_path: Path, recipe: dict[str, Any], message: str) -> None:
    found = problems(tmp_path, **recipe)
    assert any(message in p for p in found), found


def test_mistakes_of_every_sort_come_together(tmp_path: Path) -> None:
    """Unknown keys, sources and kinds, and shares out of range: one line each, also inside one source."""
    found = problems(
        tmp_path,
        sources=[
            {"source": "xlma", "cuont": 4, "turns": "frist", "share": 1.5},
            {"source": "toucan", "subset": "irelevant", "count": 0},
            {"source": "builtin", "count": 3, "options": {"sede": 1}},
        ],
        negatives={"count": -1, "share": 2, "kinds": {"server_shufle": 1}, "pool": 0},
        filters={"near_threshold": 0.1, "tools": [4, 1], "languages": ["xx"], "difficulty": {"file": "p", "least": -1}},
        heldout={"share": 1},
        total=0,
        calls_wanted=1.5,
        rows_per_file=0,
    )
    assert [line.split(": ")[0] for line in found] == [
        "sources[0].cuont", "sources[0].turns", "sources[0].share", "sources[1].count",
        "total",
        "filters.near_threshold", "filters.languages", "filters.tools", "filters.difficulty.least",
        "negatives.count", "negatives.share", "negatives.kinds", "negatives.pool",
        "calls_wanted", "heldout.share", "rows_per_file",
        "sources[0].source", "sources[1].subset", "sources[2].options",
    ]  # fmt: skip


def test_what_spans_several_keys_is_told_together(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        sources=[{**A, "share": 0.5}, {**A, "share": 0.6, "cuont": 1}],
        total=9,
        negatives={"twins": True, "share": 0.1},
        calls_wanted=0,
        hedlout={},
    )
    assert found == [
        "hedlout: unknown key. Did you mean heldout?",
        "sources[1].cuont: unknown key. Did you mean count?",
        "shares: 0.5 + 0.6 + 0.1 = 1.2, expected 1 (the negatives' share counts too)",
        "calls_wanted: 0 leaves no positive that a twin could stand beside",
    ]
    both = {"count": 1, "options": {"seed": 1}, "share": 0.5}
    assert problems(tmp_path, sources=[{**A, **both}]) == [
        "sources[0]: count and share: give one of them",
        "sources[0]: options: go with source builtin, the generator",
    ]


def test_a_local_copy_may_hold_other_subsets(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(json.dumps(base(sources=[{"source": "toucan", "location": "t.jsonl", "subset": "mine"}])))
    assert load_data_recipe(path)[0].sources[0].subset == "mine"


def test_overrides(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(json.dumps(base()))
    recipe, resolved = load_data_recipe(path, ["sources.0.count=7", "filters.tools=[1, 4]", "name=other"])
    assert (recipe.sources[0].count, recipe.filters.tools, recipe.name) == (7, (1, 4), "other")
    assert resolved["sources"][0]["count"] == 7
    assert "expected key=value" in problems(tmp_path, "seed")[0]


def test_a_training_recipe_is_told_apart(tmp_path: Path) -> None:
    assert "`rlvr data build --recipe" in problems(tmp_path, kind="grpo")[0]


def test_shares_become_counts(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    sources = [{**A, "share": 0.51}, {**A, "share": 0.44}]
    path.write_text(json.dumps(base(sources=sources, total=117_000, negatives={"share": 0.05})))
    recipe, _ = load_data_recipe(path)
    assert [recipe.wanted(i) for i in range(2)] == [59_670, 51_480]
