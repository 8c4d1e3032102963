"""`rlvr audit`: exit codes for CI, the page, JSON, and mistakes in the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlvr.cli import main

NAIVE = """
import json

def naive(completions, *, ground_truth, **kwargs):
    return [float(all(c["name"] in text for c in json.loads(g))) for text, g in zip(completions, ground_truth)]

def objects(completions, *, ground_truth, **kwargs):
    assert all(isinstance(g, list) for g in ground_truth)
    assert all(c[0]["role"] == "assistant" for c in completions)
    return [0.0] * len(completions)

number = 3
"""
FEW = ["--skip", "very_long", "odd_json"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_audited.py").write_text(NAIVE, encoding="utf-8")
    return tmp_path


def run(*argv: str) -> int:
    return main(["audit", *argv])


def test_a_composition_of_ours_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("function_calling", "--stage", "stage2", *FEW) == 0
    out = capsys.readouterr().out
    assert out.startswith("function_calling, stage2: 0 false rewards, 0 missed rewards, 0 broken contract in ")
    assert "less 0.1" in out
    assert out.rstrip().endswith("nothing found")


def test_without_a_stage_every_stage_is_audited_and_one_failure_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("function_calling_card", *FEW, "--limit", "4") == 1
    out = capsys.readouterr().out
    assert "function_calling_card, stage1: 0 false" in out
    assert "function_calling_card, stage2: 0 false rewards, 4 missed rewards" in out


@pytest.mark.parametrize("target", ["mine_audited:naive", "mine_audited.py:naive"])
def test_a_users_function_by_module_or_file(folder: Path, capsys: pytest.CaptureFixture[str], target: str) -> None:
    page = folder / "out" / "audit.html"
    assert run(target, *FEW, "--html", str(page)) == 1
    out = capsys.readouterr().out
    assert "call_in_reasoning" in out
    assert out.rstrip().endswith(str(page))
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_json_holds_everything_and_nothing_else_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("mine_audited.py:naive", *FEW, "--json", "--limit", "2") == 1
    value = json.loads(capsys.readouterr().out)
    assert value["target"] == "mine_audited.py:naive"
    assert value["margin"] == 0.0
    assert value["counts"]["false_reward"] == len(value["findings"])
    assert run("function_calling", *FEW, "--json", "--limit", "2") == 0
    assert [v["target"] for v in json.loads(capsys.readouterr().out)] == [
        "function_calling, stage1",
        "function_calling, stage2",
    ]


def test_messages_and_objects(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("mine_audited.py:objects", "--only", "reordered_calls", "--objects", "--conversational") == 0
    assert "nothing found" in capsys.readouterr().out


def test_own_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row: dict[str, Any] = {"tools": [], "ground_truth": [], "query": "Order a pizza, please.", "expects": "refuse"}
    (folder / "own.jsonl").write_text(json.dumps(row), encoding="utf-8")
    assert run("function_calling", "--stage", "stage1", "--data", "own.jsonl", *FEW) == 0
    assert "of 1 examples" in capsys.readouterr().out


def test_the_families_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--list") == 0
    out = capsys.readouterr().out
    assert "call_in_reasoning        wrong       The right calls inside the reasoning block" in out
    assert "policy:always_refuse" in out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "give a reward"),
        (["no_such_module:f"], "importing no_such_module failed: ModuleNotFoundError"),
        (["no_such_file.py:f"], "no such file"),
        (["mine_audited.py:naiv"], "Did you mean naive?"),
        (["mine_audited.py:number"], "is int, expected a function"),
        (["function_caling"], "Did you mean function_calling?"),
        (["function_calling", "--stage", "stage3"], "no stage 'stage3'"),
        (["mine_audited.py:naive", "--stage", "stage1"], "a function has no stages"),
        (["function_calling", "--objects"], "--objects: goes with a function"),
        (["function_calling", "--only", "emty"], "unknown family 'emty'. Did you mean empty?"),
        (["function_calling", "--parser", "hermse"], "unknown parser 'hermse'"),
        (["function_calling", "--limit", "0"], "--limit must be at least 1"),
        (["function_calling", "--margin", "-1"], "--margin must be 0 or more"),
        (["function_calling", "--margin", "nan"], "--margin must be 0 or more"),
        (["function_calling", "--data", "absent.jsonl"], "absent.jsonl: cannot be read"),
    ],
)
def test_mistakes_exit_2_and_say_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str], argv: list[str], says: str
) -> None:
    assert run(*argv) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.out == ""
