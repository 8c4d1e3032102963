"""Tell before the first step what will go wrong: `rlvr preflight RECIPE`, and the start of every `rlvr train`.

    preflight          a recipe and its model → a report
    before_training    the same for a run that is about to begin; errors stop it
    Finding, Report    what comes back

Each module holds a family of checks; a check is a function that yields findings. docs/preflight.md explains them.
"""

from __future__ import annotations

from rlvr.training.preflight.findings import Finding, Report
from rlvr.training.preflight.run import DEPTHS, before_training, check, preflight

__all__ = ["DEPTHS", "Finding", "Report", "before_training", "check", "preflight"]
