"""Word lists as data: a language of one's own, the mistakes of a list, and the forms that patterns are read in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rlvr.errors import ConfigError, UsageError
from rlvr.parsers import get_parser
from rlvr.rewards import wordlists
from rlvr.rewards.context import Context
from rlvr.rewards.language import known_language, mask_quotes, speaks
from rlvr.rewards.refusal import score_refusal
from rlvr.rewards.words import classify_words, detect_language, languages, register_language

GERMAN = Path(__file__).parent / "words" / "de.yaml"
LEAST = (
    "function_words: [foo]\nrefuse: ['nope']\nclarify: ['which']\noffer: []\nexplain: []\n"
    "courtesy: 'hi'\ncontrast: ';'\nmin_answer_characters: 20\n"
)


@pytest.fixture
def german() -> Iterator[None]:
    register_language("de", GERMAN)
    yield
    wordlists.unregister_language("de")


@pytest.mark.usefixtures("german")
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Es tut mir leid, ich kann keine Flüge buchen.", "refuse"),
        ("Leider habe ich kein Werkzeug dafür.", "refuse"),
        ("Das ist mit meinen Funktionen nicht möglich.", "refuse"),
        ("Für welchen Tag möchten Sie buchen?", "clarify"),
        ("Gerne! Nennen Sie mir bitte das Datum.", "clarify"),
        ("Die Hauptstadt von Frankreich ist Paris.", "answer"),
        ("Ich kann das nicht buchen, aber die Hauptstadt von Frankreich ist Paris.", "mixed"),
    ],
)
def test_one_file_adds_a_language(text: str, kind: str) -> None:
    found = classify_words(text)
    assert (found.kind, found.lang) == (kind, "de")


@pytest.mark.usefixtures("german")
def test_an_added_language_takes_part_in_the_score() -> None:
    assert languages() == ("en", "vi", "zh", "de")
    assert known_language("de-AT") == "de"
    assert not speaks("I'm sorry, I can't book flights for you.", "de")
    assert detect_language("I'm sorry, I can't book flights for you.") == "en"
    parse = get_parser("hermes").parse
    context = Context({}, expects="refuse", lang="de")
    assert score_refusal(parse("Es tut mir leid, ich kann keine Flüge buchen."), context) == 1.0
    assert score_refusal(parse("I'm sorry, I can't book flights for you."), context) == 0.2


def test_a_language_that_was_taken_back_is_unknown_again() -> None:
    text = "Es tut mir leid, ich kann keine Flüge buchen."
    assert classify_words(text).lang is None
    register_language("de", GERMAN)
    assert classify_words(text).lang == "de", "what was cached before does not hold any more"
    wordlists.unregister_language("de")
    assert classify_words(text).lang is None
    assert known_language("de") is None


def test_a_language_with_a_script_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "ru.yaml"
    path.write_text('script: "[\\u0400-\\u04ff]"\n' + LEAST.replace("nope", "не могу"), encoding="utf-8")
    register_language("ru", path)
    try:
        found = classify_words("Извините, я не могу этого сделать.")
        assert (found.kind, found.lang) == ("refuse", "ru")
        assert detect_language("I like Москва and the sea") == "en"
        assert not speaks("Извините, я не могу этого сделать.", "en")
    finally:
        wordlists.unregister_language("ru")


def test_words_of_ones_own_replace_those_that_ship(tmp_path: Path) -> None:
    path = tmp_path / "english.yaml"
    path.write_text(LEAST.replace("[foo]", "[the, is, i, you]"), encoding="utf-8")
    assert classify_words("I can't do that.", "en").kind == "refuse"
    register_language("en", path)
    try:
        assert classify_words("I can't do that.", "en").kind == "answer"
        assert classify_words("nope, I say", "en").kind == "refuse"
        assert languages() == ("en", "vi", "zh")
    finally:
        wordlists.unregister_language("en")
    assert classify_words("I can't do that.", "en").kind == "refuse"


@pytest.mark.parametrize("code", ["", "e", "EN", "engl", "de-AT", "1a", "../x"])
def test_a_code_is_two_or_three_letters(code: str) -> None:
    with pytest.raises(UsageError, match="language code"):
        register_language(code, GERMAN)
    assert languages() == ("en", "vi", "zh")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'nope'", "'no+pe'", r"own\.yaml: refuse: got a repetition without an end, expected \{0,60\}: 'no\+pe'"),
        ("'nope'", "'.*nope'", "repetition without an end"),
        ("'nope'", "'(a{3,}b)'", "repetition without an end"),
        ("'nope'", "'(nope'", r"own\.yaml: refuse: got a broken pattern"),
        ("';'", "'(?<=a{1,2}b)c'", r"own\.yaml: contrast: got a broken pattern"),
        ("'which'", "5", r"own\.yaml: clarify"),
        ("offer: []", "ofer: []", r"ofer: unknown key\. Did you mean offer\?"),
    ],
)
def test_a_mistake_in_a_list_is_named_and_nothing_changes(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(LEAST.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        register_language("xx", path)
    assert "xx" not in languages()


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(LEAST.replace("'nope'", "'a*', 'b+', '(c'").replace("';'", "')'"), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        register_language("xx", path)
    assert len(error.value.problems) == 4


@pytest.mark.parametrize("pattern", ["a\\\\+b", "[*+]", "[^]+*]x", "a{2,5}?"])
def test_a_sign_that_repeats_nothing_is_no_repetition(tmp_path: Path, pattern: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(LEAST.replace("'nope'", f'"{pattern}"'), encoding="utf-8")
    register_language("xx", path)
    wordlists.unregister_language("xx")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('he said "no way" twice', 'he said "qq qqq" twice'),
        ("店員說「我無法退款。」就走了", "店員說「qqqqqq」就走了"),
        ('5" and 6 feet', '5" and 6 feet'),
        ('"all of it"', '"all of it"'),
        ('a "b\nc" d', 'a "b\nc" d'),
        ("", ""),
    ],
)
def test_quotations_are_masked(text: str, masked: str) -> None:
    assert mask_quotes(text) == masked
