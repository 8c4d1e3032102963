"""Reward functions of a user's own in a composition: sync, async and slow, beside our components."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import pickle
from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import ConfigError, UsageError
from rlvr.rewards import load_composition, score
from rlvr.rewards.functions import AsyncUserFunction, UserFunction, bind_function, is_async, load_function

MODULE = """
import asyncio
import threading

MEETING = threading.Barrier(4)

def polite(completions, **kwargs):
    return [0.5 if "please" in c else 0.0 for c in completions]

async def judge(completions, **kwargs):
    await asyncio.sleep(0.05)
    return [1.0] * len(completions)

def slow(completions, **kwargs):
    return [0.25] * len(completions)

def meets(completions, **kwargs):
    MEETING.wait(timeout=60)  # one after the other they would never meet
    return [0.25] * len(completions)

def short(completions, **kwargs):
    return [1.0]

def infinite(completions, **kwargs):
    return [float("inf")] * len(completions)

def words(completions, **kwargs):
    return ["good"] * len(completions)

def one(completions, **kwargs):
    return 1.0

class Holder:
    @staticmethod
    def inner(completions, **kwargs):
        return [None] * len(completions)
"""
YAML = """
name: mine
components: {format: {}, correctness: {}}
functions:
  polite: FILE:polite
  judge: FILE:judge
  slow: {function: "FILE:slow", in_thread: true}
stages:
  one: {weights: {format: 0.2, correctness: 1.0, polite: 0.1, judge: 0.3, slow: 0.4}}
"""
ROWS: dict[str, Any] = {
    "completions": ["please", "no"],
    "tools": ["[]", "[]"],
    "ground_truth": ["[]", "[]"],
}


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "my_rewards.py"
    path.write_text(MODULE, encoding="utf-8")
    return path


@pytest.fixture
def composition(tmp_path: Path, module: Path) -> Any:
    path = tmp_path / "mine.yaml"
    path.write_text(YAML.replace("FILE", str(module)), encoding="utf-8")
    return load_composition(path)


def test_functions_stand_behind_the_components_with_their_weights(composition: Any) -> None:
    functions = composition.reward_functions()
    assert [f.__name__ for f in functions] == ["format", "correctness", "polite", "judge", "slow"]
    assert composition.weights() == [0.2, 1.0, 0.1, 0.3, 0.4]
    assert composition.with_weights(judge=0.0, format=0.5).weights() == [0.5, 1.0, 0.1, 0.0, 0.4]
    with pytest.raises(UsageError):
        composition.with_weights(jugde=0.0)
    assert "polite       weight 0.1" in composition.describe()


def test_a_trainer_sees_which_are_async(composition: Any) -> None:
    functions = {f.__name__: f for f in composition.reward_functions()}
    assert {n: is_async(f) for n, f in functions.items()} == {
        "format": False,
        "correctness": False,
        "polite": False,
        "judge": True,
        "slow": True,
    }
    assert functions["polite"](**ROWS) == [0.5, 0.0]
    assert asyncio.run(functions["judge"](**ROWS)) == [1.0, 1.0]


def test_trl_itself_takes_them_as_async(composition: Any) -> None:
    if importlib.util.find_spec("trl") is None:
        pytest.skip("needs the train extra")
    source = (Path(importlib.util.find_spec("trl").origin).parent / "trainer" / "utils.py").read_text()  # type: ignore[union-attr, arg-type]
    assert "def is_async_callable" in source
    for function in composition.reward_functions():
        seen = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(function.__call__)
        assert seen == isinstance(function, AsyncUserFunction)


def test_slow_ones_wait_beside_each_other(module: Path) -> None:
    slow = AsyncUserFunction("slow", f"{module}:meets")

    async def four() -> list[Any]:
        return await asyncio.gather(*(slow(**ROWS) for _ in range(4)))

    assert asyncio.run(four()) == [[0.25, 0.25]] * 4


def test_they_pickle(composition: Any) -> None:
    for function in composition.reward_functions():
        again = pickle.loads(pickle.dumps(function))
        assert again == function
        assert again.__name__ == function.__name__


def test_a_score_by_hand_names_them_and_leaves_them_out(composition: Any) -> None:
    breakdown = score("It is sunny.", tools=[], ground_truth=[], composition=composition)
    assert breakdown.total == pytest.approx(0.2)
    assert "runs in a trainer, weight 0.3" in breakdown.explain()
    assert composition.total({"format": 1.0, "correctness": None, "judge": 1.0}) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("short", "returned 1 scores for 2 completions"),
        ("infinite", "returned inf for completion 0"),
        ("words", "returned 'good' for completion 0"),
        ("one", "returned float, expected a list"),
    ],
)
def test_what_breaks_the_contract_raises_with_the_functions_name(module: Path, name: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"reward function mine {says}"):
        UserFunction("mine", f"{module}:{name}")(**ROWS)


def test_a_function_inside_a_class_and_one_that_does_not_apply(module: Path) -> None:
    assert UserFunction("mine", f"{module}:Holder.inner")(**ROWS) == [None, None]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("judge", "expected module:function"),
        (":judge", "expected module:function"),
        ("math:", "expected module:function"),
        ("math:fsun", "Did you mean fsum?"),
        ("math:pi", "is float, expected a function"),
        ("no_such_module_here:f", "ModuleNotFoundError"),
        ("absent.py:f", "no such file"),
    ],
)
def test_a_wrong_name_says_what_is_wrong(target: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_function(target)
    assert says in str(caught.value)


def test_a_module_that_fails_says_so(tmp_path: Path) -> None:
    path = tmp_path / "broken_rewards.py"
    path.write_text("raise RuntimeError('no licence')", encoding="utf-8")
    with pytest.raises(UsageError, match="RuntimeError: no licence"):
        bind_function(load_spec(path))


def load_spec(path: Path) -> Any:
    from rlvr.rewards.functions import FunctionSpec

    return FunctionSpec("mine", f"{path}:f", 1.0)


def test_modules_of_the_working_directory_are_found(
    tmp_path: Path, module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module.rename(tmp_path / "found_in_the_working_directory.py")
    monkeypatch.chdir(tmp_path)
    assert load_function("found_in_the_working_directory:polite")(["please"]) == [0.5]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("functions: {format: 'a:b'}", "functions.format: a function needs a name of its own"),
        ("functions: {'my judge': 'a:b'}", "a function needs a name of its own"),
        ("functions: {judge: 3}", "functions.judge: got 3, expected module:function."),
        ("functions: {judge: abc}", "functions.judge: got 'abc', expected module:function."),
        ("functions: {judge: {function: 'a:b', in_tread: true}}", "Did you mean in_thread?"),
        ("functions: {judge: 'a:b'}", "weights.judge: missing, expected a number."),
    ],
)
def test_mistakes_of_a_file_are_named(tmp_path: Path, entry: str, says: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"name: mine\ncomponents: {{format: {{}}}}\n{entry}\nstages: {{one: {{weights: {{format: 1}}}}}}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_composition(path)
    assert says in str(caught.value)
