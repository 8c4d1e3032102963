"""The cheapest change that makes a completion's calls match: what to write, add, drop or rename."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.rewards.matching.assignment import best_assignment
from rlvr.rewards.matching.calls import match_calls
from rlvr.rewards.matching.edits import Edit, argument_edits, cost_of, leaves
from rlvr.rewards.matching.modes import Compared
from rlvr.types import GoldCall, Tool, ToolCall

CHANGES = ("set", "add", "drop", "rename", "add_call", "drop_call")
_DROP_CALL = 1
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to change.

    `kind`: `set`, `add` or `drop` what stands at `path` of the arguments of the completion's call number `call`
    (counted from 0), `rename` that call to `value`, `drop_call` it, or `add_call` the call that `value` is.
    """

    kind: str
    call: int | None
    path: tuple[str | int, ...] = ()
    value: Any = None

    def __str__(self) -> str:
        where = _path_text(self.path)
        value = self.value.to_json() if isinstance(self.value, ToolCall) else self.value
        text = _short(json.dumps(value, ensure_ascii=False, default=str))
        return {
            "set": f"set {where} to {text}",
            "add": f"add {where}: {text}",
            "drop": f"drop {where}",
            "rename": f"name it {text}",
            "add_call": f"add the call {text}",
            "drop_call": "drop the call",
        }[self.kind] + ("" if self.call is None else f" (call {self.call + 1})")

    def to_json(self) -> dict[str, Any]:
        value = self.value.to_json() if isinstance(self.value, ToolCall) else self.value
        return {"kind": self.kind, "call": self.call, "path": list(self.path), "value": value}


def apply_changes(calls: Sequence[ToolCall], changes: Sequence[Change]) -> list[ToolCall]:
    """The calls with the changes made; the places of calls are those before any change.

    >>> calls = [ToolCall("f", {"a": 1}), ToolCall("g", {})]
    >>> apply_changes(calls, [Change("set", 0, ("a",), 2), Change("drop_call", 1)])
    [ToolCall(name='f', arguments={'a': 2})]
    """
    out: list[ToolCall | None] = list(calls)
    added = []
    for change in changes:
        if change.call is None:
            added.append(change.value)
            continue
        call = out[change.call]
        if change.kind == "drop_call" or call is None:
            out[change.call] = None
        elif change.kind == "rename":
            out[change.call] = ToolCall(change.value, call.arguments)
        else:
            out[change.call] = ToolCall(call.name, _edited(call.arguments, change.path, change))
    return [c for c in out if c is not None] + added


def cheapest_changes(compared: Compared, mode: str) -> tuple[Change, ...] | None:
    """The fewest changes that make the calls match under `mode`, each value counting by what it holds.

    Wanted calls are paired with given ones so that all changes together are fewest; setting, adding or dropping a value
    costs as many changes as it holds values, renaming or dropping a call one, adding a call one and its values. What is
    found is held against the matcher; where it does not do (the official checker may not even take its own answer),
    whole arguments are set instead, then whole calls, and `None` says that nothing is known to help.
    """
    calls, gold, tools = compared.calls, compared.gold, compared.tools
    for whole in (False, True):
        changes = _changes(compared, mode, whole)
        if match_calls(apply_changes(calls, changes), gold, tools, mode).matched:
            return changes
    anew = tuple([Change("drop_call", i) for i in range(len(calls))] + [_added(g) for g in gold])
    return anew if match_calls(apply_changes(calls, anew), gold, tools, mode).matched else None


def _changes(compared: Compared, mode: str, whole: bool) -> tuple[Change, ...]:
    calls, gold, tools = compared.calls, compared.gold, compared.tools
    edits = [[_pair_edits(c, g, tools.get(g.name), mode, whole) for g in gold] for c in calls]
    # What keeping a pair saves against dropping the one call and adding the other; never less than nothing.
    saved = [
        [max(0, _DROP_CALL + _added_cost(g) - cost_of(edits[i][j])) for j, g in enumerate(gold)]
        for i in range(len(calls))
    ]
    kept = {i: j for i, j in best_assignment(saved) if saved[i][j] > 0}
    out: list[Change] = []
    for i in range(len(calls)):
        if i not in kept:
            out.append(Change("drop_call", i))
            continue
        out += [Change(e.kind, i, e.path, e.value) for e in edits[i][kept[i]]]
    wanted = set(kept.values())
    return tuple(out + [_added(g) for j, g in enumerate(gold) if j not in wanted])


def _pair_edits(call: ToolCall, gold: GoldCall, tool: Tool | None, mode: str, whole: bool) -> list[Edit]:
    renamed = [] if call.name == gold.name else [Edit("rename", (), gold.name, 1)]
    return renamed + argument_edits(ToolCall(gold.name, call.arguments), gold, tool, mode, whole=whole)


def _added(gold: GoldCall) -> Change:
    return Change("add_call", None, (), gold.canonical())


def _added_cost(gold: GoldCall) -> int:
    return 1 + sum(leaves(v) for v in gold.canonical().arguments.values())


def _edited(arguments: Mapping[str, Any], path: Sequence[str | int], change: Change) -> dict[str, Any]:
    """A copy of the arguments, changed at a path; what is not on the path is shared."""
    out: Any = dict(arguments)
    here = out
    for key in path[:-1]:
        inner = here[key]
        here[key] = dict(inner) if isinstance(inner, Mapping) else list(inner)
        here = here[key]
    if change.kind == "drop":
        del here[path[-1]]
    else:
        here[path[-1]] = change.value
    return dict(out)


def _path_text(path: Sequence[str | int]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
