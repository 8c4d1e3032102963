"""Error anatomy: every fault by hand, several at once, their order, and the shares that add up."""

from __future__ import annotations

import doctest
import json
from dataclasses import replace
from typing import Any

import pytest

from rlvr.evaluation import anatomy as module
from rlvr.evaluation.anatomy import FAULTS, Fault, all_faults, anatomy, faults_of
from rlvr.evaluation.judging import judge_generation
from rlvr.evaluation.records import EvalRecord
from rlvr.types import Example, GoldCall, OneOf, Tool

WEATHER = Tool(
    "get_weather",
    "The weather of a city.",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"type": "string", "enum": ["c", "f"]},
            "hourly": {"type": "boolean", "default": False},
        },
        "required": ["city", "days"],
    },
)
TIME = Tool("get_time", "The time in a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
REFUSAL = "I'm sorry, none of my tools can do that."


def gold(name: str = "get_weather", **arguments: Any) -> GoldCall:
    return GoldCall(name, arguments or {"city": "Hanoi", "days": 3})


def call(name: str = "get_weather", **arguments: Any) -> str:
    body = json.dumps({"name": name, "arguments": arguments or {"city": "Hanoi", "days": 3}})
    return f"<tool_call>\n{body}\n</tool_call>"


def example(*calls: GoldCall) -> Example:
    ask = ({"role": "user", "content": "What will the weather be in Hanoi over three days?"},)
    expects, category = ("any", "simple") if calls else ("refuse", "irrelevance")
    return Example("e", "test", category, ask, (WEATHER, TIME), calls, expects, {"lang": "en"})


def judged(shown: Example, completion: str, **options: Any) -> EvalRecord:
    options = {"model": "m", "completion_tokens": 9, "prompt_tokens": 90, "truncated": False} | options
    return judge_generation(shown, completion, **options)


def found(shown: Example, completion: str, **options: Any) -> list[str]:
    return [str(f) for f in faults_of(judged(shown, completion, **options), shown)]


ONE, NONE = example(gold()), example()
TWO = example(gold(), gold(city="Hue", days=1))
BOTH = example(gold(), gold("get_time", city="Hue"))


@pytest.mark.parametrize(
    ("shown", "completion", "expected"),
    [
        (ONE, call(), []),
        (ONE, call("get_time", city="Hanoi"), ["wrong tool: get_time"]),
        (ONE, call("get_wether", city="Hanoi", days=3), ["unknown tool: get_wether"]),
        (ONE, call(city="Hanoi"), ["missing argument: days"]),
        (ONE, call(city="Hanoi", days=4), ["wrong value: days"]),
        (ONE, call(city="Hanois", days=3), ["wrong value: city"]),
        (ONE, call(city="Hanoi", days="3"), ["wrong type: days"]),
        (ONE, call(city="Hanoi", days=3, unit="c"), ["invented argument: unit"]),
        (ONE, call(city="Hanoi", days=3, hourly=False), []),
        (ONE, call() * 2, ["surplus call: get_weather"]),
        (ONE, call() + call("get_time", city="Hanoi"), ["surplus call: get_time"]),
        (ONE, call() + call("get_wether"), ["unknown tool: get_wether", "surplus call: get_wether"]),
        (ONE, '<tool_call>{"name": "get_weather", "argu', ["malformed"]),
        (ONE, REFUSAL, ["refused"]),
        (ONE, "It will be warm in Hanoi, around thirty degrees.", ["words"]),
        (ONE, "", ["empty"]),
        (TWO, call(), ["missing call: get_weather"]),
        (TWO, call(city="Hue", days=1) + call(city="Hanoi", days=2), ["wrong value: days"]),
        (BOTH, call() + call(), ["wrong tool: get_weather"]),
        (BOTH, call("get_time", city="Hanoi"), ["missing call: get_weather", "wrong value: city"]),
        (BOTH, REFUSAL, ["refused"]),
        (NONE, REFUSAL, []),
        (NONE, call(), ["false call: get_weather"]),
        (NONE, '<tool_call>{"name": ', ["malformed"]),
        (NONE, "Paris is the capital of France.", ["wrong words: answer"]),
        (NONE, "", ["empty"]),
    ],
)
def test_a_fault_by_hand(shown: Example, completion: str, expected: list[str]) -> None:
    assert found(shown, completion) == expected


def test_several_faults_stand_in_the_order_in_which_they_count() -> None:
    several = found(ONE, call(city="Hue", unit="f", hourly="no"))
    assert several == ["missing argument: days", "wrong value: city", "invented argument: unit",
                       "invented argument: hourly"]  # fmt: skip
    assert found(ONE, call("get_time", city="Hue") + call(city="Hanoi", days="3")) == [
        "surplus call: get_time",
        "wrong type: days",
    ]


def test_what_was_cut_is_counted_as_cut() -> None:
    assert found(ONE, '<tool_call>{"name": "get_we', truncated=True) == ["truncated", "malformed"]
    assert found(ONE, call(), truncated=True) == ["truncated"]
    assert found(NONE, "I am sorry, but I", truncated=True) == ["truncated"]


def test_values_that_may_stand_or_be_left_out_are_no_faults() -> None:
    shown = example(
        GoldCall("get_weather", {"city": OneOf(("Hanoi", "Hà Nội")), "days": 3, "unit": OneOf(("c",), True)})
    )
    assert found(shown, call(city="Hà Nội", days=3)) == []
    assert found(shown, call(city="Hà Nội", days=3, unit="f")) == ["wrong value: unit"]


def test_under_another_matching_a_default_that_nobody_wants_is_invented() -> None:
    assert found(ONE, call(city="Hanoi", days=3, hourly=False), matching="exact") == ["invented argument: hourly"]
    assert found(ONE, call(city="hanoi", days=3), matching="exact") == ["wrong value: city"]
    assert found(ONE, call(city="hanoi", days=3), matching="bfcl") == []


def test_more_calls_than_are_compared_are_too_many() -> None:
    assert found(ONE, call(city="Hanoi", days=4) * 70) == ["surplus call: get_weather"]


def test_a_reasoning_block_that_the_prompt_opened_is_read_as_one() -> None:
    text = f"They want {call()} or not.</think>\n{call(city='Hanoi', days=5)}"
    assert found(ONE, text, reasoning_opened=True) == ["wrong value: days"]


def test_without_its_example_a_record_speaks_for_itself() -> None:
    wrong = judged(ONE, call(city="Hanoi", days=4))
    assert faults_of(wrong, None) == (Fault("other"),)
    assert faults_of(judged(ONE, REFUSAL), None) == (Fault("refused"),)
    assert faults_of(judged(ONE, "Thirty degrees."), None) == (Fault("words"),)
    assert faults_of(judged(ONE, '<tool_call>{"na', truncated=True), None) == (Fault("truncated"), Fault("malformed"))
    assert faults_of(judged(NONE, call()), None) == (Fault("false_call"),)
    assert faults_of(judged(NONE, "Paris it is."), None) == (Fault("wrong_words"),)
    assert faults_of(judged(NONE, ""), None) == (Fault("empty"),)
    assert faults_of(judged(ONE, call()), None) == ()


def test_a_record_of_another_parser_is_taken_as_it_is() -> None:
    """Read as Hermes this is plain words; the record says that it was calls."""
    record = replace(judged(ONE, "[get_weather(city='Hanoi', days=4)]", parser="pythonic"), model="m")
    assert record.outcome == "calls"
    assert faults_of(record, ONE, "pythonic") == (Fault("wrong_value", "days"),)
    assert faults_of(record, ONE, "hermes") == (Fault("other"),)


def test_faults_of_a_folder_and_rows_in_another_form() -> None:
    records = [judged(ONE, call(city="Hanoi", days=4)), replace(judged(ONE, REFUSAL), id="strange")]
    rows = [ONE.to_json(), {"id": "strange", "question": "A, B, C or D?"}]
    assert all_faults(records, rows) == {
        ("m", "e"): (Fault("wrong_value", "days"),),
        ("m", "strange"): (Fault("refused"),),
    }
    assert all_faults([judged(ONE, call())], rows) == {}


def test_first_faults_and_right_ones_add_up_to_all() -> None:
    said = [call(), call(city="Hue"), call(city="Hue"), call(city="Hanoi", days=4), REFUSAL]
    shown = [replace(ONE, id=f"c{i}") for i in range(5)]
    records = [judged(e, text) for e, text in zip(shown, said, strict=True)]
    none = replace(NONE, id="n")
    records += [judged(none, call()), judged(ONE, REFUSAL, model="other"), judged(none, REFUSAL, model="other")]
    rows = anatomy(records, all_faults(records, [e.to_json() for e in (*shown, ONE, none)]))
    mine = {r.fault: (r.first.value, r.any.value, r.first.n) for r in rows if r.model == "m" and r.wants_call}
    assert mine == {
        "refused": (0.2, 0.2, 5),
        "missing_argument": (0.4, 0.4, 5),
        "wrong_value": (0.2, 0.6, 5),  # with the missing argument twice, alone once
    }
    assert sum(first for first, _, _ in mine.values() if first is not None) + 1 / 5 == pytest.approx(1)
    other = {(r.wants_call, r.fault): (r.first.value, r.first.n) for r in rows if r.model == "other"}
    assert other == {
        (True, "refused"): (1.0, 1), (True, "missing_argument"): (0.0, 1), (True, "wrong_value"): (0.0, 1),
        (False, "false_call"): (0.0, 1),
    }  # fmt: skip
    assert [r.fault for r in rows if r.model == "m" and r.wants_call] == ["refused", "missing_argument", "wrong_value"]
    with pytest.raises(KeyError):
        anatomy(records, {})


def test_every_fault_is_told_in_the_table_and_the_example_runs() -> None:
    assert module.__doc__ is not None
    assert [name for name in FAULTS if f"`{name}`" not in module.__doc__] == []
    assert doctest.testmod(module).failed == 0


def test_a_dialogue_judged_by_another_checker_is_told_by_its_record() -> None:
    """`official` is no matching of ours: reading the dialogue again with it stopped every report of bfcl-multi-turn."""
    record = replace(judged(ONE, call("get_time", city="Hanoi")), matching="official", category="multi_turn")
    assert [f.kind for f in faults_of(record, ONE)] == ["other"]
    assert [f.kind for f in faults_of(replace(record, outcome="empty"), ONE)] == ["empty"]
