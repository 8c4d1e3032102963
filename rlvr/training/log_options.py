"""`log` of a recipe: the loggers beside the run folder, how many completions the tables keep, the growing report."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from rlvr.errors import MissingExtraError
from rlvr.extras import require


@dataclass(frozen=True, slots=True)
class LogOptions:
    """`to` names loggers beside `metrics.jsonl`, which is always written; docs/watching.md has the metrics.

    `project` is the project's name in trackio and Weights & Biases. `offline` keeps Weights & Biases on this machine:
    what it writes lies under RUN/wandb, and `wandb sync` uploads it later. `completions` is how many completions of a
    logged step RUN/samples keeps, whole groups alone (0: none). With `report_every` RUN/report.html is written anew
    after so many steps.
    """

    to: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    project: str = "rlvr"
    offline: bool = False
    completions: int = 512
    report_every: int | None = None

    def __post_init__(self) -> None:
        if len(set(self.to)) < len(self.to):
            raise ValueError(f"to: got {', '.join(self.to)}, expected each logger once")
        if self.completions < 0:
            raise ValueError(f"completions: got {self.completions}, expected 0 or more")
        if self.report_every is not None and self.report_every < 1:
            raise ValueError(f"report_every: got {self.report_every}, expected at least 1 step")


def check_packages(options: LogOptions) -> None:
    """Raise `MissingExtraError` with the install command for the first package that `log` asks for and is not there."""
    for name in options.to:
        # W&B leaves a folder named wandb in the working folder: Python finds a package there that has no file.
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise MissingExtraError(name, name, f"log.to: {name}")
    if options.report_every is not None:
        for package in ("jinja2", "matplotlib"):
            require(package, "report", "log.report_every")
