"""What is written of a folder: the official result files, and the tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlvr.evaluation import EvalRecord
from rlvr.evaluation.multi_turn.official_results import result_of, write_results
from rlvr.evaluation.multi_turn.rows import CATEGORIES
from rlvr.evaluation.multi_turn.tables import accuracies, accuracy_table, detail_table, overall
from rlvr.evaluation.multi_turn.transcripts import NAME, keep_only, read_transcripts
from rlvr.evaluation.statistics import wilson
from rlvr.jsonl import append_flushed


def step(outcome: str = "calls", calls: int = 1, text: str = "text", results: int = 1) -> dict[str, Any]:
    made = [{"name": "put", "arguments": {"box": i}} for i in range(calls)]
    return {
        "completion": text, "outcome": outcome, "calls": made, "results": ["ok"] * results, "prompt_tokens": 7,
        "completion_tokens": 3, "truncated": False,
    }  # fmt: skip


def row(
    number: int, *turns: tuple[bool, list[dict[str, Any]]], ending: str = "finished", **more: Any
) -> dict[str, Any]:
    return {
        "model": "m", "id": f"multi_turn_base_{number}", "category": "multi_turn_base", "ending": ending, "note": "why",
        "verdict": {"valid": False, "error": "", "message": ""},
        "turns": [{"wants_call": wants, "asked": [], "joined": [], "steps": steps} for wants, steps in turns], **more,
    }  # fmt: skip


WORDS = step("abstain", 0, "No tool.")


def test_a_result_has_a_list_a_turn_and_an_answer_a_step() -> None:
    written = result_of(row(1, (True, [step(calls=2), WORDS]), (False, [step("malformed", 0, "<tool_call>\n{")])))
    assert written == {
        "id": "multi_turn_base_1",
        "result": [[[{"put": {"box": 0}}, {"put": {"box": 1}}], "No tool."], ["<tool_call>\n{"]],
        "input_token_count": [[7, 7], [7]],
        "output_token_count": [[3, 3], [3]],
    }


@pytest.mark.parametrize("ending", ["overflow", "refused", "executor"])
def test_a_dialogue_that_broke_off_is_written_as_an_error_of_the_inference(ending: str) -> None:
    written = result_of(row(1, (True, [step()]), ending=ending))
    assert written == {"id": "multi_turn_base_1", "result": f"Error during inference: {ending}: why"}


def test_a_dialogue_that_was_stopped_keeps_its_turns() -> None:
    assert len(result_of(row(1, (True, [step()] * 21), ending="force quit"))["result"][0]) == 21


def test_files_stand_where_the_leaderboards_program_looks_in_the_order_of_numbers(tmp_path: Path) -> None:
    append_flushed(tmp_path / NAME, [row(n, (True, [WORDS])) for n in (10, 2)])
    append_flushed(tmp_path / NAME, [{**row(2, (True, [WORDS])), "model": "a/b"}])
    paths = write_results(tmp_path)
    assert [p.relative_to(tmp_path / "official").as_posix() for p in paths] == [
        f"{label}/result/katanemo_Arch-Agent-1.5B/multi_turn/BFCL_v4_multi_turn_base_result.json"
        for label in ("a%2Fb", "m")
    ]
    assert [json.loads(line)["id"] for line in paths[1].read_text().splitlines()] == [
        "multi_turn_base_2", "multi_turn_base_10",
    ]  # fmt: skip


def test_transcripts_without_a_record_are_left_out(tmp_path: Path) -> None:
    append_flushed(tmp_path / NAME, [row(1), row(2), {**row(1), "note": "later"}])
    keep_only(tmp_path, {("m", "multi_turn_base_1")})
    assert {key: value["note"] for key, value in read_transcripts(tmp_path).items()} == {
        ("m", "multi_turn_base_1"): "later"
    }


def records(make_record: Any, category: str, right: int, n: int, model: str = "m") -> list[EvalRecord]:
    return [make_record(model, i, category=category, right=i < right, id=f"{category}_{i}") for i in range(n)]


def test_accuracies_are_named_as_the_leaderboard_names_them(make_record: Any) -> None:
    found = accuracies(records(make_record, "multi_turn_base", 3, 10))
    assert found == {"m": {"multi_turn_base": wilson(3, 10)}}
    assert overall(found["m"]) is None


def test_the_overall_is_there_where_all_800_dialogues_are(make_record: Any) -> None:
    every = [r for i, c in enumerate(CATEGORIES) for r in records(make_record, c, 20 * i, 200)]
    figure = overall(accuracies(every)["m"])
    assert figure == wilson(120, 800)
    assert figure is not None
    assert figure.value == pytest.approx((0.0 + 0.1 + 0.2 + 0.3) / 4)
    assert overall(accuracies(every[1:])["m"]) is None
    table = accuracy_table(accuracies(every))
    assert table.body[0][-1].startswith("15.0 [")
    assert accuracy_table(accuracies(every[1:])).body[0][-1] == "–"


def test_turns_that_want_no_call_are_counted_one_by_one(make_record: Any) -> None:
    rows = [
        row(1, (True, [step(), WORDS]), (False, [WORDS])),
        row(2, (False, [step("malformed", 0)]), (False, [step(), WORDS])),
        row(3, (True, [WORDS]), (False, [step("empty", 0, "")])),
        row(4, (True, [step()] * 4), (False, []), ending="force quit"),  # never played: not counted
    ]
    made = records(make_record, "multi_turn_base", 1, 4)
    table = detail_table(made, rows, 0)
    cells = dict(zip(table.header, table.body[0], strict=True))
    assert (cells["n"], cells["silent turns"], cells["broken off"]) == ("4", "4", "1")
    assert cells["abstained there"].startswith("25.0 [")
    assert cells["false calls there"].startswith("50.0 [")
    assert cells["steps"].startswith("3.0 [")
    assert any("m: broken off" in note and "force quit 1" in note for note in table.notes)


def test_a_category_without_such_turns_has_none(make_record: Any) -> None:
    table = detail_table(records(make_record, "multi_turn_base", 1, 2), [row(0, (True, [WORDS]))], 0)
    cells = dict(zip(table.header, table.body[0], strict=True))
    assert (cells["silent turns"], cells["abstained there"]) == ("–", "–")
