"""Hypothesis strategies: examples, and completions that are right, wrong, broken, wordy, cut or reasoned."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

TOOLS: list[dict[str, Any]] = [
    {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer", "default": 1},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city"],
        },
    },
    {
        "name": "book_hotel",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "budget": {"type": "number"}, "smoking": {"type": "boolean"}},
            "required": ["city"],
        },
    },
]

CITIES = ["San Francisco", "San Fransisco", "Hà Nội", "台北", "Paris 15", "paris 15"]
REFUSALS = {
    "en": "I'm sorry, I can't order a pizza. My tools only cover weather and hotels.",
    "vi": "Rất tiếc, tôi không thể đặt bánh pizza. Tôi chỉ có thể xem thời tiết.",
    "zh": "很抱歉，我無法訂披薩，目前只能查詢天氣。",
}
QUESTIONS = {
    "en": "Which city would you like the forecast for?",
    "vi": "Bạn muốn xem thời tiết ở thành phố nào?",
    "zh": "請問您想查詢哪個城市的天氣？",
}
ANSWERS = {
    "en": "It will be sunny and warm in Paris tomorrow.",
    "vi": "Ngày mai Hà Nội trời nắng và ấm.",
    "zh": "明天台北晴朗溫暖。",
}
WORDS = [
    *REFUSALS.values(),
    *QUESTIONS.values(),
    *ANSWERS.values(),
    "...",
    "42",
    "I can't, but Paris is the capital of France.",
]


def markup(call: dict[str, Any]) -> str:
    return f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"


weather_arguments = st.fixed_dictionaries(
    {"city": st.sampled_from(CITIES)},
    optional={"days": st.integers(1, 3), "unit": st.sampled_from(["celsius", "fahrenheit"])},
)
hotel_arguments = st.fixed_dictionaries(
    {"city": st.sampled_from(CITIES)},
    optional={"budget": st.sampled_from([80, 80.0, 99.5]), "smoking": st.booleans()},
)
calls = st.one_of(
    st.builds(lambda a: {"name": "get_weather", "arguments": a}, weather_arguments),
    st.builds(lambda a: {"name": "book_hotel", "arguments": a}, hotel_arguments),
)
odd_calls = st.one_of(
    calls,
    st.builds(lambda a: {"name": "get_time", "arguments": a}, weather_arguments),
    st.builds(
        lambda v: {"name": "get_weather", "arguments": {"city": v}},
        st.recursive(
            st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
            max_leaves=4,
        ),
    ),
)


@st.composite
def examples(draw: st.DrawFn) -> dict[str, Any]:
    """`tools`, `ground_truth`, `expects` and `lang` of one example; a third of them want no call."""
    wanted = draw(st.sampled_from([0, 1, 2, 3, 1]))
    gold = draw(st.lists(calls, min_size=wanted, max_size=wanted))
    return {
        "tools": TOOLS,
        "ground_truth": gold,
        "expects": "any" if gold else draw(st.sampled_from(["refuse", "clarify", "answer", "any"])),
        "lang": draw(st.sampled_from(["en", "vi", "zh", None])),
    }


def right_words(example: dict[str, Any]) -> str:
    """Canonical words for an example that wants no call."""
    kind = {"clarify": QUESTIONS, "answer": ANSWERS}.get(example["expects"], REFUSALS)
    return kind[example["lang"] or "en"]


@st.composite
def completions(draw: st.DrawFn, example: dict[str, Any]) -> tuple[str, bool]:
    """A completion for an example and whether it was cut: about half of them start from the right one."""
    if draw(st.booleans()):
        parts = [markup(c) for c in draw(st.permutations(example["ground_truth"]))] or [right_words(example)]
    else:
        parts = draw(st.lists(st.one_of(odd_calls.map(markup), st.sampled_from(WORDS)), max_size=4))
    noise = draw(st.sampled_from(["none", "none", "words", "long", "broken", "unclosed", "bare", "extra"]))
    parts = {
        "none": parts,
        "words": [draw(st.sampled_from(WORDS)), *parts],
        "long": [" ".join([right_words({"expects": "refuse", "lang": example["lang"]})] * 12), *parts],
        "broken": [*parts, "<tool_call>\n{oops}\n</tool_call>"],
        "unclosed": [*parts, '<tool_call>\n{"name": '],
        "bare": ['{"name": "get_weather", "arguments": {"city": "Paris"}}', *parts],
        "extra": [*parts, markup(draw(odd_calls))],
    }[noise]
    reasoning = draw(st.sampled_from(["", "", "<think>Let me think.</think>", "<think></think>", "<think>Let me"]))
    return reasoning + "\n".join(parts), draw(st.sampled_from([False, False, False, True]))
