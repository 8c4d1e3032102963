"""Partial fulfilment: the tool of the first step is missing, and without it the steps that are left are of no use."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rlvr.negatives.base import Made
from rlvr.negatives.dependencies import first_step
from rlvr.negatives.refusals import quoted
from rlvr.negatives.shelf import View
from rlvr.negatives.words import plain_name, said_as
from rlvr.tools import check_ground_truth
from rlvr.types import GoldCall, Tool


def make(view: View, rng: random.Random) -> Made | str:
    """Offer the tools of the later steps without the first one's; a string says why that cannot be.

    Every later call depends on the first (`dependencies`), so none can be made. Of the parent's other tools only those
    that could serve neither step are offered, and others of the shelves beside them. The dialogue is cut at the user's
    request, before any call. The score is the greatest risk, against the missing step, of the tools offered beside.
    """
    step = first_step(view.parent)
    if step is None:
        return "no call that all the others depend on"
    offered = {t.name: t for t in view.parent.tools}
    missing = offered.get(step.call.name)
    later = [offered[name] for name in dict.fromkeys(c.name for c in step.others) if name in offered]
    if missing is None or not later or view.verifier.described(missing).universal:
        return "the tool of the first step is not known, or is one of those that serve nearly any query"
    tools: list[Tool] = list(later)
    if any(plain_name(t.name) == plain_name(missing.name) for t in tools):
        return "the steps share a tool"
    wanted = min(len(view.parent.tools), view.sizes.tools)
    probe = view.verifier.probe(view.parent, [missing, *later])
    beside = [t for t in view.parent.tools if t not in (missing, *later) and view.verifier.risk(probe, t) < 1]
    tools.extend(beside[: max(0, wanted - len(tools))])
    for tool, _ in view.safe_tools(rng, wanted - len(tools), [missing.name, *(t.name for t in tools)]):
        if view.verifier.risk(probe, tool) < 1:
            tools.append(tool)
    gold = GoldCall(step.call.name, step.call.arguments)
    if step.messages != view.parent.messages and check_ground_truth([gold], [missing]):
        return "the first call breaks its own schema"
    score = max((view.verifier.risk(probe, t) for t in tools[len(later) :]), default=0.0)
    rng.shuffle(tools)
    return Made(
        tuple(tools),
        f"{missing.name} is not offered; {step.how}",
        score,
        {"step": _step(missing, view.parent.tools), "tool": quoted([later[0]])},
        messages=step.messages,
        asked=tuple(c.to_json() for c in (step.call, *step.others)),
        lifted_tools=_among(tools, missing, rng),
        lifted_messages=step.messages,
        lifted_calls=None if step.messages == view.parent.messages else (gold,),
    )


def _among(tools: list[Tool], missing: Tool, rng: random.Random) -> tuple[Tool, ...]:
    at = rng.randint(0, len(tools))
    return (*tools[:at], missing, *tools[at:])


def _step(missing: Tool, offered: Sequence[Tool]) -> str:
    """The missing tool's name in words, without the server's name that stands before each of its tools."""
    cuts = [i + 1 for i, c in enumerate(missing.name) if c in "-_./"] if len(offered) > 1 else []
    shared = [cut for cut in cuts if all(t.name.startswith(missing.name[:cut]) for t in offered)]
    return said_as(missing.name[max(shared, default=0) :])
