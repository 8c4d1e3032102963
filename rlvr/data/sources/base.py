"""What every source offers: rows in their published form become examples, or say why they do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from rlvr.data.rows import Row
from rlvr.data.sources.dialogue import Dialogue, to_examples
from rlvr.data.sources.rejects import NotUnderstood, Reject, Unused
from rlvr.errors import UsageError
from rlvr.types import Example

__all__ = ["Dialogue", "DialogueSource", "NotUnderstood", "Reject", "Row", "Source", "Turns", "Unused"]

Turns = Literal["all", "first", "last"]


class Source(Protocol):
    """A data set's form. `hub_id` is where it is published, `hub_config` what is read of it unless another is named.

    `fields` are the columns that a row must have at least one of each group of; `subset_field` is the column that
    `subset` is looked for in. Examples of an `evaluation_only` source must not be trained on.
    """

    @property
    def name(self) -> str: ...
    @property
    def hub_id(self) -> str | None: ...
    @property
    def hub_config(self) -> str | None: ...
    @property
    def license(self) -> str: ...
    @property
    def evaluation_only(self) -> bool: ...
    @property
    def fields(self) -> tuple[str, ...]: ...
    @property
    def subset_field(self) -> str | None: ...

    def examples(self, row: Row) -> Sequence[Example | Reject]:
        """Every turn of a row that can be learned from, or why it cannot.

        Raises `NotUnderstood` where the row is not in the source's form, `Unused` where it holds nothing to learn.
        """
        ...


@dataclass(frozen=True, slots=True)
class DialogueSource:
    """A source whose rows are dialogues with tools: `read` takes one apart, the rest is the same for all."""

    name: str
    read: Callable[[Row], Dialogue]
    license: str
    fields: tuple[str, ...] = ()
    hub_id: str | None = None
    hub_config: str | None = None
    subset_field: str | None = None
    evaluation_only: bool = False

    def examples(self, row: Row) -> Sequence[Example | Reject]:
        return to_examples(self.read(row), row, self.name, self.license)


@dataclass(frozen=True, slots=True)
class ExampleSource:
    """A source whose rows are examples already: `read` makes one of a row, and `check` says what is wrong with it."""

    name: str
    read: Callable[[Row], Sequence[Example | Reject]]
    license: str
    fields: tuple[str, ...] = ()
    hub_id: str | None = None
    hub_config: str | None = None
    subset_field: str | None = None
    evaluation_only: bool = False

    def examples(self, row: Row) -> Sequence[Example | Reject]:
        return self.read(row)


def chosen(found: Sequence[Example | Reject], turns: Turns) -> Sequence[Example | Reject]:
    """The turns that were asked for; those that were rejected count as turns.

    >>> chosen([], "last")
    []
    """
    if turns == "all":
        return found
    if turns not in ("first", "last"):
        raise UsageError(f"turns: got {turns!r}, expected all, first or last")
    return found[:1] if turns == "first" else found[-1:]
