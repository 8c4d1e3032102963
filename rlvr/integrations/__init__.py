"""The same rewards in other trainers: thin adapters, one file each, that load their trainer only when they are called.

    trl          reward_funcs and reward_weights for `GRPOTrainer`, set up by the tokenizer
    verl         `compute_score`, its batch form, and a reward manager that sees special tokens and cut completions
    verifiers    a `Rubric`
    openrlhf     `reward_func(queries, prompts, labels)`, and the same behind a URL
    nemo_gym     a resources server with `verify`
    scorer       what they share: `Scorer`, and `row_of`, which turns an example into what they read

docs/integrations.md has ten lines of code for each.
"""

from __future__ import annotations

from rlvr.integrations.scorer import Scored, Scorer, read_row, row_of

__all__ = ["Scored", "Scorer", "read_row", "row_of"]
