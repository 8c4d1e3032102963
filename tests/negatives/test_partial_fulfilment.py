"""Partial fulfilment made of tasks of two steps: either step may be the missing one, and neither can be replaced."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter

import pytest

from rlvr.data.generator import LANGUAGES, GeneratorOptions, generate, load_tasks
from rlvr.negatives import NegativeOptions, Tally, synthesize
from rlvr.rewards import classify_words
from rlvr.tools import check_ground_truth
from rlvr.types import Example, Tool, derive_category

OPTIONS = NegativeOptions(kinds={"partial_fulfilment": 1.0}, share=1.0, twins=True)
ALONE = GeneratorOptions(two_step=1.0, group_size=1)


@pytest.fixture(scope="module")
def parents() -> list[Example]:
    return [e for e in generate("train", 400, 8, ALONE) if e.category == "multi_turn"]


@pytest.fixture(scope="module")
def made(parents: list[Example]) -> list[Example]:
    return list(synthesize(parents, OPTIONS))


def test_every_task_gives_one_without_either_step(parents: list[Example], made: list[Example]) -> None:
    negatives = [e for e in made if e.meta.get("negative")]
    assert len(negatives) == len(parents) > 150
    missing: Counter[str] = Counter()
    for example in negatives:
        first, last = example.meta["steps"]
        offered = {t.name for t in example.tools}
        assert len(offered & {first, last}) == 1
        missing["first" if last in offered else "last"] += 1
        assert [m["role"] for m in example.messages] == ["user"]
        assert [c["name"] for c in example.meta["negative"]["asked"]] == [first, last]
        assert (example.ground_truth, example.expects) == ((), "refuse")
    assert min(missing.values()) > 0.35 * len(negatives)
    assert {e.lang for e in negatives} == set(LANGUAGES)
    assert {e.meta["steps"][0] for e in negatives} == {t.first.name for t in load_tasks() if t.asks.split == "train"}


def test_a_twin_has_the_category_of_what_it_is(made: list[Example]) -> None:
    """One message and a first step: no dialogue any more, though its parent was one."""
    twins = [e for e in made if not e.meta.get("negative")]
    assert len(twins) > 150
    for twin in twins:
        assert [m["role"] for m in twin.messages] == ["user"]
        assert twin.category == derive_category(twin.messages, len(twin.tools), twin.ground_truth) != "multi_turn"


def test_the_second_tool_needs_what_nobody_said(made: list[Example]) -> None:
    """Without the first step's tool: what the second one requires stands nowhere in the prompt."""
    arguments = {t.second.name: t.argument for t in load_tasks()}
    for example in made:
        about = example.meta.get("negative")
        if about:
            asked = about["asked"][1]
            told = str(asked["arguments"][arguments[asked["name"]]])
            assert told not in json.dumps([*example.messages, *(t.to_json() for t in example.tools)])


def test_the_refusal_says_which_step_is_missing(made: list[Example]) -> None:
    for example in made:
        if example.meta.get("negative"):
            (gone,) = set(example.meta["steps"]) - {t.name for t in example.tools}
            (kept,) = set(example.meta["steps"]) - {gone}
            reply = example.meta["reply"]
            assert dict(zip(example.meta["steps"], example.meta["step_abilities"], strict=True))[gone] in reply
            assert example.meta["negative"]["reason"].startswith(f"{gone} is not offered")
            assert "「" in reply or '"' in reply
            assert kept.replace("_", " ") not in reply
            assert gone.replace("_", " ") not in reply or example.lang == "en"
            assert classify_words(reply, example.lang).kind == "refuse"


@pytest.mark.parametrize("script", ["zh", "zh-Hans"])
def test_what_has_no_name_in_the_users_language_is_not_named(parents: list[Example], script: str) -> None:
    """Rows of other sources have English tools alone; their names are no words of a Chinese or Vietnamese sentence."""
    kept = [p for p in parents if p.lang in ("vi", "zh") and (script == "zh" or p.lang == "zh")][:60]
    if script == "zh-Hans":
        asked = {"role": "user", "content": "请帮我处理这件事，谢谢。"}
        kept = [dataclasses.replace(p, messages=(asked, *p.messages[1:])) for p in kept]
    else:
        kept = [dataclasses.replace(p, meta={k: v for k, v in p.meta.items() if k != "step_abilities"}) for p in kept]
    missing = set()
    for example in synthesize(kept, dataclasses.replace(OPTIONS, twins=False)):
        reply = example.meta["reply"]
        (gone,) = set(example.meta["steps"]) - {t.name for t in example.tools}
        missing.add(example.meta["steps"].index(gone))
        assert not re.search(r"[A-Za-z]{2,}", re.sub(r"`[^`]*`", "", reply)) or example.lang == "vi"
        assert gone.replace("_", " ") not in reply
        assert not {*'「“"'} & {*reply}
        assert classify_words(reply, example.lang).kind == "refuse"
    assert missing == {0, 1}


def test_the_twin_offers_both_and_makes_the_first_call(made: list[Example]) -> None:
    for negative, twin in zip(made[::2], made[1::2], strict=True):
        assert twin.meta["twin"]["id"] == negative.id
        assert twin.messages == negative.messages
        assert set(twin.meta["steps"]) <= {t.name for t in twin.tools}
        assert {t.name for t in negative.tools} < {t.name for t in twin.tools}
        assert [c.name for c in twin.ground_truth] == twin.meta["steps"][:1]
        assert check_ground_truth(twin.ground_truth, twin.tools) == []


def test_a_mailbox_that_could_be_searched_is_not_left_beside(parents: list[Example]) -> None:
    """A confirmation may lie there, with the number that the missing step would tell."""
    schema = {"type": "object", "properties": {"keyword": {"type": "string"}}, "required": ["keyword"]}
    search = Tool("mailbox_lookup", "Look up letters in the mailbox by keyword.", schema)
    paint = Tool("paint_fence", "Paint a garden fence in a colour.", schema)
    given = [dataclasses.replace(p, tools=(*p.tools, search, paint)) for p in parents[:60]]
    negatives = list(
        synthesize(given, dataclasses.replace(OPTIONS, twins=False), verifier=None, tally=(tally := Tally()))
    )
    assert len(negatives) == 60, tally.refused
    assert not any(search in e.tools for e in negatives)
    assert sum(paint in e.tools for e in negatives) > 40


def test_a_parent_whose_user_may_want_the_first_result_only_loses_the_first(parents: list[Example]) -> None:
    unmarked = [dataclasses.replace(p, meta={k: v for k, v in p.meta.items() if k != "steps"}) for p in parents[:40]]
    negatives = list(synthesize(unmarked, dataclasses.replace(OPTIONS, twins=False)))
    assert len(negatives) == 40
    for parent, negative in zip(unmarked, negatives, strict=True):
        first = parent.messages[1]["tool_calls"][0]["function"]["name"]
        assert first not in {t.name for t in negative.tools}
        assert parent.ground_truth[0].name in {t.name for t in negative.tools}
