"""Which look of a run is selected: an ordered rule over strict score, abstention and tokens, never over the reward.

A look is one evaluation of the policy on held-out examples, greedily. The criteria of a rule are asked one after
another, each keeps some of the looks, and the earliest of those that stay is selected.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from rlvr.strict import checked, raise_mistakes

SLACK = 1e-9
"""Shares are sums of floats: what differs by less is the same."""
HIGHER_IS_BETTER = ("strict", "abstained", "refused")
START = 0
"""The step of the look at the model that the run starts from."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found, unrounded.

    `strict`, `malformed` and `truncated` are shares of all `n` examples; `false_calls` (a call, well-formed or
    malformed), `abstained` (clean words) and `refused` (the words that are wanted: a true refusal) of the `n_no_call`
    that nothing fits; `refused_calls` (words instead of a call) of the others. `None` where there is no such example.
    `tokens` is the mean length of a completion.
    """

    step: int
    n: int
    strict: float
    n_no_call: int
    false_calls: float | None
    abstained: float | None
    refused: float | None
    refused_calls: float | None
    malformed: float
    truncated: float
    tokens: float

    def metrics(self) -> dict[str, Any]:
        """The row of metrics.jsonl."""
        return {"step": self.step} | {f"selection/{k}": v for k, v in asdict(self).items() if k != "step"}

    @classmethod
    def of(cls, record: dict[str, Any]) -> Look:
        """A look as run.json holds it."""
        return cls(**{f.name: record[f.name] for f in fields(cls)})


def _not_negative(value: float | None) -> str | None:
    return None if value is None or value >= 0 else f"got {value}, expected 0 or more"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One question of a rule: how far a look may be from the best one, or from the start.

    `by` names a figure of `Look`; higher is better for `strict`, `abstained` and `refused`, lower for the others.
    `within` keeps the looks that are at most so much worse than the best of those left (without a number: the best
    alone), and `worse_than_start` those that are at most so much worse than the model that the run began with. Shares
    are between 0 and 1; tokens are tokens.
    """

    by: Literal["strict", "false_calls", "abstained", "refused", "refused_calls", "malformed", "truncated", "tokens"]
    within: float | None = checked(_not_negative, None)
    worse_than_start: float | None = checked(_not_negative, None)

    def __post_init__(self) -> None:
        both = self.within is not None and self.worse_than_start is not None
        raise_mistakes(self, ["got within and worse_than_start, expected one of them a criterion"] if both else [])

    def worse(self, look: Look, other: Look) -> float:
        """By how much `look` is worse than `other`; negative where it is better."""
        mine, its = self.value(look), self.value(other)
        return its - mine if self.by in HIGHER_IS_BETTER else mine - its

    def value(self, look: Look) -> float:
        found: float | None = getattr(look, self.by)
        if found is None:
            raise ValueError(f"no held-out example tells {self.by}")
        return found

    def describe(self) -> str:
        if self.worse_than_start is not None:
            return f"{self.by} at most {self.worse_than_start:g} worse than the start's"
        return f"{self.by} within {self.within:g} of the best" if self.within else f"the best {self.by}"


BEST_STRICT = (Criterion("strict"),)
"""The rule where a recipe gives none."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The selected look, and a line for each criterion that says which looks it left."""

    look: Look
    why: tuple[str, ...]


def choose(
    rule: Sequence[Criterion], looks: Sequence[Look], start: Look | None = None, held: Container[int] | None = None
) -> Choice:
    """The look that a rule selects; of equal ones the earliest.

    `start` is what `worse_than_start` compares with: by default the look of step 0. Where none passes such a criterion
    (the start itself does, where it is among the looks), the least bad stay. `held` are the steps whose models are
    still there, by default all: the others cannot be selected, and still say how good the best was, or else a rule that
    allows a little less than the best would allow it anew from each look to the next. Raises `ValueError` where there
    is no look that can be selected, or no start to compare with.

    >>> def look(step, strict, tokens):
    ...     return Look(step, 100, strict, 0, None, None, None, 0.0, 0.0, 0.0, tokens)
    >>> rule = (Criterion("strict", within=0.02), Criterion("tokens"))
    >>> choice = choose(rule, [look(6, 0.50, 60.0), look(12, 0.49, 50.0), look(18, 0.40, 10.0)])
    >>> choice.look.step, choice.why
    (12, ('strict within 0.02 of the best: steps 6, 12 of 6, 12, 18', 'the best tokens: step 12 of 6, 12'))
    """
    left = sorted(looks, key=lambda look: look.step)
    start = start or next((look for look in left if look.step == START), None)
    there = {look.step for look in left if held is None or look.step in held}
    if not there:
        raise ValueError("no look to choose from")
    why = []
    for criterion in rule:
        before, left = left, _kept(criterion, left, start)
        told = criterion.describe()
        if there.isdisjoint(look.step for look in left):
            before = [look for look in before if look.step in there]
            left = _kept(criterion, before, start)
            told += ", of the models that are kept"
        steps = ", ".join(str(look.step) for look in left)
        of = ", ".join(str(look.step) for look in before)
        why.append(f"{told}: step{'s' if len(left) > 1 else ''} {steps} of {of}")
    return Choice(next(look for look in left if look.step in there), tuple(why))


def _kept(criterion: Criterion, looks: Sequence[Look], start: Look | None) -> list[Look]:
    best = min(looks, key=lambda x: criterion.worse(x, looks[0]))
    near = [x for x in looks if criterion.worse(x, best) <= (criterion.within or 0.0) + SLACK]
    if criterion.worse_than_start is None:
        return near
    if start is None:
        raise ValueError(f"{criterion.describe()}: the start was not looked at")
    return [x for x in looks if criterion.worse(x, start) <= criterion.worse_than_start + SLACK] or near


def ranked(
    rule: Sequence[Criterion], looks: Sequence[Look], start: Look | None = None, held: Container[int] | None = None
) -> list[Look]:
    """The looks whose models are there, in the order in which a rule would select them, were those before each not."""
    left = [look.step for look in looks if held is None or look.step in held]
    order = []
    while left:
        order.append(choose(rule, looks, start, left).look)
        left.remove(order[-1].step)
    return order


def needs_start(rule: Sequence[Criterion]) -> bool:
    """Whether a rule compares with the model that the run starts from."""
    return any(criterion.worse_than_start is not None for criterion in rule)


def unanswerable(rule: Sequence[Criterion], *, calling: int, no_call: int) -> list[str]:
    """The criteria that held-out data with so many examples of each kind cannot answer."""
    missing = {"false_calls": no_call, "abstained": no_call, "refused": no_call, "refused_calls": calling}
    return [c.by for c in rule if missing.get(c.by, 1) == 0]
