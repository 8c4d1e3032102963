"""An audit's result in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rlvr.audit.findings import CONTRACT, KINDS, TITLES, AuditResult, Finding, clip, rule

_SHOWN = 160


def report(result: AuditResult) -> str:
    """The rule, the findings with the worst of each kind, every family with findings, and the policies."""
    text = "\n".join(_lines(result))
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # an error message may hold a lone surrogate


def summary(result: AuditResult) -> str:
    """One line: what was audited and what was found.

    `my_rewards:naive: 12 false rewards, 0 missed rewards, 1 broken contract in 3,370 completions of 42 examples`
    """
    counts = ", ".join(f"{len(result.of_kind(kind)):,} {TITLES[kind]}" for kind in KINDS)
    return f"{result.target}: {counts} in {result.completions:,} completions of {result.examples:,} examples"


def _lines(result: AuditResult) -> Iterable[str]:
    yield summary(result)
    yield from (f"  {line}" for line in rule(result.margin).splitlines())
    yield from (f"  note: {note}" for note in result.notes)
    for kind in KINDS:
        worst = result.worst(kind)
        if worst is None:
            continue
        found = result.of_kind(kind)
        yield ""
        yield f"{TITLES[kind]}: {len(found):,}; the worst"
        yield from _finding_lines(worst)
        yield f"  {'clause' if kind == CONTRACT else 'family':<32} {'found':>6} {'of':>6}  the worst of it"
        yield from _family_lines(result, found)
    yield ""
    yield f"{'policy':<26} {'n':>5} {'right':>6} {'mean reward':>12} {'ground truth':>13}"
    for p in result.policies:
        yield f"{p.policy:<26} {p.n:>5} {p.right:>6} {p.mean_reward:>+12.3f} {p.mean_ground_truth:>+13.3f}"
    yield ""
    yield "nothing found" if result.clean else f"{len(result.findings):,} findings"


def _finding_lines(finding: Finding) -> Iterable[str]:
    yield f"  {finding.message}"
    yield f"  {finding.example_id} ({finding.lang or 'language not known'}): {shown(finding.query)}"
    yield f"  {finding.family}, {finding.what}:"
    yield f"    {shown(finding.completion)}"
    if finding.counterpart:
        yield "  held against:"
        yield f"    {shown(finding.counterpart)}"


def _family_lines(result: AuditResult, found: Iterable[Finding]) -> Iterable[str]:
    by_family: dict[str, list[Finding]] = {}
    for finding in found:
        by_family.setdefault(finding.family, []).append(finding)
    tried = {f.family: f.tried for f in result.families}
    for family, own in sorted(by_family.items(), key=lambda item: -max(f.gap for f in item[1])):
        worst = max(own, key=lambda f: f.gap)
        count = f"{tried[family]:>6}" if family in tried else f"{'':>6}"
        yield f"  {family:<32} {len(own):>6} {count}  {_short(worst)}"


def _short(f: Finding) -> str:
    if f.kind == CONTRACT or f.reward is None or f.against is None:
        return f"{f.example_id}: {shown(f.message)}"
    return f"{f.reward:+.3f} against {f.against:+.3f}; {f.example_id}: {shown(f.what)}"


def shown(text: str) -> str:
    """A text on one line, cut where it is long.

    >>> shown("two\\nlines")
    'two⏎lines'
    """
    line = "".join(c if c.isprintable() else " " for c in clip(text, _SHOWN).replace("\n", "⏎"))
    return line if line.strip() else "(nothing)"
