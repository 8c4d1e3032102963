"""Domain mismatch: the tools on offer belong to another domain than the query."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rlvr.negatives.base import ToolSet, negative
from rlvr.negatives.verification import why_answerable
from rlvr.types import Example


def domain_mismatch(parent: Example, tool_sets: Sequence[ToolSet], seed: int) -> Example | None:
    """Offer `parent` a tool set of another domain; `None` where every candidate could answer it.

    `parent.meta["domain"]`, where it is known, excludes the sets of its own domain.
    """
    own = parent.meta.get("domain")
    candidates = [s for s in tool_sets if s.domain != own and s.tools]
    random.Random(f"{seed}/{parent.id}").shuffle(candidates)
    for candidate in candidates:
        if why_answerable(parent, candidate.tools) is None:
            reason = f"the query is about {own or 'something else'}, the tools about {candidate.domain}"
            return negative(parent, candidate.tools, kind="domain_mismatch", seed=seed, reason=reason)
    return None
