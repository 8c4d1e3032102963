"""Rows that become no example, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlvr.errors import DataError

KINDS = ("not_understood", "invalid", "unused")


@dataclass(frozen=True, slots=True)
class Reject:
    """A row, or one turn of it, that became no example.

    `kind`: `not_understood` (it is not in the form that its source is known to have), `invalid` (understood, but its
    ground truth breaks its own tools' schemas, or cannot be scored), `unused` (understood, and there is nothing in it
    to learn calling from). `code` is for counting, `reason` for people.
    """

    source: str
    id: str
    where: str
    kind: Literal["not_understood", "invalid", "unused"]
    code: str
    reason: str

    def to_json(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ("source", "id", "where", "kind", "code", "reason")}


class NotUnderstood(DataError):  # noqa: N818 (it says what the row is)
    """A row that is not in its source's form."""

    def __init__(self, where: str, code: str, what: str) -> None:
        super().__init__(where, what)
        self.code = code


class Unused(DataError):  # noqa: N818
    """A row that was understood and holds nothing to learn calling from: no tools, or nobody who answers."""

    def __init__(self, where: str, code: str, what: str) -> None:
        super().__init__(where, what)
        self.code = code
