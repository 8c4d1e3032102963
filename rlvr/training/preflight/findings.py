"""What preflight found: findings, each with what to change, and the report that holds them."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rlvr.training.run_folder import write_atomically

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

_WIDTH = 116


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check has to say.

    `error`: the run cannot give what it is for, and is not started. `warning`: it can, and likely will not. `note`:
    what was measured. `found` holds the figures, `change` what to do (empty where nothing is to be done), `figures`
    the same numbers for programs.
    """

    check: str
    severity: Severity
    found: str
    change: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The finding as a block for a terminal."""
        out = [f"{self.severity}: {self.check}"]
        for paragraph in self.found.splitlines():
            # A line that is indented belongs to a table: it is not wrapped.
            out += [f"  {paragraph}"] if paragraph.startswith(" ") else _wrapped(paragraph, "  ", "  ")
        if self.change:
            out += _wrapped(self.change, "  → ", "    ")
        return out

    def to_json(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "severity": self.severity,
            "found": self.found,
            "change": self.change,
            "figures": dict(self.figures),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of a preflight, the worst first, and how long each part took (`seconds`)."""

    recipe: str
    model: str
    findings: tuple[Finding, ...]
    seconds: Mapping[str, float]

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == severity)

    @property
    def ok(self) -> bool:
        """Whether the run may start: no finding is an error."""
        return not self.of("error")

    @property
    def summary(self) -> str:
        counts = ", ".join(_counted(len(self.of(s)), s) for s in SEVERITIES)
        return f"preflight of {self.recipe} ({self.model}): {counts} in {sum(self.seconds.values()):.1f} s"

    def text(self, severities: Sequence[Severity] = SEVERITIES) -> str:
        """The summary, and one block a finding of the severities asked for."""
        blocks = [[self.summary]] + [f.lines() for s in SEVERITIES if s in severities for f in self.of(s)]
        text = "\n\n".join("\n".join(block) for block in blocks)
        return text.encode("utf-8", "backslashreplace").decode("utf-8")  # a completion may hold a lone surrogate

    def write(self, path: Path) -> None:
        """Keep the report as JSON beside a run."""
        write_atomically(path, json.dumps(self.to_json(), ensure_ascii=False, indent=1, default=str) + "\n")

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe,
            "model": self.model,
            "ok": self.ok,
            "counts": {s: len(self.of(s)) for s in SEVERITIES},
            "seconds": dict(self.seconds),
            "findings": [f.to_json() for s in SEVERITIES for f in self.of(s)],
        }


def shown(text: str, most: int = 160) -> str:
    """A text on one line for a report, cut where it is long.

    >>> shown("two\\nlines"), shown("abcdef", 3)
    ('two⏎lines', 'abc…')
    """
    line = text.replace("\n", "⏎")
    return line if len(line) <= most else line[:most] + "…"


def _counted(n: int, what: str) -> str:
    """
    >>> _counted(1, "error"), _counted(2, "note")
    ('1 error', '2 notes')
    """
    return f"{n} {what}{'' if n == 1 else 's'}"


def _wrapped(text: str, first: str, then: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=then, break_long_words=False)
