"""Several recipes in one command: each runs in a folder of its own and starts from what the one before selected.

A stage is a process of its own: its memory is given back at its end, and a vLLM engine cannot be made twice in one.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.errors import RunError, UsageError, did_you_mean
from rlvr.training.job import say
from rlvr.training.recipe import load_recipe
from rlvr.training.run_folder import RunFolder

FAILED = {
    3: "a guard stopped it; its report says what to change: start anew with another --out, or go on with --resume",
    130: "it was interrupted; the same command with --resume goes on there",
}
"""What an exit code of a stage means for the chain."""


@dataclass(frozen=True, slots=True)
class Link:
    """One stage of a chain: its recipe as it was named, the overrides that it runs with, and its folder."""

    recipe: str
    name: str
    overrides: tuple[str, ...]
    folder: Path
    resolved: dict[str, Any]

    @property
    def begun(self) -> bool:
        return (self.folder / "run.json").is_file()

    @property
    def finished(self) -> bool:
        return self.begun and bool(RunFolder(self.folder).facts().get("finished"))

    def command(self) -> list[str]:
        """The command that runs this stage alone."""
        words = ["train", self.recipe, "--out", str(self.folder)]
        for override in self.overrides:
            words += ["--set", override]
        return [*words, "--resume"] if self.begun else words


def links(recipes: Sequence[str], overrides: Sequence[str], model: str | None, out: Path) -> list[Link]:
    """The stages of a chain, each checked, with the overrides that are for it.

    Raises `ConfigError` for a recipe that is wrong, `UsageError` for names that are the same or unknown.
    """
    loaded = [load_recipe(recipe)[0].name for recipe in recipes]
    twice = [name for name, n in Counter(loaded).items() if n > 1]
    if twice:
        raise UsageError(f"train: {len(recipes)} recipes, and more than one has the name {twice[0]}: give others.")
    for override in overrides:
        name, colon, _ = override.partition("=")[0].partition(":")
        if colon and name not in loaded:
            raise UsageError(f"--set {override}: no recipe here has the name {name}.{did_you_mean(name, loaded)}")
    made: list[Link] = []
    for recipe, name in zip(recipes, loaded, strict=True):
        source = str(made[-1].folder) if made else model
        own = [text for text in (_for(override, name) for override in overrides) if text is not None]
        given = (*own, *([f"model={json.dumps(source)}"] if source else []))
        made.append(Link(recipe, name, given, out / name, load_recipe(recipe, given)[1]))
    return made


def _for(override: str, name: str) -> str | None:
    """An override as one stage takes it; `None` where it is for another."""
    target, colon, _ = override.partition("=")[0].partition(":")
    if not colon:
        return override
    return override[len(target) + 1 :] if target == name else None


def run_chain(
    recipes: Sequence[str],
    overrides: Sequence[str],
    model: str | None,
    out: Path,
    *,
    resume: bool,
    more: Sequence[str] = (),
) -> int:
    """Run the stages that are not finished, in order, and return the exit code.

    `more` are options of `rlvr train` that every stage gets. With `resume` a finished stage is skipped and one that was
    stopped goes on; without, no folder may hold a run. Raises `RunError` where a stage fails on the way; what it wrote,
    and the stages before it, are kept.
    """
    stages = links(recipes, overrides, model, out)
    for stage in stages:
        if stage.begun:
            RunFolder(stage.folder).check(stage.resolved, resume=resume)  # all are told before the first one runs
    for number, stage in enumerate(stages, start=1):
        if stage.finished:
            say(f"{stage.name}: finished already, {stage.folder}")
            continue
        say(f"{stage.name}: stage {number} of {len(stages)} → {stage.folder}")
        code = run_stage([*stage.command(), *more])
        if code == -signal.SIGINT or code == 130:
            raise KeyboardInterrupt
        if code == 2:
            return code  # it said what is wrong
        if code:
            why = FAILED.get(code, f"it ended with code {code}; the same command with --resume goes on there")
            error = RunError(f"{stage.name}: {why}. Nothing after it was run.")
            error.exit_code = code if code > 0 else 1
            raise error
    return 0


def run_stage(command: Sequence[str]) -> int:
    """Run one stage and return its exit code; a termination of this process reaches it."""
    process = subprocess.Popen([sys.executable, "-m", "rlvr", *command])
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()  # the terminal interrupts it as well
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
