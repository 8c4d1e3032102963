"""The dialogues in the official result format, so that `bfcl evaluate` scores the very same answers.

A step is a list of `{name: arguments}` where it has calls, else the completion's text; a dialogue that broke off is the
text that the official handler writes then. The leaderboard's program picks a way to read results by a model's name:
`HANDLER` is one that reads calls as objects, and needs neither a key nor a server. Each model has a folder of its own,
for `BFCL_PROJECT_ROOT`.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rlvr.evaluation.multi_turn.dialogue import FINISHED, FORCE_QUIT
from rlvr.evaluation.multi_turn.transcripts import read_transcripts
from rlvr.evaluation.store import write_text

HANDLER = "katanemo/Arch-Agent-1.5B"
FOLDER = "official"


def result_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A transcript as an official result."""
    if row["ending"] not in (FINISHED, FORCE_QUIT):
        return {"id": row["id"], "result": f"Error during inference: {row['ending']}: {row['note']}"}
    steps = [turn["steps"] for turn in row["turns"]]
    return {
        "id": row["id"],
        "result": [[_answer(step) for step in turn] for turn in steps],
        "input_token_count": [[step["prompt_tokens"] for step in turn] for turn in steps],
        "output_token_count": [[step["completion_tokens"] for step in turn] for turn in steps],
    }


def write_results(folder: Path) -> list[Path]:
    """Write `official/<model>/result/…` from a folder's transcripts; returns one path a model and category."""
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for (model, _), row in read_transcripts(folder).items():
        grouped.setdefault((model, row["category"]), []).append(row)
    out = []
    for (model, category), rows in sorted(grouped.items()):
        rows.sort(key=lambda r: int(r["id"].rsplit("_", 1)[1]))
        place = model_folder(folder, model) / "result" / HANDLER.replace("/", "_") / "multi_turn"
        path = place / f"BFCL_v4_{category}_result.json"
        # ASCII: the official code opens its files in the machine's own encoding.
        write_text(path, "".join(json.dumps(result_of(row)) + "\n" for row in rows))
        out.append(path)
    return out


def model_folder(folder: Path, model: str) -> Path:
    """Where a model's official files stand."""
    return folder / FOLDER / quote(model, safe="@+ ")


def command(folder: Path, model: str) -> str:
    """The command that scores a model's files, in an environment with the official package."""
    root = shlex.quote(str(model_folder(folder, model).resolve()))
    return f"BFCL_PROJECT_ROOT={root} bfcl evaluate --model {HANDLER} --test-category multi_turn --partial-eval"


def _answer(step: Mapping[str, Any]) -> Any:
    if step["calls"]:
        return [{call["name"]: call["arguments"]} for call in step["calls"]]
    return step["completion"]
