"""What an audit found: the rule by which it judges, and the result with its worst examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FALSE, MISSED, CONTRACT = "false_reward", "missed_reward", "contract"
KINDS = (FALSE, MISSED, CONTRACT)
TITLES = {FALSE: "false rewards", MISSED: "missed rewards", CONTRACT: "broken contract"}

_MOST_CHARACTERS = 2_000


def rule(margin: float) -> str:
    """The rule in words, as reports print it.

    >>> rule(0.1).splitlines()[0]
    'false reward: a wrong completion earns more than the ground truth less 0.1'
    """
    if not margin:
        return (
            "false reward: a wrong completion earns as much as the ground truth, or more\n"
            "missed reward: a completion as good as the ground truth earns less than it, or a right one earns no more "
            "than a wrong one on the same example"
        )
    return (
        f"false reward: a wrong completion earns more than the ground truth less {margin:g}\n"
        f"missed reward: a completion as good as the ground truth earns less than it, or a right one does not earn "
        f"{margin:g} more than every wrong one on the same example"
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One failure. `reward` is what `completion` got; `against` what it is held against, and `counterpart` that text.

    `gap`: by how much the order is violated; the larger the worse. For a broken contract `message` says what happened.
    """

    kind: str
    family: str
    example_id: str
    lang: str | None
    query: str
    what: str
    completion: str
    reward: float | None
    against: float | None
    counterpart: str
    gap: float
    message: str

    def to_json(self) -> dict[str, Any]:
        """A JSON object; long completions are cut, and say so."""
        return {
            "kind": self.kind,
            "family": self.family,
            "example_id": self.example_id,
            "lang": self.lang,
            "query": self.query,
            "what": self.what,
            "completion": clip(self.completion, _MOST_CHARACTERS),
            "reward": self.reward,
            "against": self.against,
            "counterpart": clip(self.counterpart, _MOST_CHARACTERS),
            "gap": self.gap,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """How one family fared: completions tried, findings, and the worst of them."""

    family: str
    about: str
    right: bool
    tried: int
    findings: int
    worst: Finding | None


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What a degenerate policy earns on average, beside the ground truth on the same examples."""

    policy: str
    about: str
    n: int
    right: int
    mean_reward: float
    mean_ground_truth: float


@dataclass(frozen=True, slots=True)
class AuditResult:
    """Everything that an audit of one target found."""

    target: str
    margin: float
    parser: str
    examples: int
    completions: int
    findings: tuple[Finding, ...]
    families: tuple[FamilyResult, ...]
    policies: tuple[PolicyResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def of_kind(self, kind: str) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.kind == kind)

    def worst(self, kind: str) -> Finding | None:
        """The worst finding of a kind, by its gap."""
        return worst_of(self.of_kind(kind))

    def report(self) -> str:
        """What was found, in lines for people."""
        from rlvr.audit.text import report

        return report(self)

    def __str__(self) -> str:
        return self.report()

    def to_json(self) -> dict[str, Any]:
        """A JSON object with every finding; nothing is rounded."""
        return {
            "target": self.target,
            "rule": rule(self.margin).splitlines(),
            "margin": self.margin,
            "parser": self.parser,
            "examples": self.examples,
            "completions": self.completions,
            "clean": self.clean,
            "counts": {kind: len(self.of_kind(kind)) for kind in KINDS},
            "families": [
                {"family": f.family, "about": f.about, "right": f.right, "tried": f.tried, "findings": f.findings}
                for f in self.families
            ],
            "policies": [
                {
                    "policy": p.policy,
                    "about": p.about,
                    "n": p.n,
                    "right": p.right,
                    "mean_reward": p.mean_reward,
                    "mean_ground_truth": p.mean_ground_truth,
                }
                for p in self.policies
            ],
            "notes": list(self.notes),
            "findings": [f.to_json() for f in self.findings],
        }


def worst_of(findings: Sequence[Finding]) -> Finding | None:
    """The finding with the largest gap; the first of equals."""
    return max(findings, key=lambda f: f.gap, default=None)


def clip(text: str, most: int) -> str:
    """A text of at most `most` characters and a note on what was left out; printable as UTF-8.

    >>> clip("abcdef", 3)
    'abc… (6 characters)'
    """
    shown = text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")
