"""The fewest edits that make one call's arguments the wanted ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlvr.rewards.matching.arguments import wanted_arguments
from rlvr.rewards.matching.bfcl import argument_valid
from rlvr.rewards.matching.values import (
    ABSENT,
    Properties,
    Property,
    container_schema,
    exact_equal,
    may_be_left_out,
    wanted_value,
)
from rlvr.rewards.matching.verdicts import argument_verdicts
from rlvr.tools import child_schema, object_shape
from rlvr.types import GoldCall, OneOf, Tool, ToolCall

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """`set`, `add` or `drop` at a path of the arguments; `rename` the call. `cost` is how many values it touches."""

    kind: str
    path: Path
    value: Any = None
    cost: int = 1


def cost_of(edits: Sequence[Edit]) -> int:
    return sum(e.cost for e in edits)


def canonical_value(wanted: Any) -> Any:
    """The first acceptable value, at every depth."""
    return GoldCall("", {"": wanted}).canonical().arguments.get("")


def argument_edits(call: ToolCall, gold: GoldCall, tool: Tool | None, mode: str, *, whole: bool) -> list[Edit]:
    """The edits of a call of the right name; with `whole`, no edit reaches inside an argument."""
    of = wanted_arguments(gold, tool).of
    out: list[Edit] = []
    for name, verdict in argument_verdicts(call, gold, tool, mode).items():
        if verdict.equal or (name not in gold.arguments and name not in call.arguments):
            continue
        wanted, given = gold.arguments.get(name, ABSENT), call.arguments.get(name, ABSENT)
        if mode == "bfcl" or whole:
            value = _value_for(wanted, call, gold, name, tool, mode)
            out += _under(name, _whole(wanted, given, value))
        else:
            out += _under(name, _property_edits(wanted, given, name, of, mode))
    return out


def _value_for(wanted: Any, call: ToolCall, gold: GoldCall, name: str, tool: Tool | None, mode: str) -> Any:
    """The first acceptable value that is accepted: in the official checker's eyes not each of its answers is."""
    if wanted is ABSENT:
        return None
    options = wanted.values if isinstance(wanted, OneOf) else (wanted,)
    if mode == "bfcl" and tool is not None:
        shape = object_shape(tool.parameters, tool.parameters)
        for option in options:
            value = canonical_value(option)
            if argument_valid(ToolCall(call.name, {**call.arguments, name: value}), gold, name, shape):
                return value
    return canonical_value(options[0]) if options else None


def _whole(wanted: Any, given: Any, value: Any) -> list[Edit]:
    if wanted is ABSENT or (isinstance(wanted, OneOf) and not wanted.values):
        return [Edit("drop", ())]
    edit = Edit("add" if given is ABSENT else "set", (), value, leaves(value))
    return [Edit("drop", ())] if edit.cost > 1 and may_be_left_out(wanted) and given is not ABSENT else [edit]


def _property_edits(wanted: Any, given: Any, name: str, of: Properties, mode: str) -> list[Edit]:
    """Make one property right that may be given or not, wanted or not."""
    if _property_equal(wanted, given, name, of, mode):
        return []
    if wanted is ABSENT or (isinstance(wanted, OneOf) and not wanted.values):
        return [Edit("drop", ())]
    if given is ABSENT:
        value = canonical_value(wanted)
        return [Edit("add", (), value, leaves(value))]
    edits = _value_edits(wanted, given, of.child(name), of.root, mode)
    return [Edit("drop", ())] if may_be_left_out(wanted) and cost_of(edits) > 1 else edits


def _property_equal(wanted: Any, given: Any, name: str, of: Properties, mode: str) -> bool:
    if mode == "typed":
        if wanted is ABSENT:
            return given is ABSENT or of.invented(name, given).equal
        one = Property(name, wanted, of)
        return (one.absent if given is ABSENT else one.verdict(given)).equal
    if given is ABSENT:
        return may_be_left_out(wanted)
    return wanted is not ABSENT and exact_equal(wanted, given)


def _value_edits(wanted: Any, given: Any, schema: Any, root: Mapping[str, Any], mode: str) -> list[Edit]:
    """The cheapest way from a given value to any acceptable one; of equally cheap ones the nearest, then the first."""
    options = wanted.values if isinstance(wanted, OneOf) else (wanted,)
    best: tuple[int, float, list[Edit]] | None = None
    for option in options:
        if isinstance(option, OneOf):
            edits = _value_edits(option, given, schema, root, mode)
        else:
            edits = _option_edits(option, given, schema, root, mode)
        near = wanted_value(option, schema, root).verdict(given).credit
        if best is None or (cost_of(edits), -near) < best[:2]:
            best = (cost_of(edits), -near, edits)
    return best[2] if best is not None else [Edit("drop", ())]


def _option_edits(wanted: Any, given: Any, schema: Any, root: Mapping[str, Any], mode: str) -> list[Edit]:
    value = canonical_value(wanted)
    whole = [Edit("set", (), value, leaves(value))]
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        of = Properties(container_schema(wanted, schema, root), root)
        inside = [
            _under(n, _property_edits(wanted.get(n, ABSENT), given.get(n, ABSENT), n, of, mode))
            for n in dict.fromkeys([*wanted, *given])
        ]
    elif isinstance(wanted, list) and isinstance(given, list) and len(wanted) == len(given):
        items = container_schema(wanted, schema, root)
        inside = [
            _under(i, _item_edits(w, g, child_schema(items, i, root), root, mode))
            for i, (w, g) in enumerate(zip(wanted, given, strict=True))
        ]
    else:
        return whole
    edits = [e for found in inside for e in found]
    return edits if cost_of(edits) <= cost_of(whole) else whole  # of equals the one that reaches inside: it says more


def _item_edits(wanted: Any, given: Any, schema: Any, root: Mapping[str, Any], mode: str) -> list[Edit]:
    equal = wanted_value(wanted, schema, root).verdict(given).equal if mode == "typed" else exact_equal(wanted, given)
    return [] if equal else _value_edits(wanted, given, schema, root, mode)


def _under(key: str | int, edits: list[Edit]) -> list[Edit]:
    return [replace(e, path=(key, *e.path)) for e in edits]


def leaves(value: Any) -> int:
    """How many values something holds; an empty object or array is one."""
    count, stack = 0, [value]
    while stack:
        here = stack.pop()
        if isinstance(here, (Mapping, list)) and here:
            stack.extend(here.values() if isinstance(here, Mapping) else here)
        else:
            count += 1
    return count
