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


class TypedCall:
    """A call beside the wanted ones, in the mode `typed`: compared with each of them once, when first asked for."""

    __slots__ = ("_scores", "_wanted", "arguments", "name")

    def __init__(self, name: str, arguments: Mapping[str, Any], wanted: Sequence[WantedCall]) -> None:
        self.name = name
        self.arguments = arguments
        self._wanted = wanted
        self._scores: list[_Score | None] = [None] * len(wanted)

    def score(self, j: int) -> _Score:
        """How it compares with the wanted call at place `j`."""
        found = self._scores[j]
        if found is None:
            name, wanted = self._wanted[j]
            found = self._scores[j] = typed_score(self.arguments, wanted) if name == self.name else _OTHER
        return found


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
        wanted = wanted_calls(gold, tools)
        return compare_typed([TypedCall(c.name, c.arguments, wanted) for c in calls], len(wanted))
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


def compare_typed(calls: Sequence[TypedCall], wanted: int) -> _Score:
    """`compare_calls` in the mode `typed`, of calls that were set beside so many wanted ones.

    A pair's credit is 1 where it is equal and nowhere else: the calls match where the credits add up to their number.
    """
    n = len(calls)
    if n == 1 == wanted:
        return calls[0].score(0)
    if n == 2 == wanted:
        return _typed_two(*calls)
    if max(n, wanted) > MAX_CALLS:
        return False, 0.0
    if n == wanted and all(call.score(i)[0] for i, call in enumerate(calls)):
        return True, float(n)
    if n == 1 or wanted == 1:  # there is one pair, the best one
        return False, max([call.score(j)[1] for call in calls for j in range(wanted)], default=0.0)
    weights = [[_weight(call.score(j)) for j in range(wanted)] for call in calls]
    total = sum(weights[i][j] for i, j in best_assignment(weights))
    return n == wanted and total == n * _ONE, total / _ONE


def _typed_two(first: TypedCall, second: TypedCall) -> _Score:
    """Two calls beside two wanted ones, as most parallel calls are: straight or crossed."""
    straight = _weight(first.score(0)) + _weight(second.score(1))
    if straight < _TWO:
        crossed = _weight(first.score(1))
        if crossed + _ONE > straight:  # else the other half could not make it more
            straight = max(straight, crossed + _weight(second.score(0)))
    return straight == _TWO, straight / _ONE


def _weight(score: _Score) -> int:
    return int(score[1] * _ONE)


def wanted_calls(gold: Sequence[GoldCall], tools: Mapping[str, Tool]) -> tuple[WantedCall, ...]:
    """Wanted calls, ready for `TypedCall`."""
    return tuple((g.name, wanted_arguments(g, tools.get(g.name))) for g in gold)


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
