"""Tasks of two steps: true by construction, natural in their data, and off unless they are asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.generator import LANGUAGES, SPLITS, GeneratorOptions, TwoStepTask, generate, load_catalogue, load_tasks
from rlvr.errors import ConfigError
from rlvr.negatives.dependencies import first_step, last_step
from rlvr.tools import check_ground_truth, normalise_tool
from rlvr.types import Example

TASKS = load_tasks()
ALL = GeneratorOptions(two_step=1.0)
both = pytest.mark.parametrize("split", SPLITS)

# sha256 of 150 examples (seed 3) as JSON lines, computed before there were tasks of two steps.
BEFORE: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "nothing spoken": (
        {"spoken": 0.0},
        "4948db4600db7f2cdc460ce8ff525e87f231557bb4a424ba524db9f683e765ca",
        "f724339678e9c1ea125eed30561186270b21bd7884cb4d144dc64a2699cd8a71",
    ),
    "all spoken": (
        {"spoken": 1.0},
        "5e215862a6db014f4c1decd6ce988e25f4e5e1fd85b0dfa59382ef8099d2dc05",
        "c76cc2f800f03c95b5c8eaba55d39aebab6b767f78d9579805f73a6dbb477718",
    ),
    "one language": (
        {"languages": {"zh": 1.0}},
        "177a19dcab63f688eeed06ca185856850e793def62d5a40dafdd24365884996d",
        "2df005115218dba308285521bd4f442bb4bfb351f2326776ca4988c094a92590",
    ),
    "groups of twelve": (
        {"group_size": 12},
        "296d6a14bf47a2976918bdc0191487c83dfd926661254791e2a81f18ebe02582",
        "8b30c58c23d02d4e7625cc7014d429622e68e2566feaf36df76d7c5fcac90024",
    ),
    "one category": (
        {"categories": {"parallel_multiple": 1.0}},
        "4448edb480540616c440f7fa558498b0f78aec0ef4c868dd67f51617373d467e",
        "df610fef30a6c2c1076d3562af6c1017cefcd1caa609f0900af85cf3840cbb46",
    ),
    "irrelevance alone": (
        {"categories": {"irrelevance": 1.0}},
        "59570d1328b5718b931051bff27e59b506db1d01f51a1829bda7927b4b70a723",
        "580a1d4b72078dd06ded1eb80f5ce7d72250b811e42938a1671dacacc8a9548e",
    ),
    "other sizes": (
        {"tools_offered": {4: 1.0, 1: 0.2}},
        "c09a667f91d0b1317c57ac9d14d802283ee44e7658312ee277a613cd4f25eb64",
        "891a638108ed05be387da03debbae9cba75fe43c6c4beded3febed76e1344d32",
    ),
}


def lines(examples: list[Example]) -> str:
    return "".join(json.dumps(e.to_json(), ensure_ascii=False) + "\n" for e in examples)


@pytest.mark.parametrize("name", BEFORE)
def test_without_them_every_byte_is_what_it_was(name: str) -> None:
    options, train, heldout = BEFORE[name]
    for split, wanted in zip(SPLITS, (train, heldout), strict=True):
        text = lines(list(generate(split, 150, 3, GeneratorOptions(**options))))
        assert hashlib.sha256(text.encode()).hexdigest() == wanted, split


def test_a_share_of_them_leaves_the_other_groups_as_they_are() -> None:
    plain = {e.id: e for e in generate("train", 240, 4)}
    mixed = list(generate("train", 240, 4, GeneratorOptions(two_step=0.5)))
    assert 0.3 < sum("steps" in e.meta for e in mixed) / 240 < 0.7  # of 40 groups
    assert all(e == plain[e.id] for e in mixed if "steps" not in e.meta and e.id in plain)
    assert lines(mixed) == lines(list(generate("train", 240, 4, GeneratorOptions(two_step=0.5))))


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"two_step: got .*, expected a share between 0 and 1"):
        GeneratorOptions(two_step=share)


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_every_task_is_whole(task: TwoStepTask) -> None:
    for tool in (task.first, task.second):
        assert normalise_tool(tool.to_json()) == tool
        assert tool.name not in {t.name for t in load_catalogue()}
    assert task.near <= {t.domain for t in load_catalogue()}
    for lang, least in {"en": 4, "vi": 3, "zh": 3}.items():
        texts = [t.text for t in task.asks.templates[lang]]
        assert len(set(texts)) == len(texts) >= least
        assert task.asks.ability[lang]
        assert task.looks_up[lang]
        assert task.looks_up[lang] != task.asks.ability[lang]
    simplified = set("们这说话时间会车东书应关门问实处帮请谢")
    said = [*(t.text for t in task.asks.templates["zh"]), task.looks_up["zh"], task.asks.ability["zh"]]
    assert not simplified & set("".join(said))


def test_there_are_enough_and_the_splits_share_none() -> None:
    count = {split: sum(t.asks.split == split for t in TASKS) for split in SPLITS}
    assert count["train"] >= 20
    assert count["heldout"] >= 6
    for lang in LANGUAGES:
        texts = [t.text for task in TASKS for t in task.asks.templates[lang]]
        assert len(set(texts)) == len(texts)


@both
def test_the_second_call_cannot_be_made_without_the_first(split: str) -> None:
    """Checked on what was made, not on how: the identifier stands in the result and nowhere before it."""
    made = list(generate(split, 300, 5, ALL))
    tasks = {t.second.name: t for t in TASKS}
    later = [e for e in made if e.category == "multi_turn"]
    assert 100 < len(later) < 200
    for example in later:
        (call,) = example.ground_truth
        task = tasks[call.name]
        said, asked, result = example.messages
        told = call.arguments[task.argument]
        assert str(told) not in said["content"]
        assert str(told) not in json.dumps(asked["tool_calls"])
        row = json.loads(result["content"])
        assert (row[task.wrapped][0] if task.wrapped else row)[task.argument] == told
        step, last = first_step(example), last_step(example)
        assert step is not None
        assert last is not None
        assert [c.name for c in step.calls] == [c.name for c in last.calls] == [task.first.name, task.second.name]
        assert (step.call.name, last.call.name) == (task.first.name, task.second.name)


@both
def test_every_call_validates_and_every_split_has_its_own_tools(split: str) -> None:
    names = {t.name for t in load_catalogue() if t.split == split}
    names |= {n for t in TASKS if t.asks.split == split for n in (t.first.name, t.second.name)}
    made = list(generate(split, 300, 6, ALL))
    assert [(e.id, p) for e in made for p in check_ground_truth(e.ground_truth, e.tools)] == []
    assert {t.name for e in made for t in e.tools} <= names
    assert len({e.id for e in made}) == 300
    assert {e.lang for e in made} == set(LANGUAGES)
    for example in made:
        assert set(example.meta["steps"]) <= {t.name for t in example.tools}
        assert "{" not in example.query
        assert (example.category == "multi_turn") is (len(example.messages) == 3)


@both
def test_every_value_that_is_not_looked_up_stands_in_the_query(split: str) -> None:
    for example in generate(split, 200, 7, GeneratorOptions(two_step=1.0, spoken=0.0)):
        (call,) = example.ground_truth
        told = {t.argument for t in TASKS if t.second.name == call.name}
        assert all(str(v) in example.query for k, v in call.arguments.items() if k not in told), example.query


NUMBER = {"type": "string", "description": "Internal number."}
ENTRY: dict[str, Any] = {
    "name": "t",
    "split": "train",
    "ability": dict.fromkeys(LANGUAGES, "t"),
    "looks_up": dict.fromkeys(LANGUAGES, "f"),
    "first": {"name": "find", "description": "Returns no.", "parameters": {"a": {"type": "string"}}, "required": ["a"]},
    "second": {"name": "act", "description": "Acts.", "parameters": {"no": NUMBER}, "required": ["no"]},
    "link": {"argument": "no", "form": "N-####"},
    "result": {},
    "values": {"a": {"choices": ["x", "y"]}},
    "templates": {"en": [f"{i} {{a}}" for i in "abcd"], "vi": ["a {a}", "b {a}"], "zh": ["a {a}", "b {a}"]},
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"split": "test"}, "split: got 'test'"),
        ({"link": {"argument": "no", "form": "N-#"}}, "form 'N-#' has fewer than 4 places"),
        ({"link": {"argument": "no"}}, "link.form: missing"),
        ({"link": {"argument": "a", "form": "N-####"}}, "a is not required by act"),
        ({"result": {"no": {"choices": ["x"]}}}, "no is drawn by the link's form"),
        ({"result": {"day": {"pool": "none"}}}, "result: day: KeyError"),
        ({"first": {**ENTRY["first"], "description": "Finds."}}, "does not say that it returns no"),
        (
            {"second": {**ENTRY["second"], "parameters": {"no": {"type": "string"}}}},
            "no has no description that says that users are not told it",
        ),
        ({"wraped": "rows"}, "wraped: unknown, expected one of name"),
        ({"values": None}, "values: missing"),
        ({"looks_up": None}, "looks_up: missing"),
        ({"looks_up": {"en": "f", "zh": "f"}}, "looks_up: vi: missing"),
        (
            {"second": {**ENTRY["second"], "parameters": {"no": {**NUMBER, "type": "integer"}}}},
            "form 'N-####' is no integer",
        ),
        (
            {"second": {**ENTRY["second"], "parameters": {"no": NUMBER, "a": {"type": "string"}}}},
            "a: both steps have a parameter of this name",
        ),
    ],
)
def test_a_wrong_task_is_told(tmp_path: Path, changes: dict[str, Any], message: str | None) -> None:
    entry = {k: v for k, v in {**ENTRY, **changes}.items() if v is not None}
    (tmp_path / "d.yaml").write_text(json.dumps({"domain": "d", "tasks": [entry]}))
    if message is None:
        assert [t.name for t in load_tasks(tmp_path)] == ["t"]
        return
    with pytest.raises(ConfigError) as caught:
        load_tasks(tmp_path)
    assert "d.yaml: t: " in str(caught.value)
    assert message in str(caught.value)
    with pytest.raises(ConfigError, match="holds no file of tasks"):
        load_tasks(tmp_path / "none")
