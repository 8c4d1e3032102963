"""The contract: each broken clause is a finding that names it, never a crash of the audit."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rlvr.audit import CLAUSES, Target, as_target, audit, load_examples
from rlvr.audit.subject import Subject
from rlvr.audit.target import END_OF_TEXT, Broken, Row, accepted_columns, prompt_text
from rlvr.types import Example


def clauses(target: Target, examples: list[Example], **options: Any) -> set[str]:
    return {f.family for f in audit(target, examples, **options).of_kind("contract")}


def test_each_broken_contract_is_named(broken_name: str, flawed: ModuleType, few: list[Example]) -> None:
    function = getattr(flawed, broken_name)
    assert flawed.BROKEN[function] in clauses(Target(broken_name, function), few)


def test_the_place_in_a_batch_shows(flawed: ModuleType, few: list[Example]) -> None:
    found = clauses(Target("f", flawed.looks_at_the_place), few, only=["word_beside_call", "empty"])
    assert found & {"batch", "order"}


def test_a_slow_reward_is_found_before_it_takes_an_hour(monkeypatch: pytest.MonkeyPatch, few: list[Example]) -> None:
    """Quadratic in the length: 10,000 characters take 0.06 s, a megabyte would take 10 minutes."""
    monkeypatch.setattr("rlvr.audit.target.STOP_SECONDS", 2)  # for the one that starts at a megabyte
    lengths = []

    def quadratic(completions: list[str], **_: Any) -> list[float]:
        lengths.extend(map(len, completions))
        if len(completions) == 1 and len(completions[0]) > 9_000:
            end = time.process_time() + 0.06 * (len(completions[0]) / 10_000) ** 2
            while time.process_time() < end:
                pass
        return [0.0] * len(completions)

    result = audit(Target("f", quadratic), few[:1], only=["very_long"], max_seconds=0.1)
    slow = [f for f in result.findings if f.family == "slow"]
    assert {f.kind for f in slow} == {"contract"}
    assert "very_long: one letter, 10,000 characters" in {f.what for f in slow}
    assert not [n for n in lengths if 90_000 < n < 900_000], "no longer ones of a kind that was slow already"


def test_a_judge_that_is_waited_for_is_not_slow(few: list[Example]) -> None:
    def waits(completions: list[str], **_: Any) -> list[float]:
        if len(completions[0]) > 900_000:
            time.sleep(0.3)
        return [0.0] * len(completions)

    assert "slow" not in clauses(Target("f", waits), few[:1], only=["very_long"], max_seconds=1.0)


def test_what_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch, few: list[Example]) -> None:
    if not hasattr(signal, "SIGALRM"):
        pytest.skip("this system has no alarms")
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("an alarm needs the main thread, and this test runs in another")
    monkeypatch.setattr("rlvr.audit.target.STOP_SECONDS", 1)

    def backtracks(completions: list[str], **_: Any) -> list[float]:
        try:
            return [float(bool(re.match(r"(a|a)*$", c[:40] + "!"))) if len(c) > 9_000 else 0.0 for c in completions]
        except Exception:
            return [1.0] * len(completions)

    score, seconds = Target("f", backtracks).timed(Row(SUBJECT, "a" * 10_000))
    assert isinstance(score, Broken)
    assert score.clause == "slow"
    assert seconds < 10


def test_the_culprit_of_a_batch_is_found(few: list[Example]) -> None:
    def brittle(completions: list[str], **_: Any) -> list[float]:
        if any("oops" in c for c in completions):
            raise RuntimeError("oops seen")
        return [0.0] * len(completions)

    result = audit(Target("f", brittle), few, only=["odd_json"])
    broken = [f for f in result.findings if f.family == "exception"]
    assert broken
    assert all("oops" in f.completion for f in broken)


def test_a_reward_that_ends_the_program_is_broken(few: list[Example]) -> None:
    """`sys.exit(0)` would end an audit in a CI as if nothing had been found."""

    def leaves(completions: list[str], **_: Any) -> list[float]:
        raise SystemExit(0)

    (score,) = Target("f", leaves).score([Row(SUBJECT, "a")])
    assert score == Broken("exception", "SystemExit: 0")


def test_a_batch_that_breaks_as_a_whole_says_so() -> None:
    def lonely(completions: list[str], **_: Any) -> list[float]:
        if len(completions) > 1:
            raise RuntimeError("one at a time")
        return [0.0]

    rows = [Row(SUBJECT, "a"), Row(SUBJECT, "b")]
    scores = Target("f", lonely).score(rows)
    assert all(isinstance(s, Broken) and "each row alone is fine" in s.message for s in scores)


def test_every_clause_says_how_it_is_broken() -> None:
    assert all(len(text) > 10 for text in CLAUSES.values())


SUBJECT = Subject(
    Example(
        "e1",
        "",
        "irrelevance",
        ({"role": "user", "content": "Đặt vé giúp mình."},),
        (),
        (),
        "refuse",
        {"lang": "vi"},
    )
)


def seen_by(**options: Any) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def spy(**columns: Any) -> list[float]:
        seen.update(columns)
        return [0.0] * len(columns["completions"])

    Target("spy", spy, **options).score([Row(SUBJECT, "Xin chào"), Row(SUBJECT, "ok", truncated=True)])
    return seen


def test_a_function_is_called_as_trl_calls_one() -> None:
    seen = seen_by()
    assert seen["completions"] == ["Xin chào", "ok"]
    assert seen["completion_ids"][0] == [*"Xin chào".encode(), END_OF_TEXT]
    assert seen["completion_ids"][1] == [111, 107]  # cut: nothing closes it
    assert seen["tools"] == ["[]", "[]"]
    assert seen["ground_truth"] == ["[]", "[]"]
    assert seen["expects"] == ["refuse", "refuse"]
    assert seen["lang"] == ["vi", "vi"]
    assert seen["prompts"][0].endswith("user: Đặt vé giúp mình.\nassistant:")
    assert seen["trainer_state"] is None
    assert seen["log_metric"]("x", 1.0) is None
    assert "truncated" not in seen


def test_messages_and_objects_on_demand() -> None:
    seen = seen_by(conversational=True, as_objects=True)
    assert seen["completions"][0] == [{"role": "assistant", "content": "Xin chào"}]
    assert seen["prompts"][0][-1] == {"role": "user", "content": "Đặt vé giúp mình."}
    assert seen["tools"] == [[], []]
    json.dumps(seen["ground_truth"])


def test_a_function_without_kwargs_gets_what_it_takes_and_a_note(few: list[Example]) -> None:
    def narrow(completions: list[str], ground_truth: list[str]) -> list[float]:
        return [0.0 for _ in zip(completions, ground_truth, strict=True)]

    assert accepted_columns(narrow) == {"completions", "ground_truth"}
    result = audit(Target("narrow", narrow), few, only=["empty"])
    assert any("takes no **kwargs" in note for note in result.notes)


def test_async_functions_and_objects_are_taken() -> None:
    async def slow(completions: list[str], **_: Any) -> list[float]:
        return [0.5] * len(completions)

    class Judge:
        def __call__(self, completions: list[str], **_: Any) -> list[float]:
            return [0.25] * len(completions)

    assert as_target(slow).score([Row(SUBJECT, "a")]) == [0.5]
    assert as_target(Judge()).score([Row(SUBJECT, "a")]) == [0.25]
    assert as_target(Judge()).name == "Judge"


def test_an_async_function_is_awaited_inside_a_running_loop() -> None:
    import asyncio

    async def slow(completions: list[str], **_: Any) -> list[float]:
        return [0.5] * len(completions)

    async def notebook() -> Any:
        return as_target(slow).score([Row(SUBJECT, "a")])

    assert asyncio.run(notebook()) == [0.5]


def test_a_prompt_as_text_holds_every_message() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "tool_calls": [{"id": 1}]}]
    assert prompt_text(messages) == 'user: Hi\nassistant: [{"id": 1}]\nassistant:'


@pytest.mark.parametrize("values", [None, 1.0, "abc", {"a": 1}, (x for x in [1.0])])
def test_what_is_no_list_is_a_finding(values: Any) -> None:
    score = Target("f", lambda **_: values).score([Row(SUBJECT, "a")])[0]
    assert isinstance(score, Broken)
    assert score.clause == "type"


def test_a_reward_that_never_applies_is_told(few: list[Example]) -> None:
    """The likeliest mistake: the column has another name, and every score is None."""

    def wrong_column(completions: list[str], solution: Any = None, **_: Any) -> list[float | None]:
        return [None if solution is None else 1.0 for _ in completions]

    result = audit(Target("f", wrong_column), few, only=["empty"])
    assert [f.family for f in result.findings] == ["never"]
    some = audit(
        Target("f", lambda completions, expects, **_: [None if e == "any" else 0.0 for e in expects]),
        few,
        only=["empty"],
    )
    assert "never" not in {f.family for f in some.findings}


def test_text_is_no_score(few: list[Example]) -> None:
    assert clauses(Target("f", lambda completions, **_: ["1.0"] * len(completions)), few, only=["empty"]) == {"type"}


def test_a_light_completion_that_never_ends_is_stopped_and_the_rest_is_scored(
    monkeypatch: pytest.MonkeyPatch, few: list[Example]
) -> None:
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        pytest.skip("needs a timer in the main thread")
    monkeypatch.setattr("rlvr.audit.target.STOP_SECONDS", 1)

    def hangs(completions: list[str], **_: Any) -> list[float]:
        end = time.monotonic() + 30
        while "..." in completions and time.monotonic() < end:
            pass
        return [0.5] * len(completions)

    target = Target("f", hangs)
    rows = [Row(SUBJECT, text) for text in ("a", "...", "b")]
    broken = target.score(rows)
    assert [s if not isinstance(s, Broken) else s.clause for s in broken] == [0.5, "slow", 0.5]
    assert target.stops == 1


def test_further_columns_of_a_row_reach_the_function(tmp_path: Path) -> None:
    call = {"name": "f", "arguments": {"a": 1}}
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    rows = [{"tools": [tool], "ground_truth": [call], "query": "Do f with 1.", "answer": "z", "prompt": "p"},
            {"tools": [tool], "ground_truth": [call], "query": "Do f with 1.", "weight": 2}]  # fmt: skip
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    seen: dict[str, Any] = {}
    subjects = [Subject(e, "hermes") for e in load_examples(path)]
    Target("spy", lambda **columns: seen.update(columns) or [0.0, 0.0]).score([Row(s, "x") for s in subjects])
    assert (seen["answer"], seen["weight"]) == (["z", None], [None, 2])
    assert seen["prompts"][0] != "p"
