"""The words of the matcher: its modes and its verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from rlvr.rewards.matching import rules as _rules

MODES = ("typed", "bfcl", "exact")
"""`typed`: equality by the argument's schema (training's default). `bfcl`: the official AST checker's verdict.
`exact`: no normalisation at all."""

MAX_CALLS = 64
"""Above this many calls on either side nothing is compared: no match, credit 0."""


@dataclass(frozen=True, slots=True)
class ArgumentVerdict:
    """What became of one argument of a pair of calls.

    `credit` is 1 where `equal`, below 1 otherwise. `reason` is a code of `rules.REASONS`. `rules` names the
    differences between `typed` and `bfcl` (`rules.RULES`) by which the two modes disagree on this argument.
    """

    name: str
    equal: bool
    credit: float
    reason: str
    rules: tuple[str, ...] = ()

    def __str__(self) -> str:
        why = f" [{', '.join(self.rules)}]" if self.rules else ""
        return f"{self.name}: {_rules.REASONS[self.reason]}{why}"


@dataclass(frozen=True, slots=True)
class CallPair:
    """One predicted call beside the wanted call that it was assigned to; indices into `calls` and `gold`.

    `predicted` is `None` for a wanted call that got none, `wanted` is `None` for a call too many. `reason` is
    `equal`, `wrong_arguments`, `wrong_name`, `missing` or `extra`.
    """

    predicted: int | None
    wanted: int | None
    matched: bool
    credit: float
    reason: str
    arguments: tuple[ArgumentVerdict, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """The matcher's verdict on a whole completion's calls.

    `matched`: every wanted call has its own predicted call and none is left over. `credit`: the sum of the pairs'
    credits under the best one-to-one assignment, between 0 and the smaller of the two counts. `reason` is `match`,
    `wrong_count`, `wrong_calls` or `too_many_calls`. `rules` are all typed/bfcl differences that made themselves
    felt, sorted.
    """

    matched: bool
    credit: float
    pairs: tuple[CallPair, ...] = ()
    mode: str = "typed"
    reason: str = ""
    rules: tuple[str, ...] = ()
