"""What a filter is, and how several are asked in turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from rlvr.types import Example


class Filter(Protocol):
    """Says of one example whether it stays."""

    @property
    def name(self) -> str: ...

    def why_not(self, example: Example) -> str | None:
        """A reason code to drop the example, `None` to keep it."""
        ...


@runtime_checkable
class ExplainingFilter(Filter, Protocol):
    """A filter whose reason has more to say than its code."""

    def in_words(self, example: Example) -> str:
        """Why the example is dropped: what was found, and what is wanted. Asked only of an example that is dropped."""
        ...


@runtime_checkable
class RememberingFilter(Filter, Protocol):
    """A filter whose answer depends on what it saw before: the first of two equal examples stays.

    `key` is pure, and takes nearly all of the time: a build works it out in many processes. `why_not_key` looks it up
    and remembers it, in the order of the data and in one process. `why_not(e)` is `why_not_key(key(e))`.
    """

    def key(self, example: Example) -> bytes: ...

    def why_not_key(self, key: bytes) -> str | None: ...

    def original(self, key: bytes) -> int | None:
        """The row that `key` repeats, counted from 0 among those that stayed; `None` where it repeats none."""
        ...

    def state(self) -> dict[str, Any]:
        """What `restore` needs, small and JSON; everything before it is on the disk when it returns."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to what was remembered when `state` was taken; what came later is forgotten."""
        ...

    def close(self) -> None:
        """Close the file, if there is one; the next key opens it again."""
        ...


def first_reason(filters: Iterable[Filter], example: Example) -> tuple[str, str] | None:
    """The name of the first filter that drops the example and its reason code; `None` where all keep it.

    Filters after it are not asked, so that what one drops is never remembered by a later one.
    """
    for each in filters:
        reason = each.why_not(example)
        if reason is not None:
            return each.name, reason
    return None


def first_reason_in_words(filters: Iterable[Filter], example: Example) -> tuple[str, str, str] | None:
    """As `first_reason`, with the reason in words; they are the code where the filter has none."""
    for each in filters:
        code = each.why_not(example)
        if code is not None:
            return each.name, code, each.in_words(example) if isinstance(each, ExplainingFilter) else code
    return None
