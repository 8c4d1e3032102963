"""docs/parsers.md says what is so: its example runs, its formats and policies are all there, each call reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rlvr.parsers import MAX_CALLS, MAX_CHARS, MAX_CONTAINERS, PARSERS, REASONING, get_parser
from rlvr.types import Tool, ToolCall

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "parsers.md").read_text(encoding="utf-8")
TOOL = Tool("f", "", {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}})


def table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head; `\\|` is a bar."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in rows[2:]]


def test_every_format_and_every_policy_has_its_row() -> None:
    assert [row[0].strip("`") for row in table("The formats")] == list(PARSERS)
    assert [row[0].partition("`")[2].partition("`")[0] for row in table("Reasoning")] == list(REASONING)
    assert f"{MAX_CHARS:,} characters" in TEXT
    assert f"{MAX_CALLS:,} calls" in TEXT
    assert f"{MAX_CONTAINERS:,} lists and objects" in TEXT


@pytest.mark.parametrize("row", table("The formats"), ids=lambda row: row[0])
def test_the_call_of_each_row_reads(row: list[str]) -> None:
    name, text = row[0].strip("`"), row[2].strip("`")
    (call,) = get_parser(name).parse(text, tools=[TOOL]).calls
    assert call in (ToolCall("f", {"a": 1}), ToolCall("f", {"a": 1, "b": "x"}))


def test_the_example_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    code = TEXT.partition("```python\n")[2].partition("```")[0]
    exec(code, {})
    first, *rest = capsys.readouterr().out.splitlines()
    assert f"# {first}" in code
    assert rest == ["<tool_call>", '{"name": "get_weather", "arguments": {"city": "Hanoi"}}', "</tool_call>"]


def test_every_reason_for_a_difference_with_vllm_is_counted_and_explained() -> None:
    source = (ROOT / "benchmarks" / "vllm_differences.py").read_text(encoding="utf-8")
    reasons = set(re.findall(r'^    "([^"]+)": "', source, re.MULTILINE))
    assert len(reasons) > 20
    section = TEXT.partition("<!-- vllm-table -->")[2].partition("<!-- /vllm-table -->")[0]
    counts = [
        re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if re.match(r"\| .*`.* \| [0-9]", line)
    ]
    counted: set[str] = set()
    for _, same, differences in counts:
        found = re.findall(r"([0-9]+) ([^,|]+)", differences)
        assert int(same.replace(",", "")) + sum(int(n) for n, _ in found) == 50_000
        counted |= {reason.strip() for _, reason in found}
    assert len(counts) == 10
    assert counted == reasons
    explained = section.partition("| why ours is right |")[2]
    assert not [reason for reason in reasons if reason not in explained]
