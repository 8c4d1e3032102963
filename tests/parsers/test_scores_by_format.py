"""The same calls earn the same in every format, also those of tools with names and types that are hard to write."""

from __future__ import annotations

from typing import Any

import pytest

from rlvr.parsers import PARSERS, get_parser
from rlvr.rewards import correctness_reward, efficiency_reward, format_reward, load_composition, refusal_reward, score
from rlvr.types import ToolCall

TOOLS: list[dict[str, Any]] = [
    {
        "name": "User Feed (Video Posts) V2",
        "parameters": {
            "type": "object",
            "properties": {
                "user-id": {"type": "integer"},
                "since": {"type": "string"},
                "likes": {"type": "number"},
                "mine": {"type": "boolean"},
                "where": {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}},
            },
            "required": ["user-id"],
        },
    },
    {"name": "products/list", "parameters": {"type": "object", "properties": {"q": {"type": ["string", "null"]}}}},
]
FEED = ToolCall("User Feed (Video Posts) V2", {"user-id": 5, "since": "2026", "mine": True, "where": {"tags": ["a"]}})
LIST = ToolCall("products/list", {"q": "臺北, (x)='1'"})
WANTED = [FEED.to_json(), LIST.to_json()]
MADE: dict[str, tuple[list[ToolCall], float]] = {
    "the wanted ones": ([FEED, LIST], 1.0),
    "the other way round": ([LIST, FEED], 1.0),
    "one missing": ([LIST], 0.25),
    "one too many": ([FEED, LIST, LIST], 1 / 3),
    "an unequal number": ([ToolCall(FEED.name, {**FEED.arguments, "user-id": 6}), LIST], 0.4375),
    "an invented argument": ([ToolCall(FEED.name, {**FEED.arguments, "likes": 2.5}), LIST], 0.45),
    "a tool that is not offered": ([ToolCall("products.list", {"q": "x"}), FEED], 0.25),
    "no arguments": ([ToolCall("products/list", {}), FEED], 0.25),
}


def scores(name: str, text: str, wanted: list[Any]) -> list[list[float | None]]:
    columns: dict[str, Any] = {"tools": [TOOLS], "ground_truth": [wanted], "parser": name}
    rewards = (format_reward, correctness_reward, refusal_reward, efficiency_reward)
    return [r([text], **columns) for r in rewards]


@pytest.mark.parametrize("name", list(PARSERS))
@pytest.mark.parametrize("what", list(MADE))
def test_the_same_calls_earn_the_same(name: str, what: str) -> None:
    made, correctness = MADE[what]
    text = get_parser(name).render(made)
    assert scores(name, text, WANTED) == scores("hermes", get_parser("hermes").render(made), WANTED)
    assert scores(name, text, WANTED)[1] == [pytest.approx(correctness)]
    assert scores(name, text, [])[2] == [-1.0]


@pytest.mark.parametrize("name", list(PARSERS))
@pytest.mark.parametrize("words", ["I'm sorry, I can't do that with these tools.", "", "...", "<think>Hm.</think>No."])
def test_the_same_words_earn_the_same(name: str, words: str) -> None:
    for wanted in (WANTED, []):
        assert scores(name, words, wanted) == scores("hermes", words, wanted)


@pytest.mark.parametrize("name", list(PARSERS))
def test_another_formats_call_earns_nothing_but_for_llamas_bare_objects(name: str) -> None:
    for other in PARSERS:
        text = get_parser(other).render([LIST])
        parsed = score(text, tools=TOOLS, ground_truth=[LIST.to_json()], parser=name)
        assert parsed.right == (name == other or (name, other) == ("llama3_json", "xlam")), other
        assert parsed.correctness == (1.0 if parsed.right else parsed.correctness)
        assert parsed.right or parsed.format in (0.0, 0.2), other


def test_a_compositions_functions_take_any_parser() -> None:
    for name in PARSERS:
        functions = load_composition("function_calling", stage="stage1").reward_functions(parser=name)
        text = get_parser(name).render([FEED, LIST])
        assert functions[1]([text], tools=[TOOLS], ground_truth=[WANTED]) == [1.0]
