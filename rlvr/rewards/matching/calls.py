"""Compares calls with the calls that are wanted: right or not, and how near. `reasons` says why, where asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlvr.errors import UsageError, did_you_mean
from rlvr.rewards.matching.arguments import typed_score, wanted_arguments
from rlvr.rewards.matching.assignment import best_assignment
from rlvr.rewards.matching.bfcl import call_valid, greedy_match
from rlvr.rewards.matching.modes import MAX_CALLS, MODES, Compared, Match
from rlvr.rewards.matching.values import Object
from rlvr.rewards.matching.verdicts import argument_verdicts, mean_credit
from rlvr.types import GoldCall, Tool, ToolCall

_ONE = 1 << 60
"""Weights are whole numbers of this part: a credit's float is exact in it, and so is every sum."""
_TWO = 2 * _ONE
_Score = tuple[bool, float]
"""Whether a pair of calls is equal, and its credit."""
_OTHER: _Score = (False, 0.0)
"""Calls of other tools."""
WantedCall = tuple[str, Object]
"""A wanted call's name, and its arguments ready to be compared."""


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
        return Match(False, 0.0, mode, "too_many_calls")
    matched, credit = compare_calls(calls, gold, tools, mode)
    reason = "match" if matched else "wrong_count" if len(calls) != len(gold) else "wrong_calls"
    return Match(matched, credit, mode, reason, Compared(calls, gold, tools))


def compare_calls(calls: Sequence[ToolCall], gold: Sequence[GoldCall], tools: Mapping[str, Tool], mode: str) -> _Score:
    """`matched` and `credit` of `match_calls`, for a mode that is one: all that a score needs."""
    if mode == "typed":
        return compare_typed([(c.name, c.arguments) for c in calls], wanted_calls(gold, tools))
    if len(calls) == len(gold) == 1:
        return _pair_score(calls[0], gold[0], tools.get(gold[0].name), mode)
    if max(len(calls), len(gold)) > MAX_CALLS:
        return False, 0.0
    chosen, table = assign(calls, gold, tools, mode)
    credit = sum(_weight(table[i][j]) for i, j in chosen) / _ONE
    if len(calls) != len(gold):
        return False, credit
    if mode == "bfcl":
        return greedy_match(calls, gold, tools), credit
    return all(table[i][j][0] for i, j in chosen), credit


def compare_typed(calls: Sequence[tuple[str, Mapping[str, Any]]], wanted: Sequence[WantedCall]) -> _Score:
    """`compare_calls` in the mode `typed`, of names and arguments beside wanted calls that were made ready.

    A pair's credit is 1 where it is equal and nowhere else: the calls match where the credits add up to their number.
    """
    if len(calls) == 1 == len(wanted):
        return _typed_pair(*calls[0], *wanted[0])
    if len(calls) == 2 == len(wanted):
        return _typed_two(calls, wanted)
    if max(len(calls), len(wanted)) > MAX_CALLS:
        return False, 0.0
    in_place = [_typed_pair(*call, *want) for call, want in zip(calls, wanted, strict=False)]
    if len(calls) == len(wanted) and all(equal for equal, _ in in_place):
        return True, float(len(calls))
    weights = [
        [_weight(in_place[i] if i == j else _typed_pair(*call, *want)) for j, want in enumerate(wanted)]
        for i, call in enumerate(calls)
    ]
    total = sum(weights[i][j] for i, j in best_assignment(weights))
    return len(calls) == len(wanted) and total == len(calls) * _ONE, total / _ONE


def _typed_two(calls: Sequence[tuple[str, Mapping[str, Any]]], wanted: Sequence[WantedCall]) -> _Score:
    """Two calls beside two wanted ones, as most parallel calls are: straight or crossed."""
    (first, second), (one, other) = calls, wanted
    straight = _weight(_typed_pair(*first, *one)) + _weight(_typed_pair(*second, *other))
    if straight < _TWO:
        crossed = _weight(_typed_pair(*first, *other))
        if crossed + _ONE > straight:  # else the other half could not make it more
            straight = max(straight, crossed + _weight(_typed_pair(*second, *one)))
    return straight == _TWO, straight / _ONE


def _weight(score: _Score) -> int:
    return int(score[1] * _ONE)


def wanted_calls(gold: Sequence[GoldCall], tools: Mapping[str, Tool]) -> tuple[WantedCall, ...]:
    """Wanted calls, ready for `compare_typed`."""
    return tuple((g.name, wanted_arguments(g, tools.get(g.name))) for g in gold)


def _typed_pair(name: str, given: Mapping[str, Any], wanted_name: str, wanted: Object) -> _Score:
    return typed_score(given, wanted) if name == wanted_name else _OTHER


def assign(
    calls: Sequence[ToolCall], gold: Sequence[GoldCall], tools: Mapping[str, Tool], mode: str
) -> tuple[list[tuple[int, int]], list[list[_Score]]]:
    """The best one-to-one assignment by credit, (call, wanted call), and every pair's score."""
    table = [[_pair_score(c, g, tools.get(g.name), mode) for g in gold] for c in calls]
    return best_assignment([list(map(_weight, row)) for row in table]), table


def _pair_score(call: ToolCall, gold: GoldCall, tool: Tool | None, mode: str) -> _Score:
    if call.name != gold.name:
        return _OTHER
    if mode == "typed":
        return typed_score(call.arguments, wanted_arguments(gold, tool))
    verdicts = argument_verdicts(call, gold, tool, mode)
    matched = call_valid(call, gold, tool) if mode == "bfcl" else all(v.equal for v in verdicts.values())
    return matched, 1.0 if matched else mean_credit(verdicts.values())
