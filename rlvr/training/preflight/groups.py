"""What the probe's groups say: zero variance, dead components, truncation, advantages under both aggregations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rlvr.audit import Subject
from rlvr.rewards import Context
from rlvr.rewards.components import COMPONENTS
from rlvr.rewards.parsing import parse_completion
from rlvr.training.preflight.advantages import GDPO, SUM, advantages, inversions
from rlvr.training.preflight.findings import Finding
from rlvr.training.preflight.probe import SAME, Group, Probe
from rlvr.training.preflight.refusals import wilson
from rlvr.training.preflight.scene import Scene, mean_of, share

_NEARLY_ALL = 0.8
"""A probe is small: that some groups do not vary says little, that so many do not says enough."""

_DEAD_GROUPS = 3  # a component is called dead where it varies in none of at least so many groups
_TRUNCATED = 0.5


def check_groups(scene: Scene, probe: Probe) -> Iterator[Finding]:
    """All checks of this module."""
    yield from variance(scene, probe)
    yield from components(scene, probe)
    yield from truncation(scene, probe)
    yield from both_aggregations(scene, probe)


def variance(scene: Scene, probe: Probe) -> Iterator[Finding]:
    """How many groups to expect without variance, and so without gradient."""
    n, of = probe.without_variance(), len(probe.groups)
    low, high = wilson(n, of)
    right, members = sum(m.right for m in probe.members), len(probe.members)
    calls = sum(bool(m.parsed.calls) for g in probe.calling for m in g.members)
    wanted = sum(len(g.members) for g in probe.calling)
    figures = {
        "groups": of,
        "without_variance": n,
        "low": low,
        "high": high,
        "right": right,
        "completions": members,
        "calls": calls,
        "seed": probe.seed,
    }
    said = (
        f"{share(n, of)} groups of {probe.size} completions at temperature {probe.temperature:g} have no variance "
        f"[95% {low:.0%} to {high:.0%}; seed {probe.seed}, {probe.backend}]: their time is lost. "
        f"{share(right, members)} completions are right; where a call is wanted, {share(calls, wanted)} call."
    )
    if wanted and not calls and n > of / 2:
        change = "Give the model a warm-up first (kind: warmup): it calls nothing yet, so there is nothing to reward."
    elif right == members:
        change = "Harder rows (rlvr data probe and filters: difficulty): the model knows these."
    else:
        change = "Sample hotter (trl.temperature), or choose rows between always and never right (rlvr data probe)."
    many = n >= _NEARLY_ALL * of
    yield Finding("groups without variance", "warning" if many else "note", said, change if many else "", figures)


def components(scene: Scene, probe: Probe) -> Iterator[Finding]:
    """Components that vary in no group and are below what a right answer earns: nothing pulls them up."""
    lines = []
    dead = []
    figures = {}
    for k, name in enumerate(probe.names):
        groups = [g for g in probe.groups if any(m.scores[k] is not None for m in g.members)]
        if not groups or not probe.weights[k]:
            continue
        values = [[m.scores[k] or 0.0 for m in g.members] for g in groups]
        varied = sum(max(v) - min(v) > SAME for v in values)
        mean = mean_of([x for v in values for x in v])
        goal = _of_ground_truth(scene, groups, name)
        figures[name] = {"groups": len(groups), "varied": varied, "mean": mean, "ground_truth": goal}
        best = "" if goal is None else f", of a right answer {goal:+.3f}"
        lines.append(f"  {name:<14} varies in {varied} of {len(groups)} groups; mean {mean:+.3f}{best}")
        if not varied and len(groups) >= _DEAD_GROUPS and (goal is None or mean < goal - SAME):
            dead.append(name)
    said = f"of {len(probe.groups)} groups (seed {probe.seed}):\n" + "\n".join(lines)
    if dead:
        yield Finding(
            "dead components",
            "warning",
            f"no group varies in {' and '.join(dead)}, below what a right answer earns: nothing shows the way up. "
            f"{said}",
            "A warm-up that shows it, easier rows, or a higher temperature; a weight on what never varies does "
            "nothing.",
            figures,
        )
    else:
        yield Finding("components", "note", said, figures=figures)


def _of_ground_truth(scene: Scene, groups: Sequence[Group], name: str) -> float | None:
    """What the right answers of these rows earn in one component; `None` for a function of the user's own."""
    spec = next((c for c in scene.composition.components if c.name == name), None)
    if spec is None:
        return None
    values = []
    for group in groups:
        subject = Subject(group.example, scene.recipe.parser)
        context = Context.of(group.example, scene.composition.matching)
        parsed = parse_completion(subject.ground_truth, scene.recipe.parser, tools=context.tools)
        value = COMPONENTS[name].score(parsed, context, spec.params)
        values += [value] if value is not None else []
    return mean_of(values) if values else None


