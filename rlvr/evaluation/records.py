"""One line an example and model: what was generated and how it was judged.

The file is appended to in chunks and read back on resuming, so a line may be cut where a process was killed: the last
line of a file may be broken and is then left out; any other broken line is a `DataError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from rlvr.errors import DataError
from rlvr.jsonl import append_flushed, replace_flushed


@dataclass(frozen=True, slots=True)
class EvalRecord:
    """How one model did on one example.

    `wants_call` says whether the ground truth holds a call. `right` is the strict verdict. `abstained` is clean text
    that was not cut, `false_call` a call (well-formed or malformed) where none is wanted, `malformed` the outcome of
    that name. `scores` are the reward components, unweighted, for diagnosis only: accuracy never comes from them.
    `judged` is false where no verdict of ours is certain: `right` then says nothing, and no accuracy counts it.
    `official` is a benchmark's own verdict on the same answer, where it has one other than ours and it can be told.
    """

    model: str
    id: str
    category: str
    lang: str | None
    wants_call: bool
    completion: str
    completion_tokens: int
    prompt_tokens: int
    outcome: str
    truncated: bool
    right: bool
    abstained: bool
    false_call: bool
    malformed: bool
    matching: str
    reason: str = ""
    scores: Mapping[str, float | None] = field(default_factory=dict)
    judged: bool = True
    official: bool | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "bool": (bool,),
    "bool | None": (bool, type(None)),
    "int": (int,),
    "Mapping[str, float | None]": (dict,),
}
_FIELDS = {f.name: _TYPES[str(f.type)] for f in fields(EvalRecord)}
_OPTIONAL = {"reason", "scores", "judged", "official"}


def record_from_json(value: object, where: str = "") -> EvalRecord:
    """Read one record. Raises `DataError` naming every missing, unknown or wrongly typed field."""
    if not isinstance(value, dict):
        raise DataError(where, f"an evaluation record must be an object, got {type(value).__name__}")
    problems = [f"{name}: missing" for name in _FIELDS if name not in value and name not in _OPTIONAL]
    for name, item in value.items():
        if name not in _FIELDS:
            problems.append(f"{name}: unknown field")
        elif not isinstance(item, _FIELDS[name]) or (isinstance(item, bool) and bool not in _FIELDS[name]):
            problems.append(f"{name}: got {type(item).__name__}")
    if problems:
        raise DataError(where, "not an evaluation record: " + "; ".join(problems))
    return EvalRecord(**value)


def read_records(path: Path) -> list[EvalRecord]:
    """All records of a file, in the file's order; `[]` where there is no file. A cut last line is left out."""
    return [record_from_json(value, f"{path}:{number}") for number, value in read_jsonl_tolerant(path)]


def read_jsonl_tolerant(path: Path) -> list[tuple[int, Any]]:
    """`(line number, value)` of a JSONL file that a process may have been killed while writing.

    Raises `DataError` for a broken line that is not the last one.
    """
    if not path.exists():
        return []
    # Split on "\n" alone: splitlines() also splits at U+2028, which model output may hold.
    lines = path.read_bytes().split(b"\n")
    last = max((i for i, line in enumerate(lines) if line.strip()), default=-1)
    out: list[tuple[int, Any]] = []
    for i, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            out.append((i + 1, json.loads(line.decode("utf-8"))))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            if i == last:
                break
            raise DataError(f"{path}:{i + 1}", f"broken JSON: {error}") from error
    return out


def append_records(path: Path, records: Iterable[EvalRecord]) -> None:
    """Append a chunk and flush it to the disk. Raises `RunError` where the disk does not take it."""
    append_flushed(path, (r.to_json() for r in records))


def write_records(path: Path, records: Iterable[EvalRecord]) -> None:
    """Replace the file by these records, in one step, so that a kill leaves the old file or the new one."""
    replace_flushed(path, (r.to_json() for r in records))
