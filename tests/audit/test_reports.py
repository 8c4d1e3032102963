"""What an audit prints and writes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rlvr.audit import AuditResult, Target, audit, rule
from rlvr.audit.html import page, write_html
from rlvr.audit.subject import Subject
from rlvr.audit.text import shown, summary
from rlvr.errors import RunError
from rlvr.types import Example


@pytest.fixture(scope="module")
def result(flawed: ModuleType, few: list[Example]) -> AuditResult:
    return audit(Target("mine:one_order_only", flawed.one_order_only), few, skip=["very_long"])


def test_the_report_states_the_rule_and_shows_the_worst(result: AuditResult) -> None:
    text = result.report()
    assert text.startswith("mine:one_order_only: ")
    assert "false reward: a wrong completion earns as much as the ground truth, or more" in text
    for kind in ("false rewards", "missed rewards", "broken contract"):
        assert f"{kind}: " in text
    worst = result.worst("false_reward")
    assert worst is not None
    assert worst.message in text
    assert "reordered_calls" in text
    assert re.search(r"^always_refuse +\d+ +\d+ +[+-]\d", text, re.MULTILINE)
    assert text == str(result)


def test_a_clean_report_says_so(few: list[Example]) -> None:
    right = {Subject(example, "hermes").ground_truth for example in few}
    result = audit(Target("f", lambda completions, **_: [float(c in right) for c in completions]), few, only=["empty"])
    assert result.report().endswith("nothing found")
    assert "0 false rewards" in summary(result)


def test_the_json_holds_every_finding(result: AuditResult) -> None:
    value = json.loads(json.dumps(result.to_json()))
    assert value["counts"] == {k: len(result.of_kind(k)) for k in ("false_reward", "missed_reward", "contract")}
    assert len(value["findings"]) == len(result.findings)
    assert value["rule"] == rule(0.0).splitlines()
    assert value["clean"] is False
    assert all(len(f["completion"]) < 2_100 for f in value["findings"])


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.loaded: list[Any] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.loaded += [v for k, v in attrs if k in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_loads_nothing_and_escapes_what_was_said(result: AuditResult, tmp_path: Path) -> None:
    path = write_html([result], tmp_path / "deep" / "audit.html")
    text = path.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.loaded == []
    assert not tags.names & {"script", "img", "iframe", "tool_call", "think"}
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text
    assert "&lt;tool_call&gt;" in text
    assert "<h2>Degenerate policies</h2>" in text


def test_hostile_text_stays_text(few: list[Example]) -> None:
    def vain(completions: list[str], **_: Any) -> list[float]:
        raise ValueError("<script>alert(1)</script> \ud800")

    result = audit(Target("<b>f</b>", vain), few[:1], only=["empty"])
    text = page([result])
    assert "<script>" not in text
    assert "<b>f</b>" not in text
    text.encode("utf-8")
    result.report().encode("utf-8", "strict")


def test_a_page_that_cannot_be_written_says_where(result: AuditResult, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match=r"audit\.html"):
        write_html([result], tmp_path / "file" / "audit.html")


def test_a_text_is_shown_on_one_line() -> None:
    assert shown("a\nb\x00c") == "a⏎b c"
    assert shown("") == "(nothing)"
    assert shown("x" * 500).endswith("… (500 characters)")
