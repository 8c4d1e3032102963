"""RUN/samples: completions with their breakdown as Parquet, one part file a logged step or look, written whole.

    samples/step-00000012.parquet   completions that step 12 learned from, whole groups
    samples/look-00000012.parquet   greedy completions of the look at held-out examples after step 12

A part is written beside and renamed, so that a kill leaves all of it or nothing, and a step that is done again replaces
its part. docs/watching.md has the columns. pyarrow is imported when a part is written or read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rlvr.errors import DataError, UsageError
from rlvr.extras import require
from rlvr.paths import written_whole
from rlvr.rewards.columns import query_language
from rlvr.rewards.context import build_context
from rlvr.rewards.judge import judge
from rlvr.rewards.matching import Match
from rlvr.rewards.parsing import parse_completion

FOLDER = "samples"
Kind = Literal["step", "look"]
_META = b"rlvr"


@dataclass(frozen=True, slots=True)
class TableInfo:
    """What a part's rows were scored with; it stands in the Parquet file's own metadata, so that a part is enough."""

    composition: str
    stage: str
    weights: Mapping[str, float]
    parser: str = "hermes"
    matching: str = "typed"
    reasoning_parser: str = "think"
    group_size: int = 1
    aggregation: str = "sum_then_normalize"
    scale_rewards: str = "group"


@dataclass(slots=True)
class Sampled:
    """One completion as a trainer had it; with `messages` it is the JSON of a message list.

    `scores` are unweighted; `advantage` is `None` where none was computed.
    """

    id: str
    category: str
    lang: str | None
    query: str
    prompt: str
    tools: str
    ground_truth: str
    expects: str
    reasoning_opened: bool
    completion: str
    messages: bool
    completion_ids: Sequence[int]
    truncated: bool
    scores: Mapping[str, float | None] = field(default_factory=dict)
    advantage: float | None = None


def part_path(run: Path, kind: Kind, step: int) -> Path:
    return run / FOLDER / f"{kind}-{step:08d}.parquet"


def parts(run: Path, kind: Kind = "step") -> list[Path]:
    """A run's part files of a kind, in order of steps."""
    return sorted((run / FOLDER).glob(f"{kind}-*.parquet"))


def step_of(path: Path) -> int:
    return int(path.stem.rsplit("-", 1)[1])


def drop_after(run: Path, step: int) -> None:
    """Remove the parts of steps that a resumed run does again, and what a kill left half-written."""
    for path in [*parts(run, "step"), *parts(run, "look")]:
        if step_of(path) > step:
            path.unlink()
    for path in (run / FOLDER).glob(".*.tmp"):
        path.unlink()


def write_part(run: Path, kind: Kind, step: int, rows: Sequence[Sampled], info: TableInfo) -> Path:
    """Write one part, in one step. Raises `RunError` where the disk does not take it."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(_columns(kind, step, rows, info), schema=_schema(info))
    path = part_path(run, kind, step)
    with written_whole(path) as beside:
        parquet.write_table(table, beside, compression="zstd")
    return path


def read_part(path: Path) -> tuple[list[dict[str, Any]], TableInfo]:
    """The rows of a part, a mapping each, and what they were scored with. Raises `DataError` for another file."""
    require("pyarrow", "data", "Reading RUN/samples")
    from pyarrow import lib, parquet

    try:
        table = parquet.read_table(path)
        info = TableInfo(**json.loads((table.schema.metadata or {})[_META]))
    except (OSError, lib.ArrowInvalid) as error:
        raise DataError(str(path), f"cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(str(path), f"is no part of a run's samples: {error!r}") from error
    return table.to_pylist(), info


def read_steps(run: Path) -> Iterator[tuple[int, list[dict[str, Any]], TableInfo]]:
    """Every logged step's rows, in order. Raises `UsageError` where the run has none."""
    found = parts(run, "step")
    if not found:
        raise UsageError(
            f"{run}: has no completions under {FOLDER}/. They are kept by GRPO runs with log.completions above 0, and "
            "not by runs of earlier versions."
        )
    for path in found:
        rows, info = read_part(path)
        yield step_of(path), rows, info


