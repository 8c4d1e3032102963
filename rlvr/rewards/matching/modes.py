"""The words of the matcher: its modes and its verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rlvr.rewards.matching import rules as _rules
from rlvr.types import MAX_GOLD_CALLS, GoldCall, Tool, ToolCall

if TYPE_CHECKING:
    from rlvr.rewards.matching.changes import Change

MODES = ("typed", "bfcl", "exact")
"""`typed`: equality by the argument's schema (training's default). `bfcl`: the official AST checker's verdict.
`exact`: no normalisation at all."""

MAX_CALLS = MAX_GOLD_CALLS
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
class Compared:
    """What a match was made of, kept so that it can explain itself later."""

    calls: Sequence[ToolCall]
    gold: Sequence[GoldCall]
    tools: Mapping[str, Tool]


@dataclass(frozen=True)
class Match:
    """The matcher's verdict on a whole completion's calls.

    `matched`: every wanted call has its own predicted call and none is left over. `credit`: the sum of the pairs'
    credits under the best one-to-one assignment, between 0 and the smaller of the two counts. `reason` is `match`,
    `wrong_count`, `wrong_calls` or `too_many_calls`. The rest explains the verdict, and is worked out when asked for.
    """

    matched: bool
    credit: float
    mode: str = "typed"
    reason: str = ""
    compared: Compared | None = field(default=None, repr=False, compare=False)

    @cached_property
    def pairs(self) -> tuple[CallPair, ...]:
        """The calls beside the wanted ones that they were assigned to, in the order of these; then what is missing,
        then what is too much. Each has its arguments' verdicts."""
        from rlvr.rewards.matching.reasons import pairs_of

        return () if self.compared is None else pairs_of(self.compared, self.mode)

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """All differences between `typed` and `bfcl` that made themselves felt, sorted."""
        from rlvr.rewards.matching.reasons import rules_of

        return () if self.compared is None else rules_of(self.compared, self)

    @cached_property
    def changes(self) -> tuple[Change, ...] | None:
        """The cheapest change that would make the calls match: nothing where they do, `None` where none is known."""
        from rlvr.rewards.matching.changes import cheapest_changes

        if self.matched or self.compared is None:
            return () if self.matched else None
        return cheapest_changes(self.compared, self.mode)

    def to_json(self) -> dict[str, Any]:
        """A JSON object with the verdict, the pairs, the rules and the change; nothing is rounded."""
        return {
            "matched": self.matched,
            "credit": self.credit,
            "mode": self.mode,
            "reason": self.reason,
            "pairs": [_pair_json(p) for p in self.pairs],
            "rules": list(self.rules),
            "changes": None if self.changes is None else [c.to_json() for c in self.changes],
        }


def _pair_json(pair: CallPair) -> dict[str, Any]:
    return {
        "predicted": pair.predicted,
        "wanted": pair.wanted,
        "matched": pair.matched,
        "credit": pair.credit,
        "reason": pair.reason,
        "arguments": [
            {"name": a.name, "equal": a.equal, "credit": a.credit, "reason": a.reason, "rules": list(a.rules)}
            for a in pair.arguments
        ],
    }
