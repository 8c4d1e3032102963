"""The built-in generator as a source: its location is the seed, and it never ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from sys import maxsize

from rlvr.data.license import one_key
from rlvr.data.rows import Row
from rlvr.data.sources.base import ExampleSource
from rlvr.data.sources.own_form import examples
from rlvr.errors import UsageError
from rlvr.types import Example

SPLITS = ("train", "validation", "heldout")


def generated(seed: str | None, split: str, start: int, stop: int | None) -> Iterator[Example]:
    """The generator's examples number `start` up to `stop`; `seed` is written as a number, 0 where it is left out."""
    from rlvr.data.generator import generate  # its catalogue takes a while to load

    text = (seed or "0").removeprefix("seed=")
    if not text.isdecimal():
        raise UsageError(f"builtin: got location {seed!r}, expected a seed, as in '7' or 'seed=7'")
    if split not in SPLITS:
        raise UsageError(f"builtin: got split {split!r}, expected one of {', '.join(SPLITS)}")
    found = islice(generate(split, maxsize if stop is None else stop, int(text)), start, None)
    yield from (one_key(example, split) for example in found)


def _examples(row: Row) -> list[Example]:
    return [e for e in examples(row) if isinstance(e, Example)]


SOURCE = ExampleSource("builtin", _examples, "Apache-2.0")
