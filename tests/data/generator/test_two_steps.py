"""Tasks of two steps: true by construction, natural in their data, and off unless they are asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.generator import LANGUAGES, GeneratorOptions, TwoStepTask, generate, load_catalogue, load_tasks
from rlvr.errors import ConfigError
from rlvr.negatives.dependencies import first_step, last_step
from rlvr.tools import check_ground_truth, normalise_tool
from rlvr.types import Example

TASKS = load_tasks()
ALL = GeneratorOptions(two_step=1.0)
WITH_TASKS = ("train", "heldout")
both = pytest.mark.parametrize("split", WITH_TASKS)

# sha256 of 150 examples (seed 3) as JSON lines, computed before there were tasks of two steps, and again when some
# refusals got other words (test_frozen.py): but for them each example was the same, byte for byte.
BEFORE: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "nothing spoken": (
        {"spoken": 0.0},
        "6d8100ce07a40355cc53cdfcb791ebc15432554f7fecd2e32291ebfe21226cee",
        "a736af2f6e579ccec745551c2dbbb1bdcf482aa5e771cf53b9a6aa84381b05a8",
    ),
    "all spoken": (
        {"spoken": 1.0},
        "ff0281e7b5b36e956509edaf6b6d6393be2286cfe96c5ba097f1f68a7db86320",
        "8e7fa99c871e64b24d8e94fede8b4d1eb53f7d843df7c1567c69811e8163d0c9",
    ),
    "one language": (
        {"languages": {"zh": 1.0}},
        "817a0dfc1213674d147e6fa8aad1c6073a60a3d8539d0f9b24ea4e53d38f31c2",
        "2d4875e688b039e771f92d8d35927962ca32ee25dc27e16828b64236c84ed227",
    ),
    "groups of twelve": (
        {"group_size": 12},
        "048a182a0a8c196ea09477bcab418c9dd8b30e9fd057661d9c6d9bd809ad15aa",
        "49d23190d1b43b44485586bd2331a918198ff83e20e4c911bc67fe8947a233e1",
    ),
    "one category": (
        {"categories": {"parallel_multiple": 1.0}},
        "4448edb480540616c440f7fa558498b0f78aec0ef4c868dd67f51617373d467e",
        "df610fef30a6c2c1076d3562af6c1017cefcd1caa609f0900af85cf3840cbb46",
    ),
    "irrelevance alone": (
        {"categories": {"irrelevance": 1.0}},
        "373ca4bbd588397a41c5661ab02c96239203b1af67effc7609c64485a2ad7d49",
        "84bf9353a5a045f91b3e8db75e3175399814efd12d99877017c8f25d3e25e0d4",
    ),
    "other sizes": (
        {"tools_offered": {4: 1.0, 1: 0.2}},
        "3eeda743ad1d7c26c7e008356267f9f00467357aaad3101d38ae699a309c1ae6",
        "ae80ea1db54915bf637b03de92bb123fe0dec855a2e76f7c19e58f9427e435b3",
    ),
}


def lines(examples: list[Example]) -> str:
    return "".join(json.dumps(e.to_json(), ensure_ascii=False) + "\n" for e in examples)


@pytest.mark.parametrize("name", BEFORE)
def test_without_them_every_byte_is_what_it_was(name: str) -> None:
    options, train, heldout = BEFORE[name]
    for split, wanted in zip(WITH_TASKS, (train, heldout), strict=True):
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
    count = {split: sum(t.asks.split == split for t in TASKS) for split in WITH_TASKS}
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
