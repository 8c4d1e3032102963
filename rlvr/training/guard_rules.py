"""When a guard fires: numbers in, firings out. Nothing here knows a trainer.

A `Watch` holds what the guards remember (windows, starts, how often a number was passed in a row, how often the
learning rate was lowered) as plain JSON values, so that a checkpoint can carry it and a resumed run counts on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlvr.training.guard_options import AboveGuard, BelowStartGuard, Guard, GuardOptions, ShareAboveGuard
from rlvr.training.rule import Look

METRICS = {
    "zero_variance": "groups/zero_variance",
    "entropy": "entropy",
    "length": "completions/mean_length",
    "clipped": "completions/clipped_ratio",
    "drift": "sampling/sampling_logp_difference/mean",
}
"""The logged metric that a guard reads."""
NON_FINITE = "non_finite"
SAME = 1e-12


@dataclass(frozen=True, slots=True)
class Firing:
    """A guard that fired: `value` passed `limit`. `action` is what is to be done, `what` says it in words."""

    guard: str
    step: int
    value: float
    limit: float
    action: str
    factor: float
    what: str

    def record(self) -> dict[str, Any]:
        """As it stands in run.json."""
        fields = {k: getattr(self, k) for k in ("guard", "step", "limit", "action", "what")}
        return {**fields, "value": _json(self.value)}

    def metrics(self) -> dict[str, Any]:
        """The row of metrics.jsonl."""
        return {"step": self.step, f"guard/{self.guard}": _json(self.value), f"guard/{self.guard}/limit": self.limit}


@dataclass(slots=True)
class Watch:
    """The guards of a run and what they remember."""

    options: GuardOptions
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)

    def of(self, name: str) -> dict[str, Any]:
        """What a guard remembers."""
        return self.memory.setdefault(name, {"values": [], "start": None, "beyond": 0, "lowered": 0})

    def begin(self, earlier: Sequence[Look]) -> None:
        """Take the start from the looks that a run had before: a guard that is added at a resume has not read them."""
        if self.options.false_calls is not None and self.of("false_calls")["start"] is None:
            found = [look.false_calls for look in earlier if look.false_calls is not None]
            self.of("false_calls")["start"] = found[0] if found else None
        if self.options.strict is not None and self.of("strict")["start"] is None:
            self.of("strict")["start"] = max((look.strict for look in earlier), default=None)

    def on_metrics(self, step: int, row: Mapping[str, Any]) -> list[Firing]:
        """Read a logged step; a metric that is missing or null in it is passed over."""
        found = []
        for name, guard in self.options.given():
            value = row.get(METRICS[name]) if name in METRICS else None
            if isinstance(value, (int, float)) and math.isfinite(value):
                found.append(self._window(name, guard, step, float(value)))
        return [x for x in found if x is not None]

    def _window(self, name: str, guard: Any, step: int, value: float) -> Firing | None:
        memory = self.of(name)
        memory["values"] = [*memory["values"], value][-guard.window :]
        if len(memory["values"]) < guard.window:
            return None
        mean = sum(memory["values"]) / guard.window
        if memory["start"] is None:
            memory["start"] = mean
        if isinstance(guard, (AboveGuard, ShareAboveGuard)):
            passed, limit, side = mean > guard.above + SAME, guard.above, "above"
        else:
            limit, side = lowest(guard, memory["start"]), "below"
            passed = mean < limit - SAME
        what = f"{METRICS[name]} is {mean:.4g} over the last {guard.window} steps, {side} {limit:.4g}"
        if side == "below":
            what += f" (it began at {memory['start']:.4g})"
        return self.judge(name, guard, step, mean, limit, passed, what)

    def on_look(self, look: Look) -> list[Firing]:
        """Read a look; the first one is the start."""
        found = []
        if (guard := self.options.false_calls) is not None and look.false_calls is not None:
            memory = self.of("false_calls")
            if memory["start"] is None:
                memory["start"] = look.false_calls
            rise = look.false_calls - memory["start"]
            what = (
                f"false calls on held-out examples that nothing fits are {look.false_calls:.3f} (n {look.n_no_call}), "
                f"{rise:.3f} above the start's {memory['start']:.3f}; the limit is {guard.rise:g}"
            )
            passed = rise > guard.rise + SAME
            found.append(self.judge("false_calls", guard, look.step, rise, guard.rise, passed, what))
        if (strict := self.options.strict) is not None:
            memory = self.of("strict")
            memory["start"] = max(look.strict, memory["start"] or 0.0)  # the best so far
            fall = memory["start"] - look.strict
            what = (
                f"the held-out strict score is {look.strict:.3f} (n {look.n}), {fall:.3f} below the best look's "
                f"{memory['start']:.3f}; the limit is {strict.fall:g}"
            )
            passed = fall > strict.fall + SAME
            found.append(self.judge("strict", strict, look.step, fall, strict.fall, passed, what))
        return [x for x in found if x is not None]

    def on_gradient(self, step: int, finite: bool) -> Firing | None:
        """Read whether a step's gradient was finite; `step` is the one that is about to be taken."""
        guard = self.options.non_finite
        if guard is None:
            return None
        times = self.of(NON_FINITE)["beyond"] + 1
        what = f"the gradient of {times} step{'s' if times > 1 else ''} in a row is not finite; they were not taken"
        return self.judge(NON_FINITE, guard, step, float(times), float(guard.patience), not finite, what)

    def judge(
        self, name: str, guard: Guard, step: int, value: float, limit: float, passed: bool, what: str
    ) -> Firing | None:
        """Count how often in a row the number was passed, and fire when patience is at its end."""
        memory = self.of(name)
        memory["beyond"] = memory["beyond"] + 1 if passed else 0
        if memory["beyond"] < guard.patience:
            return None
        memory["beyond"], memory["values"] = 0, []
        lower = guard.action == "lower_lr" and memory["lowered"] < guard.times
        memory["lowered"] += lower
        if guard.patience > 1 and name != NON_FINITE:
            what += f", {guard.patience} times in a row"
        if guard.action == "lower_lr" and not lower:
            what += f"; the learning rate was lowered {guard.times} times already"
        return Firing(name, step, value, limit, "lower_lr" if lower else "stop", guard.factor, what)


def lowest(guard: BelowStartGuard, start: float) -> float:
    """The number below which a mean has collapsed: the higher one, where a recipe gives both."""
    return max(guard.below or 0.0, (guard.share or 0.0) * start)


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None
