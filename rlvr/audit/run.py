"""The audit: score every probe, compare within each example, and hold the function to its contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from rlvr.audit.contract import allowed_seconds, contract_findings
from rlvr.audit.examples import built_in_examples
from rlvr.audit.families import FAMILIES, GROUND_TRUTH, NAMES, POLICY, TRUNCATED, probes
from rlvr.audit.findings import (
    CONTRACT,
    FALSE,
    MISSED,
    AuditResult,
    FamilyResult,
    Finding,
    PolicyResult,
    worst_of,
)
from rlvr.audit.policies import POLICIES
from rlvr.audit.subject import Probe, Subject
from rlvr.audit.target import Broken, Row, Score, Target
from rlvr.errors import UsageError, did_you_mean
from rlvr.parsers import get_parser
from rlvr.types import Example

BATCH_SIZE = 64
MAX_SECONDS = 2.0
"""Of CPU time: what one completion of a megabyte may take before it counts as slow."""

_TOLERANCE = 1e-9
_HEAVY_EXAMPLES = 1  # of each sort: a megabyte for every example would take minutes


@dataclass(frozen=True, slots=True)
class Scored:
    """A probe with the reward that it got; `None` where the reward does not apply or broke."""

    subject: Subject
    probe: Probe
    score: Score
    seconds: float = 0.0

    @property
    def reward(self) -> float | None:
        return None if isinstance(self.score, Broken) else self.score


def audit(
    target: Target,
    examples: Sequence[Example] | None = None,
    *,
    parser: str = "hermes",
    margin: float = 0.0,
    only: Iterable[str] | None = None,
    skip: Iterable[str] = (),
    max_seconds: float = MAX_SECONDS,
) -> AuditResult:
    """Audit one reward on adversarial completions of known truth.

    `examples` default to the audit's own. `only` and `skip` name families (`rlvr.audit.NAMES`). `max_seconds` is what
    a completion of a megabyte may take. Raises `UsageError` for unknown names; what the reward does is a finding.
    """
    names = chosen_families(only, skip)
    get_parser(parser)  # an unknown one is the caller's mistake, and no example's
    if not target.knows_truncation:
        names = [n for n in names if n != TRUNCATED]
    subjects = [Subject(e, parser) for e in (built_in_examples() if examples is None else examples)]
    if not subjects:
        raise UsageError("no examples to audit on")
    planned, notes = _plan(subjects, names)
    if not planned:
        raise UsageError("no example's own right completion counts as right; is --parser the data's format?")
    scored = _score(target, planned, max_seconds)
    groups: dict[int, list[Scored]] = {}
    for s in scored:
        groups.setdefault(id(s.subject), []).append(s)
    top = max((s.reward for s in scored if s.probe.family == GROUND_TRUTH and s.reward is not None), default=None)
    findings = [f for group in groups.values() for f in compare(group, margin, top)]
    findings += contract_findings(target, scored, groups.values(), max_seconds)
    return AuditResult(
        target=target.name,
        margin=margin,
        parser=parser,
        examples=len(subjects),
        completions=len(scored),
        findings=tuple(findings),
        families=tuple(_families(scored, findings)),
        policies=tuple(_policies(groups.values())),
        notes=(*notes, *_notes(target)),
    )


def chosen_families(only: Iterable[str] | None, skip: Iterable[str]) -> list[str]:
    """The families to run. `policy` stands for all policies. Raises `UsageError` for an unknown name."""
    known = [*NAMES, POLICY]
    chosen, left_out = list(NAMES if only is None else only), set(skip)
    for name in (*chosen, *left_out):
        if name not in known:
            raise UsageError(f"unknown family {name!r}.{did_you_mean(name, known)}")
    return [
        n for n in NAMES
        if (n in chosen or n.partition(":")[0] in chosen) and n not in left_out and n.partition(":")[0] not in left_out
    ]  # fmt: skip


def compare(group: Sequence[Scored], margin: float, top: float | None = None) -> list[Finding]:
    """The false and missed rewards among the completions of one example.

    Each pair of a right and a wrong completion in the wrong order is counted once: a wrong completion that is paid as
    the ground truth is a false reward, and a right one below any other wrong one is a missed reward. A ground truth
    that is paid as little as every wrong completion, and less than another example's (`top`), is one missed reward.
    """
    paid = [(s, 0.0 if s.reward is None else s.reward) for s in group if not isinstance(s.score, Broken)]
    if all(s.reward is None for s, _ in paid):
        return []  # the reward does not apply to this example
    best = next((reward for s, reward in paid if s.probe.family == GROUND_TRUTH), None)
    if best is None:
        return []  # the ground truth itself broke the contract, which is a finding of its own
    truth = next(s for s, _ in paid if s.probe.family == GROUND_TRUTH)
    findings = []
    honest: list[tuple[Scored, float]] = []
    unpaid = top is not None and best < top - _TOLERANCE and _is_lowest(best, paid)
    if unpaid:
        other, most = max(((s, r) for s, r in paid if not s.probe.right), key=lambda pair: pair[1])
        findings.append(_finding(MISSED, truth, best, other, most, most - best + margin))
    for s, reward in paid:
        if s.probe.right:
            continue
        if unpaid and reward <= best + _TOLERANCE:
            honest.append((s, reward))
        elif reward > best - margin + _TOLERANCE or (not margin and reward >= best - _TOLERANCE):
            findings.append(_finding(FALSE, s, reward, truth, best, reward - best + margin))
        else:
            honest.append((s, reward))
    return findings + _missed(paid, truth, best, honest, margin, unpaid)


def _missed(
    paid: Sequence[tuple[Scored, float]],
    truth: Scored,
    best: float,
    honest: Sequence[tuple[Scored, float]],
    margin: float,
    unpaid: bool,
) -> list[Finding]:
    """Right completions below the ground truth that they equal, or not above a wrong one of the `honest` ones."""
    findings = []
    rival, highest = max(honest, key=lambda pair: pair[1], default=(truth, float("-inf")))
    for s, reward in paid:
        if not s.probe.right or s is truth:
            continue
        if s.probe.same and reward < best - _TOLERANCE:
            findings.append(_finding(MISSED, s, reward, truth, best, best - reward))
        elif unpaid and s.probe.same:
            continue  # paid as the ground truth is, which was said
        elif reward < highest + margin - _TOLERANCE or (not margin and reward <= highest + _TOLERANCE):
            findings.append(_finding(MISSED, s, reward, rival, highest, highest + margin - reward))
    return findings


def _is_lowest(best: float, paid: Sequence[tuple[Scored, float]]) -> bool:
    """Whether every wrong completion is paid as much as the ground truth, and there is one."""
    wrong = [reward for s, reward in paid if not s.probe.right]
    return bool(wrong) and best <= min(wrong) + _TOLERANCE


def _finding(kind: str, s: Scored, reward: float, other: Scored, against: float, gap: float) -> Finding:
    example = s.subject.example
    if kind == FALSE:
        message = f"a wrong completion earns {reward:+.3f}, the ground truth {against:+.3f}"
    elif other.probe.right:
        message = f"a completion as good as the ground truth earns {reward:+.3f}, the ground truth {against:+.3f}"
    else:
        message = f"a right completion earns {reward:+.3f}, a wrong one ({other.probe.family}) {against:+.3f}"
    return Finding(kind, s.probe.family, example.id, example.lang, example.query, s.probe.what, s.probe.completion,
                   reward, against, other.probe.completion, gap, message)  # fmt: skip


def _plan(subjects: Sequence[Subject], names: Sequence[str]) -> tuple[list[tuple[Subject, Probe]], list[str]]:
    """Every probe, less those that rlvr's own judge reads otherwise than they were meant: accidents of the data.

    The notes say how many were left out.
    """
    planned: list[tuple[Subject, Probe]] = []
    odd: list[str] = []
    dropped: Counter[str] = Counter()
    heavy = {True: _HEAVY_EXAMPLES, False: _HEAVY_EXAMPLES}
    for subject in subjects:
        if not _is_sound(subject):
            odd.append(subject.example.id)
            continue
        wants_calls = bool(subject.gold)
        with_heavy = heavy[wants_calls] > 0
        heavy[wants_calls] -= 1
        for probe in probes(subject, names, heavy=with_heavy):
            if subject.right(probe.completion, probe.truncated) == probe.right:
                planned.append((subject, probe))
            else:
                dropped[probe.family] += 1
    notes = []
    if odd:
        notes.append(
            f"{len(odd)} examples were left out, whose own right completion is not right, or cannot be written in the "
            f"format: {', '.join(odd[:3])}"
        )
    if dropped:
        families = ", ".join(f"{name} {n}" for name, n in dropped.items())
        notes.append(
            f"{dropped.total()} completions were left out, since rlvr's own judge reads them otherwise than they were "
            f"meant ({families})"
        )
    return planned, notes


def _is_sound(subject: Subject) -> bool:
    try:
        return subject.right(subject.ground_truth)
    except UsageError:  # the format has no way to write a value or a name of it
        return False


def _score(target: Target, planned: Sequence[tuple[Subject, Probe]], max_seconds: float) -> list[Scored]:
    light = [(s, p) for s, p in planned if not p.heavy]
    rows = [Row(s, p.completion, p.truncated) for s, p in light]
    scores: list[Score] = []
    for start in range(0, len(rows), BATCH_SIZE):
        scores += target.score(rows[start : start + BATCH_SIZE])
    scored = [Scored(s, p, score) for (s, p), score in zip(light, scores, strict=True)]
    too_slow: set[tuple[str, str]] = set()
    for subject, probe in planned:
        kind = (subject.example.id, probe.what.partition(",")[0])
        if probe.heavy and kind not in too_slow:
            row = Row(subject, probe.completion, probe.truncated)
            score, seconds = target.timed(row)
            scored.append(Scored(subject, probe, score, seconds))
            if seconds > allowed_seconds(probe, max_seconds) or _was_stopped(score):
                too_slow.add(kind)  # longer ones of its kind would take longer still
    return scored


def _was_stopped(score: Score) -> bool:
    return isinstance(score, Broken) and score.clause == "slow"


def _families(scored: Sequence[Scored], findings: Sequence[Finding]) -> Iterable[FamilyResult]:
    for name in dict.fromkeys(s.probe.family for s in scored):
        if name == GROUND_TRUTH:
            continue
        own = [f for f in findings if f.family == name and f.kind != CONTRACT]
        tried = [s for s in scored if s.probe.family == name]
        about = FAMILIES[name].about if name in FAMILIES else tried[0].probe.what
        yield FamilyResult(name, about, name in FAMILIES and FAMILIES[name].right, len(tried), len(own), worst_of(own))


def _policies(groups: Iterable[Sequence[Scored]]) -> Iterable[PolicyResult]:
    groups = list(groups)
    for name, policy in POLICIES.items():
        pairs = []
        for group in groups:
            truth = next((s.reward for s in group if s.probe.family == GROUND_TRUTH), None)
            own = next((s for s in group if s.probe.family == f"{POLICY}:{name}"), None)
            if own is not None and own.reward is not None and truth is not None:
                pairs.append((own.reward, truth, own.probe.right))
        if pairs:
            earned, wanted = fmean(p[0] for p in pairs), fmean(p[1] for p in pairs)
            about = (policy.__doc__ or "").strip()
            yield PolicyResult(name, about, len(pairs), sum(p[2] for p in pairs), earned, wanted)


def _notes(target: Target) -> Iterable[str]:
    if target.accepted is not None:
        yield "the function takes no **kwargs: TRL passes every column, so add it; the audit passed only what fits"
