"""verifiers: the documented way of calling, and the real package where it is installed."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any, Generic, TypeVar

import pytest

from rlvr.errors import DataError, UsageError
from rlvr.integrations import Scorer, verifiers
from rlvr.types import Example, GoldCall

DataT = TypeVar("DataT")


class Message:
    """A message of verifiers' own classes, which dump themselves."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def model_dump(self) -> dict[str, Any]:
        return {"provider_state": None, **self.fields}


class FakeRubric:
    """As much of `vf.Rubric` as is documented: functions by the names of their parameters, `score x weight` summed."""

    def __init__(self, funcs: list[Any], weights: list[float]) -> None:
        assert len(funcs) == len(weights)
        self.funcs, self.weights = funcs, weights

    def score(self, state: dict[str, Any]) -> tuple[float, dict[str, float]]:
        given = {**state, "state": state, "parser": None, "task": "default"}
        metrics = {}
        for func in self.funcs:
            wanted = inspect.signature(func).parameters
            metrics[func.__name__] = float(func(**{k: v for k, v in given.items() if k in wanted}))
        return sum(metrics[f.__name__] * w for f, w in zip(self.funcs, self.weights, strict=True)), metrics


def state_of(example: Example, text: str, cut: bool = False) -> dict[str, Any]:
    row = verifiers.to_row(example)
    return {**row, "completion": [{"role": "assistant", "content": text}], "is_truncated": cut, "trajectory": []}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("verifiers")
    module.Rubric = FakeRubric  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "verifiers", module)


@pytest.mark.usefixtures("fake")
def test_a_rubric_pays_what_was_worked_out_by_hand(worked: tuple[Example, str, bool, float, bool]) -> None:
    example, text, cut, reward, right = worked
    rubric = verifiers.rubric("function_calling", stage="stage1")
    paid, metrics = rubric.score(state_of(example, text, cut))
    assert paid == pytest.approx(reward)
    assert metrics["right"] == float(right)
    assert list(metrics) == ["format", "correctness", "refusal", "efficiency", "right"]


def test_functions_are_called_by_names_and_say_so() -> None:
    functions, weights = verifiers.rubric_functions(Scorer("function_calling", "stage2"))
    assert weights == [0.1, 0.5, 0.3, 1.0, 0.0]
    for function in functions:
        assert set(inspect.signature(function).parameters) == {"completion", "info", "state"}
        assert "list" not in str(inspect.signature(function).return_annotation), "verifiers would take it for a group's"


def test_messages_come_as_mappings_or_classes_with_calls_in_any_form(examples: dict[str, Example]) -> None:
    row = verifiers.to_row(examples["wants"])
    arguments = json.dumps({"city": "Hanoi", "days": 3})
    flat = {"id": "1", "name": "get_weather", "arguments": arguments}
    nested = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    correctness = verifiers.rubric_functions(Scorer())[0][1]
    for call in (flat, nested, json.dumps(nested), Message(**nested)):
        for message in ({"role": "assistant", "content": None, "tool_calls": [call]},
                        Message(role="assistant", content=None, tool_calls=[call])):  # fmt: skip
            assert correctness(completion=[message], info=row["info"]) == 1.0
    assert correctness(completion=[{"role": "assistant", "tool_calls": ["get_weather"]}], info=row["info"]) < 1.0
    assert correctness(completion="text of a base model", info=json.loads(row["info"])) == 0.0


def test_a_row_that_could_not_be_scored_is_no_row(examples: dict[str, Example]) -> None:
    """verifiers would turn the exception into 0 in every rollout."""
    example = examples["wants"]
    broken = Example("broken", "", "simple", example.messages, example.tools, (GoldCall("other", {}),))
    with pytest.raises(DataError, match="broken"):
        verifiers.to_row(broken)


def test_without_rubrics_the_way_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "verifiers", ModuleType("verifiers"))
    monkeypatch.setitem(sys.modules, "verifiers.legacy", None)  # as 0.4: there is none
    with pytest.raises(UsageError, match="use task"):
        verifiers.rubric()


