"""The catalogue: as large, as varied and as well split as it should be, and strict about mistakes."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.generator import LANGUAGES, SPLITS, CatalogueTool, load_catalogue
from rlvr.data.generator.catalogue import check_tool, load_pools
from rlvr.data.generator.words import load_words
from rlvr.errors import ConfigError
from rlvr.tools import normalise_tool

CATALOGUE = load_catalogue()


def templates(split: str, lang: str) -> set[str]:
    return {t.text for tool in CATALOGUE if tool.split == split for t in tool.templates[lang]}


def test_it_is_large_enough() -> None:
    assert len(CATALOGUE) >= 150
    assert len({t.domain for t in CATALOGUE}) >= 25
    assert len({t.name for t in CATALOGUE}) == len(CATALOGUE)


@pytest.mark.parametrize("tool", CATALOGUE, ids=lambda t: t.name)
def test_every_tool_is_whole(tool: CatalogueTool) -> None:
    assert check_tool(tool) == []
    assert normalise_tool(tool.tool.to_json()) == tool.tool
    for lang, least in {"en": 4, "vi": 2, "zh": 2}.items():
        texts = [t.text for t in tool.templates[lang]]
        assert len(set(texts)) == len(texts) >= least
        assert tool.ability[lang]
        assert tool.topic[lang]
    required = set(tool.tool.parameters.get("required", []))
    for lang in LANGUAGES:
        for template in tool.templates[lang]:
            asked = {p.split(".")[0] for p in (*template.placeholders, *template.fixed)}
            assert required <= asked, template.text


def test_templates_are_differently_built() -> None:
    """No two English templates of a tool begin with the same two words, beyond a few."""
    alike = 0
    for tool in CATALOGUE:
        openings = Counter(" ".join(t.text.split()[:2]).lower() for t in tool.templates["en"])
        alike += sum(n - 1 for n in openings.values())
    assert alike <= len(CATALOGUE) * 0.1


def test_the_kinds_of_parameters_are_all_there() -> None:
    text = json.dumps([t.tool.to_json() for t in CATALOGUE])
    for words in ('"enum"', '"number"', '"integer"', '"boolean"', '"array"', '"object", "properties"', '"default"'):
        assert text.count(words) >= 5, words
    assert any(set(t.tool.parameters["properties"]) - set(t.tool.parameters.get("required", [])) for t in CATALOGUE)
    nested = [p for t in CATALOGUE for p in t.tool.parameters["properties"].values() if p.get("type") == "object"]
    assert len(nested) >= 5


def test_the_splits_share_no_tool_template_or_joiner() -> None:
    names = {s: {t.name for t in CATALOGUE if t.split == s} for s in SPLITS}
    domains = {s: {t.domain for t in CATALOGUE if t.split == s} for s in SPLITS}
    assert sum(map(len, names.values())) == len(set().union(*names.values())) == len(CATALOGUE)
    assert len(names["train"]) >= 100
    assert len(names["heldout"]) >= 30
    assert len(names["validation"]) >= 15
    assert not domains["validation"] & (domains["train"] | domains["heldout"])
    joiners = load_words()["joiners"]
    for lang in LANGUAGES:
        for one, other in itertools.combinations(SPLITS, 2):
            assert not templates(one, lang) & templates(other, lang)
            assert not set(joiners[one][lang]) & set(joiners[other][lang])


def test_every_language_has_its_own_letters() -> None:
    for text in set().union(*(templates(s, "zh") for s in SPLITS)):
        assert any("\u4e00" <= c <= "\u9fff" for c in text), text
    simplified = set("们这说话时间会车东书应关门问实处帮请谢")
    assert not [t for s in SPLITS for t in templates(s, "zh") if set(t) & simplified]
    for text in set().union(*(templates(s, "vi") for s in SPLITS)):
        assert any(ord(c) > 127 for c in text), text


def test_pools_hold_text_and_no_repeats() -> None:
    for name, pool in load_pools().items():
        for values in pool.values() if isinstance(pool, dict) else [pool]:
            assert len(set(values)) == len(values), name
            assert all(isinstance(v, str) and v.strip() == v for v in values), name


ENTRY: dict[str, Any] = {
    "name": "f",
    "description": "F.",
    "ability": dict.fromkeys(LANGUAGES, "f"),
    "parameters": {"n": {"type": "integer"}},
    "required": ["n"],
    "split": "train",
    "values": {"n": {"integers": [1, 3]}},
    "templates": {"en": [f"{i} {{n}}" for i in "abcd"], "vi": ["a {n}", "b {n}"], "zh": ["a {n}", "b {n}"]},
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "test"}, "split: got 'test', expected one of train, validation, heldout"),
        ({"templates": {**ENTRY["templates"], "vi": ["a {n}"]}}, "vi: 1 templates, at least 2 are wanted"),
        ({"templates": {**ENTRY["templates"], "zh": ["a {m}", "b {n}"]}}, "zh: no values for m"),
        ({"templates": {**ENTRY["templates"], "zh": ["a", "b {n}"]}}, "zh: 'a': n: missing"),
        ({"values": {"n": {"choices": ["x"]}}}, "n: 'x' is not of type 'integer'"),
        ({"values": {"n": {"integer": [1, 2]}}}, "unknown kind of values"),
        ({"ability": None}, "ability: missing"),
        ({"once_per": ["m"]}, "once_per: 'm' is no parameter"),
        ({"once_pre": ["n"]}, "unknown key 'once_pre'. Did you mean once_per?"),
    ],
)
def test_a_wrong_entry_is_told(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    entry = {k: v for k, v in {**ENTRY, **changes}.items() if v is not None}
    content = {"domain": "d", "topic": dict.fromkeys(LANGUAGES, "t"), "tools": [entry, entry]}
    (tmp_path / "d.yaml").write_text(json.dumps(content))
    with pytest.raises(ConfigError) as caught:
        load_catalogue(tmp_path)
    assert f"d.yaml: f: {message}" in str(caught.value) or message in str(caught.value)


def test_a_name_that_stands_twice_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no catalogue file"):
        load_catalogue(tmp_path)
    (tmp_path / "two").mkdir()
    content = {"domain": "d", "topic": dict.fromkeys(LANGUAGES, "t"), "tools": [ENTRY, ENTRY]}
    (tmp_path / "two" / "d.yaml").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="f: stands twice in the catalogue"):
        load_catalogue(tmp_path / "two")
