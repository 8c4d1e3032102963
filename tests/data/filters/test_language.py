"""The filter by language: what it tells, what it cannot tell, and what becomes of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.filters import Languages, first_reason_in_words, language_of_user
from rlvr.data.sources import read
from rlvr.errors import UsageError
from rlvr.types import Example

Make = Callable[..., Example]
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
GERMAN = "Wie wird das Wetter heute in Berlin und in Hamburg?"


@pytest.mark.parametrize(
    ("query", "meta", "found"),
    [
        ("What is the weather in Hanoi like today?", {}, "en"),
        ("Thời tiết ở Hà Nội hôm nay thế nào?", {}, "vi"),
        ("台北今天的天氣怎麼樣？", {}, "zh"),
        (GERMAN, {}, "other"),
        ("東京の天気はどうですか", {}, "other"),
        ("Kak, untuk pants itu ready tidak ya", {}, "other"),  # Indonesian, by `untuk`, `itu`, `tidak`
        ("que hora es?", {}, "other"),  # too short, but for `que`
        ("Ändere columnCount zu 12", {}, "other"),  # `zu`
        ("Mostrar os voos mais rápidos até amanhã de manhã cedo", {}, "other"),  # letters that English has not
        ("Weather Von Trapp Lodge", {}, "untold"),  # a name's capital
        ("List actors born on October 31st.", {}, "untold"),
        ("Roll three regular dice.", {}, "untold"),
        ("Identify a small green bird in forest.", {}, "untold"),
        ("Find lawyers specializing in criminal law near me in New York.", {}, "untold"),
        ("Perform a search on Google using a desktop device and another search using a mobile device.", {}, "untold"),
        ("42", {}, "untold"),
        ("42", {"lang": "en"}, "en"),
        ("42", {"lang": "zh-Hant"}, "zh"),
        ("42", {"lang_tag": "fr-CA"}, "fr"),
        ("Bonjour", {"lang": "und"}, "untold"),
        ("Bonjour", {"lang": "french"}, "untold"),  # no language code
        (GERMAN, {"lang": "en"}, "en"),  # what the row says counts
    ],
)
def test_the_language_of_a_user(example: Make, query: str, meta: Mapping[str, Any], found: str) -> None:
    assert language_of_user(example(query, **meta)) == found


@pytest.mark.parametrize(
    ("query", "meta", "keep", "kept"),
    [
        ("What is the weather in Hanoi like today?", {}, ("en",), True),
        ("What is the weather in Hanoi like today?", {"lang": "zh-Hant"}, ("en",), False),
        ("Thời tiết ở Hà Nội hôm nay thế nào?", {}, ("en",), False),
        ("Thời tiết ở Hà Nội hôm nay thế nào?", {}, ("en", "vi"), True),
        ("台北今天的天氣怎麼樣？", {}, ("zh",), True),
        (GERMAN, {}, ("en", "vi", "zh"), False),
        (GERMAN, {}, ("en", "unknown"), True),
        ("Bonjour", {"lang_tag": "fr"}, ("en",), False),
        ("Bonjour", {"lang_tag": "fr"}, ("unknown",), True),
        ("Roll three regular dice.", {}, ("en",), True),
        ("Roll three regular dice.", {}, ("vi", "zh"), True),  # Vietnamese is in Latin letters too
        ("Roll three regular dice.", {}, ("zh",), False),
        ("Roll three regular dice.", {}, ("zh", "unknown"), True),
        ("Roll three regular dice.", {"lang": "vi"}, ("en",), False),
        ("42 + 7", {}, ("zh",), True),  # figures are in any language
        ("42", {"lang": "vi"}, ("en",), False),
    ],
)
def test_what_stays(example: Make, query: str, meta: Mapping[str, Any], keep: tuple[str, ...], kept: bool) -> None:
    assert Languages(keep).why_not(example(query, **meta)) == (None if kept else "language")


def test_earlier_messages_tell_where_the_last_does_not(example: Make) -> None:
    history = ({"role": "user", "content": "Thời tiết ở Hà Nội thế nào?"}, {"role": "assistant", "content": "25 độ."})
    asked = example("Hilton")
    later = Example(asked.id, "t", "simple", (*history, *asked.messages), asked.tools, asked.ground_truth)
    assert language_of_user(asked) == "untold"
    assert language_of_user(later) == "vi"


def test_the_reason_names_the_language(example: Make) -> None:
    keep = [Languages(("en", "zh"))]
    assert first_reason_in_words(keep, example("Thời tiết ở Hà Nội hôm nay thế nào?")) == (
        "languages", "language", "vi; kept: en, zh"
    )  # fmt: skip
    assert first_reason_in_words(keep, example("Bonjour", lang_tag="fr")) == (
        "languages", "language", "fr; kept: en, zh"
    )  # fmt: skip
    assert first_reason_in_words(keep, example("Roll three dice.")) is None


@pytest.mark.parametrize("keep", [("fr",), ("en", "zh-TW"), ()])
def test_an_unknown_language_is_refused(keep: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="expected en, vi, zh or unknown"):
        Languages(keep)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside the checkout")
@pytest.mark.parametrize(
    ("source", "file", "examples"), [("xlam", "xlam.jsonl", 191), ("toolace", "toolace.jsonl", 384)]
)
def test_no_english_row_is_lost(source: str, file: str, examples: int) -> None:
    rows = list(read(source, SHARED / "samples" / file, rejects=lambda _: None))
    assert len(rows) == examples
    assert [e.query for e in rows if Languages(("en",)).why_not(e)] == []
