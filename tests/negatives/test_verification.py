"""Whether a query could still be answered: the check errs on the side of throwing a candidate away."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from rlvr.negatives import why_answerable
from rlvr.negatives.verification import words
from rlvr.types import Example, Tool

MakeTool = Callable[..., Tool]
MakeExample = Callable[..., Example]


@pytest.mark.parametrize(
    ("name", "description", "types", "reason"),
    [
        ("get_forecast", "", {}, "get_forecast is the tool that the query wants"),
        ("getForecast", "", {}, "is the tool that the query wants"),
        ("GET-FORECAST", "Anything.", {}, "is the tool that the query wants"),
        ("forecast_weather", "Weather forecasts for cities and a city.", {}, "says nearly what get_forecast says"),
        ("look_up", "Weather in some city tomorrow.", {"city": "string"}, "takes the arguments of get_forecast"),
        ("look_up", "Weather in some city tomorrow.", {"place": "string"}, None),
        ("look_up", "Songs of a singer.", {"city": "string"}, None),
        ("play_song", "Play a song.", {"title": "string"}, None),
    ],
)
def test_why(
    name: str, description: str, types: dict[str, str], reason: str | None, parent: MakeExample, tool: MakeTool
) -> None:
    found = why_answerable(parent(), [tool("other", "Other."), tool(name, description, **types)])
    assert (found is None) == (reason is None)
    assert reason is None or reason in str(found)


def test_without_a_ground_truth_nothing_is_told(parent: MakeExample, tool: MakeTool) -> None:
    example = dataclasses.replace(parent(), ground_truth=())
    assert why_answerable(example, [tool("get_forecast")]) is None
    assert why_answerable(parent(), []) is None


def test_words() -> None:
    assert words("getWeatherForecasts for a city") == {"weather", "forecast", "city"}
    assert words("bus HTTPServer2") == {"bus", "httpserver", "2"}
    assert words("查詢天氣") == set("查詢天氣")
    assert words("") == frozenset()
