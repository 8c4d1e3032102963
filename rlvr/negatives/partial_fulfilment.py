"""Partial fulfilment: the tool of one step is missing, and without it the steps that are left are of no use."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rlvr.negatives.base import Made, called
from rlvr.negatives.dependencies import STEP_ABILITIES, STEPS, MissingStep, first_step, last_step
from rlvr.negatives.refusals import language_of, quoted
from rlvr.negatives.shelf import View
from rlvr.negatives.verifier import Probe
from rlvr.negatives.words import name_words, plain_name, said_as, same_deed, stem
from rlvr.tools import check_ground_truth
from rlvr.types import Example, GoldCall, Tool

_MOST_CHARS, _DRAWS = 300, 4
_STORES = frozenset(
    stem(w)
    for w in """mail email gmail inbox mailbox message file document note drive history
    calendar""".split()  # noqa: SIM905 (words read better so)
)
"""Where a confirmation may lie: who can search these may find the number that the missing step would tell."""


def make(view: View, rng: random.Random) -> Made | str:
    """Offer the tools of a task without that of one step; a string says why that cannot be.

    The step is the first, on which every later call depends (`dependencies`), so that none can be made; or, where the
    user asks for what the last one does and nothing else, first or last is drawn. Of the parent's other tools only
    those that could serve no step are offered, and beside them others of the shelves that are far from every step. The
    dialogue is cut at the user's request, before any call; one that called tools for earlier requests is not used. The
    score is the greatest risk, against all steps, of the tools offered beside.
    """
    steps = [s for s in (first_step(view.parent), last_step(view.parent)) if s is not None]
    if not steps:
        return "no call that all the others depend on"
    step = rng.choice(steps) if len(steps) > 1 else steps[0]
    offered = {t.name: t for t in view.parent.tools}
    missing = offered.get(step.call.name)
    kept = [offered[name] for name in dict.fromkeys(c.name for c in step.others) if name in offered]
    if missing is None or not kept or view.verifier.described(missing).universal:
        return "the tool of the first step is not known, or is one of those that serve nearly any query"
    if called(step.messages):
        return "tools were called earlier in the dialogue"  # all of them would have to be offered
    if any(plain_name(t.name) == plain_name(missing.name) for t in kept):
        return "the steps share a tool"
    opening = step.calls[0]
    gold = GoldCall(opening.name, opening.arguments)
    if step.messages != view.parent.messages and check_ground_truth([gold], [offered[opening.name]]):
        return "the first call breaks its own schema"
    tools, score = _with_others(view, kept, missing, rng)
    rng.shuffle(tools)
    return Made(
        tuple(tools),
        f"{missing.name} is not offered; {step.how}",
        score,
        _slots(step, missing, kept, view.parent),
        messages=step.messages,
        asked=tuple(c.to_json() for c in step.calls),
        lifted_tools=_among(tools, missing, rng),
        lifted_messages=step.messages,
        lifted_calls=None if step.messages == view.parent.messages else (gold,),
    )


def _with_others(view: View, kept: Sequence[Tool], missing: Tool, rng: random.Random) -> tuple[list[Tool], float]:
    """The tools that are kept, and others beside them that could serve no step; with the greatest risk of those."""
    tools = list(kept)
    wanted = min(len(view.parent.tools), view.sizes.tools)
    probe = view.verifier.probe(view.parent, [missing, *kept])
    steps = (missing, *kept)
    own = [t for t in view.parent.tools if t not in steps]
    tools.extend([t for t in own if _serves_no_step(view, probe, steps, t)][: max(0, wanted - len(tools))])
    drawn = view.safe_tools(rng, _DRAWS * (wanted - len(tools)), [missing.name, *(t.name for t in tools)])
    far = [t for t, _ in drawn if view.verifier.closeness(probe, t) < 1 and _serves_no_step(view, probe, steps, t)]
    tools.extend(far[: max(0, wanted - len(tools))])
    return tools, max((view.verifier.risk(probe, t) for t in tools[len(kept) :]), default=0.0)


def _serves_no_step(view: View, probe: Probe, steps: Sequence[Tool], tool: Tool) -> bool:
    """Whether a tool is near no step, does none under another name, and searches nothing that may hold a result."""
    if view.verifier.risk(probe, tool) >= 1 or any(same_deed(tool, step) for step in steps):
        return False
    stores = {stem(w) for w in name_words(f"{tool.name} {tool.description[:_MOST_CHARS]}")} & _STORES
    return not stores or view.verifier.described(tool).action.kind not in ("read", None)


def _slots(step: MissingStep, missing: Tool, kept: Sequence[Tool], parent: Example) -> dict[str, str]:
    """What the refusal names. Where the last step is missing, it has words of its own (`refusals.yaml`), and again
    where there are no words for the step in the user's language."""
    lang = language_of(parent)
    said = _said(missing, parent, lang)
    words = ("last_step" if step.is_last else "step") + ("" if said else "_unnamed")
    return {"words": words, "step": said, "tool": quoted([kept[0]], lang)}


def _said(missing: Tool, parent: Example, lang: str) -> str:
    """What the missing tool does, in the user's language: in the example's own words, else in English as the tool is
    called; empty where neither is known."""
    steps, said = (parent.meta.get(key) for key in (STEPS, STEP_ABILITIES))
    if lang == parent.lang and isinstance(steps, (list, tuple)) and isinstance(said, (list, tuple)):
        words = dict(zip(steps, said, strict=False)).get(missing.name)
        if isinstance(words, str) and words:
            return words
    return _step(missing, parent.tools) if lang == "en" else ""


def _among(tools: list[Tool], missing: Tool, rng: random.Random) -> tuple[Tool, ...]:
    at = rng.randint(0, len(tools))
    return (*tools[:at], missing, *tools[at:])


def _step(missing: Tool, offered: Sequence[Tool]) -> str:
    """The missing tool's name in words, without the server's name that stands before each of its tools."""
    cuts = [i + 1 for i, c in enumerate(missing.name) if c in "-_./"] if len(offered) > 1 else []
    shared = [cut for cut in cuts if all(t.name.startswith(missing.name[:cut]) for t in offered)]
    return said_as(missing.name[max(shared, default=0) :])
