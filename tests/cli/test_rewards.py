"""`rlvr rewards list|show`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlvr.cli import main


def test_the_compositions_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rewards", "list"]) == 0
    out = capsys.readouterr().out
    for name in ("function_calling", "function_calling_card", "function_calling_gdpo", "function_calling_reasoning"):
        assert f"\n{name} " in f"\n{out}"


def test_a_composition_is_shown_with_what_typical_completions_earn(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rewards", "show", "function_calling", "--stage", "stage1"]) == 0
    out = capsys.readouterr().out
    assert "correctness  weight 1 " in out
    rows = {line[9:56].strip(): line for line in out.splitlines() if line.startswith(("a call", "no call"))}
    assert len(rows) >= 17
    assert rows["the right call"].split()[-1] == "+1.220"
    assert rows["another number"].split()[-1] == "+0.470"
    assert "inverted" not in out


def test_the_cards_inversion_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rewards", "show", "function_calling_card", "--stage", "stage2"]) == 0
    out = capsys.readouterr().out
    assert "inverted: the right call, reasoned (-0.400) is right, and does not earn 0.1 more than" in out
    assert "inverted: a refusal, reasoned (-0.600) is right, and does not earn 0.1 more than" in out


def test_every_stage_without_one_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rewards", "show", "function_calling", "--json"]) == 0
    values = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {v["stage"] for v in values} == {"stage1", "stage2"}
    right = next(v for v in values if v["name"] == "the right call")
    assert right["total"] == pytest.approx(1.22)


def test_functions_of_a_users_own_are_named_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\ncomponents: {format: {}}\nfunctions: {polite: no_such_module:polite}\n"
        "stages: {one: {weights: {format: 1.0, polite: 0.5}}}\n",
        encoding="utf-8",
    )
    assert main(["rewards", "show", str(path)]) == 0
    out = capsys.readouterr().out
    assert "no_such_module:polite" in out
    assert "the totals below are without it" in out


@pytest.mark.parametrize(
    "argv", [["show"], ["show", "function_caling"], ["show", "function_calling", "--stage", "x"], []]
)
def test_mistakes_exit_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rewards", *argv]) == 2
    assert capsys.readouterr().err
