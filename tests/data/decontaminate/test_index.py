"""Overlap with a benchmark: what is flagged, with which reason, and what is not."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rlvr.data.decontaminate import Index
from rlvr.data.filters import Decontaminate
from rlvr.data.sources.jsonl import read_jsonl
from rlvr.paths import cache_dir
from rlvr.types import Example, Tool

Make = Callable[..., Example]
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
LONG = "Find me a train from the old harbour to the northern lake for two adults and one child on Friday morning"


@pytest.fixture
def index(example: Make, tool: Callable[..., Tool]) -> Index:
    trains = [tool("find_train", "origin_station", "adults"), tool("buy_train", "origin_station", "fare_class")]
    rows = [
        example(LONG, trains, [], id="bench-1"),
        example("Book it.", [tool()], [], id="bench-2", earlier=[{"role": "user", "content": "Yes, please"}]),
        example("把臺北的天氣告訴我", [tool()], [], id="bench-3"),
        example("integrate x squared", [tool("integrate", "end_x", "start_x", "rule_name", "term")], [], id="bench-4"),
    ]
    return Index.from_examples(rows)


@pytest.mark.parametrize(
    ("query", "reference"),
    [(LONG, "bench-1"), (LONG.upper() + "!!", "bench-1"), ("book  it", "bench-2"), ("把台北的天氣告訴我。", "bench-3")],
)
def test_a_question_of_the_benchmark_is_found_however_it_is_written(
    index: Index, example: Make, query: str, reference: str
) -> None:
    flag = index.flag(example(query, [], []))
    assert flag is not None
    assert (flag.kind, flag.reference, flag.code) == ("query", reference, "benchmark_query")
    assert flag.reason == f"a user message is that of {reference}, but for case and punctuation"
    assert Decontaminate(index).why_not(example(query, [], [])) == "benchmark_query"


def test_an_earlier_message_counts_where_it_says_something(index: Index, example: Make) -> None:
    long = example("And now?", earlier=[{"role": "user", "content": LONG}, {"role": "assistant", "content": "Done."}])
    assert index.flag(long) is not None
    assert index.flag(example("And now?", earlier=[{"role": "user", "content": "yes please"}])) is None


def test_half_of_the_8_grams_are_an_overlap_and_a_turn_of_phrase_is_none(index: Index, example: Make) -> None:
    words = LONG.split()  # 21 words, 14 8-grams
    flag = index.flag(example("Hello! " + " ".join(words[:14]) + " maybe", [], []))
    assert flag is not None
    assert (flag.kind, flag.share, flag.reference) == ("ngrams", 7 / 9, "bench-1")
    assert flag.reason == "78% of the 8-grams of a user message stand in bench-1"
    assert index.flag(example(" ".join(words[:11]), [], [])) is None  # four 8-grams
    assert index.flag(example(" ".join([*words[:12], *map(str, range(40))]), [], [])) is None  # five of 45, of 14


def test_a_reworded_question_is_found_by_its_tools(index: Index, example: Make, tool: Callable[..., Tool]) -> None:
    reworded = LONG.replace("train", "coach").replace("old", "new").replace("Friday", "Monday")
    offered = [tool("Trains_3_FindTrain", "origin_station", "adults")]
    flag = index.flag(example(reworded, offered, []))
    assert flag is not None
    assert (flag.kind, flag.reference) == ("kin", "bench-1")
    assert flag.share == pytest.approx(17 / 23)  # of 20 distinct words, 17 stayed
    assert index.flag(example(reworded, [tool("get_weather", "city")], [])) is None


def test_tools_that_stood_together_are_an_overlap_whatever_is_asked(
    index: Index, example: Make, tool: Callable[..., Tool]
) -> None:
    offered = [tool("FindTrain", "origin_station"), tool("BuyTrain", "fare_class"), tool()]
    flag = index.flag(example("Something else entirely", offered, []))
    assert flag is not None
    assert (flag.kind, flag.reference) == ("tools", "bench-1")
    assert flag.reason == "tools BuyTrain, FindTrain stand together in bench-1 (21 bits in common)"
    assert index.flag(example("Something else entirely", [tool()])) is None


def test_one_tool_counts_where_it_is_called(index: Index, example: Make, tool: Callable[..., Tool]) -> None:
    offered = [tool("integrate", "end_x", "start_x", "rule_name", "term"), tool()]
    called = example("Something else entirely", offered, [("integrate", {"term": "x"})])
    flag = index.flag(called)
    assert flag is not None
    assert flag.kind == "tool"
    assert index.flag(example("Something else entirely", offered)) is None


def test_more_can_be_added_after_it_was_asked(index: Index, example: Make) -> None:
    other = "Tell the kitchen to prepare nine bowls of soup and twelve plates of rice for the guests"
    assert index.flag(example(other[:-5] + "friends", [], [])) is None
    index.add_row("mine", [other])
    flag = index.flag(example(other[:-6] + "friends", [], []))
    assert flag is not None
    assert (flag.kind, flag.reference) == ("ngrams", "mine")
    assert len(index) == 5
    assert index.flag(example(LONG[:-8], [], [])) is not None  # the first ones are still there


def test_boilerplate_of_the_benchmark_proves_nothing(example: Make) -> None:
    common = "you are talking to the booking service of the grand hotel please answer"
    rows = [example(f"{common} {n} {n + 1}", [], [], id=str(n)) for n in range(100)]
    index = Index.from_examples(rows)
    assert index.flag(example(f"{common} politely and at once", [], [])) is None
    assert index.flag(rows[50]) is not None


def test_it_pickles(index: Index, example: Make) -> None:
    again = pickle.loads(pickle.dumps(index))
    assert again.flag(example(LONG[:-8], [], [])) == index.flag(example(LONG[:-8], [], []))


def test_a_source_is_counted(index: Index, example: Make, tool: Callable[..., Tool]) -> None:
    kin = [tool("FindTrain", "origin_station"), tool("BuyTrain", "fare_class")]
    clean = [example(f"question number {n}") for n in range(18)]
    overlap = index.examine([*clean, example("x", kin, []), example(LONG)])
    assert (overlap.rows, overlap.flagged, overlap.share) == (20, 2, 0.1)
    assert overlap.by_kind == {"tools": 1, "query": 1}
    assert set(overlap.first) == {"tools", "query"}
    assert not overlap.shares_tools  # one of twenty is not more than 5%
    assert index.examine([*clean, *[example("x", kin, [])] * 2]).shares_tools
    assert index.examine([]).share == 0.0


def test_a_question_without_a_word_is_found_as_it_is(example: Make) -> None:
    index = Index.from_examples([example("\t/", [], [], id="b")])
    assert index.flag(example(" / ", [], [])) is not None
    assert index.flag(example("!", [], [])) is None


def test_a_question_that_was_turned_into_traditional_is_found(example: Make) -> None:
    pytest.importorskip("opencc", reason="needs the data extra")
    simplified, traditional = (
        example("请发一封邮件给台湾的朋友", [], [], id="b"),
        example("請發一封郵件給臺灣的朋友", [], []),
    )
    assert Index().add([simplified]).flag(traditional) is None
    for form in (traditional, simplified):
        assert Index(traditional=True).add([simplified]).flag(form) is not None


def test_an_example_without_text_is_no_overlap(index: Index, example: Make) -> None:
    assert index.flag(example("")) is None
    assert index.flag(example("?!")) is None
    assert Index().flag(example()) is None


BFCL = cache_dir() / "bfcl"


@pytest.fixture(scope="module")
def bfcl() -> Index:
    return Index().add_bfcl()


@pytest.mark.skipif(not BFCL.is_dir() or not SHARED.is_dir(), reason="needs BFCL in the cache and the shared data")
class TestOnRealData:
    """The figures of `benchmarks/decontamination.py`, held."""

    def test_every_planted_question_is_found(self, bfcl: Index) -> None:
        import random
        from dataclasses import replace

        from rlvr.data.sources.bfcl import CATEGORIES, load_suite

        questions = random.Random(1).sample(load_suite(None, CATEGORIES), 500)
        assert len(questions) == 500
        for question in questions:
            loud = tuple({**m, "content": re.sub(r"\s+", "  ", m["content"]).swapcase()} for m in question.messages)
            flag = bfcl.flag(replace(question, messages=loud, tools=(), ground_truth=()))
            assert flag is not None, question.id
            assert flag.kind == "query"

    def test_clean_rows_stay_and_close_kin_is_flagged(self, bfcl: Index) -> None:
        clean = bfcl.examine(read_jsonl(SHARED / "train_real.jsonl.gz"))
        assert clean.rows == 1613
        assert clean.share <= 0.005
        assert not clean.shares_tools
        kin = bfcl.examine(read_jsonl(SHARED / "train_sgd.jsonl.gz"))
        assert kin.rows == 1732
        assert kin.share >= 0.8
        assert kin.shares_tools
