"""The words of refusals: each counts as one, in its language, and says what is missing."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.sources import read
from rlvr.negatives import NegativeOptions, synthesize
from rlvr.negatives.base import KINDS, negative
from rlvr.negatives.chinese import SIMPLIFIED, marks
from rlvr.negatives.refusals import (
    WORDS_OF,
    fill,
    joined,
    language_of,
    listed,
    load_obstacles,
    load_refusals,
    quoted,
    reply,
)
from rlvr.rewards.words import classify_words
from rlvr.types import Example, GoldCall, Tool

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
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
            offers = [listed(["play_song", "stop_song", "list_songs", "queue"][:n], lang) for n in (1, 2, 4)]
            slots = [{**SLOTS, "ability": ABILITY.get(lang, ""), "offered": offered} for offered in offers]
            if name == "permission":
                tools = [joined(["get_compound", "list_drugs"][:n], lang) for n in (1, 2)]
                roles = [{"role": "`admin`", "low": "`guest`", "tool": tool} for tool in tools]
                notes = obstacles["permission"].values()
                slots = [{**SLOTS, "missing": fill(o["missing"][lang], r)} for o in notes for r in roles]
            if name == "format":
                limits = {"limit": "2019", "list": joined(["Rome", "Oslo", "Bonn"], lang, one_of=True)}
                told = [{**SLOTS, "accepted": fill(a[lang], limits)} for a in obstacles["accepted"].values()]
                slots = [{**s, "value": value} for s in told for value in ("`Hanoi`", "`2026-03-14`", "`14.9`")]
            for template in templates:
                yield from ((lang, name, text) for text in dict.fromkeys(fill(template, s) for s in slots))


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
        assert set(obstacle.get("describe", LANGUAGES)) == set(LANGUAGES)
    bounds, accepted = load_obstacles()["bounds"], load_obstacles()["accepted"]
    assert {*bounds, "one_of"} == set(accepted)
    assert all(set(words) == set(LANGUAGES) for words in (*bounds.values(), *accepted.values()))


def dialogue(*turns: tuple[str, str], tools: tuple[Tool, ...] = (), **meta: Any) -> Example:
    return Example("x", "t", "simple", tuple({"role": r, "content": c} for r, c in turns), tools, (), "any", meta)


@pytest.mark.parametrize(
    ("meta", "query", "lang"),
    [
        ({"lang": "en"}, "请帮我查", "en"),
        ({"lang": "zh"}, "請幫我查詢天氣", "zh"),
        ({"lang": "zh"}, "请帮我查询天气", "zh-Hans"),
        ({"lang": "zh", "lang_tag": "zh-Hans"}, "", "zh-Hans"),
        ({"lang": "zh", "lang_tag": "zh-Hans"}, "請幫我查詢天氣", "zh"),  # converted, or tagged wrongly
        ({"lang": "zh", "lang_tag": "zh_TW"}, "请", "zh-Hans"),
        ({"lang": "zh", "lang_tag": "zh_TW"}, "你好", "zh"),
        ({"lang": "zh-TW"}, "你好", "zh"),
        ({"lang": "zh-CN"}, "你好", "zh-Hans"),
        ({"lang_tag": "zh-CN"}, "42", "zh-Hans"),
        ({"lang_tag": "fr"}, "Bonjour", "en"),
        ({}, "我想听一些音乐。", "zh-Hans"),
        ({}, '"Serendipity" 这个词是什么意思？', "zh-Hans"),
        ({}, "Thời tiết ở Hà Nội hôm nay như thế nào?", "vi"),
        ({}, "Wie wird das Wetter morgen in Berlin?", "en"),
        ({}, "42", "en"),
    ],
)
def test_the_language_of_an_example(meta: dict[str, Any], query: str, lang: str) -> None:
    assert language_of(dialogue(("user", query), **meta)) == lang


@pytest.mark.parametrize(
    ("said", "lang"),
    [
        (["你好，你能检查一下“racecar”这个词是否是回文吗？", "Computer"], "zh-Hans"),
        (["我需要创建一个新的待办事项。", '"Grocery Shopping"\n\n"Buy fruits, vegetables, and bread"'], "zh-Hans"),
        (["Xin chào, tôi muốn đặt vé", "Hilton"], "vi"),
        (["Hello there, could you help me?", "幫我訂飯店"], "zh"),  # even: the later one counts
        (["請幫我翻譯", "這段：", "The quick brown fox jumps over the lazy dog, and then it is gone."], "zh"),
    ],
)
def test_all_that_the_user_said_tells_the_language(said: list[str], lang: str) -> None:
    assert language_of(dialogue(*(("user", text) for text in said))) == lang


def test_what_stands_around_tells_where_the_user_does_not() -> None:
    assert language_of(dialogue(("user", "Hi"), ("assistant", "您好，请问需要什么帮助？"), ("user", "42"))) == "zh-Hans"
    assert language_of(dialogue(("system", "你是个助手，请调用函数。"), ("user", "你好"), lang="zh")) == "zh-Hans"
    assert language_of(dialogue(("user", "你好"), lang="zh", reference_reply="您好，请问要买什么？")) == "zh-Hans"
    offered = Tool("play", "播放音乐", {"type": "object"})
    assert language_of(dialogue(("user", "你好"), lang="zh", tools=(offered,))) == "zh-Hans"
    assert language_of(dialogue(("user", "你好"), lang="zh")) == "zh"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside the checkout")
def test_every_turn_of_a_simplified_source_is_refused_in_simplified_chinese() -> None:
    rows = list(read("glaive", SHARED / "samples" / "glaive_sharegpt_zh.jsonl", rejects=lambda _: None))
    assert len(rows) == 121
    assert [e.id for e in rows if (e.lang, language_of(e)) != ("zh", "zh-Hans")] == []
    for row in rows[:40]:
        said = reply(row, "server_shuffle", {}, random.Random(0))
        assert any(c in marks()[0] for c in said)
        assert not any(c in marks()[1] for c in said)


def test_each_script_has_its_own_words() -> None:
    """Characters of the other script are none, and in Simplified no word that only Taiwan uses."""
    simplified, traditional = marks()
    told = [load_refusals(), load_obstacles()["permission"], load_obstacles()["accepted"]]
    texts = {lang: [t for part in told for t in in_language(part, lang)] for lang in LANGUAGES}
    assert min(map(len, texts.values())) > 50
    assert [t for t in texts["zh"] if any(c in simplified for c in t)] == []
    assert [t for t in texts["zh-Hans"] if any(c in traditional for c in t)] == []
    taiwanese = ("函式", "帐号", "登入", "资安", "唯读", "使用者", "呼叫", "支援", "核准", "协助", "方案", "写入权限")
    assert [(t, w) for t in texts["zh-Hans"] for w in taiwanese if w in t] == []
    assert SIMPLIFIED in texts


def in_language(part: Any, lang: str) -> list[str]:
    """Every text of one language in a part of the words."""
    if not isinstance(part, dict):
        return []
    found = part.get(lang, [])
    return [*([found] if isinstance(found, str) else found), *(t for v in part.values() for t in in_language(v, lang))]


def test_replies_are_varied_and_seeded(parent: Callable[..., Example]) -> None:
    example = parent()
    said = {reply(example, "server_shuffle", {}, random.Random(i)) for i in range(60)}
    assert len(said) == len(load_refusals()["unfit"]["en"])
    assert reply(example, "server_shuffle", {}, random.Random(1)) == reply(
        example, "server_shuffle", {}, random.Random(1)
    )
    able = dataclasses.replace(example, meta={"lang": "en", "ability": "forecast the weather"})
    assert any("forecast the weather" in reply(able, "action_mismatch", SLOTS, random.Random(i)) for i in range(20))


def test_a_refusal_of_two_requests_names_none_of_them_alone(parent: Callable[..., Example]) -> None:
    def said(*names: str) -> str:
        gold = tuple(GoldCall(name, {}) for name in names)
        asked = dataclasses.replace(parent(), ground_truth=gold, meta={"lang": "en", "ability": "forecast the weather"})
        made = negative(asked, asked.tools, kind="domain_mismatch", seed=0, reason="r")
        return " ".join(reply(made, "domain_mismatch", SLOTS, random.Random(i)) for i in range(40))

    assert "forecast the weather" in said("get_forecast")
    assert "forecast the weather" in said("get_forecast", "get_forecast")  # the same thing twice
    assert "forecast the weather" not in said("get_forecast", "book_flight")


@pytest.mark.parametrize(
    ("lang", "two", "three", "one_of", "four"),
    [
        ("en", "`a` and `b`", "`a`, `b` and `c`", "`a`, `b` or `c`", "`a`, `b`, `c` and others"),
        ("vi", "`a` và `b`", "`a`, `b` và `c`", "`a`, `b` hoặc `c`", "`a`, `b`, `c` và các hàm khác"),
        ("zh", "`a` 和 `b`", "`a`、`b` 和 `c`", "`a`、`b` 或 `c`", "`a`、`b`、`c` 等函式"),
        ("zh-Hans", "`a` 和 `b`", "`a`、`b` 和 `c`", "`a`、`b` 或 `c`", "`a`、`b`、`c` 等函数"),
    ],
)
def test_names_are_joined_as_the_language_joins_them(lang: str, two: str, three: str, one_of: str, four: str) -> None:
    assert (joined(["a"], lang), joined(["a", "b"], lang), joined(["a", "b", "c"], lang)) == ("`a`", two, three)
    assert joined(["a", "b", "c"], lang, one_of=True) == one_of
    assert (listed(["a", "b", "c"], lang), listed(["a", "b", "c", "d"], lang)) == (three, four)
    assert quoted([Tool(n, "", {}) for n in "abc"], lang) == three
    assert joined([], lang) == ""


@pytest.mark.parametrize(
    ("lang", "query", "join"),
    [
        ("en", "Forecast for Huế, and cancel the alert", " and "),
        ("vi", "Dự báo thời tiết ở Huế và hủy cảnh báo", " và "),
        ("zh", "請查順化的天氣，並取消警報", " 和 "),
        ("zh-Hans", "请查顺化的天气，并取消警报", " 和 "),
    ],
)
def test_a_note_names_every_tool_that_it_forbids(
    tool: Callable[..., Tool], parent: Callable[..., Example], lang: str, query: str, join: str
) -> None:
    tools = (
        tool("get_forecast", "Weather forecast for a city.", city="string"),
        tool("cancel_alert", "Cancel a storm alert."),
    )
    meta = {"lang": lang[:2], "lang_tag": lang}
    calls = (GoldCall("get_forecast", {"city": "Huế"}), GoldCall("cancel_alert", {}))
    messages = ({"role": "user", "content": query},)
    seen = set()
    for seed in range(30):
        options = NegativeOptions(kinds={"missing_permission": 1.0}, count=1, seed=seed)
        asked = dataclasses.replace(parent(), messages=messages, tools=tools, ground_truth=calls, meta=meta)
        for made in synthesize([asked], options):
            texts = f"{made.messages[0]['content']} {made.meta['reply']}"
            seen.update(re.findall(r"`(?:get_forecast|cancel_alert)`(.+?)`(?:get_forecast|cancel_alert)`", texts))
    assert seen == {join}


def test_values_that_a_tool_accepts_are_joined_in_the_words_of_the_language() -> None:
    one_of = load_obstacles()["accepted"]["one_of"]
    told = {lang: fill(one_of[lang], {"list": ("a", "b", "c")}, lang) for lang in LANGUAGES}
    assert told == {
        "en": "only `a`, `b` or `c`",
        "vi": "chỉ nhận `a`, `b` hoặc `c`",
        "zh": "只接受 `a`、`b` 或 `c`",
        "zh-Hans": "只接受 `a`、`b` 或 `c`",
    }
    assert fill("{list}", {"list": ["x"] * 7}, "zh") == "`x`、`x`、`x`、`x`、`x`、`x` …"


def test_what_is_filled_in_is_never_read_as_a_place() -> None:
    assert fill("{tool} of {nobody}", {"tool": "{value}", "value": "no"}) == "{value} of {nobody}"
    assert fill("{", {}) == "{"
    assert fill("{list}", {"list": ["{a}", "b"], "a": "no"}) == "`{a}` or `b`"
    assert not re.search(r"\{\w+\}", listed(["{x}"], "en").replace("{x}", ""))
