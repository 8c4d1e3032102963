"""Shared by the adapters' tests: two examples, their completions, and what a reward pays for them by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rlvr.types import Example, GoldCall, Tool

WEATHER = Tool(
    "get_weather",
    "Weather forecast of a city.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
)


def call(days: Any = 3) -> str:
    body = json.dumps({"name": "get_weather", "arguments": {"city": "Hanoi", "days": days}})
    return f"<tool_call>\n{body}\n</tool_call>"


REFUSAL = "I'm sorry, I can't book flights."
THINK = "<think>Which tool fits?</think>\n"
WORKED = [
    # by hand, function_calling, stage 1: 0.2 format + 1.0 correctness + 0.2 efficiency, or 0.3 refusal
    ("wants", call(), False, 1.22, True),
    ("wants", THINK + call(), False, 1.14, True),
    ("wants", call(4), False, 0.47, False),
    ("wants", "", False, 0.0, False),
    ("wants", call(), True, 0.2 + 0.5, False),  # cut: correctness 0.5 x 1, and no bonus
    ("none", REFUSAL, False, 0.52, True),
    ("none", call(), False, -0.28, False),
]
"""Which example, the completion, whether it was cut, the reward, and whether it is right."""


@pytest.fixture
def examples() -> dict[str, Example]:
    asked = ({"role": "user", "content": "What will the weather be like in Hanoi for 3 days?"},)
    wanted = GoldCall("get_weather", {"city": "Hanoi", "days": 3})
    flight = ({"role": "user", "content": "Book me a flight to Paris."},)
    return {
        "wants": Example("wants", "test", "simple", asked, (WEATHER,), (wanted,), "any", {"lang": "en"}),
        "none": Example("none", "test", "irrelevance", flight, (WEATHER,), (), "refuse", {"lang": "en"}),
    }


@pytest.fixture(params=WORKED, ids=lambda w: f"{w[0]}-{w[3]:g}{'-cut' if w[2] else ''}")
def worked(request: pytest.FixtureRequest, examples: dict[str, Example]) -> tuple[Example, str, bool, float, bool]:
    name, text, cut, reward, right = request.param
    return examples[name], text, cut, reward, right


@pytest.fixture
def own(tmp_path: Any) -> str:
    """The path of a composition with functions of a user's own: one plain, one async, one slow."""
    (tmp_path / "my_rewards.py").write_text(
        """
import asyncio
import time

def polite(completions, **columns):
    return [0.5 if "please" in c else 0.0 for c in completions]

async def judge(completions, *, query, **columns):
    await asyncio.sleep(0.01)
    return [1.0 if q else None for q in query]

def slow(completions, **columns):
    time.sleep(0.01)
    return [0.25] * len(completions)
""",
        encoding="utf-8",
    )
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"""
name: mine
components: {{format: {{}}, correctness: {{}}}}
functions:
  polite: {tmp_path / "my_rewards.py"}:polite
  judge: {tmp_path / "my_rewards.py"}:judge
  slow: {{function: "{tmp_path / "my_rewards.py"}:slow", in_thread: true}}
stages:
  one: {{weights: {{format: 0.2, correctness: 1.0, polite: 0.1, judge: 0.3, slow: 0.4}}}}
""",
        encoding="utf-8",
    )
    return str(path)
