"""Action mismatch: the tools are of the right domain, and none does what is asked (list, where cancel is wanted)."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import numpy as np

from rlvr.negatives.base import Made, negative
from rlvr.negatives.dependencies import ORDER
from rlvr.negatives.refusals import quoted
from rlvr.negatives.shelf import Rows, Shelf, View
from rlvr.negatives.space import cosine
from rlvr.negatives.verification import why_answerable
from rlvr.negatives.words import load_verbs, plain_name, stem
from rlvr.types import Example, Tool

LEAST_LIKENESS = 0.2
LEAST_SHARED_NOUNS = 1 / 3
LEAST_SHARED_TERMS = 2
_NEAREST, _MOST_TWINS = 64, 3
_ASKS = re.compile(
    r"(?:^|[.!?,]\s*)(?:and\s+)?(?:is|are|does|do|has|have|was|what|what's|where|when|which|how|who)\b[^.!?]*\?\s*$",
    re.I,
)


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


def make(view: View, rng: random.Random) -> Made | str:
    """Offer near twins of a needed tool whose verb cannot do what is asked, among others that cannot serve the query.

    A near twin shares a third of the nouns of the two names and a further word, is like the needed tool by TF-IDF, and
    its verb excludes the wanted one (`verbs.yaml`) while its description claims no such action; it does not do the same
    under another name, and is no homonym (`Verifier.is_another_deed`). Every other tool offered excludes it likewise,
    or has a risk below 1. Of a task of several steps all tools count as needed: the last one does what the user asks
    for. The score is the nearest twin's cosine to a needed tool. A string says why not.
    """
    twins = _twins(view)
    if not twins:
        return "no near twin with another verb"
    if _asks_besides(view) and any(view.verifier.described(t).action.kind == "read" for t, _ in twins):
        return "the user asks something besides, which a near twin may tell"
    chosen = twins[: rng.randint(1, _MOST_TWINS)]
    names = {plain_name(t.name) for t, _ in chosen}
    tools = [t for t, _ in chosen]
    wanted = min(max(len(view.parent.tools), len(tools)), view.sizes.tools)
    for tool in rng.sample(view.parent.tools, len(view.parent.tools)):
        if len(tools) < wanted and plain_name(tool.name) not in names and _is_harmless(view, tool):
            names.add(plain_name(tool.name))
            tools.append(tool)
    tools.extend(t for t, _ in view.safe_tools(rng, wanted - len(tools), [t.name for t in tools]))
    rng.shuffle(tools)
    near = chosen[0][0]
    reason = f"the query wants {view.wanted}; {near.name} is about the same and does something else"
    return Made(tuple(tools), reason, chosen[0][1], {"near": quoted([near])})


def _asks_besides(view: View) -> bool:
    """Whether the last message ends in a question of fact, while what is wanted is to be done: "Yes, book it! Is there
    parking?" """
    wanted = {view.verifier.described(n).action.kind for n in view.needed}
    return "read" not in wanted and _ASKS.search(view.parent.query) is not None


def _twins(view: View) -> list[tuple[Tool, float]]:
    """The near twins, nearest first: from the shelves, and from the parent's own list."""
    found: dict[str, tuple[Tool, float]] = {}
    for tool in view.parent.tools:
        vector = view.verifier.described(tool).vector
        likeness = max(cosine(vector, v) for v in view.probe.needed)
        if _is_twin(view, tool, likeness):
            found.setdefault(plain_name(tool.name), (tool, likeness))
    for seen in view.looks:
        rows = _other_verbs(view, seen.shelf)
        rows = rows[seen.likeness[rows] >= LEAST_LIKENESS]
        for row in rows[np.argsort(-seen.likeness[rows], kind="stable")][:_NEAREST]:
            tool, likeness = seen.shelf.tools[row], float(seen.likeness[row])
            if _is_twin(view, tool, likeness):
                found.setdefault(plain_name(tool.name), (tool, likeness))
    return sorted(found.values(), key=lambda pair: (-pair[1], pair[0].name))


def _other_verbs(view: View, shelf: Shelf) -> Rows:
    """The tools whose verb excludes that of a needed tool: few enough to look at one by one."""
    verbs = load_verbs()
    rows: list[Rows] = [np.zeros(0, np.int64)]
    for needed in view.deeds:
        action = view.verifier.described(needed).action
        rows.extend(shelf.by_kind[k] for k in verbs.excluded(action.kind) if k in shelf.by_kind)
        rows.extend(shelf.by_verb[v] for v in sorted(verbs.opposites.get(action.verb or "", ())) if v in shelf.by_verb)
    return np.concatenate(rows)


def _is_twin(view: View, tool: Tool, likeness: float) -> bool:
    known = view.verifier.described(tool)
    if likeness < LEAST_LIKENESS or known.universal or known.plain in view.probe.names or known.action.verb is None:
        return False
    if _asked_for(view, tool):
        return False
    nouns = known.action.nouns
    for needed in view.deeds:
        others = view.verifier.described(needed).action.nouns
        shared = len(nouns & others) / max(1, len(nouns | others))
        if shared >= LEAST_SHARED_NOUNS and _share_more(view, tool, needed):
            return _excludes_all(view, tool)
    return False


def _asked_for(view: View, tool: Tool) -> bool:
    """Whether the user may ask for what a tool does, later in the same message: "Remove it, then add a new one".

    The ground truth of a dialogue taken step by step holds the first call alone. Reading tools are left to what the
    user asks (`_asks_besides`). Tools are named in English: of other languages only an order of steps tells.
    """
    action = view.verifier.described(tool).action
    if action.kind == "read":
        return False
    if not view.said.isascii() and tool in view.parent.tools and ORDER.search(view.said):
        return True
    return action.verb in {stem(w) for w in re.findall("[a-z]+", view.said)}


def _share_more(view: View, tool: Tool, needed: Tool) -> bool:
    """One noun in common may be a homonym: `reserveTable`, `getLeagueTable`."""
    one, other = view.verifier.described(tool), view.verifier.described(needed)
    verbs = load_verbs()
    return sum(t in other.vector and t not in verbs.classes for t in one.vector) >= LEAST_SHARED_TERMS


def _excludes_all(view: View, tool: Tool) -> bool:
    return all(view.verifier.is_another_deed(tool, n) for n in view.deeds)


def _is_harmless(view: View, tool: Tool) -> bool:
    known = view.verifier.described(tool)
    if known.plain in view.probe.names or known.universal:
        return False
    return view.verifier.risk(view.probe, tool) < 1 or (_excludes_all(view, tool) and not _asked_for(view, tool))
