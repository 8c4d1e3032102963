"""The arguments of one pair of calls, each with its verdict, under any of the modes."""

from __future__ import annotations

from collections.abc import Collection
from math import fsum
from typing import Any

from rlvr.rewards.matching import rules
from rlvr.rewards.matching.arguments import BELOW_ONE, wanted_arguments
from rlvr.rewards.matching.bfcl import argument_valid
from rlvr.rewards.matching.texts import ValueVerdict
from rlvr.rewards.matching.values import ABSENT, Properties, exact_equal, may_be_left_out
from rlvr.tools import object_shape
from rlvr.types import GoldCall, Tool, ToolCall

Verdicts = dict[str, ValueVerdict]


def mean_credit(verdicts: Collection[ValueVerdict]) -> float:
    """The credit of an unequal pair: the mean over its arguments, without those left out or given as their default."""
    scored = [v.credit for v in verdicts if v.reason not in rules.NOTHING_TO_SCORE]
    return min(fsum(scored) / len(scored), BELOW_ONE) if scored else 0.0


def argument_verdicts(call: ToolCall, gold: GoldCall, tool: Tool | None, mode: str) -> Verdicts:
    """A verdict for each argument of either side, those of the wanted call first."""
    typed = typed_verdicts(call, gold, tool)
    if mode == "typed":
        return typed
    equal = bfcl_equal(call, gold, tool) if mode == "bfcl" else _exact_equal(call, gold)
    out = {}
    for name, same in equal.items():
        verdict = typed.get(name, ValueVerdict(False, rules.MISSING))
        out[name] = verdict if same == verdict.equal else _overruled(call, name, same)
    return out


def typed_verdicts(call: ToolCall, gold: GoldCall, tool: Tool | None) -> Verdicts:
    wanted = wanted_arguments(gold, tool)
    out = {}
    for name, verdict in wanted.verdicts(call.arguments):
        felt = _at_the_top(gold.arguments.get(name, ABSENT), name in call.arguments, name, wanted.of)
        out[name] = verdict._replace(applied=verdict.applied | felt) if felt else verdict
    return out


def _at_the_top(wanted: Any, given: bool, name: str, of: Properties) -> set[str]:
    """The rules that concern a call's own arguments, not what is inside them."""
    if not given:
        return {rules.OPTIONAL_BY_ANSWER} if may_be_left_out(wanted) else set()
    felt = {rules.UNKNOWN_ARGUMENT} if wanted is not ABSENT and name not in of.known else set()
    if wanted is not ABSENT and of.of_other_type(name, wanted):
        felt.add(rules.SCHEMA_TYPE)
    return felt


def bfcl_equal(call: ToolCall, gold: GoldCall, tool: Tool | None) -> dict[str, bool]:
    """The official verdict on each argument; those that the schema requires are among them, wanted or not."""
    if tool is None:
        return dict.fromkeys(_names(call, gold), False)
    shape = object_shape(tool.parameters, tool.parameters)
    out = {n: n in gold.arguments and argument_valid(call, gold, n, shape) for n in _names(call, gold)}
    return out | {n: False for n in sorted(shape.required) if n not in call.arguments}


def _exact_equal(call: ToolCall, gold: GoldCall) -> dict[str, bool]:
    out = {}
    for name in _names(call, gold):
        if name not in call.arguments:
            out[name] = may_be_left_out(gold.arguments[name])
        else:
            out[name] = name in gold.arguments and exact_equal(gold.arguments[name], call.arguments[name])
    return out


def _overruled(call: ToolCall, name: str, equal: bool) -> ValueVerdict:
    """The verdict where another mode than `typed` decides otherwise; such a wrong value has no partial credit."""
    given = name in call.arguments
    if equal:
        return ValueVerdict(True, rules.NORMALISED if given else rules.LEFT_OUT, 1.0)
    return ValueVerdict(False, rules.WRONG_VALUE if given else rules.MISSING)


def _names(call: ToolCall, gold: GoldCall) -> list[str]:
    return list(dict.fromkeys([*gold.arguments, *call.arguments]))
