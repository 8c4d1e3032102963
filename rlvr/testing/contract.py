"""The audit as tests: a class to inherit from, and a function that raises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from rlvr.audit import AuditResult, Finding
    from rlvr.types import Example

_SHOWN = 5


def run_audit(
    reward: Any,
    *,
    stage: str | None = None,
    examples: str | Path | Sequence[Example] | None = None,
    parser: str = "hermes",
    margin: float | None = None,
    only: Iterable[str] | None = None,
    skip: Iterable[str] = (),
    conversational: bool = False,
    as_objects: bool = False,
    max_seconds: float | None = None,
) -> AuditResult:
    """Audit a reward: a function, `module:function`, or a composition's name or path. `examples` may be a JSONL file.

    `margin`: how far right must stand above wrong; by default 0 for a function and 0.1 for a composition.
    """
    from rlvr.audit import as_target, audit, load_examples
    from rlvr.audit.run import MAX_SECONDS

    target = as_target(reward, stage=stage, parser=parser, conversational=conversational, as_objects=as_objects)
    own = load_examples(examples) if isinstance(examples, (str, Path)) else examples
    chosen = (0.1 if target.knows_truncation else 0.0) if margin is None else margin
    seconds = MAX_SECONDS if max_seconds is None else max_seconds
    return audit(target, own, parser=parser, margin=chosen, only=only, skip=skip, max_seconds=seconds)


def check_reward(reward: Any, **options: Any) -> AuditResult:
    """Audit a reward and raise `AssertionError` with the report where anything is found. Options as `run_audit`.

    >>> check_reward("function_calling", stage="stage2", only=["empty"]).clean
    True
    """
    result = run_audit(reward, **options)
    if not result.clean:
        raise AssertionError(result.report())
    return result


class RewardContract:
    """Inherit from it and name your reward; each test is one clause of what a reward function promises.

    The audit runs once a class. Every option of `run_audit` may be set as an attribute.
    """

    reward: Any = None
    stage: str | None = None
    examples: Any = None
    parser: str = "hermes"
    margin: float | None = None
    only: Iterable[str] | None = None
    skip: Iterable[str] = ()
    conversational: bool = False
    as_objects: bool = False
    max_seconds: float | None = None

    _results: ClassVar[dict[type, AuditResult]] = {}

    def test_finite(self) -> None:
        """One finite number or None a completion, and no exception, whatever the completion."""
        self._clean("exception", "type", "length", "finite")

    def test_deterministic(self) -> None:
        """The same batch gets the same scores."""
        self._clean("deterministic")

    def test_batch_independent(self) -> None:
        """A completion's score does not depend on what else is in the batch."""
        self._clean("batch")

    def test_permutation_invariant(self) -> None:
        """The order of the batch, of parallel calls and of JSON keys changes nothing."""
        self._clean("order")
        self._none(self._of("missed_reward", {"reordered_calls", "key_order"}))

    def test_leaves_its_inputs_alone(self) -> None:
        """Nothing that it was given is changed: a trainer hands the same lists to every reward function."""
        self._clean("inputs")

    def test_none_depends_on_the_example_alone(self) -> None:
        """None means that the reward does not apply, and a trainer adds it as 0; somewhere it must apply."""
        self._clean("none", "never")

    def test_fast_enough(self) -> None:
        """A megabyte in one completion takes no more than `max_seconds`."""
        self._clean("slow")

    def test_ground_truth_is_the_unique_maximum(self) -> None:
        """No wrong completion, and no degenerate policy, earns what the ground truth earns."""
        self._none(self._of("false_reward"))

    def test_right_completions_are_paid(self) -> None:
        """What is as good as the ground truth earns as much, and what is right earns more than what is wrong."""
        self._none(self._of("missed_reward"))

    def _result(self) -> AuditResult:
        own = type(self)
        if own not in self._results:
            if own.reward is None:
                raise TypeError(f"{own.__name__}.reward is not set: reward = staticmethod(my_reward)")
            names = ("stage", "examples", "parser", "margin", "only", "skip", "conversational", "as_objects")
            options = {name: getattr(own, name) for name in (*names, "max_seconds")}
            self._results[own] = run_audit(own.reward, **options)
        return self._results[own]

    def _of(self, kind: str, families: Iterable[str] | None = None) -> list[Finding]:
        found = self._result().of_kind(kind)
        return [f for f in found if families is None or f.family in families]

    def _clean(self, *clauses: str) -> None:
        self._none(self._of("contract", clauses))

    def _none(self, findings: Sequence[Finding]) -> None:
        __tracebackhide__ = True
        if findings:
            raise AssertionError(describe(findings, self._result().margin))


def describe(findings: Sequence[Finding], margin: float) -> str:
    """The worst finding of each of the worst families, for a failing test."""
    from rlvr.audit import rule
    from rlvr.audit.text import shown

    worst: dict[str, Finding] = {}
    for f in sorted(findings, key=lambda f: -f.gap):
        worst.setdefault(f.family, f)
    lines = [f"{len(findings):,} findings in {len(worst)} families. {rule(margin)}"]
    for f in list(worst.values())[:_SHOWN]:
        lines += [f"  {f.family} ({f.what}), example {f.example_id}: {f.message}", f"    {shown(f.completion)}"]
    if len(worst) > _SHOWN:
        lines.append(f"  and {len(worst) - _SHOWN} families more: {', '.join(list(worst)[_SHOWN:])}")
    return "\n".join(lines)