def truncation(scene: Scene, probe: Probe) -> Iterator[Finding]:
    """How many completions reach the length limit."""
    members = probe.members
    cut = sum(m.generation.truncated for m in members)
    length = mean_of([len(m.generation.token_ids) for m in members])
    limit = int(scene.option("max_completion_length"))
    figures = {"truncated": cut, "completions": len(members), "mean_tokens": length, "limit": limit}
    said = f"{share(cut, len(members))} completions are cut at {limit:,} tokens; the mean has {length:.0f}."
    if cut <= _TRUNCATED * len(members):
        yield Finding("truncated", "note", said, figures=figures)
        return
    yield Finding(
        "truncated",
        "warning",
        f"{said} What is cut is never right.",
        "Raise trl.max_completion_length; if completions end in repetition, the model does not end its "
        "turn: a warm-up teaches that.",
        figures,
    )


def both_aggregations(scene: Scene, probe: Probe) -> Iterator[Finding]:
    """The advantages of the probe's completions under sum-then-normalize and under GDPO, side by side."""
    scores = [m.scores for m in probe.members]
    right = [m.right for m in probe.members]
    scale = scene.option("scale_rewards")
    chosen = str(scene.option("multi_objective_aggregation"))
    made = {kind: advantages(scores, probe.weights, probe.size, kind, scale) for kind in (SUM, GDPO)}
    wrong = {kind: inversions(made[kind], right, probe.size) for kind in made}
    signs = sum((a > 0) != (b > 0) for a, b in zip(made[SUM], made[GDPO], strict=True) if abs(a) + abs(b) > SAME)
    figures = {
        "chosen": chosen,
        "scale_rewards": scale,
        "pairs": wrong[SUM][1],
        "inverted": {kind: n for kind, (n, _) in wrong.items()},
        "other_sign": signs,
        "advantages": made,
    }
    said = (
        f"advantages from … to … of each group (scale_rewards: {scale}). Of {wrong[SUM][1]:,} pairs of a right and a "
        f"wrong completion of one prompt the wrong one has the higher advantage in {wrong[SUM][0]:,} under {SUM} and "
        f"in {wrong[GDPO][0]:,} under {GDPO}; {share(signs, len(right))} completions change their sign.\n"
        + "\n".join(_table(probe, made))
    )
    bad = wrong[chosen][0]
    if not bad:
        yield Finding("advantages", "note", said, figures=figures)
        return
    other = GDPO if chosen == SUM else SUM
    change = (
        f"Set trl.multi_objective_aggregation: {other}, or weights made for {chosen} (function_calling_gdpo)."
        if chosen == GDPO and wrong[other][0] < bad
        else f"Mend the composition's weights: `rlvr audit {scene.recipe.composition}` shows where wrong earns more."
    )
    yield Finding(
        "advantages",
        "warning",
        f"this recipe uses {chosen}, which pays wrong completions above right ones: {said}",
        change,
        figures,
    )


def _table(probe: Probe, made: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """One line a group: how many are right, and its least and greatest advantage under both."""
    yield f"  {'group':<24} {'right':>5}  {SUM:>21}  {GDPO:>21}"
    for i, group in enumerate(probe.groups):
        part = slice(i * probe.size, (i + 1) * probe.size)
        cells = [_range(made[kind][part]) for kind in (SUM, GDPO)]
        name = f"{group.example.category} {group.example.lang or ''}".strip()
        right = sum(m.right for m in group.members)
        yield f"  {name:<24.24} {right:>2} of {probe.size:<2} {cells[0]:>19}  {cells[1]:>21}"


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return "none" if high - low <= SAME and abs(high) <= SAME else f"{low:+.3f} … {high:+.3f}"
