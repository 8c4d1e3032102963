"""Negative samples: a query that was answerable, beside tools that cannot answer it. Pure functions, with a seed.

`synthesize` makes six kinds of them from a stream of examples, each verified by the rule of its kind
(docs/negatives.md). `action_mismatch`, `domain_mismatch` and `server_shuffle` make one at a time, checked by
`why_answerable`.
"""

from rlvr.negatives.action_mismatch import action_mismatch
from rlvr.negatives.base import KINDS, ServerLike, ToolSet
from rlvr.negatives.domain_mismatch import domain_mismatch
from rlvr.negatives.embeddings import load_embedder
from rlvr.negatives.judge import Judge, Verdict
from rlvr.negatives.options import NegativeOptions, Tally
from rlvr.negatives.server_shuffle import server_shuffle
from rlvr.negatives.synthesis import synthesize
from rlvr.negatives.verification import why_answerable
from rlvr.negatives.verifier import Limits, Verifier

__all__ = [
    "KINDS",
    "Judge",
    "Limits",
    "NegativeOptions",
    "ServerLike",
    "Tally",
    "ToolSet",
    "Verdict",
    "Verifier",
    "action_mismatch",
    "domain_mismatch",
    "load_embedder",
    "server_shuffle",
    "synthesize",
    "why_answerable",
]
