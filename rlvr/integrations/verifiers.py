"""verifiers: a `Rubric` with one function a component; from 0.4 on, which has no rubrics, a task with these rewards.

    environment = vf.SingleTurnEnv(dataset=Dataset.from_list(rows), rubric=rubric("function_calling", stage="stage1"))

Rows come from `to_row`. verifiers turns an exception in a reward into 0 and goes on, so a row that cannot be scored
would go unseen: `to_row` checks it. An environment hands a row's tools to the model; a task of 0.4 knows none of a row,
so there they have to stand in its prompt (docs/integrations.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import new_class
from typing import Any, get_origin

from rlvr.errors import DataError, UsageError
from rlvr.integrations.scorer import Scorer, read_row, row_of
from rlvr.parsers.messages import thoughts_of
from rlvr.rewards import build_context
from rlvr.types import Example, content_text

RIGHT = "right"
"""The name of the metric that says whether a completion is right; its weight is 0."""
_ROLES = {"developer": "system", "function": "tool"}
"""Roles that verifiers refuses, and what it calls them."""


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

    `base` is a `vf.Task`, or one of its forms such as `vf.Task[Data, vf.State, vf.TaskConfig]`, whose data has a field
    `info` (what `to_row` writes). Where a trace has several assistant messages, the last is scored.
    """
    scorer = Scorer(composition, stage, parser, reasoning_parser, reasoning_opened)
    functions, weights = rubric_functions(scorer)
    methods = {f.name: _method(f.name, scorer, w) for f, w in zip(functions[:-1], weights, strict=False)}
    methods[RIGHT] = _method(RIGHT, scorer, None)
    plain = get_origin(base) or base
    body = {"__module__": plain.__module__, "__doc__": plain.__doc__, **methods}
    return new_class(plain.__name__, (base,), exec_body=lambda namespace: namespace.update(body))


def to_row(example: Example) -> dict[str, Any]:
    """One row of a verifiers dataset. Raises `DataError` where it could not be scored.

    `info["tool_defs"]` is what an environment offers the model (only `vf.ToolEnv` and its kin run calls, and they know
    no tools of a row); `info["tools"]` is what the reward reads.
    """
    row = row_of(example)
    build_context(row["tools"], row["ground_truth"], expects=row["expects"], lang=row["lang"], where=example.id)
    info = json.dumps({**row, "tool_defs": [tool.to_json() for tool in example.tools]})
    return {"prompt": turns(example), "answer": row["ground_truth"], "info": info}


def turns(example: Example) -> list[dict[str, Any]]:
    """An example's messages in the form of verifiers' own classes, all text: Arrow pads objects to a common schema.

    Calls have an id, and results name the call that they answer; ids that are missing are made up, in order.
    Raises `DataError` naming the example where an earlier call is none.

    >>> call = {"function": {"name": "f", "arguments": {"a": 1}}}
    >>> said = ({"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "2"})
    >>> made = turns(Example("a", "", "multi_turn", said, (), ()))
    >>> made[0]["tool_calls"], made[1]["tool_call_id"]
    ([{'id': 'call_0', 'name': 'f', 'arguments': '{"a": 1}'}], 'call_0')
    """
    out: list[dict[str, Any]] = []
    ids: list[str] = []
    waiting: list[str] = []  # ids of calls whose results have not come
    for message in example.messages:
        role = str(message["role"])
        turn: dict[str, Any] = {"role": _ROLES.get(role, role), "content": content_text(message.get("content"))}
        if reasoning := thoughts_of(message):
            turn["reasoning_content"] = reasoning
        if calls := message.get("tool_calls"):
            turn["tool_calls"] = [_call(c, f"call_{len(ids) + i}", example.id) for i, c in enumerate(calls)]
            waiting = [c["id"] for c in turn["tool_calls"]]
            ids += waiting
        elif turn["role"] == "tool":
            turn["tool_call_id"] = _answered(message.get("tool_call_id"), waiting, ids)
            waiting = [w for w in waiting if w != turn["tool_call_id"]]
            if message.get("name"):
                turn["name"] = str(message["name"])
        out.append(turn)
    return out


def _call(call: Any, made_up: str, where: str) -> dict[str, str]:
    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise DataError(where, f"a call in an earlier turn has no name: {call!r:.80}")
    arguments = function.get("arguments") or {}
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": str(call.get("id") or made_up), "name": function["name"], "arguments": text}


def _answered(given: Any, waiting: Sequence[str], ids: Sequence[str]) -> str:
    """The id of the call that a result answers: the one it names, the first without a result, else the last."""
    if given in (waiting or ids):
        return str(given)
    return [*waiting[:1], *ids[-1:], "call_0"][0]


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
