"""Compares calls with the calls that are wanted: single pairs, then all of them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import fsum

from rlvr.errors import UsageError, did_you_mean
from rlvr.rewards.matching import rules
from rlvr.rewards.matching.assignment import best_assignment
from rlvr.rewards.matching.bfcl import argument_valid, call_valid, greedy_match
from rlvr.rewards.matching.modes import MAX_CALLS, MODES, ArgumentVerdict, CallPair, Match
from rlvr.rewards.matching.values import ABSENT, ValueVerdict, exact_equal, may_be_left_out, property_verdict
from rlvr.tools import object_shape
from rlvr.types import GoldCall, Tool, ToolCall

_Typed = dict[str, ValueVerdict]
_ONE = 1 << 60
"""Weights are whole numbers of this part: a credit's float is exact in it, and so is every sum."""


def match_calls(
    calls: Sequence[ToolCall], gold: Sequence[GoldCall], tools: Mapping[str, Tool], mode: str = "typed"
) -> Match:
    """Compare `calls` with `gold`, whose schemas stand in `tools` (name → `Tool`), under one of `MODES`.

    `matched` where a one-to-one assignment makes every pair equal and no call is missing or too many (in `bfcl` mode:
    where the official checker finds it so). `credit` is the largest sum of pair credits over the one-to-one
    assignments; a pair's credit is 0 where the names differ, 1 where it is equal, else the mean over its arguments, of
    either side, without those left out or given as their default. Neither order nor batch matters, and a call too many
    never adds credit beyond the wanted calls' own.

    It does not look at the rest of the completion. The exploit one would try first, calling everything: every call too
    many breaks the match, and credit counts one call for each wanted one. Raises `UsageError` on an unknown mode.

    >>> tool = Tool("f", "", {"type": "object", "properties": {"city": {"type": "string"}}})
    >>> match_calls([ToolCall("f", {"city": "paris"})], [GoldCall("f", {"city": "Paris"})], {"f": tool}).matched
    True
    """
    if mode not in MODES:
        raise UsageError(f"unknown matching {mode!r}.{did_you_mean(str(mode), MODES)}")
    if max(len(calls), len(gold)) > MAX_CALLS:
        return Match(False, 0.0, (), mode, "too_many_calls")
    table = [[_pair(c, g, tools.get(g.name), mode) for g in gold] for c in calls]
    weights = [[int(p.credit * _ONE) for p, _ in row] for row in table]
    chosen = best_assignment(weights)
    pairs = _all_pairs(table, chosen, calls, gold, tools)
    total = sum(weights[i][j] for i, j in chosen) / _ONE
    perfect = len(calls) == len(gold) and all(p.matched for p in pairs)
    matched = greedy_match(calls, gold, tools) if mode == "bfcl" else perfect
    applied = {r for p in pairs for a in p.arguments for r in a.rules}
    if matched != perfect:
        applied.add(rules.BEST_ASSIGNMENT)
    reason = "match" if matched else "wrong_count" if len(calls) != len(gold) else "wrong_calls"
    return Match(matched, total, pairs, mode, reason, tuple(sorted(applied)))


def _all_pairs(
    table: list[list[tuple[CallPair, _Typed]]],
    chosen: list[tuple[int, int]],
    calls: Sequence[ToolCall],
    gold: Sequence[GoldCall],
    tools: Mapping[str, Tool],
) -> tuple[CallPair, ...]:
    """The chosen pairs in the order of the wanted calls, then what is missing, then what is too much."""
    pairs = []
    for i, j in sorted(chosen, key=lambda ij: ij[1]):
        pair = _with_rules(*table[i][j], calls[i], gold[j], tools.get(gold[j].name))
        pairs.append(replace(pair, predicted=i, wanted=j))
    rows, columns = {i for i, _ in chosen}, {j for _, j in chosen}
    pairs += [CallPair(None, j, False, 0.0, "missing") for j in range(len(gold)) if j not in columns]
    pairs += [CallPair(i, None, False, 0.0, "extra") for i in range(len(calls)) if i not in rows]
    return tuple(pairs)


