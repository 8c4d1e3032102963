"""Action mismatch: the tools are of the right domain, and none does what is asked (list, where cancel is wanted)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rlvr.negatives.base import negative
from rlvr.negatives.verification import why_answerable
from rlvr.types import Example, Tool


def action_mismatch(parent: Example, siblings: Sequence[Tool], seed: int, count: int | None = None) -> Example | None:
    """Offer `parent` `count` tools of its own domain (`siblings`) that cannot do it; `None` where none is left.

    `count` is by default the number of tools that the parent offers.
    """
    fit = [t for t in siblings if why_answerable(parent, [t]) is None]
    if not fit:
        return None
    rng = random.Random(f"{seed}/{parent.id}")
    chosen = rng.sample(fit, min(count or len(parent.tools), len(fit)))
    wanted = ", ".join(sorted({c.name for c in parent.ground_truth}))
    reason = f"the query wants {wanted}; the tools are of the same domain and do something else"
    return negative(parent, chosen, kind="action_mismatch", seed=seed, reason=reason)
