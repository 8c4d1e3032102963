"""Where a table names how its intervals were made, it is the method that the figures carry."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlvr.evaluation.both_ways import structured_table
from rlvr.evaluation.statistics import paired_share_difference
from rlvr.evaluation.suites import chat, retention_tables, robustness

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize(
    "words",
    [
        chat._BESIDE_NOTE,
        robustness._NOTE,
        retention_tables._LOST_NOTE,
        structured_table([], 0).notes[0],
        (DOCS / "suites.md").read_text(encoding="utf-8"),
        (DOCS / "publishing.md").read_text(encoding="utf-8"),
    ],
    ids=["chat", "robustness", "retention", "structured", "suites.md", "publishing.md"],
)
def test_paired_differences_of_shares_are_tangos(words: str) -> None:
    assert paired_share_difference([True], [False]).method == "tango"
    assert "Tango" in words
    assert "Newcombe" not in words
