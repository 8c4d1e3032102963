"""Where examples come from, one file a source.

SOURCES, get_source   every source by its name
read                  examples of a source, streamed from a file, a folder or the hub, with its rejects handed over
shards, count_hint    the parts that a source can be read in side by side, and about how many rows they have
read_rows             rows of one part with what they became, for whoever must go on where another run was stopped
"""

from __future__ import annotations

from rlvr.data.sources.base import Dialogue, NotUnderstood, Reject, Row, Source, Turns, Unused
from rlvr.data.sources.reading import SOURCES, count_hint, get_source, read, read_rows, shards

__all__ = [
    "SOURCES",
    "Dialogue",
    "NotUnderstood",
    "Reject",
    "Row",
    "Source",
    "Turns",
    "Unused",
    "count_hint",
    "get_source",
    "read",
    "read_rows",
    "shards",
]
