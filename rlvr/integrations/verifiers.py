"""verifiers: a `Rubric` with one function a component; from 0.4 on, which has no rubrics, a task with these rewards.

    environment = vf.SingleTurnEnv(dataset=Dataset.from_list(rows), rubric=rubric("function_calling", stage="stage1"))

Rows come from `to_row`. verifiers turns an exception in a reward into 0 and goes on, so a row that cannot be scored
would go unseen: `to_row` checks it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from rlvr.errors import UsageError
from rlvr.integrations.scorer import Scorer, read_row, row_of
from rlvr.rewards import build_context
from rlvr.types import Example

RIGHT = "right"
"""The name of the metric that says whether a completion is right; its weight is 0."""


@dataclass(frozen=True)
class RubricFunction:
    """One score of a composition as verifiers calls it: by the names of its parameters, one rollout at a time."""

    name: str
    scorer: Scorer

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, completion: Any, info: Any, state: Any = None) -> float:
        """The score; 0 where it does not apply, as for every rollout of such an example."""
        return _value(self.name, self.scorer, plain_messages(completion), read_row(info, "info"), _was_cut(state))


def rubric(composition: Any = "function_calling", *, stage: str | None = None, parser: str = "hermes",
           reasoning_parser: str = "think", reasoning_opened: bool = False) -> Any:  # fmt: skip
    """A `vf.Rubric` of a composition, with its weights, and the metric `right` at weight 0.

    Raises `UsageError` where the verifiers that is installed has no rubrics; `task` is for those.
    """
    functions, weights = rubric_functions(Scorer(composition, stage, parser, reasoning_parser, reasoning_opened))
    return _rubric_class()(funcs=functions, weights=weights)


def rubric_functions(scorer: Scorer) -> tuple[list[RubricFunction], list[float]]:
    """The functions and weights of a rubric, `right` last."""
    composition = scorer.loaded
    names = [c.name for c in composition.components] + [f.name for f in composition.functions]
    return [RubricFunction(n, scorer) for n in (*names, RIGHT)], [*composition.weights(), 0.0]


def task(base: type[Any], composition: Any = "function_calling", *, stage: str | None = None, parser: str = "hermes",
         reasoning_parser: str = "think", reasoning_opened: bool = False) -> type[Any]:  # fmt: skip
    """A `verifiers.v1` task class with a composition's scores as rewards, and `right` as a metric.

    `base` is a `vf.Task` whose data has a field `info` (what `to_row` writes). Where a trace has several assistant
    messages, the last is scored.
    """
    scorer = Scorer(composition, stage, parser, reasoning_parser, reasoning_opened)
    functions, weights = rubric_functions(scorer)
    methods = {f.name: _method(f.name, scorer, w) for f, w in zip(functions[:-1], weights, strict=False)}
    methods[RIGHT] = _method(RIGHT, scorer, None)
    return type(base.__name__, (base,), {"__module__": base.__module__, "__doc__": base.__doc__, **methods})


def to_row(example: Example) -> dict[str, Any]:
    """One row of a verifiers dataset. Raises `DataError` where it could not be scored."""
    row = row_of(example)
    build_context(row["tools"], row["ground_truth"], expects=row["expects"], lang=row["lang"], where=example.id)
    return {"prompt": [dict(m) for m in example.messages], "answer": row["ground_truth"], "info": json.dumps(row)}


def plain_messages(completion: Any) -> Any:
    """Messages as plain objects, whether verifiers hands over mappings or its own classes."""
    if isinstance(completion, (str, bytes)) or not isinstance(completion, Sequence):
        return completion
    return [_plain(m) for m in completion]


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    found = dump() if callable(dump) else dict(value) if isinstance(value, Mapping) else {}
    calls = found.get("tool_calls")
    if calls:
        found["tool_calls"] = [_plain_call(c) for c in calls]
    return found


def _plain_call(call: Any) -> Any:
    dump = getattr(call, "model_dump", None)
    if callable(dump):
        return dump()
    # a dataset's struct columns would be padded with nulls, so some releases keep each call as a JSON string
    return json.loads(call) if isinstance(call, str) and _is_object(call) else call


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _was_cut(state: Any) -> bool | None:
    """Whether a rollout was cut at the length limit; `None` where nothing tells."""
    cut = state.get("is_truncated") if isinstance(state, Mapping) else getattr(state, "is_truncated", None)
    return None if cut is None else bool(cut)


def _value(name: str, scorer: Scorer, completion: Any, row: Mapping[str, Any], cut: bool | None) -> float:
    scored = scorer.one(completion, row, cut)
    value = float(scored.right) if name == RIGHT else scored.scores[name]
    return 0.0 if value is None else value


def _method(name: str, scorer: Scorer, weight: float | None) -> Any:
    """A method marked as verifiers' decorators do: `reward` with a weight, or `metric`."""
    v1 = import_module("verifiers.v1")

    async def score(self: Any, trace: Any) -> float:
        row = read_row(self.data.info, "info")
        last = plain_messages(list(trace.assistant_messages)[-1:])
        return _value(name, scorer, last, row, bool(trace.is_truncated))

    score.__name__ = score.__qualname__ = name
    return v1.metric(score) if weight is None else v1.reward(score, weight=weight)


def _rubric_class() -> Any:
    """Rubrics stand at the top up to 0.2, in `verifiers.legacy` in 0.3, and nowhere from 0.4 on."""
    for name in ("verifiers", "verifiers.legacy"):
        try:
            found = getattr(import_module(name), "Rubric", None)
        except ModuleNotFoundError as error:
            if error.name != name or name == "verifiers":
                raise
            break
        if found is not None:
            return found
    raise UsageError("this release of verifiers has no Rubric (its tasks score themselves): use task.")
