"""The audit in every tool-call format: probes are made as the format writes calls, and nothing is found in ours."""

from __future__ import annotations

import pytest

from rlvr.audit import audit, composition_target
from rlvr.parsers import PARSERS
from rlvr.rewards import load_composition
from rlvr.types import Example

OTHERS = sorted(set(PARSERS) - {"hermes"})


@pytest.mark.parametrize("parser", OTHERS)
def test_nothing_is_found_in_ours(parser: str, few: list[Example]) -> None:
    target = composition_target(load_composition("function_calling", "stage2"), parser)
    result = audit(target, few, parser=parser, margin=0.1, skip=["very_long"])
    assert result.findings == (), result.report()
    assert result.examples == len(few)
    assert not [note for note in result.notes if "examples were left out" in note], result.notes
    tried = {f.family for f in result.families if f.tried}
    wanted = {"junk_calls", "call_in_reasoning", "reordered_calls", "malformed_refusal", "wrong_value", "reasoned"}
    assert tried >= wanted
