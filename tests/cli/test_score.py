"""`rlvr score`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlvr.cli import main
from rlvr.rewards import score

TOOL = {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
GOLD = [{"name": "add", "arguments": {"a": 1}}]
ROWS: list[dict[str, Any]] = [
    {"completion": CALL, "tools": [TOOL], "ground_truth": GOLD},
    {
        "completion": "I'm sorry, none of the tools can do that.",
        "tools": [TOOL],
        "ground_truth": [],
        "expects": "refuse",
    },
    {"completion": CALL.replace("1", "2"), "tools": json.dumps([TOOL]), "ground_truth": json.dumps(GOLD), "note": 1},
    {"completion": "<tool_call>{", "tools": [TOOL], "ground_truth": GOLD, "truncated": True},
]


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "completions.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    return str(path)


def test_a_row_a_line_and_means_below(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", file]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "row", "outcome", "right", "format", "correctness", "refusal", "efficiency", "total", "why",
    ]  # fmt: skip
    assert lines[1].split()[:8] == ["1", "calls", "yes", "1.000", "1.000", "–", "0.100", "1.220"]
    assert [line.split()[1].rstrip(",") for line in lines[1:5]] == ["calls", "abstain", "calls", "malformed"]
    assert "malformed, cut" in lines[4]
    right = next(line for line in lines if line.startswith("right"))
    assert right.split() == ["right", "0.500", "[0.150,", "0.850]", "4"]
    assert next(line for line in lines if line.startswith("refusal")).split()[-1] == "1"


def test_json_is_what_score_gives(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", file, "--json", "--stage", "stage2"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r.pop("row") for r in rows] == [1, 2, 3, 4]
    wanted = score(CALL, tools=[TOOL], ground_truth=GOLD, stage="stage2").to_json()
    assert rows[0] == json.loads(json.dumps(wanted))
    assert {r["stage"] for r in rows} == {"stage2"}


def test_explain_says_why(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", file, "--explain", "--composition", "function_calling_card", "--matching", "bfcl"]) == 0
    text = capsys.readouterr().out
    assert "calls: right (the calls match)" in text
    assert "function_calling_card" in text


def test_the_reasoning_parser_says_where_the_call_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "f.jsonl"
    call = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
    path.write_text(json.dumps({"completion": f"I add 1. {call}", "tools": [TOOL], "ground_truth": GOLD}) + "\n")
    rights = []
    for name in ("think", "none", "deepseek_r1"):
        assert main(["score", str(path), "--json", "--reasoning-parser", name]) == 0
        rights.append(json.loads(capsys.readouterr().out)["right"])
    assert rights == [True, True, False], "deepseek_r1 takes all as reasoning where nothing closes it"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--composition", "function_caling"], "Did you mean function_calling?"),
        (["--stage", "stage9"], "stage9"),
        (["--parser", "hermse"], "Did you mean hermes?"),
        (["--reasoning-parser", "deepseek"], "Did you mean deepseek_r1?"),
        (["--matching", "loose"], "invalid choice: 'loose'"),
        (["--json", "--explain"], "not allowed with"),
    ],
)
def test_unknown_names(file: str, argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", file, *argv]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"completion": "x", "ground_truth": []}\n', "f.jsonl:1: no tools"),
        ('{"completion": "x", "tools": [], "ground_truth": []}\n{broken\n', "f.jsonl:2: not valid JSON"),
        ('{\n  "completion": "x"\n}\n',
         "f.jsonl:1: not valid JSON: Expecting property name enclosed in double quotes at character 3; every "
         "line must be one JSON object"),
        ('{"completion": "x", "tools": [], "ground_truth": null}\n',
         "f.jsonl:1: no ground_truth (where no call is wanted it is [])"),
        ('{"completion": "x", "tools": [], "answer": []}\n', "f.jsonl:1: no ground_truth"),
        ('{"response": "x", "tools": []}\n', "f.jsonl:1: no completion, no ground_truth; it has response, tools"),
        ('{"completion": "x", "n": ' + "9" * 5000 + "}\n",
         "f.jsonl:1: not valid JSON: an integer with too many digits"),
        ('[1]\n', "f.jsonl:1: got list, expected an object: every line must be one"),
        ("\n", "f.jsonl: holds no rows"),
        (json.dumps({"completion": "x", "tools": [TOOL], "ground_truth": [{"name": "sub", "arguments": {}}]}),
         "f.jsonl:1: "),
        (json.dumps({"completion": "x", "tools": [TOOL], "ground_truth": [{"name": "add", "arguments": {"a": "1"}}]}),
         "f.jsonl:1: "),
        (json.dumps({"completion": "x", "tools": [TOOL], "ground_truth": GOLD * 65}),
         "f.jsonl:1: ground_truth wants 65 calls, at most 64 are compared: split it"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named(tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(text)
    assert main(["score", str(path)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_what_an_output_cannot_hold_is_escaped(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f.jsonl"
    gold = [{"name": "say", "arguments": {"text": "臺北 \ud83d"}}]
    tool = {"name": "say", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}
    path.write_text(json.dumps({"completion": "臺", "tools": [tool], "ground_truth": gold}) + "\n")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for form in ([], ["--explain"], ["--json"]):
        command = [sys.executable, "-m", "rlvr", "score", str(path), "--matching", "bfcl", *form]
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        assert (done.returncode, done.stderr) == (0, b""), form
        if form == ["--json"]:
            assert json.loads(done.stdout.decode(encoding))["outcome"] == "abstain"


def test_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl: cannot be read: No such file" in capsys.readouterr().err
