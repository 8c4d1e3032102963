"""Retention: options shuffled and the answer with them, runs, verdicts, and tables worked out by hand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest

from rlvr.errors import DataError, UsageError
from rlvr.evaluation.run import ModelSpec, evaluate
from rlvr.evaluation.statistics import wilson
from rlvr.evaluation.store import EvalStore
from rlvr.evaluation.suites.choice_answers import read_choice
from rlvr.evaluation.suites.choice_rows import Question
from rlvr.evaluation.suites.retention import CHOICE, PROMPTS, SUITE, judge_choice, orders_of, places, points_at_others
from rlvr.evaluation.suites.retention_tables import grids
from rlvr.evaluation.summary import write_summary
from rlvr.prompts import RenderedPrompt
from rlvr.types import Example
from tests.evaluation.suites.conftest import judged

WORDS = ("red", "green", "blue", "white")
ROWS = [
    {"question": f"Question {i}?", "subject": "art" if i < 2 else "law", "choices": list(WORDS), "answer": i % 4}
    for i in range(4)
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "colours.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def load(file: Path, *options: str, seed: int = 0) -> list[Example]:
    return list(SUITE.load(SUITE.choose([f"data={file}", *options], seed=seed)))


def right_letter(example: Example) -> str:
    choice = example.meta[CHOICE]
    return "ABCD"[choice["order"].index(choice["right"])]


def shown_options(example: Example) -> list[str]:
    lines = [line for line in example.query.splitlines() if line[:3] in ("A. ", "B. ", "C. ", "D. ")]
    return [line[3:] for line in lines]


def test_every_question_is_asked_once_a_run_with_the_answer_following(file: Path) -> None:
    examples = load(file)
    assert len(examples) == 12
    for example in examples:
        choice = example.meta[CHOICE]
        assert sorted(shown_options(example)) == sorted(WORDS)
        assert shown_options(example)["ABCD".index(right_letter(example))] == WORDS[choice["right"]]
        assert example.tools == ()
        assert example.ground_truth == ()
    orders = {(e.meta["suite_group"], tuple(e.meta[CHOICE]["order"])) for e in examples}
    assert len(orders) == 12  # three different orders of each question


def test_the_same_seed_asks_the_same_and_another_one_otherwise(file: Path) -> None:
    assert load(file, seed=5) == load(file, seed=5)
    assert load(file, seed=5) != load(file, seed=6)


def test_without_shuffling_the_published_order_stays(file: Path) -> None:
    assert all(shown_options(e) == list(WORDS) for e in load(file, "shuffle=off", "runs=2"))
    assert len(load(file, "runs=1")) == 4


def test_orders_differ_as_long_as_there_are_others() -> None:
    import random

    assert len(set(orders_of(4, 24, random.Random(0)))) >= 22
    assert sorted(Counter(orders_of(2, 3, random.Random(0))).values()) == [1, 2]


@pytest.mark.parametrize(
    "option",
    [
        "All of the above",
        "none of these",
        "Both A and C",
        "Both A & C",
        "both b and c.",
        "A and B",
        "A, B",
        "Option C is wrong",
        "以上皆是",
        "上述皆非",
        "A和C",
    ],
)
def test_a_question_whose_options_point_at_others_keeps_its_order(option: str) -> None:
    assert points_at_others(Question("x", "Which?", ("one", "two", "three", option), 0, ""))


@pytest.mark.parametrize(
    "option",
    [
        "18歲以上",
        "a and b",
        "both boys and girls",
        "A cat",
        "the answer a child gives",
        "vitamin A",
        "above",
        "甲和乙",
        "I and II",
        "AB",
    ],
)
def test_other_questions_are_shuffled(option: str) -> None:
    assert not points_at_others(Question("x", "Which?", ("one", "two", "three", option), 0, ""))


def test_prompts_are_in_the_questions_language_or_the_one_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "zh.jsonl"
    row = {"question": "二加二等於？", "A": "三", "B": "四", "C": "五", "D": "六", "answer": "B"}
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    chinese = load(path)[0]
    assert chinese.query.startswith("請回答下面的選擇題")
    assert "\\boxed{}" in chinese.query
    assert chinese.lang == "zh"
    assert load(path, "prompt=en")[0].query.startswith("Answer the multiple-choice question")
    assert "答案：" in load(path, "mode=pattern")[0].query
    assert '"Answer: X"' in load(path, "mode=pattern", "prompt=en")[0].query


@pytest.mark.parametrize(("lang", "mode"), list(PROMPTS))
def test_a_model_that_repeats_the_instruction_has_named_nothing(lang: str, mode: str) -> None:
    assert read_choice(PROMPTS[lang, mode], mode, 10).place is None


def verdict(example: Example, completion: str, **settings: Any) -> Any:
    fixed: dict[str, Any] = {"model": "m", "completion_tokens": 5, "prompt_tokens": 50, "truncated": False}
    return judge_choice(example, completion, **{**fixed, **settings})


def test_right_is_the_published_option_wherever_it_stood(file: Path) -> None:
    for example in load(file):
        letter = right_letter(example)
        other = "ABCD"[("ABCD".index(letter) + 1) % 4]
        good, bad = verdict(example, f"\\boxed{{{letter}}}"), verdict(example, f"\\boxed{{{other}}}")
        assert (good.right, bad.right) == (True, False)
        assert good.scores["option"] == example.meta[CHOICE]["right"]
        assert good.category == f"colours: {example.meta[CHOICE]['subject']}"
        assert (good.reason, bad.reason) == (f"answered {letter}", f"answered {other}, right is {letter}")


def test_what_is_no_answer_is_unanswered_and_never_right(file: Path) -> None:
    example = load(file)[0]
    letter = right_letter(example)
    for text, reason in [
        ("", "no answer"),
        (f"Answer: {letter}", "no answer"),
        (r"\boxed{A}\boxed{B}\boxed{C}\boxed{D}", "several answers"),
        (r"\boxed{E}", "no such option"),
        (f"<think>\\boxed{{{letter}}}</think>", "no answer"),
        ('<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>', "a call"),
    ]:
        record = verdict(example, text)
        assert (record.right, record.scores["option"], record.reason) == (False, None, reason), text
    called = verdict(example, f'\\boxed{{{letter}}}<tool_call>\n{{"name": "f", "arguments": {{}}}}\n</tool_call>')
    assert (called.right, called.false_call, called.reason) == (False, True, "a call")


def test_an_answer_before_the_limit_counts_and_reasoning_is_not_the_answer(file: Path) -> None:
    example = load(file)[0]
    letter = right_letter(example)
    other = "ABCD"[("ABCD".index(letter) + 1) % 4]
    assert verdict(example, f"\\boxed{{{letter}}} because", truncated=True).right
    assert verdict(example, f"<think>\\boxed{{{other}}}?</think>\\boxed{{{letter}}}").right
    opened = verdict(example, f"\\boxed{{{other}}}?</think>\\boxed{{{letter}}}", reasoning_opened=True)
    assert opened.right


def table(store: EvalStore, title: str) -> list[dict[str, Any]]:
    found = next(g for g in grids(store) if g.title.startswith(title))
    return [dict(zip((name for name, _ in found.columns), row, strict=True)) for row in found.rows]


def test_accuracy_spread_and_unanswered_by_hand(file: Path, finished: Callable[..., EvalStore]) -> None:
    """Runs of four questions: right 4, 2 and 0 of them; the last run says nothing: 50%, sd 50, a third unanswered."""
    examples = load(file)

    def say(example: Example) -> str:
        choice = example.meta[CHOICE]
        if choice["run"] == 3:
            return "I do not know."
        right = choice["run"] == 1 or choice["subject"] == "art"
        letter = right_letter(example)
        return f"\\boxed{{{letter if right else 'ABCD'[('ABCD'.index(letter) + 1) % 4]}}}"

    store = finished(SUITE, examples, {"m": judged(SUITE, examples, say)})
    (row,) = table(store, "Retention: multiple choice")
    assert (row["questions"], row["runs"]) == (4, 3)
    assert row["right"].value == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 / 3) / 4)
    assert row["right"].n == 4  # questions, not completions
    assert row["sd of runs"] == pytest.approx(stdev([1.0, 0.5, 0.0]))
    assert (row["lowest run"], row["highest run"], row["by chance"]) == (0.0, 1.0, 0.25)
    assert row["unanswered"].value == pytest.approx(1 / 3)
    assert (row["right of answered"].value, row["right of answered"].n) == (pytest.approx((1 + 1 + 0.5 + 0.5) / 4), 4)
    assert row["same option"].value == 0
    subjects = {r["subject"]: r["right"].value for r in table(store, "By subject")}
    assert subjects == {"art": pytest.approx(2 / 3), "law": pytest.approx(1 / 3)}


def test_what_was_lost_is_paired_over_questions(file: Path, finished: Callable[..., EvalStore]) -> None:
    examples = load(file)
    good = judged(SUITE, examples, lambda e: f"\\boxed{{{right_letter(e)}}}", "before")
    art = {e.id for e in examples if e.meta[CHOICE]["subject"] == "art"}
    bad = judged(SUITE, examples, lambda e: f"\\boxed{{{right_letter(e)}}}" if e.id in art else "", "after")
    store = finished(SUITE, examples, {"before": good, "after": bad})
    (row,) = table(store, "Retention: what was lost")
    assert (row["models"], row["questions"]) == ("before → after", 4)
    assert row["right"].value == -0.5
    assert row["unanswered"].value == 0.5
    same = [r for r in table(store, "Retention: multiple choice") if r["model"] == "before"]
    assert same[0]["right"] == wilson(4, 4)  # all runs agree: the interval has a width all the same
    assert same[0]["same option"].value == 1


def test_what_was_lost_compares_models_free(file: Path, finished: Callable[..., EvalStore]) -> None:
    examples = load(file)
    labels = ("a", "a (structured)", "b")
    made = {m: judged(SUITE, examples, lambda e: f"\\boxed{{{right_letter(e)}}}", m) for m in labels}
    store = finished(SUITE, examples, made)
    store.models["a (structured)"].free = "a"
    assert [row["models"] for row in table(store, "Retention: what was lost")] == ["a → b"]


def test_shares_stay_shares(tmp_path: Path, finished: Callable[..., EvalStore]) -> None:
    """Of 40 questions one is answered in every run and three in one: 95% unanswered, standard error 2.8 points."""
    file = tmp_path / "many.jsonl"
    file.write_text("".join(json.dumps({**ROWS[0], "question": f"Question {i}?"}) + "\n" for i in range(40)))
    examples = load(file)
    numbers = {e.id: int(e.id.split("/")[1]) for e in examples}
    once = {e.id for e in examples if numbers[e.id] == 0 or (e.meta[CHOICE]["run"] == 1 and numbers[e.id] % 10 == 0)}
    silent = judged(SUITE, examples, lambda e: "", "before")
    some = judged(SUITE, examples, lambda e: f"\\boxed{{{right_letter(e)}}}" if e.id in once else "", "after")
    store = finished(SUITE, examples, {"before": silent, "after": some})
    row = table(store, "Retention: multiple choice")[1]
    assert row["unanswered"].high == 1.0
    assert row["right"].low == 0.0


def test_rows_that_are_no_question_stop_or_are_counted(file: Path, finished: Callable[..., EvalStore]) -> None:
    file.write_text(file.read_text() + '{"question": "No answer?", "choices": ["a", "b"]}\n')
    with pytest.raises(DataError, match=r"colours\.jsonl:5: no column 'answer' .*bad_rows=leave_out"):
        load(file)
    examples = load(file, "bad_rows=leave_out")
    assert len(examples) == 12
    store = finished(SUITE, examples, {"m": judged(SUITE, examples, lambda e: "")})
    assert "colours: 1 rows are no question and were left out." in grids(store)[0].notes


def test_sets_are_named_by_what_is_asked_for(tmp_path: Path) -> None:
    mmlu, law = places("mmlu,tw-legal", "", None)
    assert (mmlu.location, mmlu.configs, mmlu.split) == ("cais/mmlu", ("all",), "test")
    assert (law.location, law.split) == ("lianghsun/tw-legal-benchmark-v1", "train")
    local = places("tmmluplus", "", tmp_path)[0]
    assert (local.name, local.location, local.split) == ("tmmluplus", str(tmp_path / "tmmluplus"), "test")
    mine, other = places("mine=a/b.csv, c/d_test.jsonl.gz", "dev", None)
    assert (mine.name, mine.location, mine.split) == ("mine", "a/b.csv", "dev")
    assert other.name == "d_test"
    with pytest.raises(UsageError, match="two sets are called 'b'"):
        places("x/b.csv,y/b.csv", "", None)
    with pytest.raises(UsageError, match="name the questions"):
        places("", "", None)


def test_an_evaluation_runs_through_and_counts_prompts_that_do_not_fit(
    file: Path, tmp_path: Path, fake: Any, make_model: Callable[..., Path]
) -> None:
    examples = load(file)
    long = {e.id for e in examples[:3]}

    def render(example: Example, tokenizer: Any, parser: str) -> RenderedPrompt:
        return RenderedPrompt(example.id, tuple(range(500 if example.id in long else 50)))

    by_id = {e.id: e for e in examples}
    fake.say = lambda model, id: f"\\boxed{{{right_letter(by_id[id])}}}"
    spec = ModelSpec("m", make_model("m"))
    evaluate([spec], examples, fake.factory, out_dir=tmp_path / "out", judge=SUITE.judge, render=render,
             max_prompt_tokens=100, extra_settings={"data": "retention"})  # fmt: skip
    write_summary(tmp_path / "out")
    text = (tmp_path / "out" / "table.md").read_text()
    assert "m: 3 prompts did not fit and were left out." in text
    written = json.loads((tmp_path / "out" / "suite.json").read_text())
    assert written["tables"][0]["rows"][0]["questions"] == 3
    assert written["tables"][0]["rows"][0]["right"]["value"] == 1.0
