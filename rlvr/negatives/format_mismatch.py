"""Format mismatch: the needed tool is offered, and its schema does not take what the query asks for."""

from __future__ import annotations

import random
import re

from rlvr.negatives.base import Made, called
from rlvr.negatives.narrowing import Narrowed, narrowings
from rlvr.negatives.refusals import fill, language_of, load_obstacles, quoted
from rlvr.negatives.shelf import View
from rlvr.negatives.values import ValueBank
from rlvr.tools import check_ground_truth, is_valid, validate
from rlvr.types import Tool


def make(view: View, bank: ValueBank, rng: random.Random) -> Made | str:
    """Narrow a required parameter so that it does not take what the query asks for; a string says why that cannot be.

    Verified: the value stands in the user's words and in the call; the parameter is required; the narrowed schema
    rejects the call and takes other values, none of which is like the one asked for, may hold it, or stands in the
    query; the dialogue so far calls neither the tool, which might have taken what it no longer takes, nor one that is
    left out; nothing else in the tool speaks of the value; and no other tool might serve (risk below 1, else it is left
    out; the other steps of the task stay). Queries with one call only. The score is the greatest risk of the other
    tools offered. The twin has the schema as it was.
    """
    parent = view.parent
    if len(parent.ground_truth) != 1:
        return "several calls: narrowing one parameter would leave the others"
    gold, tool = parent.ground_truth[0], view.needed[0]
    before = called(parent.messages)
    if tool.name in before:
        return "the needed tool was called earlier in the dialogue"
    if check_ground_truth(parent.ground_truth, parent.tools):
        return "the ground truth breaks its own schema"
    said = view.said
    lang = language_of(parent)
    options = [n for n in narrowings(gold, tool, bank, said, rng, lang) if _is_visible(n, tool, said)]
    if not options:
        return "no required argument that could be narrowed"
    chosen = rng.choice(options)
    narrowed = _with(tool, chosen)
    arguments = gold.canonical().arguments
    if is_valid(narrowed, arguments):
        return "the narrowed schema still takes the call"
    risks = [(t, view.verifier.risk(view.probe, t)) for t in parent.tools if t is not tool]
    kept = {id(t) for t, risk in risks if risk < 1 or t in view.deeds}
    offered = [t for t in parent.tools if t is tool or id(t) in kept]
    if any(t.name in before for t in parent.tools if t not in offered):
        return "a tool that might serve as well was called earlier in the dialogue"
    accepted = fill(str(load_obstacles()["accepted"][chosen.accepted][lang]), chosen.slots, lang)
    return Made(
        tuple(narrowed if t is tool else t for t in offered),
        f"{tool.name} takes {fill(load_obstacles()['accepted'][chosen.accepted]['en'], chosen.slots)} for "
        f"{chosen.parameter}; the query asks for {chosen.value!r:.80}",
        max((risk for _, risk in risks if risk < 1), default=0.0),
        {
            "tool": quoted([tool]),
            "parameter": f"`{chosen.parameter}`",
            "value": f"`{chosen.value}`",
            "accepted": accepted,
        },
        lifted_tools=tuple(offered),
    )


def _is_visible(narrowed: Narrowed, tool: Tool, said: str) -> bool:
    """The value is the user's own, and nothing else in the tool's description speaks of it or of what it takes."""
    value = str(narrowed.value).lower()
    if not re.search(rf"(?<!\w){re.escape(value)}(?!\w)" if value.isascii() else re.escape(value), said):
        return False
    speaks = [
        tool.description,
        str((tool.parameters.get("properties") or {})[narrowed.parameter].get("description", "")),
    ]
    return not any(value in text.lower() for text in speaks)


def _with(tool: Tool, narrowed: Narrowed) -> Tool:
    """The tool with the narrowed parameter, whose default goes where it is no longer taken."""
    schema = dict(narrowed.schema)
    if "default" in schema:
        alone = Tool(tool.name, "", {"type": "object", "properties": {narrowed.parameter: narrowed.schema}})
        if validate(alone, {narrowed.parameter: schema["default"]}):
            del schema["default"]
    properties = {**tool.parameters["properties"], narrowed.parameter: schema}
    return Tool(tool.name, tool.description, {**tool.parameters, "properties": properties})
