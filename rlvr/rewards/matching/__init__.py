"""Compares the calls of a completion with the calls that are wanted. Training and evaluation share this code."""

from __future__ import annotations

from rlvr.rewards.matching.calls import TypedCall, WantedCall, compare_calls, compare_typed, match_calls, wanted_calls
from rlvr.rewards.matching.changes import CHANGES, Change, apply_changes
from rlvr.rewards.matching.modes import MAX_CALLS, MODES, ArgumentVerdict, CallPair, Match
from rlvr.rewards.matching.rules import REASONS, RULES

__all__ = [
    "CHANGES",
    "MAX_CALLS",
    "MODES",
    "REASONS",
    "RULES",
    "ArgumentVerdict",
    "CallPair",
    "Change",
    "Match",
    "TypedCall",
    "WantedCall",
    "apply_changes",
    "compare_calls",
    "compare_typed",
    "match_calls",
    "wanted_calls",
]
