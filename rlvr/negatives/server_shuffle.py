"""Server shuffle: the tools of one example (one server) are put beside the query of another."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rlvr.negatives.base import Made, negative
from rlvr.negatives.shelf import SafeSets, View
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


def make(view: View, rng: random.Random) -> Made | str:
    """Offer the tools of another server; a string says why there are none.

    Only where no server will do, the tools of another example are offered: they were put together for one question.
    Servers that share the parent's tools or its label are passed over, and so is a list with one near tool (a risk of
    1, `verifier`); of the others those tools are offered that are far. The score is their greatest closeness.
    """
    found = view.safe_sets()
    servers = SafeSets([(seen, rows[seen.shelf.of_server[rows]]) for seen, rows in found.rows])
    if not len(found):
        return "no other server's tools are far enough from the query"
    chosen = (servers if len(servers) else found).draw(rng)
    score = max(view.verifier.closeness(view.probe, t) for t in chosen.tools)
    whose = f"the server {chosen.name}" if chosen.name else "another example"
    reason = f"the query wants {view.wanted}; the tools are those of {whose}, and none comes near it"
    return Made(chosen.tools, reason, score)
