"""Exact duplicates: the same dialogue, the same tools, the same ground truth. The first one stays."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from rlvr.data.filters.records import FirstRows, Records
from rlvr.types import Example

KEY_BYTES = 16
_SPACE = re.compile(r"\s+")


class ExactDuplicates:
    """Drops an example that was there before. Code: `duplicate`.

    Two are equal where messages, tools and ground truth are; what surrounds words (spaces, line breaks), the order of
    the tools and of parallel calls, the order of JSON keys, ids and `meta` do not count. Two with one prompt and
    different ground truths are no duplicates. Memory: 22 to 27 bytes a row (a 16-byte digest and its place in a table).
    With a `store`, a file, the digests are written there too, and a build that was killed goes on (`restore`).
    """

    name: ClassVar[str] = "exact_duplicates"

    def __init__(self, store: str | Path | None = None) -> None:
        self._records = Records(KEY_BYTES, store)
        self._rows = FirstRows(self._records, 0, 8)

    def __len__(self) -> int:
        """How many examples are remembered."""
        return len(self._records)

    def key(self, example: Example) -> bytes:
        """The digest of what counts."""
        return digest(example)

    def why_not_key(self, key: bytes) -> str | None:
        if self.original(key) is not None:
            return "duplicate"
        self._records.append(key)
        self._rows.add(key, len(self._records) - 1)
        return None

    def why_not(self, example: Example) -> str | None:
        return self.why_not_key(self.key(example))

    def original(self, key: bytes) -> int | None:
        """The row with the same digest, counted from 0 among those that stayed."""
        row = self._rows.find(key)  # by half of its bytes
        return row if row is not None and self._records[row] == key else None

    def close(self) -> None:
        self._records.close()

    def state(self) -> dict[str, Any]:
        self._records.sync()
        return {"rows": len(self._records)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._records.load(int(state["rows"]))
        self._rows.rebuild()


def digest(example: Example) -> bytes:
    """16 bytes that are the same for examples that teach the same."""
    content = {
        "messages": [_message(m) for m in example.messages],
        "tools": sorted(_canonical(t.to_json()) for t in example.tools),
        "calls": sorted(_canonical(c.to_json()) for c in example.ground_truth),
    }
    return hashlib.blake2b(_canonical(content).encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    text = _SPACE.sub(" ", content).strip() if isinstance(content, str) else content
    return {"role": message.get("role"), "content": text or "", "tool_calls": message.get("tool_calls") or []}


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