def _pair(call: ToolCall, gold: GoldCall, tool: Tool | None, mode: str) -> tuple[CallPair, _Typed]:
    """The pair under `mode`, and its arguments under `typed`, by which the modes' differences are named later."""
    if call.name != gold.name:
        return CallPair(None, None, False, 0.0, "wrong_name"), {}
    typed = _typed(call, gold, tool)
    arguments = tuple(
        ArgumentVerdict(n, v.equal, v.credit, v.reason) for n, v in _arguments(call, gold, tool, mode, typed).items()
    )
    matched = call_valid(call, gold, tool) if mode == "bfcl" else all(a.equal for a in arguments)
    if matched:
        return CallPair(None, None, True, 1.0, "equal", arguments), typed
    scored = [a.credit for a in arguments if a.reason not in rules.NOTHING_TO_SCORE]
    # Never 1 for an unequal pair: not by rounding, nor where bfcl wants an offered tool and there is none.
    credit = min(fsum(scored) / len(scored), 1 - 1e-6) if scored else 0.0
    return CallPair(None, None, False, credit, "wrong_arguments", arguments), typed


def _arguments(call: ToolCall, gold: GoldCall, tool: Tool | None, mode: str, typed: _Typed) -> _Typed:
    if mode == "typed":
        return typed
    equal = _bfcl(call, gold, tool) if mode == "bfcl" else _exact(call, gold, list(typed))
    out = {}
    for name, same in equal.items():
        verdict = typed.get(name, ValueVerdict(False, rules.MISSING))
        if same != verdict.equal:
            verdict = _overruled(call, name, same)
        out[name] = verdict
    return out


def _overruled(call: ToolCall, name: str, equal: bool) -> ValueVerdict:
    """The verdict where another mode than `typed` decides otherwise; such a wrong value has no partial credit."""
    given = name in call.arguments
    if equal:
        return ValueVerdict(True, rules.NORMALISED if given else rules.LEFT_OUT, 1.0)
    return ValueVerdict(False, rules.WRONG_VALUE if given else rules.MISSING)


def _names(call: ToolCall, gold: GoldCall) -> list[str]:
    return list(dict.fromkeys([*gold.arguments, *call.arguments]))


def _typed(call: ToolCall, gold: GoldCall, tool: Tool | None) -> _Typed:
    schema = tool.parameters if tool else {}
    return {
        name: property_verdict(gold.arguments.get(name, ABSENT), call.arguments.get(name, ABSENT), name, schema, schema)
        for name in _names(call, gold)
    }


def _exact(call: ToolCall, gold: GoldCall, names: list[str]) -> dict[str, bool]:
    out = {}
    for name in names:
        if name not in call.arguments:
            out[name] = may_be_left_out(gold.arguments[name])
        else:
            out[name] = name in gold.arguments and exact_equal(gold.arguments[name], call.arguments[name])
    return out


def _bfcl(call: ToolCall, gold: GoldCall, tool: Tool | None) -> dict[str, bool]:
    if tool is None:
        return dict.fromkeys(_names(call, gold), False)
    shape = object_shape(tool.parameters, tool.parameters)
    out = {n: n in gold.arguments and argument_valid(call, gold, n, shape) for n in _names(call, gold)}
    return out | {n: False for n in sorted(shape.required) if n not in call.arguments}


def _with_rules(pair: CallPair, typed: _Typed, call: ToolCall, gold: GoldCall, tool: Tool | None) -> CallPair:
    """Name, on each argument on which `typed` and `bfcl` disagree, the rules by which they do."""
    if pair.reason == "wrong_name":
        return pair
    bfcl = _bfcl(call, gold, tool)
    arguments = []
    for argument in pair.arguments:
        verdict = typed.get(argument.name)
        if verdict is None:  # required by the schema, and neither wanted nor given
            arguments.append(replace(argument, rules=(rules.OPTIONAL_BY_ANSWER,)))
        elif verdict.equal == bfcl.get(argument.name, False):
            arguments.append(argument)
        else:
            arguments.append(replace(argument, rules=rules.deciding(verdict.applied, typed_equal=verdict.equal)))
    return replace(pair, arguments=tuple(arguments))
