"""The composition on this very mixture: degenerate policies against the right answer, components that never apply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rlvr.audit import AuditResult, Subject, audit, composition_target
from rlvr.audit import Finding as AuditFinding
from rlvr.audit.families import POLICY
from rlvr.audit.findings import CONTRACT, FALSE, MISSED
from rlvr.errors import UsageError
from rlvr.rewards import Breakdown, Composition, Context
from rlvr.rewards.parsing import parse_completion
from rlvr.rewards.score import break_down
from rlvr.training.preflight.findings import Finding, Severity, shown
from rlvr.training.preflight.scene import Scene, by_category, share, spread

ROWS = 32
ROWS_OF_OWN = 4
"""Rows where the composition holds functions of a user's own: they may ask a judge, and each completion costs."""

MARGIN = 0.1
_SAMPLE = 256  # rows on which it is seen which components apply
_TOLERANCE = 1e-9


def check_mixture(scene: Scene) -> Iterator[Finding]:
    """All checks of this module."""
    yield from never_applies(scene)
    yield from audited(scene)


def audited(scene: Scene) -> Iterator[Finding]:
    """Adversarial completions and degenerate policies on rows of the mixture: none may earn what the right one does."""
    composition, parser = scene.composition, scene.recipe.parser
    own = bool(composition.functions)
    places = spread(scene.rendered.examples, ROWS_OF_OWN if own else ROWS, scene.recipe.seed)
    rows = [scene.rendered.examples[i] for i in places]
    only = [POLICY] if own else None
    try:
        result = audit(
            composition_target(composition, parser), rows, parser=parser, margin=MARGIN, only=only, skip=["very_long"]
        )
    except UsageError as error:
        yield Finding(
            "audit",
            "error",
            f"the audit cannot run on rows of this mixture: {error}",
            "Mend the rows, or the parser: see the finding on right answers.",
        )
        return
    yield _told(scene, result)


def _told(scene: Scene, result: AuditResult) -> Finding:
    """An audit's result as one finding."""
    figures = {
        "rows": result.examples,
        "completions": result.completions,
        "false": len(result.of_kind(FALSE)),
        "missed": len(result.of_kind(MISSED)),
        "contract": len(result.of_kind(CONTRACT)),
        "policies": {p.policy: p.mean_reward for p in result.policies},
        "ground_truth": result.policies[0].mean_ground_truth if result.policies else None,
    }
    name = f"{scene.composition.name} at {scene.composition.stage}"
    worst, severity = _worst(result)
    if worst is None:
        best = max(result.policies, key=lambda p: p.mean_reward)
        said = (
            f"{name}: nothing found in {result.completions:,} adversarial completions of {result.examples} rows. The "
            f"right answers earn {best.mean_ground_truth:+.3f} on average, the best of {len(result.policies)} "
            f"degenerate policies ({best.policy}) {best.mean_reward:+.3f}."
        )
        return Finding("audit", "note", said, figures=figures)
    said = (
        f"{name}: {figures['false']:,} false rewards, {figures['missed']:,} missed rewards and "
        f"{figures['contract']:,} breaks of the contract in {result.completions:,} completions of {result.examples} "
        f"rows. The worst is {worst.family} on {worst.example_id}: {worst.message} "
        f"({shown(worst.completion, 80)!r}).{_policies(result)}"
    )
    change = (
        f"See all of it with `rlvr audit {scene.recipe.composition} --stage {scene.composition.stage}`, and mend the "
        "weights: a policy finds what pays."
    )
    return Finding("audit", severity, said, change, figures)


def _worst(result: AuditResult) -> tuple[AuditFinding | None, Severity]:
    """The worst finding and its severity: what is wrong and earns as much as what is right stops a run."""
    contract = result.worst(CONTRACT)
    if contract is not None:
        return contract, "error"
    false = result.worst(FALSE)
    if false is not None and (false.reward or 0.0) >= (false.against or 0.0) - _TOLERANCE:
        return false, "error"
    found = false or result.worst(MISSED)
    return found, "warning"


def _policies(result: AuditResult) -> str:
    """Policies that earn on average what the right answers earn."""
    winners = [p for p in result.policies if p.mean_reward >= p.mean_ground_truth - _TOLERANCE]
    if not winners:
        return ""
    best = max(winners, key=lambda p: p.mean_reward)
    return (
        f" Whole policies pay: {best.policy} earns {best.mean_reward:+.3f} on average, the right answers "
        f"{best.mean_ground_truth:+.3f}."
    )


def never_applies(scene: Scene) -> Iterator[Finding]:
    """Components with a weight that apply to no row of the mixture."""
    composition = scene.composition
    places = spread(scene.rendered.examples, _SAMPLE, scene.recipe.seed)
    seen: set[str] = set()
    for place in places:
        subject = Subject(scene.rendered.examples[place], scene.recipe.parser)
        made = breakdown(subject, "", composition)
        seen |= {name for name, value in made.scores.items() if value is not None}
    idle = [c.name for c in composition.components if c.weight and c.name not in seen]
    rows = len(scene.rendered.examples)
    no_call = rows - len(scene.calling)
    figures = {"rows": rows, "no_call": no_call, "idle": idle, "categories": by_category(scene.rendered.examples)}
    if not idle:
        yield Finding(
            "mixture",
            "note",
            f"{share(no_call, rows)} rows want words and no call; every component with a weight applies to some row.",
            figures=figures,
        )
        return
    what = (
        "every row wants a call: a model trained on them learns to call always"
        if no_call == 0
        else (f"{share(no_call, rows)} rows want words and no call")
    )
    yield Finding(
        "mixture",
        "warning",
        f"{' and '.join(idle)} never appl{'ies' if len(idle) == 1 else 'y'} in {len(places):,} rows: {what}.",
        "Add negatives (data.sources: negatives, or categories with irrelevance), or take the component's weight off."
        if "refusal" in idle
        else "Add rows that it applies to, or take the component's weight off.",
        figures,
    )


def breakdown(subject: Subject, completion: str, composition: Composition) -> Breakdown:
    """What one completion earns, by the composition's own components."""
    context = Context.of(subject.example, composition.matching)
    return break_down(parse_completion(completion, subject.parser, tools=context.tools), context, composition)


def earned(subjects: Sequence[Subject], texts: Sequence[str], composition: Composition) -> float:
    """The mean total of one completion a subject."""
    totals = [breakdown(s, t, composition).total for s, t in zip(subjects, texts, strict=True)]
    return sum(totals) / len(totals)
