"""The words of refusals: each counts as one, in its language, and says what is missing."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rlvr.negatives.base import KINDS
from rlvr.negatives.refusals import WORDS_OF, fill, language_of, listed, load_obstacles, load_refusals, reply
from rlvr.rewards.words import classify_words
from rlvr.types import Example

LANGUAGES = ("en", "vi", "zh", "zh-Hans")
SLOTS = {
    "offered": "`play_song`, `stop_song`", "near": "`list_events`", "step": "search compound", "tool": "`get_compound`",
    "parameter": "`city`", "value": "`Hanoi`",
}  # fmt: skip
ABILITY = {"en": "cancel a flight booking", "vi": "hủy đặt vé máy bay", "zh": "取消機票訂位"}


def filled() -> Iterator[tuple[str, str, str]]:
    """Every wording with every phrase that can stand in it: the language, the words of which kind, the text."""
    obstacles = load_obstacles()
    for name, by_language in load_refusals().items():
        for lang, templates in by_language.items():
            slots = [{**SLOTS, "ability": ABILITY.get(lang, "")}]
            if name == "permission":
                role = {"role": "`admin`", "low": "`guest`", "tool": "`get_compound`"}
                slots = [{**SLOTS, "missing": fill(o["missing"][lang], role)} for o in obstacles["permission"].values()]
            if name == "format":
                limits = {"limit": "2019", "list": "`Rome`, `Oslo`"}
                told = [{**SLOTS, "accepted": fill(a[lang], limits)} for a in obstacles["accepted"].values()]
                slots = [{**s, "value": value} for s in told for value in ("`Hanoi`", "`2026-03-14`", "`14.9`")]
            for template in templates:
                yield from ((lang, name, fill(template, s)) for s in slots)


ALL = list(filled())


def test_every_kind_has_words_in_every_language() -> None:
    words = load_refusals()
    assert set(WORDS_OF) == set(KINDS)
    for name in WORDS_OF.values():
        assert set(words[name]) == set(LANGUAGES)
        assert all(len(set(words[name][lang])) == len(words[name][lang]) >= 3 for lang in LANGUAGES)
    assert len(ALL) > 150


@pytest.mark.parametrize(("lang", "name", "text"), ALL)
def test_every_wording_counts_as_a_refusal(lang: str, name: str, text: str) -> None:
    assert "{" not in text
    assert classify_words(text, lang[:2]).kind == "refuse"
    assert classify_words(text, lang[:2]).lang in (lang[:2], None)


@pytest.mark.parametrize("name", ["step", "permission", "format"])
def test_the_last_three_kinds_say_what_is_missing(name: str) -> None:
    named = {"step": "{step}", "permission": "{missing}", "format": "{accepted}"}[name]
    assert all(named in template for templates in load_refusals()[name].values() for template in templates)


def test_notes_are_paired_with_what_lifts_them() -> None:
    for obstacle in load_obstacles()["permission"].values():
        for lang in LANGUAGES:
            assert len(obstacle["note"][lang]) == len(obstacle["lifted"][lang]) >= 1
            for note, lifted in zip(obstacle["note"][lang], obstacle["lifted"][lang], strict=True):
                assert note != lifted
                assert "{" not in fill(note, dict.fromkeys(("tool", "others", "both", "role", "low"), "x"))
        assert set(obstacle["missing"]) == set(LANGUAGES)


@pytest.mark.parametrize(
    ("meta", "query", "lang"),
    [
        ({"lang": "en"}, "请帮我查", "en"),
        ({"lang": "zh"}, "請幫我查詢天氣", "zh"),
        ({"lang": "zh"}, "请帮我查询天气", "zh-Hans"),
        ({"lang": "zh", "lang_tag": "zh-Hans"}, "", "zh-Hans"),
        ({"lang": "zh", "lang_tag": "zh_TW"}, "请", "zh"),
        ({}, "Thời tiết ở Hà Nội hôm nay như thế nào?", "vi"),
        ({}, "Wie wird das Wetter morgen in Berlin?", "en"),
    ],
)
def test_the_language_of_an_example(meta: dict[str, Any], query: str, lang: str) -> None:
    assert language_of(Example("x", "t", "simple", ({"role": "user", "content": query},), (), (), "any", meta)) == lang


def test_replies_are_varied_and_seeded(parent: Callable[..., Example]) -> None:
    example = parent()
    said = {reply(example, "server_shuffle", {}, random.Random(i)) for i in range(60)}
    assert len(said) == len(load_refusals()["unfit"]["en"])
    assert reply(example, "server_shuffle", {}, random.Random(1)) == reply(
        example, "server_shuffle", {}, random.Random(1)
    )
    able = dataclasses.replace(example, meta={"lang": "en", "ability": "forecast the weather"})
    assert any("forecast the weather" in reply(able, "action_mismatch", SLOTS, random.Random(i)) for i in range(20))


def test_what_is_filled_in_is_never_read_as_a_place() -> None:
    assert fill("{tool} of {nobody}", {"tool": "{value}", "value": "no"}) == "{value} of {nobody}"
    assert fill("{", {}) == "{"
    assert listed(["a", "b", "c", "d"], "zh") == "`a`、`b`、`c` …"
    assert not re.search(r"\{\w+\}", listed(["{x}"], "en").replace("{x}", ""))
