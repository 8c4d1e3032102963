"""The words around queries: every refusal that could be written refuses, in its language."""

from __future__ import annotations

import random

import pytest

from rlvr.data.generator import LANGUAGES, SPLITS, load_catalogue
from rlvr.data.generator.words import join_queries, load_words, preamble, reasoning, refusal
from rlvr.rewards import classify_words, detect_language

CATALOGUE = load_catalogue()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_refusal_of_every_tool_refuses(lang: str) -> None:
    wrong = []
    for template in load_words()["refusals"][lang]:
        for tool in CATALOGUE:
            text = template.replace("{ability}", tool.ability[lang]).replace("{topic}", tool.topic[lang])
            found = classify_words(text, lang)
            if (found.kind, found.lang) != ("refuse", lang):
                wrong.append((text, found))
    assert wrong == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_plain_refusal_refuses(lang: str) -> None:
    texts = load_words()["plain_refusals"][lang]
    assert len(texts) >= 4
    assert [t for t in texts if classify_words(t, lang).kind != "refuse"] == []
    assert [t for t in texts if classify_words(t).lang != lang] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_words_are_varied_and_in_their_language(lang: str) -> None:
    rng = random.Random(0)
    tool = CATALOGUE[0]
    refusals = {refusal(lang, rng, tool.ability[lang], tool.topic[lang]) for _ in range(200)}
    assert len(refusals) >= 8
    thoughts = {reasoning(lang, rng, ["f", "f", "g"]) for _ in range(50)}
    assert len(thoughts) >= 2
    assert all("f, g" in t and "f, f" not in t for t in thoughts)
    assert all("{" not in t for t in (*refusals, *thoughts, reasoning(lang, rng, [])))
    assert detect_language(preamble(lang, rng)) == lang


def test_another_language_falls_back_to_english() -> None:
    assert detect_language(refusal("fr", random.Random(0))) == "en"


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_joined_queries_hold_both_with_punctuation(split: str, lang: str) -> None:
    for seed in range(30):
        text = join_queries("Mở cửa", "Tắt đèn?", lang, split, random.Random(seed))
        assert ("Mở cửa。" if lang == "zh" else "Mở cửa.") in text
        assert "Tắt đèn?" in text
        assert "{" not in text


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_three_requests_are_not_announced_as_two(split: str, lang: str) -> None:
    counting = load_words()["counting"][lang]
    two, three = (
        [join_queries("a", "b", lang, split, random.Random(seed), parts) for seed in range(60)] for parts in (2, 3)
    )
    assert not [t for t in three if any(c in t for c in counting)]
    assert {c for t in two for c in counting if c in t}
    joiners = " ".join(j for split in SPLITS for j in load_words()["joiners"][split][lang])
    assert all(c in joiners for c in counting)


def test_joiners_hold_both_places_once() -> None:
    for by_language in load_words()["joiners"].values():
        for joiners in by_language.values():
            assert all(j.count("{a}") == j.count("{b}") == 1 for j in joiners)
