"""Every probe of PEERS.md: how other reward functions went wrong, and what ours gives."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from rlvr.parsers import PARSERS, get_parser
from rlvr.rewards import Breakdown, correctness_reward, format_reward, refusal_reward, score
from rlvr.types import Outcome, ToolCall

HOTEL = {
    "name": "book_hotel",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "nights": {"type": "integer"},
            "budget": {"type": "number"},
            "breakfast": {"type": "boolean"},
        },
        "required": ["city"],
    },
}


@pytest.fixture
def hotel(gold: Any) -> Any:
    def run(text: str, *wanted: dict[str, Any], expects: str = "any") -> Breakdown:
        return score(text, tools=[HOTEL], ground_truth=[gold("book_hotel", **w) for w in wanted], expects=expects)

    return run


def test_credit_is_partial_and_bounded(hotel: Any, call: Any) -> None:
    b = hotel(call("book_hotel", city="Rome", nights=3), {"city": "Rome", "nights": 2})
    assert b.correctness == pytest.approx(0.25)


def test_matching_is_the_best_assignment_not_the_first_fit(hotel: Any, call: Any) -> None:
    wide, narrow = {"city": {"$one_of": ["Rome", "Oslo"]}}, {"city": "Rome"}
    for wanted in ((wide, narrow), (narrow, wide)):
        assert hotel(call("book_hotel", city="Rome") + call("book_hotel", city="Oslo"), *wanted).correctness == 1.0
        assert hotel(call("book_hotel", city="Oslo") + call("book_hotel", city="Rome"), *wanted).correctness == 1.0


def test_parallel_calls_reversed_are_fine(hotel: Any, call: Any) -> None:
    text = call("book_hotel", city="Oslo") + "\n" + call("book_hotel", city="Rome")
    assert hotel(text, {"city": "Rome"}, {"city": "Oslo"}).correctness == 1.0


def test_one_block_a_call_is_fine(hotel: Any, call: Any) -> None:
    text = call("book_hotel", city="Rome") + "\n" + call("book_hotel", city="Oslo")
    assert text.count("<tool_call>") == 2
    assert hotel(text, {"city": "Rome"}, {"city": "Oslo"}).correctness == 1.0


def test_5_equals_5_point_0_where_a_number_is_wanted(hotel: Any, call: Any) -> None:
    assert hotel(call("book_hotel", city="Rome", budget=5), {"city": "Rome", "budget": 5.0}).correctness == 1.0
    assert hotel(call("book_hotel", city="Rome", budget=5.0), {"city": "Rome", "budget": 5}).correctness == 1.0
    assert hotel(call("book_hotel", city="Rome", nights=5.0), {"city": "Rome", "nights": 5}).correctness == 0.25


def test_1_is_not_true(hotel: Any, call: Any) -> None:
    assert not hotel(call("book_hotel", city="Rome", nights=True), {"city": "Rome", "nights": 1}).right
    assert not hotel(call("book_hotel", city="Rome", breakfast=1), {"city": "Rome", "breakfast": True}).right


def test_an_invented_extra_argument_is_wrong(hotel: Any, call: Any) -> None:
    b = hotel(call("book_hotel", city="Rome", view="sea"), {"city": "Rome"})
    assert (b.right, b.format, b.correctness) == (False, 0.8, 0.25)


def test_nine_junk_calls_beside_the_right_one_earn_next_to_nothing(hotel: Any, call: Any) -> None:
    junk = "".join(call("book_hotel", city=f"Town {i}") for i in range(9))
    b = hotel(junk + call("book_hotel", city="Rome"), {"city": "Rome"})
    assert b.correctness == pytest.approx(0.05)


def test_a_right_refusal_pays_but_no_more_than_a_right_call(hotel: Any, call: Any) -> None:
    refusal = hotel("I'm sorry, none of my tools can order a pizza.", expects="refuse")
    exact = hotel(call("book_hotel", city="Rome"), {"city": "Rome"})
    assert refusal.refusal == 1.0
    assert 0 < refusal.total < exact.total


def test_a_call_on_an_irrelevant_query_is_punished(hotel: Any, call: Any) -> None:
    b = hotel(call("book_hotel", city="Rome"), expects="refuse")
    assert (b.refusal, b.format, b.right) == (-1.0, 0.0, False)
    assert b.total < 0


@pytest.mark.parametrize(
    "text", ['<tool_call>\n{"name": "book_ho', "<tool_call>\n{oops}\n</tool_call>", "</tool_call>"]
)
def test_a_malformed_call_on_an_irrelevant_query_is_no_abstention(hotel: Any, text: str) -> None:
    b = hotel(text, expects="refuse")
    assert b.outcome is Outcome.MALFORMED
    assert (b.refusal, b.right, b.verdict.abstained) == (-1.0, False, False)


def test_the_right_call_inside_the_reasoning_earns_nothing(hotel: Any, call: Any) -> None:
    b = hotel(f"<think>{call('book_hotel', city='Rome')}</think>", {"city": "Rome"})
    assert (b.correctness, b.format, b.outcome) == (0.0, 0.0, Outcome.EMPTY)


@pytest.mark.parametrize(
    "body",
    [
        "null", "[]", "{}", '""', "1e999", "-0", "[[[]]]", '{"name": null, "arguments": {}}', '{"name": 5}',
        '{"name": "book_hotel", "arguments": null}', '{"name": "book_hotel", "arguments": [1]}',
        '{"name": "book_hotel", "arguments": {"city": {"a": [null]}}}', '{"name": {}, "arguments": {"city": "x"}}',
        '{"name": "book_hotel", "arguments": {"city": NaN}}', "{" * 5000, "[" * 5000 + "]" * 5000, "\ud800",
        '{"name": "book_hotel", "arguments": {"city": "Rome"}, "name": "x"}', "\x00", '{"a": 1}' * 50,
        '{"name": "book_hotel", "arguments": {"nights": ' + "9" * 5000 + "}}",
    ],
)  # fmt: skip
def test_odd_json_never_crashes(hotel: Any, body: str) -> None:
    b = hotel(f"<tool_call>{body}</tool_call>", {"city": "Rome"})
    assert not b.right
    assert b.explain()


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_the_same_in_every_format(hotel: Any, gold: Any, name: str) -> None:
    parser = get_parser(name)

    def run(text: str, *wanted: dict[str, Any]) -> tuple[float | None, float | None, float | None]:
        truth = [gold("book_hotel", **w) for w in wanted]
        return tuple(
            reward([text], tools=[[HOTEL]], ground_truth=[truth], expects=["refuse"], parser=name)[0]
            for reward in (format_reward, correctness_reward, refusal_reward)
        )  # type: ignore[return-value]

    rome, oslo = ToolCall("book_hotel", {"city": "Rome"}), ToolCall("book_hotel", {"city": "Oslo"})
    assert run(parser.render([oslo, rome]), {"city": "Rome"}, {"city": "Oslo"}) == (1.0, 1.0, None)
    five = ToolCall("book_hotel", {"city": "Rome", "budget": 5})
    assert run(parser.render([five]), {"city": "Rome", "budget": 5.0}) == (1.0, 1.0, None)
    true = ToolCall("book_hotel", {"city": "Rome", "nights": True})
    assert run(parser.render([true]), {"city": "Rome", "nights": 1}) == (0.8, 0.25, None)
    view = ToolCall("book_hotel", {"city": "Rome", "view": "sea"})
    assert run(parser.render([view]), {"city": "Rome"}) == (0.8, 0.25, None)
    junk = [ToolCall("book_hotel", {"city": f"Town {i}"}) for i in range(9)]
    assert run(parser.render([*junk, rome]), {"city": "Rome"}) == (1.0, pytest.approx(0.05), None)
    assert run(f"<think>{parser.render([rome])}</think>", {"city": "Rome"}) == (0.0, 0.0, None)
    assert run(parser.render([rome])) == (0.0, None, -1.0)
    assert run(parser.render([rome])[:-2]) == (0.0, None, -1.0), "a broken call is no abstention"
    assert run("I'm sorry, none of my tools can order a pizza.") == (1.0, None, 1.0)


def test_model_output_is_never_evaluated_printed_or_fetched(
    hotel: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import socket

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a reward opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    target = tmp_path / "made"
    hotel(f"<tool_call>__import__('pathlib').Path({str(target)!r}).touch()</tool_call>", {"city": "Rome"})
    assert not target.exists()
    assert capsys.readouterr() == ("", "")


def test_the_rewards_hold_no_eval_exec_or_print(root: Path) -> None:
    files = list((root / "rlvr" / "rewards").rglob("*.py"))
    assert len(files) > 10
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "print", "compile"}, path


PROBES = {
    "credit": test_credit_is_partial_and_bounded,
    "matching": test_matching_is_the_best_assignment_not_the_first_fit,
    "parallel calls reversed are fine": test_parallel_calls_reversed_are_fine,
    "one `<tool_call>` block a call (Hermes)": test_one_block_a_call_is_fine,
    "`5` equals `5.0`": test_5_equals_5_point_0_where_a_number_is_wanted,
    "`1` and `true` wrongly equal": test_1_is_not_true,
    "an invented extra argument": test_an_invented_extra_argument_is_wrong,
    "nine junk calls beside the right one": test_nine_junk_calls_beside_the_right_one_earn_next_to_nothing,
    "a right refusal": test_a_right_refusal_pays_but_no_more_than_a_right_call,
    "a call on an irrelevant query": test_a_call_on_an_irrelevant_query_is_punished,
    "a malformed call on an irrelevant query": test_a_malformed_call_on_an_irrelevant_query_is_no_abstention,
    "the right call inside `<think>`": test_the_right_call_inside_the_reasoning_earns_nothing,
    "crashes on odd JSON": test_odd_json_never_crashes,
    "fetches, evaluates or prints model output": test_model_output_is_never_evaluated_printed_or_fetched,
}
"""The peers' table, row by row, with the test that holds ours."""


def test_every_row_of_the_peers_table_has_its_test() -> None:
    assert len(set(PROBES.values())) == len(PROBES) == 14
