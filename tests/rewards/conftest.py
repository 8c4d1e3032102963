"""Shared by the reward tests: shipped files, and short ways to write tools, calls and completions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("rewards", deadline=None, derandomize=True)
settings.load_profile("rewards")

ROOT = Path(__file__).resolve().parents[2]

WEATHER = {
    "name": "get_weather",
    "description": "Weather forecast for a city.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer", "default": 1},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
        },
        "required": ["city"],
    },
}


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def weather() -> dict[str, Any]:
    return WEATHER


@pytest.fixture(scope="session")
def call() -> Callable[..., str]:
    """`call("get_weather", city="Paris")` as Hermes markup."""

    def write(name: str, **arguments: Any) -> str:
        body = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
        return f"<tool_call>\n{body}\n</tool_call>"

    return write


@pytest.fixture(scope="session")
def gold() -> Callable[..., dict[str, Any]]:
    def write(name: str, **arguments: Any) -> dict[str, Any]:
        return {"name": name, "arguments": arguments}

    return write
