"""What a trainer tells beside the completions: columns of the batch's length, flags, and which completions were cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rlvr.errors import UsageError

_NO_FLAG = (str, bytes, Mapping, Sequence)


def column(name: str, values: Any, n: int, required: bool = False) -> list[Any]:
    """A column as a list, `None` everywhere where there is none. Raises `UsageError` where it has another length."""
    if values is None:
        if required:
            raise UsageError(
                f"{name} is missing: a list with one entry a completion is needed ({n} here). Trainers pass a dataset's"
                " columns by their names."
            )
        return [None] * n
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__len__"):
        kind = type(values).__name__
        raise UsageError(f"{name} must be a list with one entry a completion ({n} here), got {kind}")
    if len(values) != n:
        raise UsageError(f"{name} has {len(values)} entries for {n} completions; it needs one a completion")
    return values if type(values) is list else list(values)


def flags(name: str, values: Any, n: int) -> list[bool]:
    """A column of flags, or one flag for all. Raises `UsageError` for a text: `"false"` would count as true."""
    if values is None or isinstance(values, bool):
        return [bool(values)] * n
    return [flag(name, v) for v in column(name, values, n)]


def flag(name: str, value: Any) -> bool:
    """One flag; `None` is false."""
    if isinstance(value, _NO_FLAG):
        raise UsageError(f"{name}: got {value!r:.60}, expected true or false")
    return bool(value)


def truncation(n: int, columns: Mapping[str, Any]) -> list[bool]:
    """Which completions were cut: by a `truncated` column, else where `completion_ids` hold none of `eos_token_ids`.

    Ids may be whole numbers of any kind, in lists, arrays or tensors.
    """
    if columns.get("truncated") is not None:
        return flags("truncated", columns["truncated"], n)
    rows = column("completion_ids", columns.get("completion_ids"), n)
    ends = end_ids(columns.get("eos_token_ids"))
    if not ends:
        return [False] * n
    return [row is not None and not _ends(row, ends) for row in rows]


def end_ids(ends: Any) -> frozenset[int]:
    """The ids that end a completion, given as one or as several. Raises `UsageError` for what is no token id."""
    if ends is None:
        return frozenset()
    ends = ends.tolist() if hasattr(ends, "tolist") else ends
    if hasattr(ends, "__index__"):
        return frozenset((ends.__index__(),))
    if isinstance(ends, (str, bytes)) or not isinstance(ends, Iterable):
        raise UsageError(f"eos_token_ids must be a list of token ids, got {type(ends).__name__}")
    return frozenset(token_ids("eos_token_ids", ends))


def token_ids(name: str, row: Any) -> Sequence[int]:
    """Token ids as plain integers: a tensor's items are equal to none, since they hash by identity."""
    row = row.tolist() if hasattr(row, "tolist") else row
    if isinstance(row, (str, bytes)) or not isinstance(row, Iterable):
        raise UsageError(f"{name} must hold a list of token ids for each completion, got {row!r:.60}")
    ids = row if isinstance(row, (list, tuple)) else list(row)
    if set(map(type, ids)) <= {int}:
        return ids
    try:
        return [i.__index__() for i in ids]
    except (AttributeError, TypeError):
        raise UsageError(f"{name}: expected token ids, which are whole numbers, got {ids!r:.60}") from None


def last_ends(row: Any, ends: frozenset[int]) -> bool:
    """Whether the last of a row of token ids is one of `ends`."""
    ids = token_ids("completion_ids", row)
    return bool(ids) and ids[-1] in ends


def _ends(row: Any, ends: frozenset[int]) -> bool:
    """Whether one of `ends` stands in a row of token ids, which is most often at its end."""
    if type(row) is list and row and type(row[-1]) is int and row[-1] in ends:
        return True
    return not ends.isdisjoint(token_ids("completion_ids", row))
