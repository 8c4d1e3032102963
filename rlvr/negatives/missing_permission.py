"""Missing permission: the needed tool is offered, and the prompt says that it must not be called."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from rlvr.negatives.base import Made, called
from rlvr.negatives.refusals import fill, language_of, language_of_text, load_obstacles, quoted, told_more
from rlvr.negatives.shelf import View
from rlvr.tools import check_ground_truth
from rlvr.types import Tool

_WRITING = ("create", "update", "delete", "send")


def make(view: View, rng: random.Random) -> Made | str:
    """Put a note into the prompt that forbids the needed tools; a string says why that cannot be.

    Verified: every tool that the query needs is offered and forbidden, by name, by a list that it is not on, by a role
    that its description asks for, or, where it changes something, by a session that only reads; its calls would be
    valid; and no other tool on offer might serve (risk below 1, else it is left out; the other steps of the task stay,
    which are of no use without the needed one). The dialogue so far keeps to the prompt: it calls no tool that is
    forbidden or left out, and nothing but reading tools where the session only reads. The score is the greatest risk of
    the other tools offered. The twin's note is the same with the permission given.
    """
    parent, needed = view.parent, view.needed
    before = called(parent.messages)
    if any(t.name in before for t in needed):
        return "a needed tool was called earlier in the dialogue"
    if check_ground_truth(parent.ground_truth, parent.tools):
        return "the ground truth breaks its own schema"
    risks = [(t, view.verifier.risk(view.probe, t)) for t in parent.tools if t not in needed]
    others = [t for t, risk in risks if risk < 1 or t in view.deeds]
    if any(t.name in before for t, _ in risks if t not in others):
        return "a tool that might serve as well was called earlier in the dialogue"
    kinds = [k for k, o in load_obstacles()["permission"].items() if _fits(o.get("needs"), view, others, before)]
    obstacle = load_obstacles()["permission"][rng.choice(kinds)]
    low_role = rng.choice(obstacle.get("roles") or [["", ""]])
    lang = language_of(parent)
    slots = _slots(list(needed), others, rng, lang, role=str(low_role[0]), low=str(low_role[1]))
    place = rng.randrange(len(obstacle["note"][lang]))
    note, lifted = (fill(str(obstacle[key][lang][place]), slots) for key in ("note", "lifted"))
    describe = obstacle.get("describe", {})
    tools = tuple(_told(t, describe, slots) if t in needed else t for t in parent.tools if t in needed or t in others)
    return Made(
        tools,
        f"offered, and not to be called: {view.wanted} ({note})",
        max((risk for _, risk in risks if risk < 1), default=0.0),
        {"missing": fill(str(obstacle["missing"][lang]), slots), "tool": slots["tool"]},
        messages=with_note(parent.messages, note),
        lifted_tools=tools,
        lifted_messages=with_note(parent.messages, lifted),
    )


def _fits(needs: str | None, view: View, others: list[Tool], before: frozenset[str]) -> bool:
    """Whether an obstacle can stand before these tools, and the calls `before` can have been made behind it."""
    if needs == "others":
        return bool(others)
    if needs == "write":
        offered = {t.name: t for t in view.parent.tools}
        wrote = any(n not in offered or view.verifier.described(offered[n]).action.kind != "read" for n in before)
        return not wrote and all(view.verifier.described(t).action.kind in _WRITING for t in view.needed)
    return True


def _slots(
    needed: list[Tool], others: list[Tool], rng: random.Random, lang: str, role: str, low: str
) -> dict[str, str]:
    both = [*others, *needed]
    rng.shuffle(both)
    return {
        "tool": quoted(needed, lang),
        "others": quoted(others, lang),
        "both": quoted(both, lang),
        "role": f"`{role}`",
        "low": f"`{low}`",
    }


def _told(tool: Tool, describe: Mapping[str, str], slots: Mapping[str, str]) -> Tool:
    """The tool with what its description says of the obstacle, in the description's language."""
    if not describe:
        return tool
    lang = language_of_text(tool.description)
    return Tool(tool.name, told_more(tool.description, fill(describe[lang], slots), lang), tool.parameters)


def with_note(messages: tuple[Mapping[str, Any], ...], note: str) -> tuple[Mapping[str, Any], ...]:
    """A note behind the system message, or as one of its own where there is none that is plain text."""
    first = messages[0]
    if first.get("role") in ("system", "developer") and isinstance(first.get("content"), str):
        return ({**first, "content": f"{first['content'].rstrip()}\n\n{note}".strip()}, *messages[1:])
    return ({"role": "system", "content": note}, *messages)
