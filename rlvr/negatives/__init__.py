"""Negative samples: a query that was answerable, beside tools that cannot answer it. Pure functions, with a seed.

Each kind names why no tool fits, and each result is checked not to be answerable (`verification`).
"""

from rlvr.negatives.action_mismatch import action_mismatch
from rlvr.negatives.base import KINDS, ToolSet
from rlvr.negatives.domain_mismatch import domain_mismatch
from rlvr.negatives.server_shuffle import server_shuffle
from rlvr.negatives.verification import why_answerable

__all__ = ["KINDS", "ToolSet", "action_mismatch", "domain_mismatch", "server_shuffle", "why_answerable"]
