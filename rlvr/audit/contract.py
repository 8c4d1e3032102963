"""The contract of a reward function: one finite number a completion, the same each time, whatever stands beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rlvr.audit.families import GROUND_TRUTH
from rlvr.audit.findings import CONTRACT, Finding
from rlvr.audit.markup import LENGTHS
from rlvr.audit.subject import Probe
from rlvr.audit.target import Broken, Row, Score, Target

if TYPE_CHECKING:
    from rlvr.audit.run import Scored

SAMPLE = 48
"""Rows that are scored again, alone and in another order."""

CLAUSES = {
    "exception": "it raises an exception",
    "type": "it returns something else than a list of numbers and None",
    "length": "it returns another number of scores than completions",
    "finite": "it returns NaN or infinity",
    "inputs": "it changes what it was given",
    "none": "it is None for one completion of an example and a number for another: TRL adds None as 0",
    "never": "it applies to no example",
    "deterministic": "it gives the same batch other scores the second time",
    "batch": "a completion's score depends on what else is in the batch",
    "order": "a completion's score depends on its place in the batch",
    "slow": "one long completion takes too much CPU time",
}
"""Every clause by its name, and how it is broken."""

_TOLERANCE = 1e-9


def contract_findings(
    target: Target, scored: Sequence[Scored], groups: Iterable[Sequence[Scored]], max_seconds: float
) -> list[Finding]:
    """Every broken clause, with the completion that broke it."""
    findings = [_broken(s, s.score.clause, s.score.message) for s in scored if isinstance(s.score, Broken)]
    findings += [f for group in groups for f in _none_findings(group)]
    findings += _never_applies(scored)
    for s in scored:
        allowed = allowed_seconds(s.probe, max_seconds)
        if s.probe.heavy and s.seconds > allowed and not isinstance(s.score, Broken):
            message = f"took {s.seconds:.1f} s of CPU time, {allowed:g} s are allowed"
            findings.append(_broken(s, "slow", message, s.seconds))
    return findings + _repeated(target, [s for s in scored if not s.probe.heavy])


def allowed_seconds(probe: Probe, max_seconds: float) -> float:
    """What one long completion may take: `max_seconds` for a megabyte, half of it for less."""
    return max_seconds if len(probe.completion) >= LENGTHS[-1] // 2 else max_seconds / 2


def _none_findings(group: Sequence[Scored]) -> list[Finding]:
    """Whether a reward applies must be seen from the example alone."""
    whole = [s for s in group if not isinstance(s.score, Broken)]
    absent = [s for s in whole if s.score is None]
    if not absent or len(absent) == len(whole):
        return []
    applies = any(s.score is not None for s in whole if s.probe.family == GROUND_TRUTH)
    odd = absent[0] if applies else next(s for s in whole if s.score is not None)
    given = "None" if odd.score is None else f"{odd.score:+.3f}"
    return [_broken(odd, "none", f"{given} here, while the ground truth of the same example {_got(applies)}")]


def _never_applies(scored: Sequence[Scored]) -> list[Finding]:
    """A reward that gives nothing for any right completion teaches nothing: most often a column has another name."""
    truths = [s for s in scored if s.probe.family == GROUND_TRUTH]
    if not truths or any(s.score is not None for s in truths):
        return []
    return [_broken(truths[0], "never", "None for the ground truth of every example; does it read a column's name that "
                    "the data does not have?")]  # fmt: skip


def _got(applies: bool) -> str:
    return "gets a number" if applies else "gets None"


def _repeated(target: Target, scored: Sequence[Scored]) -> list[Finding]:
    """Score a sample again: the same batch, in reverse, and row by row."""
    sample = [scored[i * len(scored) // SAMPLE] for i in range(SAMPLE)] if len(scored) > SAMPLE else list(scored)
    sample = [s for s in sample if not isinstance(s.score, Broken)]
    if not sample:
        return []
    rows = [Row(s.subject, s.probe.completion, s.probe.truncated) for s in sample]
    once, twice = target.score(rows), target.score(rows)
    turned = target.score(rows[::-1])[::-1]
    alone = [target.score([row])[0] for row in rows]
    findings = _differing("deterministic", sample, once, twice, "the first time", "the second")
    if findings:
        return findings  # the rest would only say the same again
    findings = _differing("batch", sample, once, alone, "in a batch", "alone")
    if findings:
        return findings
    return _differing("order", sample, once, turned, "in one order", "in reverse")


def _differing(
    clause: str, sample: Sequence[Scored], a: Sequence[Score], b: Sequence[Score], when_a: str, when_b: str
) -> list[Finding]:
    for s, x, y in zip(sample, a, b, strict=True):
        if not _alike(x, y):
            return [_broken(s, clause, f"{_shown(x)} {when_a}, {_shown(y)} {when_b}")]
    return []


def _alike(x: Score, y: Score) -> bool:
    if isinstance(x, float) and isinstance(y, float):
        return abs(x - y) <= _TOLERANCE
    return type(x) is type(y)


def _shown(score: Score) -> str:
    if isinstance(score, Broken):
        return score.message
    return "None" if score is None else f"{score:+.6f}"


def _broken(s: Scored, clause: str, message: str, gap: float = 0.0) -> Finding:
    example = s.subject.example
    reward = s.reward
    return Finding(CONTRACT, clause, example.id, example.lang, example.query, f"{s.probe.family}: {s.probe.what}",
                   s.probe.completion, reward, None, "", gap, f"{CLAUSES[clause]}: {message}")  # fmt: skip
