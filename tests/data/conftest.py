"""Short ways to write examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rlvr.types import Example, GoldCall, Tool


@pytest.fixture
def tool() -> Callable[..., Tool]:
    def make(name: str = "get_weather", *parameters: str) -> Tool:
        properties = {p: {"type": "string"} for p in parameters or ("city",)}
        return Tool(name, "A tool.", {"type": "object", "properties": properties})

    return make


@pytest.fixture
def example(tool: Callable[..., Tool]) -> Callable[..., Example]:
    def make(
        query: str = "What is the weather in Paris today?",
        tools: Sequence[Tool] | None = None,
        calls: Sequence[tuple[str, dict[str, Any]]] = (("get_weather", {"city": "Paris"}),),
        earlier: Sequence[dict[str, Any]] = (),
        after: Sequence[dict[str, Any]] = (),
        **more: Any,
    ) -> Example:
        messages = (*earlier, {"role": "user", "content": query}, *after)
        offered = tuple(tools) if tools is not None else (tool(),)
        gold = tuple(GoldCall(n, a) for n, a in calls)
        return Example(more.pop("id", "e"), "t", "simple", messages, offered, gold, "any", more)

    return make