@pytest.fixture
def decorators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decorators that mark as those of verifiers.v1 do (verifiers/v1/utils/decorators.py of 0.4)."""
    v1 = ModuleType("verifiers.v1")

    def reward(func: Any, weight: float = 1.0, priority: int = 0) -> Any:
        func.reward, func._vf_weight = True, weight
        return func

    def metric(func: Any, priority: int = 0) -> Any:
        func.metric = True
        return func

    v1.reward, v1.metric = reward, metric  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "verifiers.v1", v1)


class Base(Generic[DataT]):
    """Generic over its data, as `vf.Task` is."""

    def __init__(self, data: DataT) -> None:
        self.data = data


@pytest.mark.usefixtures("decorators")
@pytest.mark.parametrize("base", [Base, Base[Any]], ids=["class", "form"])
def test_a_task_gets_a_reward_for_each_component(base: Any, worked: tuple[Example, str, bool, float, bool]) -> None:
    example, text, cut, paid, right = worked
    cls = verifiers.task(base, "function_calling", stage="stage1")
    task = cls(SimpleNamespace(info=verifiers.to_row(example)["info"]))
    trace = SimpleNamespace(assistant_messages=[Message(role="assistant", content=text)], is_truncated=cut)
    names = [n for n in vars(cls) if hasattr(getattr(task, n), "reward")]
    assert names == ["format", "correctness", "refusal", "efficiency"]
    total = sum(getattr(task, n)._vf_weight * asyncio.run(getattr(task, n)(trace)) for n in names)
    assert total == pytest.approx(paid)
    assert asyncio.run(task.right(trace)) == float(right)
    assert hasattr(task.right, "metric")
    assert (cls.__name__, cls.__doc__, cls.__module__) == ("Base", Base.__doc__, Base.__module__)
    assert issubclass(cls, Base)


@pytest.mark.trainers
def test_the_real_rubric_scores_a_rollout_and_a_group(worked: tuple[Example, str, bool, float, bool]) -> None:
    pytest.importorskip("verifiers", reason="needs verifiers")
    try:
        rubric = verifiers.rubric("function_calling", stage="stage1")
    except UsageError:
        pytest.skip("verifiers 0.4 and later have no rubrics")
    example, text, cut, paid, right = worked
    states = [dict(state_of(example, text, cut), info=json.loads(verifiers.to_row(example)["info"])) for _ in range(2)]
    asyncio.run(rubric.score_rollout(states[0]))
    assert states[0]["reward"] == pytest.approx(paid)
    assert states[0]["metrics"]["right"] == float(right)
    asyncio.run(rubric.score_group(states))
    assert [s["reward"] for s in states] == pytest.approx([paid, paid])


@pytest.mark.trainers
def test_the_real_task_records_rewards_on_a_trace(worked: tuple[Example, str, bool, float, bool]) -> None:
    pytest.importorskip("verifiers", reason="needs verifiers")
    if importlib.util.find_spec("verifiers.v1") is None:
        pytest.skip("needs verifiers 0.3 or later")
    import verifiers.v1 as vf

    class Data(vf.TaskData):
        info: str = "{}"

    class Weather(vf.Task[Data, vf.State, vf.TaskConfig]):
        pass

    example, text, cut, paid, right = worked
    row = verifiers.to_row(example)
    task = verifiers.task(Weather, "function_calling", stage="stage1")(Data(prompt=example.query, info=row["info"]))
    recorded: dict[str, tuple[float, float]] = {}
    metrics: dict[str, float] = {}
    trace = SimpleNamespace(
        assistant_messages=[vf.AssistantMessage(content=text)],
        is_truncated=cut,
        metrics=metrics,
        rewards={},
        record_reward=lambda name, value, weight=1.0: recorded.update({name: (value, weight)}),
        record_metric=lambda name, value: metrics.update({name: value}),
    )
    asyncio.run(task.score(trace))  # type: ignore[arg-type]
    assert sum(value * weight for value, weight in recorded.values()) == pytest.approx(paid)
    assert metrics["right"] == float(right)
