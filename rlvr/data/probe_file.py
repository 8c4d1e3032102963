"""The file of a probe: one JSON line an example, appended chunk by chunk, and its settings beside it.

FILE                 the rows, in the order of the ids
FILE.settings.json   model, options and a hash of the examples: rows of another probe never mix with them
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlvr.errors import DataError, RunError, UsageError
from rlvr.jsonl import read_objects


class ProbeFile:
    """Reads what is there, and appends to it. Raises `UsageError` for a name that says it is compressed."""

    def __init__(self, path: Path) -> None:
        if path.suffix == ".gz":
            raise UsageError(f"{path}: is appended to, which a .gz cannot be. Give a name that ends in .jsonl.")
        self.path = path
        self.settings_path = path.with_name(path.name + ".settings.json")

    def open(self, settings: Mapping[str, Any], ids: Sequence[str], chunk_size: int) -> list[dict[str, Any]]:
        """Begin, or go on: return the rows of whole chunks, and cut off what a kill left behind them.

        Raises `UsageError` where the file belongs to other settings.
        """
        there = self.path.exists()
        if there:
            self._check_same(settings)
        else:
            self._write_settings(settings)
        whole, at_byte = self._whole_rows(ids, chunk_size) if there else ([], 0)
        if there and self.path.stat().st_size != at_byte:
            os.truncate(self.path, at_byte)
        return whole

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Raises `RunError` where the disk does not take them; what was written before is kept."""
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        try:
            with self.path.open("ab") as file:
                file.write(text.encode("utf-8", "surrogatepass"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unwritten(error) from error

    def _whole_rows(self, ids: Sequence[str], chunk_size: int) -> tuple[list[dict[str, Any]], int]:
        """The rows that follow `ids` from the first on, as far as chunks are whole, and where they end."""
        rows: list[dict[str, Any]] = []
        ends = [0]
        with self.path.open("rb") as file:
            for line in file:
                row = _row(line)
                if row is None or len(rows) >= len(ids) or row.get("id") != ids[len(rows)]:
                    break
                rows.append(row)
                ends.append(ends[-1] + len(line))
        kept = len(rows) if len(rows) == len(ids) else len(rows) // chunk_size * chunk_size
        return rows[:kept], ends[kept]

    def _check_same(self, settings: Mapping[str, Any]) -> None:
        try:
            known = json.loads(self.settings_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise UsageError(
                f"{self.path}: is there, without {self.settings_path.name}. Give another --out, or remove it."
            ) from None
        differing = [
            f"{key}: {known.get(key)!r} there, {settings.get(key)!r} now"
            for key in sorted(set(known) | set(settings))
            if known.get(key) != settings.get(key)
        ]
        if differing:
            raise UsageError(
                f"{self.path}: holds a probe with other settings ({'; '.join(differing)}). "
                "Give another --out, or the same settings."
            )

    def _write_settings(self, settings: Mapping[str, Any]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.settings_path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        except OSError as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> RunError:
        return RunError(
            f"{self.path}: cannot be written ({error.strerror or error}). "
            "The chunks before are kept: free some space and run the same command again."
        )


def read_probe(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a finished or unfinished probe. Raises `DataError` where one is none."""
    path = Path(path)
    if not path.is_file():
        raise DataError(str(path), "no such file. Make one with `rlvr data probe MODEL --data FILE --out FILE`.")
    rows = []
    for where, row in read_objects(path):
        k, rate = row.get("k"), row.get("pass_rate")
        if not isinstance(row.get("id"), str) or not isinstance(k, int) or isinstance(k, bool):
            raise DataError(where, "is no row of a probe: expected id, k and pass_rate")
        if k and (isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1):
            raise DataError(where, f"pass_rate: got {rate!r:.60}, expected a number between 0 and 1")
        rows.append(row)
    return rows


def _row(line: bytes) -> dict[str, Any] | None:
    """A whole line's row; `None` where it was cut, or is none."""
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
