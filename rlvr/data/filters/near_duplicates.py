"""Near duplicates: nearly the same query to nearly the same tools, by MinHash (the package `datasketch`).

What is compared, as a set (`shingles`):
- the 5-grams of characters of the last user message, in normal form;
- each earlier or later message of the dialogue as one element (its system prompt left out, which whole sources share);
- each tool offered as one element: its name and the names of its parameters.
So wording decides, tools add to it, and thirty common tools do not make two queries alike. Sets of different calls
(names in the ground truth) or of different turns of a dialogue share nothing: a negative is never a near duplicate of
its positive, nor a dialogue's second turn one of its first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rlvr.data.decontaminate.signatures import signature
from rlvr.data.decontaminate.words import normal_form
from rlvr.data.filters.records import FirstRows, Records
from rlvr.errors import UsageError
from rlvr.extras import require
from rlvr.types import Example

GRAM = 5
_MOST_ROWS_A_BAND = 8  # more would not fit the 8 bytes that a table looks up
_RECALL = 0.9
_BATCH = 4096
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_CHANCE = 1 / 256  # two minima that differ share their lowest byte as often as this


class NearDuplicates:
    """Drops an example that is nearly one that stayed: estimated Jaccard similarity at least `threshold`. Code:
    `near_duplicate`.

    Of each of `num_perm` minima one byte is kept. Bands of up to 8 of them find candidates (at the threshold with a
    chance of at least 0.9, at higher similarity nearly always), and all of them decide: the estimate's standard
    deviation is at most 0.5 / sqrt(num_perm), 0.044 for 128. Only examples that stayed are remembered, and of those
    with one band in common only the first is a candidate, so that time is linear in the rows.
    Memory at 128 and 0.8: 128 bytes of signature and 16 tables of 6 to 9 bytes, 220 to 320 bytes a row that stayed.
    With a `store`, a file, the signatures are written there too, and a build that was killed goes on (`restore`).
    """

    name: ClassVar[str] = "near_duplicates"

    def __init__(self, threshold: float = 0.8, num_perm: int = 128, store: str | Path | None = None) -> None:
        if not 0.3 <= threshold <= 1:
            raise UsageError(f"near_threshold: got {threshold}, expected a similarity between 0.3 and 1")
        if not 16 <= num_perm <= 512:
            raise UsageError(f"num_perm: got {num_perm}, expected 16 to 512")
        require("datasketch", "data", "near duplicates (MinHash)")
        self.threshold, self.num_perm = threshold, num_perm
        self._records = Records(num_perm, store)
        rows = rows_a_band(threshold, num_perm)
        self._bands = [FirstRows(self._records, at, rows) for at in range(0, num_perm - rows + 1, rows)]

    def __len__(self) -> int:
        """How many examples are remembered."""
        return len(self._records)

    def key(self, example: Example) -> bytes:
        """The signature: the lowest byte of each minimum."""
        sketch = _empty(self.num_perm).copy()
        values = shingles(example)
        for start in range(0, len(values), _BATCH):
            sketch.update_batch(values[start : start + _BATCH])
        return bytes(sketch.hashvalues.astype(np.uint8).tobytes())

    def why_not_key(self, key: bytes) -> str | None:
        if self.original(key) is not None:
            return "near_duplicate"
        row = len(self._records)
        self._records.append(key)
        for band in self._bands:
            band.add(key, row)
        return None

    def why_not(self, example: Example) -> str | None:
        return self.why_not_key(self.key(example))

    def original(self, key: bytes) -> int | None:
        """The row that `key` is a near duplicate of, counted from 0 among those that stayed."""
        rows = sorted({row for band in self._bands if (row := band.find(key)) is not None})
        return next((row for row in rows if similarity(key, self._records[row]) >= self.threshold), None)

    def close(self) -> None:
        self._records.close()

    def state(self) -> dict[str, Any]:
        self._records.sync()
        return {"rows": len(self._records)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._records.load(int(state["rows"]))
        for band in self._bands:
            band.rebuild()


def rows_a_band(threshold: float, num_perm: int) -> int:
    """How many minima make a band: the most with which two at `threshold` share a band with a chance of at least 0.9.

    >>> rows_a_band(0.8, 128), rows_a_band(0.5, 128), rows_a_band(0.95, 128)
    (8, 3, 8)
    """
    for rows in range(_MOST_ROWS_A_BAND, 1, -1):
        if 1 - (1 - threshold**rows) ** (num_perm // rows) >= _RECALL:
            return rows
    return 1


def similarity(a: bytes, b: bytes) -> float:
    """The estimated Jaccard similarity of two signatures, corrected for bytes that agree by chance."""
    same = np.frombuffer(a, np.uint8) == np.frombuffer(b, np.uint8)
    return float((np.count_nonzero(same) / len(a) - _CHANCE) / (1 - _CHANCE))


def shingles(example: Example) -> list[int]:
    """The set that is compared, as sorted 32-bit hashes (the module says of what)."""
    last = _last_user(example)
    turns = sum(1 for m in example.messages if m.get("role") == "assistant")
    names = sorted({call.name for call in example.ground_truth})
    salt = crc32(json.dumps([turns, names], ensure_ascii=False).encode("utf-8", "surrogatepass"))
    elements = np.array([crc32(part, salt) for part in _elements(example, last)], dtype=np.uint32)
    text = normal_form(example.query) if last is not None else ""
    found: list[int] = np.unique(np.concatenate([_grams(text, salt), elements])).tolist()
    return found


def _grams(text: str, salt: int) -> NDArray[np.uint32]:
    """The 5-grams of a text's characters, hashed; a shorter text is one.  # (n,)"""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    width = min(GRAM, len(codes))
    hashes = np.full(max(1, len(codes) - GRAM + 1), salt, dtype=np.uint64)
    for place in range(width):
        hashes = (hashes + codes[place : place + len(hashes)]) * _FACTOR  # modulo 2**64
        hashes ^= hashes >> np.uint64(29)
    return (hashes >> np.uint64(32)).astype(np.uint32)


def _elements(example: Example, last: int | None) -> Iterator[bytes]:
    for place, message in enumerate(example.messages):
        if place == last or message.get("role") in ("system", "developer"):
            continue
        body = [message.get("role"), message.get("content") or "", message.get("tool_calls") or []]
        text = json.dumps(body, ensure_ascii=False, sort_keys=True, default=str)
        yield b"\0message\0" + text.encode("utf-8", "surrogatepass")
    for tool in example.tools:
        yield b"\0tool\0" + str(signature(tool)).encode("utf-8", "surrogatepass")


def _last_user(example: Example) -> int | None:
    places = [i for i, m in enumerate(example.messages) if m.get("role") == "user"]
    return places[-1] if places else None


@lru_cache(maxsize=8)
def _empty(num_perm: int) -> Any:
    """An empty sketch: its permutations are drawn once (by numpy's fixed seed 1), copies share them."""
    from datasketch import MinHash

    return MinHash(num_perm=num_perm, seed=1, hashfunc=_as_it_is, scheme="affine32")


def _as_it_is(value: int) -> int:
    return value
