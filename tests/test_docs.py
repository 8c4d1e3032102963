"""The tables that the documents work out are what the code gives."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rlvr import resources
from rlvr.rewards import load_composition, score

ROOT = Path(__file__).resolve().parents[1]
REWARDS = (ROOT / "docs" / "rewards.md").read_text(encoding="utf-8")
TOOL = {
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}


def _call(days: Any = 3) -> str:
    body = json.dumps({"name": "get_weather", "arguments": {"city": "Hanoi", "days": days}})
    return f"<tool_call>\n{body}\n</tool_call>"


THINK = "<think>Which tool fits?</think>\n"
COMPLETIONS = {
    "the right call": _call(),
    "the right call, reasoned": THINK + _call(),
    "`days: 4`": _call(4),
    '`days: "3"`': _call("3"),
    "the right call twice": _call() * 2,
    "markup not closed": _call().removesuffix("</tool_call>"),
    "\"I'm sorry, I can't do that.\"": "I'm sorry, I can't do that.",
    "refuses": "I'm sorry, I can't book flights.",
    "refuses, reasoned": THINK + "I'm sorry, I can't book flights.",
    "answers": "The flight leaves at noon.",
    "a valid call": _call(),
    "nothing": "",
}
ROWS = [
    [cell.strip().strip("*") for cell in line.strip("|").split("|")]
    for line in REWARDS.splitlines()
    if re.match(r"\| (call|none) \|", line)
]


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:g}".replace("-", "−")


def test_every_completion_stands_in_the_table() -> None:
    assert [row[1] for row in ROWS] == list(COMPLETIONS)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r[0]}-{r[1]}")
def test_worked_totals(row: list[str]) -> None:
    gold = [{"name": "get_weather", "arguments": {"city": "Hanoi", "days": 3}}] if row[0] == "call" else []
    one, two = (
        score(
            COMPLETIONS[row[1]],
            tools=[TOOL],
            ground_truth=gold,
            expects="any" if gold else "refuse",
            lang="en",
            stage=stage,
        )
        for stage in ("stage1", "stage2")
    )
    assert row[2:5] == [_shown(s) for s in (one.format, one.correctness, one.refusal)]
    assert row[5] == f"{_shown(one.efficiency)} / {_shown(two.efficiency)}"
    assert [row[6], row[7]] == [f"{b.total:.3f}".replace("-", "−") for b in (one, two)]
    line = next(x for x in REWARDS.splitlines() if f"| {row[1]} |" in x)
    assert ("**" in line) == one.right


@pytest.mark.parametrize("name", resources.names("rewards", "*.yaml"))
@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_weights_in_the_documents_are_those_of_the_files(name: str, stage: str) -> None:
    composition = load_composition(name, stage=stage)
    order = ("format", "correctness", "efficiency", "refusal")
    weights = " | ".join(str(composition.component(c).weight) for c in order)
    assert f"| `{name}`, stage {stage[-1]} | {weights} |" in REWARDS
