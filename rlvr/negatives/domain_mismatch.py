"""Domain mismatch: the tools on offer belong to another domain than the query."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from rlvr.negatives.base import Made, ToolSet, negative
from rlvr.negatives.shelf import VAGUE_DOMAINS, View
from rlvr.negatives.verification import why_answerable
from rlvr.negatives.words import plain_name
from rlvr.types import Example, Tool


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


def make(view: View, rng: random.Random) -> Made | str:
    """Offer as many tools as the parent did, of one domain that is not the query's; a string says why there are none.

    The domain is a label of the shelves where they have some, else a tool that is far from the query together with
    those most like it. Every tool is far (`verifier`); a domain that holds a near twin of a needed tool counts as the
    query's own, and a set that holds a near tool is passed over. The score is the greatest closeness of the tools.
    """
    wanted = min(len(view.parent.tools), view.sizes.tools)
    named = view.safe_sets(VAGUE_DOMAINS, named=True)
    if len(named):
        chosen = named.draw(rng)
        tools = _draw(rng, chosen, named.of_domain(chosen.domain), wanted)
        subject = chosen.domain
    else:
        found = _around_one(view, rng, wanted)
        if not found:
            return "no tool of another domain is far enough from the query"
        tools, subject = found, f"what {found[0].name} is about"
    score = max(view.verifier.closeness(view.probe, t) for t in tools)
    if score >= 1:
        return "no tool of another domain is far enough from the query"
    reason = f"the query wants {view.wanted}; the tools are of another domain ({subject}), and none comes near it"
    return Made(tuple(tools), reason, score)


def _draw(rng: random.Random, chosen: ToolSet, same: list[ToolSet], wanted: int) -> list[Tool]:
    """Tools of one set, in its order, filled up from others of the same domain."""
    tools = [chosen.tools[i] for i in sorted(rng.sample(range(len(chosen.tools)), min(wanted, len(chosen.tools))))]
    names = {plain_name(t.name) for t in tools}
    for other in rng.sample(same, min(len(same), 8)):
        for tool in rng.sample(other.tools, len(other.tools)):
            if len(tools) < wanted and plain_name(tool.name) not in names:
                names.add(plain_name(tool.name))
                tools.append(tool)
    return tools


def _around_one(view: View, rng: random.Random, wanted: int) -> list[Tool]:
    """A safe tool, and the safe tools that are most like it: a domain where no labels tell of any."""
    first = view.safe_tools(rng, 1)
    if not first:
        return []
    vector = view.verifier.described(first[0][0]).vector
    near: list[tuple[float, int, int]] = []
    for place, seen in enumerate(view.looks):
        cosines = np.where(seen.risks < 1, seen.shelf.index.cosines(vector), -1.0)
        rows = np.argsort(-cosines, kind="stable")[: 2 * wanted]
        near.extend((-float(cosines[row]), place, int(row)) for row in rows if cosines[row] >= 0)
    tools: dict[str, Tool] = {plain_name(first[0][0].name): first[0][0]}
    for _, place, row in sorted(near):
        tool = view.looks[place].shelf.tools[row]
        if len(tools) < wanted:
            tools.setdefault(plain_name(tool.name), tool)
    return list(tools.values())
