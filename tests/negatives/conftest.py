"""Short ways to write tools and examples."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rlvr.types import Example, GoldCall, Tool


@pytest.fixture
def tool() -> Callable[..., Tool]:
    def make(name: str, description: str = "", **types: str) -> Tool:
        properties = {key: {"type": kind} for key, kind in types.items()}
        return Tool(name, description, {"type": "object", "properties": properties, "required": list(types)})

    return make


@pytest.fixture
def parent(tool: Callable[..., Tool]) -> Callable[..., Example]:
    def make(
        number: int = 0, wanted: Tool | None = None, domain: str | None = "weather", **arguments: object
    ) -> Example:
        wanted = wanted or tool("get_forecast", "Weather forecast for a city.", city="string")
        arguments = arguments or {"city": "Huế"}
        messages = ({"role": "user", "content": f"question {number}"},)
        meta = {"lang": "en", "domain": domain} if domain else {"lang": "en"}
        return Example(
            f"p{number}", "t", "simple", messages, (wanted,), (GoldCall(wanted.name, arguments),), "any", meta
        )

    return make
