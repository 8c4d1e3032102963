"""The time budget: the schedule runs by time on a slow machine, by steps on a fast one, and then stops."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("transformers", reason="needs the train extra")

from rlvr.training import callbacks
from rlvr.training.callbacks import LogCallback, TimeBudgetCallback
from rlvr.training.run_folder import RunFolder


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(callbacks.time, "monotonic", made)
    return made


def linear(step: float) -> float:
    return 1 - step / 100


def begin(budget: TimeBudgetCallback, step: int = 0) -> SimpleNamespace:
    schedule = SimpleNamespace(lr_lambdas=[linear])
    state = SimpleNamespace(max_steps=100, global_step=step)
    budget.on_train_begin(None, state, None, lr_scheduler=SimpleNamespace(scheduler=schedule))
    return schedule


def test_a_slow_machine_decays_by_the_time(tmp_path: Path, clock: Clock) -> None:
    budget = TimeBudgetCallback(RunFolder(tmp_path), max_minutes=1)
    schedule = begin(budget)
    clock.now += 30  # half of the minute, one step
    assert schedule.lr_lambdas[0](1) == pytest.approx(0.5)
    clock.now += 10
    assert schedule.lr_lambdas[0](1) == pytest.approx(0.5), "asking for the same step again must not change it"
    assert schedule.lr_lambdas[0](2) == pytest.approx(1 - 40 / 60)


def test_a_fast_machine_decays_by_the_steps(tmp_path: Path, clock: Clock) -> None:
    schedule = begin(TimeBudgetCallback(RunFolder(tmp_path), max_minutes=60))
    clock.now += 1
    assert schedule.lr_lambdas[0](80) == pytest.approx(0.2)


def test_it_stops_when_the_budget_is_used_up(tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    budget = TimeBudgetCallback(RunFolder(tmp_path), max_minutes=1)
    begin(budget)
    control = SimpleNamespace(should_training_stop=False)
    state = SimpleNamespace(max_steps=100, global_step=7)
    clock.now += 59
    budget.on_step_end(None, state, control)
    assert not control.should_training_stop
    clock.now += 2
    budget.on_step_end(None, state, control)
    assert control.should_training_stop
    assert "stopping after 7 steps" in capsys.readouterr().err


def test_a_resumed_run_goes_on_from_the_time_of_its_checkpoint(tmp_path: Path, clock: Clock) -> None:
    folder = RunFolder(tmp_path)
    first = TimeBudgetCallback(folder, max_minutes=1)
    begin(first)
    clock.now += 20
    kept = first.keep()
    clock.now += 500  # the machine was off
    second = TimeBudgetCallback(folder, max_minutes=1)
    second.restore(kept, None)
    begin(second, step=5)
    clock.now += 10
    assert second.used() == pytest.approx(30)
    assert not second.is_used_up()
    second.restore({"seconds": 60.0}, None)
    assert second.is_used_up()


def test_a_resumed_run_goes_on_counting_seconds(tmp_path: Path, clock: Clock) -> None:
    folder = RunFolder(tmp_path)
    state = SimpleNamespace(global_step=0, max_steps=9, is_world_process_zero=True)
    first = LogCallback(folder, "loss")
    first.on_train_begin(None, state, None)
    clock.now += 20
    second = LogCallback(folder, "loss")
    second.restore(first.keep(), None)
    second.on_train_begin(None, state, None)
    clock.now += 5
    second.on_log(None, state, None, logs={"loss": 1.0})
    assert json.loads(folder.metrics.read_text())["seconds"] == 25.0
