"""RUN/samples: parts written whole, read back, dropped after a step; the breakdown that stands in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="needs the train or data extra")

from rlvr.errors import DataError, RunError, UsageError
from rlvr.training import sample_table
from rlvr.training.sample_table import Sampled, TableInfo, drop_after, parts, read_part, read_steps, write_part

TOOL = {
    "name": "get_weather",
    "description": "",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
}
WANTED = [{"name": "get_weather", "arguments": {"city": "Hanoi", "days": 3}}]
INFO = TableInfo("function_calling", "stage1", {"format": 0.2, "correctness": 1.0}, group_size=2)


def call(**arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': 'get_weather', 'arguments': arguments})}\n</tool_call>"


def sampled(completion: str, **more: Any) -> Sampled:
    values = {
        "id": "a",
        "category": "simple",
        "lang": "en",
        "query": "Weather?",
        "prompt": "…",
        "tools": json.dumps([TOOL]),
        "ground_truth": json.dumps(WANTED),
        "expects": "any",
        "reasoning_opened": False,
        "completion": completion,
        "messages": False,
        "completion_ids": [1, 2, 3],
        "truncated": False,
        "scores": {"format": 1.0, "correctness": 0.25},
        "advantage": 0.5,
    }
    return Sampled(**{**values, **more})


def test_a_part_holds_the_whole_breakdown(tmp_path: Path) -> None:
    rows = [sampled(call(city="Hanoi", days=4)), sampled("I can't.", scores={"format": 0.0, "correctness": None})]
    path = write_part(tmp_path, "step", 7, rows, INFO)
    first, second = read_part(path)[0]
    assert path.name == "step-00000007.parquet"
    assert (first["step"], first["group"], first["place"], second["place"]) == (7, 0, 0, 1)
    assert (first["outcome"], first["right"], first["completion_tokens"]) == ("calls", False, 3)
    assert first["total"] == pytest.approx(0.2 + 0.25)
    assert (second["score_correctness"], second["total"]) == (None, 0.0)
    verdict = json.loads(first["calls"])[0]
    assert (verdict["name"], verdict["reason"]) == ("get_weather", "wrong_arguments")
    assert {a["name"]: (a["credit"], a["reason"]) for a in verdict["arguments"]} == {
        "city": (1.0, "equal"),
        "days": (0.0, "wrong_value"),
    }
    assert json.loads(second["calls"])[0]["reason"] == "missing"
    assert second["reason"] == "calls are wanted, and none was made"


def test_a_part_says_what_it_was_scored_with(tmp_path: Path) -> None:
    assert read_part(write_part(tmp_path, "step", 1, [sampled("Hello.")] * 2, INFO))[1] == INFO


def test_a_truncated_completion_and_message_lists_are_judged_as_such(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": call(city="Hanoi", days=3)}
    rows = [
        sampled(call(city="Hanoi", days=3), truncated=True),
        sampled(json.dumps([message]), messages=True),
    ]
    first, second = read_part(write_part(tmp_path, "step", 1, rows, INFO))[0]
    assert (first["right"], first["reason"]) == (False, "cut at the length limit")
    assert (second["right"], second["reason"]) == (True, "the calls match")


def test_what_utf8_cannot_hold_is_replaced(tmp_path: Path) -> None:
    rows = read_part(write_part(tmp_path, "step", 1, [sampled("臺北 \ud800")] * 2, INFO))[0]
    assert rows[0]["completion"] == "臺北 ?"


def test_a_step_that_is_done_again_replaces_its_part(tmp_path: Path) -> None:
    write_part(tmp_path, "step", 3, [sampled("first")] * 2, INFO)
    write_part(tmp_path, "step", 3, [sampled("second")] * 2, INFO)
    assert [(s, rows[0]["completion"], len(rows)) for s, rows, _ in read_steps(tmp_path)] == [(3, "second", 2)]


def test_what_a_resumed_run_does_again_is_dropped_with_what_a_kill_left(tmp_path: Path) -> None:
    for step in (2, 10, 11):
        write_part(tmp_path, "step", step, [sampled("x")] * 2, INFO)
        write_part(tmp_path, "look", step, [sampled("x")] * 2, INFO)
    (tmp_path / "samples" / ".step-00000012.parquet.tmp").write_bytes(b"half")
    drop_after(tmp_path, 10)
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == [
        "look-00000002.parquet",
        "look-00000010.parquet",
        "step-00000002.parquet",
        "step-00000010.parquet",
    ]
    assert [p.stem for p in parts(tmp_path)] == ["step-00000002", "step-00000010"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import parquet

    path = write_part(tmp_path, "step", 1, [sampled("whole")] * 2, INFO)

    def half(table: Any, where: Path, **options: Any) -> None:
        where.write_bytes(b"PAR1 half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", half)
    with pytest.raises(RunError, match="No space left on device"):
        write_part(tmp_path, "step", 1, [sampled("lost")] * 2, INFO)
    assert read_part(path)[0][0]["completion"] == "whole"
    assert [p.name for p in parts(tmp_path)] == [path.name]


def test_broken_parts_and_other_files_are_named(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    (tmp_path / "samples").mkdir()
    path = sample_table.part_path(tmp_path, "step", 1)
    path.write_bytes(b"PAR1 torn")
    with pytest.raises(DataError, match=r"step-00000001\.parquet: cannot be read"):
        list(read_steps(tmp_path))
    parquet.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(DataError, match="is no part of a run's samples"):
        list(read_steps(tmp_path))


def test_a_run_without_samples_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no completions under samples/.*log\.completions above 0"):
        list(read_steps(tmp_path))
