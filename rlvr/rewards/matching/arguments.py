"""The arguments of a wanted call, ready to be compared: made once, however many completions are held against them."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum
from typing import Any

from rlvr.rewards.matching.values import Object, Properties
from rlvr.types import GoldCall, Tool

BELOW_ONE = 1 - 1e-6
"""The most that an unequal pair earns: never 1, be it by rounding or where bfcl wants an offered tool and has none."""

_MAX_KNOWN = 4096
_PROPERTIES: dict[int, tuple[Mapping[str, Any], Properties]] = {}
_WANTED: dict[tuple[int, int], tuple[GoldCall, Mapping[str, Any], Object]] = {}
_NO_SCHEMA: Mapping[str, Any] = {}


def wanted_arguments(gold: GoldCall, tool: Tool | None) -> Object:
    """A wanted call's arguments under its tool's schema; without a tool nothing is said about them.

    Remembered by identity: calls and schemas never change, and the completions of a group share them.
    """
    parameters = _NO_SCHEMA if tool is None else tool.parameters
    known = _WANTED.get((id(gold), id(parameters)))
    if known is not None and known[0] is gold and known[1] is parameters:
        return known[2]
    made = Object(gold.arguments, tool_properties(parameters))
    if len(_WANTED) >= _MAX_KNOWN:
        _WANTED.clear()
    _WANTED[id(gold), id(parameters)] = (gold, parameters, made)
    return made


def tool_properties(parameters: Mapping[str, Any]) -> Properties:
    """What a tool's schema says of its arguments."""
    known = _PROPERTIES.get(id(parameters))
    if known is not None and known[0] is parameters:
        return known[1]
    made = Properties(parameters, parameters)
    if len(_PROPERTIES) >= _MAX_KNOWN:
        _PROPERTIES.clear()
    _PROPERTIES[id(parameters)] = (parameters, made)
    return made


def typed_score(given: Mapping[str, Any], wanted: Object) -> tuple[bool, float]:
    """Whether a call's arguments are the wanted ones, and the pair's credit."""
    found = full = scored = 0
    partial = []
    for name, kind, itself, one in wanted.checks:
        if name in given:
            found += 1
            value = given[name]
            earned = 1.0 if type(value) is kind and value == itself else one.credit(value)
        else:
            earned = None if one.absent.equal else 0.0
        if earned == 1.0:
            full += 1
        elif earned is not None:
            scored += 1
            if earned:
                partial.append(earned)
    if found < len(given):
        defaults = wanted.of.defaults
        for name in given:
            if name not in wanted.names and not (name in defaults and wanted.of.invented(name, given[name]).equal):
                scored += 1
    if not scored:
        return True, 1.0
    credit_of_all = (full + fsum(partial) if partial else full) / (full + scored)
    return False, credit_of_all if credit_of_all < BELOW_ONE else BELOW_ONE
