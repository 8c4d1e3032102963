"""Server shuffle: the tools of one example (one server) are put beside the query of another."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rlvr.negatives.base import negative
from rlvr.negatives.verification import why_answerable
from rlvr.types import Example


def server_shuffle(parents: Sequence[Example], seed: int, donors: Sequence[Example] | None = None) -> list[Example]:
    """Give every parent the tools of another example, drawn from `donors` (by default the parents themselves).

    A parent that every tried donor could answer is left out, so the result may be shorter. The order is the parents'.
    """
    pool = list(donors if donors is not None else parents)
    out = []
    for parent in parents:
        rng = random.Random(f"{seed}/{parent.id}")
        for donor in rng.sample(pool, min(20, len(pool))):
            if donor.id != parent.id and donor.tools and why_answerable(parent, donor.tools) is None:
                reason = f"the tools are those of {donor.id}"
                out.append(negative(parent, donor.tools, kind="server_shuffle", seed=seed, reason=reason))
                break
    return out
