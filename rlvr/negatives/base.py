"""What every kind of negative shares: the tool sets it draws from, and how the new example is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from rlvr.types import Example, Tool

KINDS = ("domain_mismatch", "action_mismatch", "server_shuffle")


@dataclass(frozen=True, slots=True)
class ToolSet:
    """Tools that are offered together: those of one domain, of one server, or of one example."""

    domain: str
    tools: tuple[Tool, ...]


def negative(parent: Example, tools: Sequence[Tool], *, kind: str, seed: int, reason: str) -> Example:
    """`parent`'s dialogue beside other tools: the ground truth becomes empty, and a refusal is expected.

    The provenance stands in `meta`: kind, parent's id, seed, reason, and the calls that the parent's query asked for.
    """
    asked = [call.to_json() for call in parent.ground_truth]
    provenance = {"kind": kind, "parent": parent.id, "seed": seed, "reason": reason, "asked": asked}
    meta = {**parent.meta, "negative": provenance}
    return dataclasses.replace(
        parent,
        id=f"{parent.id}/{kind}",
        category="irrelevance",
        tools=tuple(tools),
        ground_truth=(),
        expects="refuse",
        meta=meta,
    )
