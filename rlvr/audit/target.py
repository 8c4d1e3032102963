"""What is audited: a user's reward function, or a composition with all of its reward functions."""

from __future__ import annotations

import copy
import inspect
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rlvr.audit.examples import COLUMNS
from rlvr.audit.subject import Subject
from rlvr.rewards import Composition, load_composition
from rlvr.rewards.functions import is_async, load_function, number, run_async

END_OF_TEXT = 256
"""The id that closes a completion in `completion_ids`, whose other ids are the text's bytes in UTF-8."""

STOP_SECONDS = 60
"""When the scoring of one long completion is stopped: a regular expression that backtracks may never end.

A batch of others is stopped after as many seconds of CPU time, and its rows are tried alone.
"""

_MOST_STOPS = 2
_SOON = 5
"""After `_MOST_STOPS` rows that were stopped, one that takes so many seconds of CPU time is stopped too."""

_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Row:
    """One completion for one example."""

    subject: Subject
    completion: str
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that got no score: which clause of the contract was broken, and how."""

    clause: str
    message: str


Score = float | None | Broken


class Stopped(BaseException):
    """Raised inside a reward function that takes too long; no `Exception`, so that `except Exception` lets it pass."""


@contextmanager
def stop_after(seconds: int, *, of_cpu: bool = False) -> Iterator[None]:
    """Raise `Stopped` after some seconds, or seconds of CPU time (waiting for a judge is none), in the main thread of
    a system that has such timers; else do nothing."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise Stopped

    timer, sign = (signal.ITIMER_PROF, signal.SIGPROF) if of_cpu else (signal.ITIMER_REAL, signal.SIGALRM)
    before = signal.signal(sign, stop)
    signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)
        signal.signal(sign, before)


@dataclass
class Target:
    """A reward under audit, called as TRL calls one.

    `function(completions=, prompts=, completion_ids=, **columns)` gives one value a completion. `conversational` hands
    completions and prompts over as messages, `as_objects` tools and ground truths as objects in place of JSON strings.
    """

    name: str
    function: Callable[..., Any]
    knows_truncation: bool = False
    conversational: bool = False
    as_objects: bool = False
    accepted: frozenset[str] | None = field(init=False, default=None)
    stops: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.accepted = accepted_columns(self.function)

    def score(self, rows: Sequence[Row]) -> list[Score]:
        """One score a row. What goes wrong in a batch is tried again row by row, so that the culprit is found."""
        if not rows:
            return []
        values = self._call(rows)
        if not isinstance(values, Broken):
            return values
        if len(rows) == 1:
            return [values]
        alone = [self.score([row])[0] for row in rows]
        if values.clause == "slow" or any(isinstance(v, Broken) for v in alone):
            return alone
        return [Broken(values.clause, f"{values.message} (in a batch of {len(rows)}; each row alone is fine)")] * len(
            rows
        )

    def timed(self, row: Row) -> tuple[Score, float]:
        """The score of one row, and the seconds of CPU time that it took: what other programs do, and waiting for a
        judge, do not count. Stopped after a while where the platform can."""
        start = time.process_time()
        try:
            with stop_after(STOP_SECONDS):
                score = self.score([row])[0]
        except Stopped:
            score = Broken("slow", f"stopped after {STOP_SECONDS} s")
        return score, time.process_time() - start

    def _call(self, rows: Sequence[Row]) -> list[Score] | Broken:
        columns = self._columns(rows)
        if self.accepted is not None:
            columns = {k: v for k, v in columns.items() if k in self.accepted}
        before = _frozen(columns)
        limit = STOP_SECONDS if self.stops < _MOST_STOPS or len(rows) > 1 else min(_SOON, STOP_SECONDS)
        try:
            with stop_after(limit, of_cpu=True):
                values = self.function(**columns)
                if inspect.isawaitable(values):
                    values = run_async(values)
        except Stopped:
            self.stops += len(rows) == 1
            return Broken("slow", f"stopped after {limit} s")
        except (Exception, SystemExit) as error:
            return Broken("exception", f"{type(error).__name__}: {error}"[:_SHOWN])
        after = _frozen(columns)
        if after != before:
            changed = ", ".join(k for k in before if after.get(k) != before[k])
            return Broken("inputs", f"changes {changed or 'its columns'}")
        return read_values(values, len(rows))

    def _columns(self, rows: Sequence[Row]) -> dict[str, Any]:
        examples = [r.subject.example for r in rows]
        tools = [[t.to_json() for t in e.tools] for e in examples]
        gold = [[c.to_json() for c in e.ground_truth] for e in examples]
        messages = [[{"role": "system", "content": r.subject.instructions}, *map(dict, r.subject.example.messages)]
                    for r in rows]  # fmt: skip
        ids = [list(r.completion.encode("utf-8", "replace")) for r in rows]
        for row, row_ids in zip(rows, ids, strict=True):
            if not row.truncated:
                row_ids.append(END_OF_TEXT)
        texts = [r.completion for r in rows]
        columns: dict[str, Any] = {
            "completions": [[{"role": "assistant", "content": t}] for t in texts] if self.conversational else texts,
            "prompts": messages if self.conversational else [prompt_text(m) for m in messages],
            "completion_ids": ids,
            "tools": tools if self.as_objects else [json.dumps(t, ensure_ascii=False) for t in tools],
            "ground_truth": gold if self.as_objects else [json.dumps(g, ensure_ascii=False) for g in gold],
            "expects": [e.expects for e in examples],
            "lang": [e.lang for e in examples],
            "query": [e.query for e in examples],
            "category": [e.category for e in examples],
            "id": [e.id for e in examples],
            "messages": [list(map(dict, e.messages)) for e in examples],
            "trainer_state": None,
            "log_extra": lambda *_, **__: None,
            "log_metric": lambda *_, **__: None,
        }
        own = [e.meta.get(COLUMNS, {}) for e in examples]
        for name in dict.fromkeys(name for further in own for name in further):
            columns.setdefault(name, [further.get(name) for further in own])
        if self.knows_truncation:
            columns["truncated"] = [r.truncated for r in rows]
        return columns


