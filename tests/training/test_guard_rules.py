"""When guards fire: metric rows and looks made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlvr.strict import build
from rlvr.training.guard_options import GuardOptions
from rlvr.training.guard_rules import METRICS, Firing, Watch
from rlvr.training.rule import Look


def options(**guards: Any) -> GuardOptions:
    problems: list[str] = []
    made = build(GuardOptions, guards, where="recipe", problems=problems)
    assert made is not None, problems
    return made


def mistakes(**guards: Any) -> list[str]:
    problems: list[str] = []
    build(GuardOptions, guards, where="recipe", problems=problems)
    return problems


def feed(watch: Watch, guard: str, values: list[float | None]) -> list[Firing]:
    return [f for step, value in enumerate(values, 1) for f in watch.on_metrics(step, {METRICS[guard]: value})]


def look(step: int, strict: float, false_calls: float) -> Look:
    return Look(step, 100, strict, 25, false_calls, None, None, None, 0.0, 0.0, 10.0)


def test_the_mean_of_a_window_above_the_number_fires() -> None:
    watch = Watch(options(zero_variance={"above": 0.5, "window": 3}))
    fired = feed(watch, "zero_variance", [0.9, 0.9, 0.0, 0.6, 0.9, 0.9])
    # Windows: 0.6 (above) at step 3 already.
    assert [(f.step, f.action) for f in fired] == [(3, "stop"), (6, "stop")]  # it counts anew after step 3
    assert fired[0].value == pytest.approx(0.6)
    assert fired[0].what == "groups/zero_variance is 0.6 over the last 3 steps, above 0.5"


def test_a_mean_at_the_number_does_not_fire() -> None:
    assert feed(Watch(options(clipped={"above": 0.5, "window": 2})), "clipped", [0.5] * 6) == []


def test_patience_counts_windows_in_a_row() -> None:
    watch = Watch(options(clipped={"above": 0.5, "window": 1, "patience": 3}))
    fired = feed(watch, "clipped", [0.9, 0.9, 0.1, 0.9, 0.9, 0.9])
    assert [f.step for f in fired] == [6]
    assert fired[0].what.endswith(", 3 times in a row")


def test_a_share_of_the_start_and_a_floor() -> None:
    falling = [0.4, 0.4, 0.3, 0.25, 0.15, 0.15]
    by_share = feed(Watch(options(entropy={"share": 0.5, "window": 2})), "entropy", falling)
    assert [f.step for f in by_share] == [6]  # (0.15 + 0.15) / 2 < 0.5 * 0.4, and step 5's mean is 0.2
    assert by_share[0].limit == pytest.approx(0.2)
    assert "it began at 0.4" in by_share[0].what
    both = feed(Watch(options(entropy={"share": 0.1, "below": 0.26, "window": 2})), "entropy", falling)
    assert [f.step for f in both] == [5]  # 0.275 at step 4, 0.2 at step 5; the floor is the higher one


def test_what_is_missing_or_null_is_passed_over() -> None:
    watch = Watch(options(length={"share": 0.5, "window": 2}))
    assert [f.step for f in feed(watch, "length", [40.0, None, 40.0, float("nan"), 10.0, 10.0])] == [6]
    assert watch.on_metrics(9, {}) == []


def test_false_calls_are_compared_with_the_first_look() -> None:
    watch = Watch(options(false_calls={"rise": 0.1, "patience": 2}))
    rates = [0.2, 0.3, 0.35, 0.25, 0.31, 0.4]
    fired = [f for step, rate in enumerate(rates) for f in watch.on_look(look(step, 0.5, rate))]
    assert [f.step for f in fired] == [5]
    assert fired[0].value == pytest.approx(0.2)
    assert "(n 25), 0.200 above the start's 0.200; the limit is 0.1" in fired[0].what


def test_the_strict_score_is_compared_with_the_best_look() -> None:
    watch = Watch(options(strict={"fall": 0.05, "patience": 2}))
    scores = [0.40, 0.50, 0.46, 0.44, 0.47, 0.44, 0.43]
    fired = [f for step, score in enumerate(scores) for f in watch.on_look(look(step, score, 0.0))]
    assert [f.step for f in fired] == [6]
    assert fired[0].value == pytest.approx(0.07)


def test_a_guard_that_is_added_at_a_resume_compares_with_the_looks_before_it() -> None:
    guards = {"false_calls": {"rise": 0.1}, "strict": {"fall": 0.06}}
    always, added = Watch(options(**guards)), Watch(options(**guards))
    earlier = [look(0, 0.5, 0.2), look(5, 0.6, 0.25)]
    for one in earlier:
        assert always.on_look(one) == []
    added.begin(earlier)
    always.begin([look(0, 0.0, 0.0)])  # it knows its own
    fired = added.on_look(look(10, 0.5, 0.5))
    assert [f.guard for f in fired] == ["false_calls", "strict"]
    assert fired == always.on_look(look(10, 0.5, 0.5))


def test_lowering_the_rate_is_tried_so_often_and_then_the_run_stops() -> None:
    watch = Watch(options(clipped={"above": 0.5, "window": 1, "action": "lower_lr", "factor": 0.1, "times": 2}))
    fired = feed(watch, "clipped", [0.9, 0.9, 0.9])
    assert [f.action for f in fired] == ["lower_lr", "lower_lr", "stop"]
    assert fired[0].factor == 0.1
    assert fired[2].what.endswith("the learning rate was lowered 2 times already")


def test_gradients_in_a_row() -> None:
    watch = Watch(options(non_finite={"patience": 2}))
    found = [watch.on_gradient(step, finite) for step, finite in enumerate([False, True, False, False], 1)]
    assert [f and f.step for f in found] == [None, None, None, 4]
    assert found[3] is not None
    assert found[3].what.startswith("the gradient of 2 steps in a row is not finite")


def test_a_watch_that_was_saved_counts_on() -> None:
    import json

    values: list[float | None] = [0.9, 0.2, 0.9, 0.2, 0.2, 0.1]
    whole = Watch(options(entropy={"share": 0.5, "window": 2, "patience": 2}))
    expected = feed(whole, "entropy", values)
    first = Watch(whole.options)
    feed(first, "entropy", values[:4])
    second = Watch(whole.options, json.loads(json.dumps(first.memory)))
    found = [f for step in (5, 6) for f in second.on_metrics(step, {"entropy": values[step - 1]})]
    assert [f.record() for f in found] == [f.record() for f in expected]
    assert len(found) == 1


def test_a_quiet_run_fires_nothing() -> None:
    watch = Watch(
        options(
            false_calls={"rise": 0.1},
            strict={"fall": 0.05},
            zero_variance={"above": 0.8},
            entropy={"share": 0.3},
            length={"share": 0.5},
            clipped={"above": 0.3},
            drift={"above": 0.1},
        )
    )
    fired = []
    for step in range(1, 101):
        row = {METRICS["zero_variance"]: 0.4, "entropy": 0.3, METRICS["length"]: 50.0 - step / 10}
        fired += watch.on_metrics(step, {**row, METRICS["clipped"]: 0.02, METRICS["drift"]: 0.03})
        fired += [x for x in [watch.on_gradient(step, True)] if x]
        if step % 10 == 1:
            fired += watch.on_look(look(step, 0.4 + step / 1000, 0.25))
    assert fired == []


@pytest.mark.parametrize(
    ("guards", "message"),
    [
        ({"strict": {}}, "strict.fall: missing, expected a number"),
        ({"strict": {"fall": 3}}, "strict.fall: got 3, expected a number between 0 and 1"),
        ({"entropy": {"window": 5}}, "entropy: give a share, below, or both"),
        ({"clipped": {"above": 0.5, "action": "halt"}}, "expected one of stop, lower_lr"),
        ({"clipped": {"above": 0.5, "factor": 1}}, "clipped.factor: got 1, expected a number above 0 and below 1"),
        ({"drift": {"above": 0.1, "patience": 0}}, "drift.patience: got 0, expected 1 or more"),
        ({"falsecalls": {"rise": 0.1}}, "Did you mean false_calls?"),
    ],
)
def test_a_wrong_guard_is_told(guards: dict[str, Any], message: str) -> None:
    assert any(message in line for line in mistakes(**guards)), mistakes(**guards)


def test_what_a_run_cannot_watch_is_told() -> None:
    both = options(false_calls={"rise": 0.1}, clipped={"above": 0.5})
    assert len(both.mistakes(kind="warmup", looks=False)) == 2
    assert [x.partition(":")[0] for x in both.mistakes(kind="grpo", looks=False)] == ["guards.false_calls"]
    assert both.mistakes(kind="grpo", looks=True) == []


@pytest.mark.parametrize("config", ["config.json", "adapter_config.json"])
def test_the_report_names_the_model_that_was_selected(tmp_path: Path, config: str) -> None:
    """An adapter's run keeps the adapter alone: that is a model as well."""
    from rlvr.training.guards import stop_error
    from rlvr.training.run_folder import RunFolder

    folder = RunFolder(tmp_path / "run")
    folder.final.mkdir(parents=True)
    folder.record(selected={"step": 4, "strict": 0.5})
    firing = Firing("entropy", 9, 0.01, 0.02, "stop", 1.0, "entropy 0.01 is below 0.02")
    assert "Selected so far" not in str(stop_error(firing, folder))
    (folder.final / config).write_text("{}")
    assert f"Selected so far: step 4 (strict score 0.500), in {folder.final}." in str(stop_error(firing, folder))
