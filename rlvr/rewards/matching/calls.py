"""Compares calls with the calls that are wanted: right or not, and how near. `reasons` says why, where asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rlvr.errors import UsageError, did_you_mean
from rlvr.rewards.matching.arguments import typed_score, wanted_arguments
from rlvr.rewards.matching.assignment import best_assignment
from rlvr.rewards.matching.bfcl import call_valid, greedy_match
from rlvr.rewards.matching.modes import MAX_CALLS, MODES, Compared, Match
from rlvr.rewards.matching.verdicts import argument_verdicts, mean_credit
from rlvr.types import GoldCall, Tool, ToolCall

_ONE = 1 << 60
"""Weights are whole numbers of this part: a credit's float is exact in it, and so is every sum."""
_Score = tuple[bool, float]
"""Whether a pair of calls is equal, and its credit."""
_OTHER: _Score = (False, 0.0)
"""Calls of other tools."""


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


def compare_calls(
    calls: Sequence[ToolCall], gold: Sequence[GoldCall], tools: Mapping[str, Tool], mode: str
) -> tuple[bool, float]:
    """`matched` and `credit` of `match_calls`, for a mode that is one: all that a score needs."""
    if len(calls) == len(gold) == 1:
        return _pair_score(calls[0], gold[0], tools.get(gold[0].name), mode)
    if max(len(calls), len(gold)) > MAX_CALLS:
        return False, 0.0
    chosen, table = assign(calls, gold, tools, mode)
    credit = sum(int(table[i][j][1] * _ONE) for i, j in chosen) / _ONE
    if len(calls) != len(gold):
        return False, credit
    if mode == "bfcl":
        return greedy_match(calls, gold, tools), credit
    return all(table[i][j][0] for i, j in chosen), credit


def assign(
    calls: Sequence[ToolCall], gold: Sequence[GoldCall], tools: Mapping[str, Tool], mode: str
) -> tuple[list[tuple[int, int]], list[list[_Score]]]:
    """The best one-to-one assignment by credit, (call, wanted call), and every pair's score."""
    if mode == "typed":
        wanted = [(g.name, wanted_arguments(g, tools.get(g.name))) for g in gold]
        table = [[typed_score(c.arguments, w) if c.name == name else _OTHER for name, w in wanted] for c in calls]
    else:
        table = [[_pair_score(c, g, tools.get(g.name), mode) for g in gold] for c in calls]
    return best_assignment([[int(credit * _ONE) for _, credit in row] for row in table]), table


def _pair_score(call: ToolCall, gold: GoldCall, tool: Tool | None, mode: str) -> _Score:
    if call.name != gold.name:
        return _OTHER
    if mode == "typed":
        return typed_score(call.arguments, wanted_arguments(gold, tool))
    verdicts = argument_verdicts(call, gold, tool, mode)
    matched = call_valid(call, gold, tool) if mode == "bfcl" else all(v.equal for v in verdicts.values())
    return matched, 1.0 if matched else mean_credit(verdicts.values())
