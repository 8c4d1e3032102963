"""Calls written out as text, in the spellings that models know from elsewhere, and talk about tools, which is none."""

from __future__ import annotations

import pytest

from rlvr.rewards import score
from rlvr.rewards.written import writes_call
from rlvr.types import Tool

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOL = Tool("get_weather", "The weather of a city.", PARAMETERS)
TOOLS = {TOOL.name: TOOL}

WRITTEN = [
    'get_weather(city="Hanoi")',
    "get_weather(city = city_of_the_user)",
    'get_weather (city="Hanoi")',
    'get_weather(\n            city="Hanoi",\n            days=3\n)',
    'get_weather(city: "Hanoi")',
    "get_weather(days: 3)",
    'get_weather（city="Hanoi"）',
    'get_weather("Hanoi")',
    "get_weather('Hanoi', 3)",
    "get_weather(3)",
    "get_weather(None)",
    'get_weather({"city": "Hanoi"})',
    'get_weather.call(city="Hanoi")',
    'functions.get_weather(city="Hanoi")',
    'print(default_api.get_weather(city="Hanoi"))',
    'get_weather: {"city": "Hanoi"}',
    'get_weather {"city": "Hanoi"}',
    "get_weather {}",
    '{"get_weather": {"city": "Hanoi"}}',
    "{'get_weather': {'city': 'Hanoi'}}",
    '{"tool": "get_weather", "args": {"city": "Hanoi"}}',
    '{"args": {"city": "Hanoi"}, "tool": "get_weather"}',
    '{"name": "get_weather", "params": ["Hanoi"]}',
    '{"operation": "get_weather", "city": "Hanoi"}',
    "Action: get_weather\nAction Input: Hanoi",
    "<get_weather><city>Hanoi</city></get_weather>",
    '<get_weather city="Hanoi"/>',
    '<tool_use>\n<name>get_weather</name>\n<arguments>{"city": "Hanoi"}</arguments>\n</tool_use>',
    "<function=get_weather>\n<parameter=city>Hanoi</parameter>\n</function>",
    '<｜DSML｜invoke name="get_weather">\n<｜DSML｜parameter name="city">Hanoi</｜DSML｜parameter>',
    "get_weather\n<arg_key>city</arg_key>\n<arg_value>Hanoi</arg_value>",
    'functions.get_weather:0<|tool_call_argument_begin|>{"city": "Hanoi"}',
    'to=functions.get_weather json{"city": "Hanoi"}',
    "tool: get_weather\ncity: Hanoi",
    '`get_weather`(city="Hanoi")',
    '**get_weather**(city="Hanoi")',
    'get\\_weather(city="Hanoi")',
    'Get_Weather("Hanoi")',
    'get_weather["Hanoi"]',
    'get_weather("Hanoi',
    'get_weather("Hanoi, ' + "a long way from here, " * 30 + '")',
    'get_weather("Hanoi", {"days": 3})',
    'get_weather("Hanoi", days=n)',
    'get_weather(location: "Hanoi")',
    'get_weather (city: "Hanoi", days: 3)',
    "get_weather(「河內」)",
    'get_weather\n```json\n{"city": "Hanoi"}\n```',
    '{name: "get_weather", arguments: {city: "Hanoi"}}',
    'get_weather {city: "Hanoi"}',
    '{"action": "get_weather", "action_input": "Hanoi"}',
    "Action: get_weather\nInput: Hanoi",
    "<tool>get_weather</tool><city>Hanoi</city>",
    "tool: get_weather\nparameters: Hanoi",
]

TALK = [
    "I only have get_weather.",
    "I only have get_weather(city, days).",
    "get_weather(city: string, days: integer) is what I have.",
    "I have get_weather() and no more.",
    "get_weather (for cities) is all I have.",
    "get_weather (3 days at most) is all I have.",
    'get_weather ("the weather") books no flights.',
    "get_weather: the weather of a city",
    "`get_weather` takes {city} and {days}.",
    '[{"name": "get_weather", "description": "The weather.", "parameters": {"type": "object", "properties": {}}}]',
    "<get_weather> is what I have.",
    "抱歉，我只有get_weather（查天氣）。",
    'My only tool is get_weather (parameter: "city").',
    'My only tool is get_weather(parameter: "city").',
    'My only tool is get_weather("city", "days").',
    'My only tool is get_weather (input: "the name of a city").',
    "get_weather (limit: 10 results) is what I have.",
    "get_weather (note: 3 days at most) is what I have.",
    "get_weather(days: 3 at most) is what I have.",
    "我只有 get_weather（參數：「city」）這個工具。",
    "我只有 get_weather（參數：「城市」）這個工具。",
    "get_weather（「台北」、「高雄」等城市）",
    'Tôi chỉ có get_weather (input: "city").',
    "These are my tools:\n- name: get_weather\n  parameters: city",
    "These are my tools:\n- name: get_weather\n  parameters: [city, days]",
    "See get_weather[1] and `get_weather`[2].",
    "**get_weather** (for cities) is all I have.",
    "`get_weather {city: string}` is all I have.",
    "<tool>get_weather</tool> is all I have.",
    "Rất tiếc, tôi chỉ có get_weather(city).",
    'Nothing like my_get_weather(city="Hanoi") or get_weather_now(city="Hanoi") is there.',
    'flights_of(city="Hanoi")',
    "",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_written_call_is_seen_and_never_right(text: str) -> None:
    assert writes_call(text, TOOLS)
    for words, expects in (("", "any"), ("I'm sorry, I can't do that. ", "refuse"), ("Which city?\n\n", "clarify")):
        # YAML is told by its line
        said = words.replace("that. ", "that.\n") + text
        made = score(said, tools=[TOOL.to_json()], ground_truth=[], expects=expects, lang="en", stage="stage2")
        assert not made.right, (expects, made.verdict.reason)


@pytest.mark.parametrize("text", TALK)
def test_talk_about_a_tool_is_no_call(text: str) -> None:
    assert not writes_call(text, TOOLS)


def test_names_may_hold_anything() -> None:
    for name in ("User Feed (Posts) V2", "lấy_thời_tiết", "天氣", "weather.get", "a"):
        tools = {name: Tool(name, "", PARAMETERS)}
        assert writes_call(f'All of it: {name}(city="Hanoi")', tools)
        assert not writes_call(f"All that I have is {name}.", tools)
    assert writes_call('我會用天氣(city="河內")。', {"天氣": Tool("天氣", "", PARAMETERS)})


def test_the_last_of_many_letters_is_still_found() -> None:
    """Letters of other words are no mentions of a tool of one letter, and use nothing up."""
    assert writes_call("banana " * 500 + 'a(city="Hanoi")', {"a": Tool("a", "", PARAMETERS)})
