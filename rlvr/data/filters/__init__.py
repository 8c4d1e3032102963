"""Filters: each says of an example whether it stays, and gives a reason code where it does not.

    PromptLength        rendered tokens; longer ones are dropped whole
    Languages           the language that the user speaks
    ToolCount           how many tools are offered
    OwnSchema           ground truth that its own schema rejects
    ExactDuplicates     the same example again
    NearDuplicates      nearly the same query to nearly the same tools (MinHash)
    Decontaminate       overlap with a benchmark
    DifficultyBand      too easy or too hard for a model that was probed (`rlvr.data.difficulty`)

`docs/filters.md` has the rules and reason codes.
"""

from __future__ import annotations

from rlvr.data.filters.base import ExplainingFilter, Filter, RememberingFilter, first_reason, first_reason_in_words
from rlvr.data.filters.decontaminate import Decontaminate
from rlvr.data.filters.difficulty import DifficultyBand
from rlvr.data.filters.duplicates import ExactDuplicates
from rlvr.data.filters.language import Languages, language_of_user
from rlvr.data.filters.near_duplicates import NearDuplicates
from rlvr.data.filters.simple import OwnSchema, PromptLength, ToolCount

__all__ = [
    "Decontaminate",
    "DifficultyBand",
    "ExactDuplicates",
    "ExplainingFilter",
    "Filter",
    "Languages",
    "NearDuplicates",
    "OwnSchema",
    "PromptLength",
    "RememberingFilter",
    "ToolCount",
    "first_reason",
    "first_reason_in_words",
    "language_of_user",
]
