"""The break-even between refusing everything and calling always, on this mixture (docs/training.md)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rlvr.audit import FAMILIES, POLICIES, Subject
from rlvr.errors import UsageError
from rlvr.training.preflight.findings import Finding
from rlvr.training.preflight.mixture import earned
from rlvr.training.preflight.probe import Probe
from rlvr.training.preflight.scene import Scene, share, spread

_SAMPLE = 128
_TELLS = 0.3
"""A model that abstains so much more often where nothing fits than where a call is wanted tells them apart."""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """What typical completions earn on average, by rows that want a call and rows that want none."""

    right: float
    wrong: float
    refused: float
    refusal: float
    call_beside: float

    def share_of_refusals(self, pass_rate: float) -> float:
        """s*: above this share of no-call rows, refusing everything earns more than calling with this pass rate.

        >>> round(BreakEven(1.22, 0.345, 0.02, 0.52, -0.08).share_of_refusals(0.5), 2)
        0.56
        """
        calling = pass_rate * self.right + (1 - pass_rate) * self.wrong - self.refused
        refusing = self.refusal - self.call_beside
        return calling / (calling + refusing) if calling + refusing else 0.0

    def pass_rate(self, no_call: float) -> float:
        """p*: with this share of no-call rows, calling earns more only from this pass rate on.

        >>> b = BreakEven(1.22, 0.345, 0.02, 0.52, -0.08)
        >>> round(b.pass_rate(b.share_of_refusals(0.5)), 6)
        0.5
        """
        gain = self.right - self.wrong
        needed = no_call / (1 - no_call) * (self.refusal - self.call_beside) if no_call < 1 else math.inf
        return (needed - self.wrong + self.refused) / gain if gain else math.inf


def check_refusals(scene: Scene, probe: Probe | None) -> Iterator[Finding]:
    """Whether a model that does one thing to all would do better to refuse, as far as the probe can tell."""
    rows = len(scene.rendered.examples)
    no_call = (rows - len(scene.calling)) / rows
    if not 0 < no_call < 1:
        return
    even = break_even(scene)
    if even is None:
        return
    least = even.pass_rate(no_call)
    figures = {
        "no_call": no_call,
        "pass_rate_needed": least,
        "right": even.right,
        "wrong": even.wrong,
        "refused": even.refused,
        "refusal": even.refusal,
        "call_beside": even.call_beside,
    }
    table = ", ".join(f"{even.share_of_refusals(p):.2f} at {p:g}" for p in (0.1, 0.25, 0.5, 0.75))
    said = (
        f"{share(rows - len(scene.calling), rows)} rows want no call. Refusing everything earns more than calling "
        f"always from a share of {table} of the calls right; at this share, calling pays from {_percent(least)} right "
        "on."
    )
    change = (
        "Give fewer negatives (data.sources), a longer warm-up, or a composition without a gate until calls are right."
    )
    if probe is None or not probe.calling:
        yield Finding(
            "share of refusals", "warning" if least > 1 else "note", said, change if least > 1 else "", figures
        )
        return
    passed, of = probe.passed(calling=True)
    upper = wilson(passed, of)[1]
    tells = probe.abstained(calling=False) - probe.abstained(calling=True)
    figures |= {"passed": passed, "of": of, "upper": upper, "tells_apart": tells}
    said += (
        f" The probe got {share(passed, of)} calls right (at most {upper:.0%}), and abstains {tells:+.0%} more often "
        "where nothing fits than where a call is wanted."
    )
    weak = upper < least and tells < _TELLS
    yield Finding("share of refusals", "warning" if weak else "note", said, change if weak else "", figures)


def break_even(scene: Scene) -> BreakEven | None:
    """What is earned on a sample of the mixture; `None` where no row of one sort can be scored."""
    calls: list[Subject] = []
    words: list[Subject] = []
    for place in spread(scene.rendered.examples, _SAMPLE, scene.recipe.seed):
        subject = Subject(scene.rendered.examples[place], scene.recipe.parser)
        try:
            if subject.right(subject.ground_truth):
                (calls if subject.gold else words).append(subject)
        except UsageError:  # the format cannot write it: told elsewhere
            continue
    if not calls or not words:
        return None
    composition = scene.composition
    refuse, first_tool = POLICIES["always_refuse"], POLICIES["first_tool"]
    return BreakEven(
        right=earned(calls, [s.ground_truth for s in calls], composition),
        wrong=earned(calls, [_wrong(s) for s in calls], composition),
        refused=earned(calls, [refuse(s) for s in calls], composition),
        refusal=earned(words, [refuse(s) for s in words], composition),
        call_beside=earned(words, [first_tool(s) if s.example.tools else "" for s in words], composition),
    )


def _wrong(subject: Subject) -> str:
    """A call with one wrong value; a call of the first tool where there is no value to get wrong."""
    for _, text in FAMILIES["wrong_value"].make(subject):
        return text
    return POLICIES["first_tool"](subject)


def wilson(passed: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """The 95% interval of a share.

    >>> tuple(round(x, 3) for x in wilson(81, 263))
    (0.255, 0.366)
    """
    if not of:
        return 0.0, 1.0
    share_, spread_ = passed / of, z * z / of
    middle = (share_ + spread_ / 2) / (1 + spread_)
    half = z / (1 + spread_) * math.sqrt(share_ * (1 - share_) / of + spread_ / (4 * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def _percent(value: float) -> str:
    return f"{value:.0%}" if 0 <= value <= 1 else ("any share" if value < 0 else "more than 100%")


__all__: Sequence[str] = ["BreakEven", "break_even", "check_refusals", "wilson"]
