"""Warm-up targets: right completions, a stated share of them with words that stage 2 can save."""

from __future__ import annotations

import dataclasses

import pytest

from rlvr.data.generator import generate
from rlvr.data.targets import TargetOptions, target
from rlvr.errors import DataError
from rlvr.negatives.chinese import marks
from rlvr.parsers import get_parser
from rlvr.rewards import score
from rlvr.types import Example

EXAMPLES = list(generate("train", 600, 31))
TEXTS = [target(e, "hermes", 1) for e in EXAMPLES]
PARSED = [get_parser("hermes").parse(text) for text in TEXTS]


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_every_target_is_right(stage: str) -> None:
    for example, text in zip(EXAMPLES[:200], TEXTS, strict=False):
        breakdown = score(
            text,
            tools=[t.to_json() for t in example.tools],
            ground_truth=[c.to_json() for c in example.ground_truth],
            expects=example.expects,
            lang=example.lang,
            stage=stage,
        )
        assert breakdown.right, breakdown.explain()


def test_a_third_to_a_half_carries_words_to_save() -> None:
    wordy = [bool(p.reasoning) or bool(p.calls and p.text) for p in PARSED]
    assert 0.3 <= share(wordy) <= 0.5
    reasons = [bool(p.reasoning) for p in PARSED]
    many = [r for e, r in zip(EXAMPLES, reasons, strict=True) if len(e.tools) > 1]
    one = [r for e, r in zip(EXAMPLES, reasons, strict=True) if len(e.tools) == 1]
    assert share(many) == pytest.approx(0.75, abs=0.08)
    assert share(one) == pytest.approx(0.1, abs=0.05)
    assert any(p.calls and p.text for p in PARSED)


def test_options_rule_the_words() -> None:
    none, every = TargetOptions(0.0, 0.0, 0.0), TargetOptions(1.0, 1.0, 0.0)
    for example in EXAMPLES[:50]:
        assert "<think>" not in target(example, "hermes", 1, none)
        assert target(example, "hermes", 1, every).startswith("<think>\n")
        before = target(example, "hermes", 1, TargetOptions(0.0, 0.0, 1.0))
        alone = bool(example.ground_truth) and len(example.tools) == 1
        assert (before != target(example, "hermes", 1, none)) is alone or not example.ground_truth


def test_refusals_reason_by_a_share_of_their_own() -> None:
    for refusals in (0.0, 1.0):
        own = TargetOptions(1.0 - refusals, 1.0 - refusals, 0.0, reasoning_refusals=refusals)
        for example in EXAMPLES[:100]:
            reasons = target(example, "hermes", 1, own).startswith("<think>\n")
            assert reasons is (refusals == (not example.ground_truth))
    half = [target(e, "hermes", 1, TargetOptions(reasoning_refusals=0.5)) for e in EXAMPLES if not e.ground_truth]
    assert share(["<think>" in text for text in half]) == pytest.approx(0.5, abs=0.15)


def test_the_same_seed_gives_the_same_text() -> None:
    assert [target(e, "hermes", 1) for e in EXAMPLES] == TEXTS
    assert [target(e, "hermes", 2) for e in EXAMPLES] != TEXTS


def test_a_refusal_is_the_reply_or_words_in_the_language() -> None:
    negative = next(e for e in EXAMPLES if not e.ground_truth and e.lang == "vi")
    none = TargetOptions(0.0, 0.0, 0.0, plain_refusals=0.0)
    assert target(negative, "hermes", 1, none) == negative.meta["reply"]
    bare = Example("x", "s", "irrelevance", negative.messages, negative.tools, (), "refuse", {"lang": "vi"})
    assert "không" in target(bare, "hermes", 1, none).lower()
    untagged = dataclasses.replace(bare, meta={})
    assert "không" in target(untagged, "hermes", 1, none).lower()
    unknown = dataclasses.replace(untagged, messages=({"role": "user", "content": "42"},))
    assert target(unknown, "hermes", 1, none).isascii()


def test_a_row_in_simplified_chinese_is_answered_in_simplified_chinese() -> None:
    """Its words before a call too; half of the refusals are drawn anew, also where the row carries one of its own."""
    simplified, traditional = marks()
    query = ({"role": "user", "content": "请帮我查一下天气。"},)
    calling = next(e for e in EXAMPLES if e.category == "simple" and len(e.tools) == 1)
    refusing = next(e for e in EXAMPLES if not e.ground_truth)
    meta = {"lang": "zh", "reply": "我没有合适的工具来处理这个需求。"}
    said = set()
    for options in (TargetOptions(1.0, 1.0, 0.0, 1.0), TargetOptions(0.0, 0.0, 1.0, 1.0)):
        for example in (calling, refusing):
            row = dataclasses.replace(example, messages=query, meta=meta)
            said |= {target(row, "hermes", seed, options).partition("<tool_call>")[0] for seed in range(20)}
    assert len(said) > 8
    assert [text for text in said if any(c in traditional for c in text)] == []
    assert sum(any(c in simplified for c in text) for text in said) >= len(said) - 1  # 需要用 is written alike


def test_a_question_is_learnt_from_the_rows_own_reply_and_never_becomes_a_refusal() -> None:
    negative = next(e for e in EXAMPLES if not e.ground_truth)
    asks = dataclasses.replace(negative, expects="clarify", meta={"reference_reply": "For which city?"})
    options = TargetOptions(0.0, 0.0, 0.0, plain_refusals=1.0)
    assert target(asks, "hermes", 1, options) == "For which city?"
    with pytest.raises(DataError, match="carries no reply to learn from"):
        target(dataclasses.replace(asks, meta={}), "hermes", 1, options)


SHARES = ["reasoning_many", "reasoning_one", "preamble_one", "reasoning_refusals", "plain_refusals"]


@pytest.mark.parametrize("name", SHARES)
def test_a_share_is_between_0_and_1(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: got 1.5, expected a share between 0 and 1"):
        TargetOptions(**{name: 1.5})


def test_refusals_may_keep_to_few_wordings() -> None:
    refused = [e for e in EXAMPLES if e.expects == "refuse"]
    for wordings in (1, 2):
        options = TargetOptions(0.0, 0.0, 0.0, plain_refusals=1.0, refusal_wordings=wordings)
        by_language: dict[str, set[str]] = {}
        for example in refused:
            by_language.setdefault(str(example.lang), set()).add(target(example, "hermes", 1, options))
        assert {lang: len(texts) for lang, texts in by_language.items()} == dict.fromkeys(("en", "vi", "zh"), wordings)
    with pytest.raises(ValueError, match="refusal_wordings: got 0, expected at least 1"):
        TargetOptions(refusal_wordings=0)
