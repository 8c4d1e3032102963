"""`transcripts.jsonl`: the whole of each dialogue, one line a dialogue and model.

{"model", "id", "category", "ending", "note", "verdict": {"valid", "error", "message"},
 "turns": [{"wants_call", "asked", "joined", "steps": [{"completion", "outcome", "calls", "results",
            "prompt_tokens", "completion_tokens", "truncated"}]}]}
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rlvr.evaluation.multi_turn.dialogue import Dialogue
from rlvr.evaluation.multi_turn.executors import Verdict
from rlvr.evaluation.records import read_jsonl_tolerant
from rlvr.jsonl import replace_flushed

NAME = "transcripts.jsonl"

Key = tuple[str, str]
"""A model's label and a dialogue's id."""


def transcript(model: str, dialogue: Dialogue, verdict: Verdict) -> dict[str, Any]:
    return {
        "model": model,
        "id": dialogue.id,
        "category": dialogue.category,
        "ending": dialogue.ending,
        "note": dialogue.note,
        "verdict": asdict(verdict),
        "turns": [turn.to_json() for turn in dialogue.turns],
    }


def read_transcripts(folder: Path) -> dict[Key, Mapping[str, Any]]:
    """The transcripts of an evaluation's folder, by model and id, in the file's order; of two the later one."""
    rows = [value for _, value in read_jsonl_tolerant(folder / NAME)]
    return {(row["model"], row["id"]): row for row in rows}


def keep_only(folder: Path, keys: Collection[Key]) -> None:
    """Leave out what has no record: of a dialogue that was cut while it was written, or of older weights."""
    path = folder / NAME
    if path.exists():
        kept = [row for key, row in read_transcripts(folder).items() if key in keys]
        replace_flushed(path, kept)