def breakdown(row: Sampled, info: TableInfo) -> dict[str, Any]:
    """Outcome, verdict and the verdicts on calls and arguments of one completion."""
    lang = query_language(row.lang, row.query, None)
    context = build_context(row.tools, row.ground_truth, expects=row.expects, lang=lang, matching=info.matching)
    parsed = parse_completion(
        json.loads(row.completion) if row.messages else row.completion,
        info.parser,
        truncated=row.truncated,
        reasoning_opened=row.reasoning_opened,
        tools=context.tools,
        reasoning_parser=info.reasoning_parser,
    )
    verdict = judge(parsed, context)
    called = [call.name for call in parsed.calls]
    wanted = [call.name for call in context.gold]
    calls = [] if verdict.match is None else call_verdicts(verdict.match, called, wanted)
    return {
        "outcome": str(parsed.outcome),
        "right": verdict.right,
        "reason": verdict.reason,
        "calls": json.dumps(calls, ensure_ascii=False) if calls else "[]",
    }


def call_verdicts(match: Match, called: Sequence[str], wanted: Sequence[str]) -> list[dict[str, Any]]:
    """What became of each call, predicted or wanted, and of each of its arguments."""
    return [
        {
            "name": wanted[pair.wanted] if pair.wanted is not None else called[pair.predicted or 0],
            "reason": pair.reason,
            "credit": pair.credit,
            "arguments": [{"name": a.name, "credit": a.credit, "reason": a.reason} for a in pair.arguments],
        }
        for pair in match.pairs
    ]


def _columns(kind: Kind, step: int, rows: Sequence[Sampled], info: TableInfo) -> dict[str, list[Any]]:
    known: dict[tuple[str, str, bool], dict[str, Any]] = {}  # a group often says the same several times
    judged = []
    for row in rows:
        key = (row.id, row.completion, row.truncated)
        if key not in known:
            known[key] = breakdown(row, info)
        judged.append(known[key])
    size = info.group_size if kind == "step" else 1
    columns: dict[str, list[Any]] = {
        "step": [step] * len(rows),
        "kind": [kind] * len(rows),
        "group": [i // size for i in range(len(rows))],
        "place": [i % size for i in range(len(rows))],
    }
    for name in _PLAIN:
        columns[name] = [getattr(row, name) for row in rows]
    columns["completion_ids"] = [list(row.completion_ids) for row in rows]
    columns["completion_tokens"] = [len(row.completion_ids) for row in rows]
    for name in ("outcome", "right", "reason", "calls"):
        columns[name] = [j[name] for j in judged]
    for name in info.weights:
        columns[f"score_{name}"] = [row.scores.get(name) for row in rows]
    columns["total"] = [_total(row.scores, info.weights) for row in rows]
    columns["advantage"] = [row.advantage for row in rows]
    return {name: _as_utf8(values) for name, values in columns.items()}


_PLAIN = ("id", "category", "lang", "query", "prompt", "tools", "ground_truth", "expects", "reasoning_opened",
          "completion", "messages", "truncated")  # fmt: skip


def _total(scores: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    earned = [weights[name] * value for name, value in scores.items() if value is not None]
    return sum(earned) if earned else None


def _as_utf8(values: list[Any]) -> list[Any]:
    """A lone surrogate in a completion has no UTF-8 form, and Parquet takes none: "?" stands for it."""
    if values and isinstance(values[0], str):
        return [v if v is None or v.isascii() else v.encode("utf-8", "replace").decode("utf-8") for v in values]
    return values


def _schema(info: TableInfo) -> Any:
    import pyarrow as pa

    text, flag, number = pa.string(), pa.bool_(), pa.float64()
    fields: dict[str, Any] = {"step": pa.int64(), "kind": text, "group": pa.int32(), "place": pa.int32()}
    fields |= {name: flag if name in ("reasoning_opened", "messages", "truncated") else text for name in _PLAIN}
    fields |= {"completion_ids": pa.list_(pa.int32()), "completion_tokens": pa.int32()}
    fields |= {"outcome": text, "right": flag, "reason": text, "calls": text}
    fields |= {f"score_{name}": number for name in info.weights}
    fields |= {"total": number, "advantage": number}
    return pa.schema(list(fields.items()), metadata={_META: json.dumps(asdict(info)).encode()})
