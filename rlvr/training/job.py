"""What both kinds of training share: the recipe, its folder, the model, and the rendered examples."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from rlvr.training.dataset import Rendered
from rlvr.training.precision import Precision
from rlvr.training.processes import is_main
from rlvr.training.recipe import Recipe
from rlvr.training.run_folder import RunFolder


def say(line: str) -> None:
    """One line of progress, on stderr: stdout is for results. Of several processes the main one speaks."""
    if not is_main():
        return
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@dataclass(slots=True)
class Job:
    """What both kinds of training share."""

    recipe: Recipe
    folder: RunFolder
    precision: Precision
    model: Any
    tokenizer: Any
    rendered: Rendered
    backend: str
