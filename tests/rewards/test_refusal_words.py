"""Refusals, questions and answers measured on labelled replies, and what an adversary would write."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from rlvr.parsers import get_parser
from rlvr.rewards.context import Context
from rlvr.rewards.language import speaks
from rlvr.rewards.refusal import score_refusal
from rlvr.rewards.words import classify_words

ROOT = Path(__file__).resolve().parents[2]
WORDS = Path(__file__).parent / "words"
REAL = ROOT.parent / "shared" / "data" / "nocall_real.jsonl.gz"
LANGUAGES = ("en", "vi", "zh")


def _benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("refusal_words", ROOT / "benchmarks" / "refusal_words.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["refusal_words"] = module
    spec.loader.exec_module(module)
    return module


measure = _benchmark()
LABELLED = [json.loads(line) for line in (WORDS / "nocall_labels.jsonl").open(encoding="utf-8")]
ROWS = [
    (path.stem, json.loads(line)) for path in sorted(WORDS.glob("??.jsonl")) for line in path.open(encoding="utf-8")
]


# -- the sentences -----------------------------------------------------------------------------------------------------


def test_there_are_sixty_of_each_class_and_language_in_both_halves() -> None:
    count = Counter((lang, row["half"], row["label"]) for lang, row in ROWS)
    wanted = {(g, h, c) for g in LANGUAGES for h in ("dev", "test") for c in measure.LABELS}
    assert set(count) == wanted
    assert min(count.values()) >= 60


def test_no_sentence_stands_twice() -> None:
    assert len({row["id"] for _, row in ROWS}) == len(ROWS)
    assert len({(lang, row["text"].casefold()) for lang, row in ROWS}) == len(ROWS)
    assert {row["label"] for _, row in ROWS if row.get("mixed")} == {"answer"}


# Floors, a little below what benchmarks/refusal_words.py measured: precision, recall.
FLOORS = {
    ("en", "refuse"): (0.95, 0.88),
    ("en", "clarify"): (0.93, 0.91),
    ("en", "answer"): (0.90, 0.93),
    ("vi", "refuse"): (0.96, 0.90),
    ("vi", "clarify"): (0.90, 0.93),
    ("vi", "answer"): (0.90, 0.91),
    ("zh", "refuse"): (0.96, 0.90),
    ("zh", "clarify"): (0.91, 0.93),
    ("zh", "answer"): (0.90, 0.91),
}


@pytest.mark.parametrize(("lang", "label"), FLOORS)
def test_the_half_that_guided_nothing(lang: str, label: str) -> None:
    replies = [reply for reply in measure.sentences("test") if reply.lang == lang]
    precision, recall = measure.precision_and_recall(replies, label)
    least_precision, least_recall = FLOORS[lang, label]
    assert recall.n >= 60
    assert precision.value >= least_precision
    assert recall.value >= least_recall


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("label", measure.LABELS)
def test_the_half_that_guided_the_lists_is_understood(lang: str, label: str) -> None:
    replies = [reply for reply in measure.sentences("dev") if reply.lang == lang]
    precision, recall = measure.precision_and_recall(replies, label)
    assert precision.value >= 0.97
    assert recall.value >= 0.97


def test_a_refusal_that_answers_all_the_same_is_hardly_ever_a_refusal() -> None:
    mixed = [reply for half in ("dev", "test") for reply in measure.sentences(half) if reply.mixed]
    assert len(mixed) >= 36
    refusals = [reply.id for reply in mixed if reply.found() == "refuse"]
    assert len(refusals) <= len(mixed) // 20


def test_precision_and_recall_by_hand() -> None:
    replies = [
        measure.Reply("a", "en", "refuse", "I can't do that."),
        measure.Reply("b", "en", "refuse", "Paris is lovely in the spring."),  # labelled so to be missed
        measure.Reply("c", "en", "answer", "I can't do that, I'm afraid."),  # labelled so to be taken wrongly
        measure.Reply("d", "en", "answer", "I can't do it, but the capital of France is Paris.", mixed=True),
        measure.Reply("e", "en", "clarify", "Which city?"),
    ]
    precision, recall = measure.precision_and_recall(replies, "refuse")
    assert (precision.value, precision.n, recall.value, recall.n) == (0.5, 2, 0.5, 2)
    precision, recall = measure.precision_and_recall(replies, "answer")
    assert (precision.value, precision.n, recall.value, recall.n) == (0.5, 2, 0.5, 2)
    assert "| en | clarify | 1.000" in "\n".join(measure.table("t", replies))


def test_the_documents_tables_are_what_is_measured() -> None:
    document = (ROOT / "docs" / "refusal.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in measure.table("t", measure.sentences("test")) if line.startswith("|")]
    assert len(rows) == 2 + 3 * 4
    assert [row for row in rows if row not in document] == []


# -- real replies ------------------------------------------------------------------------------------------------------


def test_real_replies_under_labels_given_by_reading() -> None:
    if not REAL.is_file():
        pytest.skip("the real replies in ../shared/data are not here")
    labels = {row["id"]: row["label"] for row in LABELLED}
    with gzip.open(REAL, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    assert {row["id"] for row in rows} == set(labels)
    assert [row["id"] for row in rows if (labels[row["id"]] == "none") != (not row["reference_reply"].strip())] == []
    replies = measure.real_replies()
    assert len(replies) == 222
    for label, least_precision, least_recall in (("refuse", 0.92, 0.94), ("clarify", 0.97, 0.95)):
        precision, recall = measure.precision_and_recall(replies, label)
        assert precision.value >= least_precision, label
        assert recall.value >= least_recall, label
    assert all(speaks(reply.text, reply.lang) for reply in replies)
    document = (ROOT / "docs" / "refusal.md").read_text(encoding="utf-8").splitlines()
    assert [row for row in measure.table("t", replies) if row.startswith("|") and row not in document] == []


def test_labels_hold_no_text() -> None:
    assert len(LABELLED) == 224
    assert all(set(row) == {"id", "label"} for row in LABELLED)
    assert Counter(row["label"] for row in LABELLED) == {"clarify": 164, "refuse": 57, "answer": 1, "none": 2}


# -- languages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_reply_speaks_its_own_language_and_no_other(lang: str) -> None:
    replies = [r for half in ("dev", "test") for r in measure.sentences(half) if r.lang == lang]
    assert [r.text for r in replies if not speaks(r.text, lang)] == []
    for other in set(LANGUAGES) - {lang}:
        passing = [r.text for r in replies if speaks(r.text, other)]
        assert len(passing) <= 0.02 * len(replies), passing


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("query", LANGUAGES)
def test_a_refusal_in_another_language_than_the_querys_scores_less(lang: str, query: str) -> None:
    parse, context = get_parser("hermes").parse, Context({}, expects="refuse", lang=query)
    refusals = [r.text for r in measure.sentences("dev") if r.lang == lang and r.label == "refuse"]
    scores = Counter(score_refusal(parse(text), context) for text in refusals if len(text) > 8)
    wanted = 1.0 if lang == query else 0.2
    assert scores[wanted] >= 0.98 * scores.total()


@pytest.mark.parametrize(
    ("text", "lang", "fits"),
    [
        ("抱歉，`get_weather` 只支援 city 和 date 參數，我無法訂 Hilton hotel。", "zh", True),
        ("抱歉，我無法使用 search_flights 這個 function 來 book 您的 hotel room。", "zh", True),
        ("很抱歉，這個 API 不支援 real-time data streaming via WebSocket connections。", "zh", True),
        ("翻譯是：「Where is the library?」", "zh", True),
        ("對不起，我沒有這個功能。", "zh", True),
        ("对不起，我没有这个功能。", "zh", True),
        ("Xin lỗi, hàm get_weather chỉ nhận city và date nên tôi không thể đặt Hilton Hotel.", "vi", True),
        ("Tôi không thể phát bài The Sound of Silence.", "vi", True),
        ('Bản dịch là: "Where is the library?"', "vi", True),
        ("I can't book the hotel Khách sạn Mường Thanh for you.", "en", True),
        ("I can't find 鼎泰豐 with the tools that I have.", "en", True),
        ("https://example.com/the/best/of/what/is/here?q=you", "vi", True),
        ("I'm sorry, I can't do that. 我無法訂機票，抱歉造成不便。", "en", False),
        ("I'm sorry, I can't do that. 我無法訂機票，抱歉造成不便。", "zh", False),
        ("Sorry, I can't help. Xin lỗi, tôi không giúp được. 抱歉，我幫不上忙。", "en", False),
        ("Sorry, I can't help. Xin lỗi, tôi không giúp được. 抱歉，我幫不上忙。", "vi", False),
        ("Sorry, I can't help. Xin lỗi, tôi không giúp được. 抱歉，我幫不上忙。", "zh", False),
        ("您好！I'm afraid I can't help with booking a taxi today.", "zh", False),
        ("Tôi xin lỗi. I have no tool that could book a taxi for you today.", "vi", False),
        ("申し訳ありませんが、できません。", "zh", False),
        ("죄송하지만 도와드릴 수 없습니다.", "vi", False),
    ],
)
def test_mixed_text(text: str, lang: str, fits: bool) -> None:
    assert speaks(text, lang) is fits


@pytest.mark.parametrize("lang", LANGUAGES)
def test_composition_and_full_width_punctuation_change_nothing(lang: str) -> None:
    wide = {ord(c): chr(ord(c) + 0xFEE0) for c in "!?,:;()"}
    texts = [r.text for r in measure.sentences("dev") if r.lang == lang][::5]
    assert len(texts) > 50
    for text in texts:
        found = classify_words(text, lang)
        assert classify_words(unicodedata.normalize("NFD", text), lang) == found
        assert classify_words(text.translate(wide), lang) == found


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [
        ("很抱歉，我無法幫您訂機票。", "很抱歉，我无法帮您订机票。"),
        ("這超出了我的能力範圍。", "这超出了我的能力范围。"),
        ("請問您要訂哪一天？", "请问您要订哪一天？"),
        ("請告訴我您的訂單編號。", "请告诉我您的订单编号。"),
        ("您的航班已經訂好了，早上九點起飛。", "您的航班已经订好了，早上九点起飞。"),
        ("我沒辦法訂票，但法國的首都是巴黎。", "我没办法订票，但法国的首都是巴黎。"),
    ],
)
def test_both_chinese_scripts_say_the_same(traditional: str, simplified: str) -> None:
    assert classify_words(traditional) == classify_words(simplified)
    assert classify_words(simplified).lang == "zh"
