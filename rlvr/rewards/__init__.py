"""Verifiable rewards for function calling.

    format_reward, correctness_reward, refusal_reward, efficiency_reward   over batches, as a trainer calls them
    score, score_file                                                      one completion, or a JSONL file, explained
    load_composition                                                       weights and parameters by stage
    judge, match_calls                                                     right or wrong; what evaluation counts

Importing this loads nothing heavy: no torch, trl, transformers, datasets or vllm, and YAML and JSON Schema only when
something is scored.
"""

from __future__ import annotations

from rlvr.rewards.batch import (
    RewardComponent,
    correctness_reward,
    efficiency_reward,
    format_reward,
    refusal_reward,
)
from rlvr.rewards.composition import ComponentSpec, Composition, load_composition
from rlvr.rewards.context import Context, build_context
from rlvr.rewards.correctness import CorrectnessParams
from rlvr.rewards.efficiency import EfficiencyParams
from rlvr.rewards.format import FormatParams
from rlvr.rewards.judge import Verdict, judge
from rlvr.rewards.matching import Match, match_calls
from rlvr.rewards.refusal import RefusalParams
from rlvr.rewards.score import Breakdown, score, score_file
from rlvr.rewards.words import WordKind, classify_words, detect_language, register_language

__all__ = [
    "Breakdown",
    "ComponentSpec",
    "Composition",
    "Context",
    "CorrectnessParams",
    "EfficiencyParams",
    "FormatParams",
    "Match",
    "RefusalParams",
    "RewardComponent",
    "Verdict",
    "WordKind",
    "build_context",
    "classify_words",
    "correctness_reward",
    "detect_language",
    "efficiency_reward",
    "format_reward",
    "judge",
    "load_composition",
    "match_calls",
    "refusal_reward",
    "register_language",
    "score",
    "score_file",
]
