"""One completion scored and explained; files of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import DataError, UsageError
from rlvr.rewards import Context, judge, load_composition, score, score_file
from rlvr.rewards.parsing import parse_completion
from rlvr.types import Example, GoldCall, Outcome, Tool

REFUSAL = "I'm sorry, I can't do that."


def test_a_breakdown_holds_everything(call: Any, gold: Any, weather: Any) -> None:
    b = score(
        "<think>Hm.</think>" + call("get_weather", city="Paris", days=2),
        tools=json.dumps([weather]),
        ground_truth=[gold("get_weather", city="Paris")],
        stage="stage2",
    )
    assert (b.format, b.correctness, b.refusal, b.efficiency) == (1.0, 0.25, None, -1.0)
    assert b.total == pytest.approx(0.1 + 0.125 - 1.0)
    assert b.outcome is Outcome.CALLS
    assert b.match is not None
    assert not b.match.matched
    assert not b.right
    assert b.parsed.reasoning == "Hm."
    json.dumps(b.to_json())
    assert b.to_json()["weights"] == {"format": 0.1, "correctness": 0.5, "refusal": 0.3, "efficiency": 1.0}


def test_the_explanation_gives_a_reason_for_every_number(call: Any, gold: Any, weather: Any) -> None:
    text = str(
        score(
            call("get_weather", city="Paris", days="2"),
            tools=[weather],
            ground_truth=[gold("get_weather", city="Paris", days=2)],
            stage="stage2",
        )
    )
    assert text.startswith("calls: wrong")
    for part in ("days", "the gate is closed", "calls are wanted", "function_calling, stage2", "credit 0.50"):
        assert part in text


@pytest.mark.parametrize(
    ("completion", "more", "part"),
    [
        ("", {}, "nothing was said"),
        ("<tool_call>{", {}, "a broken one was made"),
        (REFUSAL, {"truncated": True}, "cut at the length limit"),
        ("Which city?", {"expects": "refuse"}, "ask for what is missing, and should refuse"),
        (REFUSAL, {"expects": "refuse", "lang": "vi"}, "not in the query's language (vi)"),
        (REFUSAL, {"expects": "any", "lang": "vi"}, "not in the query's language (vi)"),
        ("...", {}, "without a letter or digit"),
        (REFUSAL * 30, {"expects": "refuse"}, "-0.2 for 810 characters"),
    ],
)
def test_reasons_where_no_call_is_wanted(completion: str, more: dict[str, Any], part: str) -> None:
    assert part in score(completion, tools=[], ground_truth=[], **more).explain()


def test_the_query_tells_the_language(weather: Any) -> None:
    b = score(REFUSAL, tools=[weather], ground_truth=[], expects="refuse", query="Đặt giúp tôi một chiếc bánh pizza")
    assert (b.context.lang, b.refusal) == ("vi", 0.2)


def test_truncation_is_read_from_the_ids(call: Any, gold: Any, weather: Any) -> None:
    def run(**more: Any) -> float | None:
        wanted = [gold("get_weather", city="Paris")]
        return score(call("get_weather", city="Paris"), tools=[weather], ground_truth=wanted, **more).correctness

    assert run(completion_ids=[1, 2], eos_token_ids=2) == 1.0
    assert run(completion_ids=[1, 3], eos_token_ids=[2]) == 0.5
    assert run(completion_ids=[1, 3], eos_token_ids=[2], truncated=False) == 1.0


def test_matching_overrides_the_compositions(call: Any, gold: Any, weather: Any) -> None:
    def run(matching: str | None) -> bool:
        wanted = [gold("get_weather", city="New York")]
        return score(
            call("get_weather", city="new york"), tools=[weather], ground_truth=wanted, matching=matching
        ).right

    assert run(None)
    assert run("bfcl")
    assert not run("exact")


def test_a_composition_is_taken_as_it_is() -> None:
    composition = load_composition("function_calling", stage="stage2")
    assert score(REFUSAL, tools=[], ground_truth=[], composition=composition).composition.stage == "stage2"
    with pytest.raises(UsageError, match="the composition is at stage2"):
        score(REFUSAL, tools=[], ground_truth=[], composition=composition, stage="stage1")


def test_a_ground_truth_that_breaks_its_schema(gold: Any, weather: Any) -> None:
    wanted = [gold("get_weather", city=5)]
    with pytest.raises(DataError, match="city"):
        score("", tools=[weather], ground_truth=wanted)
    assert score("", tools=[weather], ground_truth=wanted, matching="bfcl").right is False


def test_judge_takes_an_example() -> None:
    tool = Tool("f", "", {"type": "object", "properties": {}})
    example = Example("1", "test", "simple", ({"role": "user", "content": "?"},), (tool,), (GoldCall("f", {}),))
    parsed = parse_completion('<tool_call>{"name": "f", "arguments": {}}</tool_call>')
    verdict = judge(parsed, Context.of(example))
    assert verdict.right
    assert verdict.matched
    assert judge(parsed, Context.of(example), "exact").right
    with pytest.raises(UsageError, match="unknown matching"):
        judge(parsed, Context.of(example), "fuzzy")


def test_abstained_stands_beside_right(call: Any, gold: Any, weather: Any) -> None:
    asked = score("Which city?", tools=[weather], ground_truth=[], expects="refuse").verdict
    assert (asked.right, asked.abstained) == (False, True)
    wrongly = score(REFUSAL, tools=[weather], ground_truth=[gold("get_weather", city="Rome")]).verdict
    assert (wrongly.right, wrongly.abstained) == (False, True)
    cut = score(REFUSAL, tools=[weather], ground_truth=[], truncated=True).verdict
    assert (cut.right, cut.abstained) == (False, False)


@pytest.fixture
def file(tmp_path: Path, call: Any, gold: Any, weather: Any) -> Any:
    good = {
        "completion": call("get_weather", city="Paris"),
        "tools": [weather],
        "ground_truth": json.dumps([gold("get_weather", city="Paris")]),
        "note": "ignored",
    }
    words = {
        "completion": REFUSAL,
        "tools": "[]",
        "ground_truth": [],
        "expects": "refuse",
        "messages": [{"role": "user", "content": "請幫我訂披薩"}],
    }

    def write(*more: Any, name: str = "rows.jsonl") -> Path:
        lines = [
            line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in (good, words, *more)
        ]
        path = tmp_path / name
        data = ("\n".join([lines[0], "", *lines[1:]]) + "\n").encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_a_file_gives_a_breakdown_a_row(file: Any, name: str) -> None:
    made = list(score_file(file(name=name), stage="stage1"))
    assert [b.correctness for b in made] == [1.0, None]
    assert [b.refusal for b in made] == [None, 0.2]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{broken", r"rows\.jsonl:4: not valid JSON"),
        ("[1]", r"rows\.jsonl:4: got list, expected an object"),
        ({"completion": "x"}, r"rows\.jsonl:4: no tools, no ground_truth"),
        ({"completion": None, "tools": [], "ground_truth": []}, r"rows\.jsonl:4: completion: null"),
        (
            {"completion": "x", "tools": [], "ground_truth": [], "query": 5},
            r"rows\.jsonl:4: query: got 5, expected text",
        ),
        ({"completion": "x", "tools": [], "ground_truth": [], "messages": "hi"}, r"rows\.jsonl:4: messages: got 'hi'"),
        ({"completion": "x", "tools": [], "ground_truth": [], "messages": [1]}, r"rows\.jsonl:4: messages: got \[1\]"),
        ({"completion": 5, "tools": [], "ground_truth": []}, r"rows\.jsonl:4: .*got int"),
        ({"completion": "x", "tools": "[", "ground_truth": []}, r"rows\.jsonl:4: "),
        ({"completion": "x", "tools": [], "ground_truth": [{"name": "f", "arguments": {}}]}, r"rows\.jsonl:4: .*f"),
        ({"completion": "x", "tools": [], "ground_truth": [], "expects": "no"}, r"rows\.jsonl:4: expects: got 'no'"),
        ({"completion": "x", "tools": [], "ground_truth": [], "lang": 5}, r"rows\.jsonl:4: lang: got 5"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(file: Any, row: Any, message: str) -> None:
    rows = score_file(file(row))
    next(rows)
    next(rows)
    with pytest.raises(DataError, match=message):
        next(rows)


def test_a_missing_file_and_unknown_names(tmp_path: Path, file: Any) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl: cannot be read: No such file"):
        list(score_file(tmp_path / "none.jsonl"))
    with pytest.raises(UsageError, match="unknown composition"):
        score_file(file(), composition="nothing_like_it")
    with pytest.raises(UsageError, match="unknown parser"):
        list(score_file(file(), parser="herms"))


def test_reasons_where_calls_are_wanted(call: Any, gold: Any, weather: Any) -> None:
    def explain(text: str, **more: Any) -> str:
        wanted = [gold("get_weather", city="San Francisco")]
        return score(text, tools=[weather], ground_truth=wanted, **more).explain()

    assert "no call where one is wanted" in explain(REFUSAL)
    both = call("get_weather", city="San Francisco") + call("get_time")
    assert "call 2 of 2: the tool 'get_time' is not offered" in explain(both)
    enum = score(
        call("get_weather", city="San Francisco", unit="Celsius"),
        tools=[weather],
        ground_truth=[gold("get_weather", city="San Francisco", unit="celsius")],
    )
    assert "rule enum_exact: " in enum.explain()
    assert "unit: a wrong value (0.00)" in enum.explain()
    penalising = load_composition(Path(__file__).with_name("penalising.yaml"))
    assert "refused what could be done" in explain(REFUSAL, composition=penalising)
    assert "did not refuse what could be done" in explain(both, composition=penalising)
    assert "every call is valid" in explain(call("get_weather", city="Rome") + call("get_weather", city="Oslo"))


@pytest.mark.parametrize("expects", ["any", "answer", "refuse"])
@pytest.mark.parametrize(
    "words", ['Calling get_weather(city="Paris").', '{"tool": "get_weather", "args": {"city": "Paris"}}']
)
def test_a_call_written_out_as_text_is_never_right(words: str, expects: str) -> None:
    tool = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    made = score(words, tools=[tool], ground_truth=[], expects=expects, stage="stage2")
    assert (made.right, made.verdict.reason) == (False, "a call is written out as text")
    assert (made.refusal, made.efficiency) == (-1.0, -1.0)  # the gate's floor: it asks whether the completion is right
    other = score(words, tools=[{**tool, "name": "get_time"}], ground_truth=[], expects="any", stage="stage2")
    assert other.right, "no offered tool is called"