def as_target(
    reward: Callable[..., Any] | str | Composition | Target,
    *,
    stage: str | None = None,
    parser: str = "hermes",
    conversational: bool = False,
    as_objects: bool = False,
) -> Target:
    """Anything that can be audited as a target: a function, `module:function`, a composition or its name or path.

    Raises `UsageError` where there is no such thing.
    """
    if isinstance(reward, Target):
        return reward
    if isinstance(reward, Composition):
        return composition_target(reward, parser)
    if isinstance(reward, str):
        if ":" in reward and not reward.endswith((".yaml", ".yml")):
            return function_target(reward, conversational=conversational, as_objects=as_objects)
        return composition_target(load_composition(reward, stage), parser)
    name = getattr(reward, "__qualname__", None) or getattr(reward, "__name__", None) or type(reward).__name__
    return Target(str(name), reward, conversational=conversational, as_objects=as_objects)


def function_target(target: str, *, conversational: bool = False, as_objects: bool = False) -> Target:
    """A user's `module:function` or `file.py:function` as a target. Raises `UsageError` where there is none."""
    return Target(target, load_function(target), conversational=conversational, as_objects=as_objects)


def composition_target(composition: Composition, parser: str = "hermes") -> Target:
    """A composition at its stage as a target: the weighted sum, as a trainer takes it, users' functions included."""
    functions = composition.reward_functions(parser=parser)
    weights = composition.weights()

    async def total(completions: Sequence[Any], **columns: Any) -> list[float | None]:
        scores = []
        for function in functions:
            values = function(completions=completions, **columns)
            scores.append(await values if is_async(function) else values)  # type: ignore[misc]
        return [_sum(row, weights) for row in zip(*scores, strict=True)]

    return Target(f"{composition.name}, {composition.stage}", total, knows_truncation=True)


def accepted_columns(function: Callable[..., Any]) -> frozenset[str] | None:
    """The columns that a function can take; `None` where it takes any. TRL passes all of them."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters)


def read_values(values: Any, n: int) -> list[Score] | Broken:
    """What a reward function returned, value by value."""
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__len__") or not hasattr(values, "__iter__"):
        return Broken("type", f"returned {type(values).__name__}, expected a list with one score a completion")
    if len(values) != n:
        return Broken("length", f"returned {len(values)} scores for {n} completions")
    return [_read(v) for v in values]


def _read(value: Any) -> Score:
    if value is None:
        return None
    try:
        score = number(value)
    except (TypeError, ValueError, OverflowError):
        return Broken("type", f"a score is {value!r:.60}, expected a number or None")
    return score if math.isfinite(score) else Broken("finite", f"a score is {score}")


def prompt_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """A dialogue as one string, the way a plain chat template would write it."""
    lines = []
    for message in messages:
        content = message.get("content") or json.dumps(message.get("tool_calls", ""), ensure_ascii=False)
        lines.append(f"{message.get('role')}: {content}")
    return "\n".join([*lines, "assistant:"])


def _frozen(columns: Mapping[str, Any]) -> dict[str, Any]:
    """A copy to compare with afterwards; ids are copied flat, since a megabyte of them takes seconds otherwise."""
    out = {}
    for name, value in columns.items():
        if name == "completion_ids":
            out[name] = [tuple(row) for row in value]
        elif not callable(value):
            out[name] = copy.deepcopy(value)
    return out


def _sum(scores: Sequence[float | None], weights: Sequence[float]) -> float | None:
    if all(s is None for s in scores):
        return None
    return math.fsum(w * s for w, s in zip(weights, scores, strict=True) if s is not None)
