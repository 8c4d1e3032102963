"""Decontamination: which examples overlap with a benchmark, and why.

    Index       a benchmark's questions and tools; `flag` says whether an example is too near to one of them
    Flag        what was found: kind, the benchmark's row, a reason in words
    Overlap     the same over a whole source (`examine`)
    signature   a tool by its normalised name and the names of its parameters

`rlvr.data.filters.Decontaminate` is the filter. `docs/filters.md` has the rules with what each finds.
"""

from __future__ import annotations

from rlvr.data.decontaminate.index import Flag, Index, Overlap
from rlvr.data.decontaminate.signatures import method_name, signature

__all__ = ["Flag", "Index", "Overlap", "method_name", "signature"]
