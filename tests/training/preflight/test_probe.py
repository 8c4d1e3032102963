"""What a probe of known completions is said to show: no variance, dead components, refusals, the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlvr.training.preflight.advantages import GDPO, SUM
from rlvr.training.preflight.groups import check_groups
from rlvr.training.preflight.probe import chosen, take_probe
from rlvr.training.preflight.refusals import BreakEven, check_refusals
from rlvr.training.preflight.serving import check_serving_of

Make = Callable[..., Any]


@pytest.fixture
def probed(scene_of: Make, saying: Any) -> Make:
    """The scene and the probe of a recipe whose completions are `say(query, i)`."""

    def make(say: Callable[[str, int], str], *overrides: str, prompts: int = 6, **recipe: Any) -> tuple[Any, Any]:
        scene = scene_of(*overrides, **recipe)
        return scene, take_probe(scene, saying(scene, say), prompts=prompts)

    return make


def of(findings: Any) -> dict[str, Any]:
    return {f.check: f for f in findings}


def mixed(answers: Any) -> Callable[[str, int], str]:
    """Right, reasoned and right, a wrong value, a refusal: groups that vary in every component."""

    def say(query: str, i: int) -> str:
        right = answers.right(query)
        wrong = answers.CALL.format(city="Nowhere", days=1)
        return (right, f"<think>Let me see.</think>\n{right}", wrong, answers.REFUSAL + " But the answer is 42.")[i]

    return say


def test_a_healthy_probe_is_silent(probed: Make, answers: Any) -> None:
    scene, probe = probed(mixed(answers))
    findings = [*check_groups(scene, probe), *check_refusals(scene, probe), *check_serving_of(scene, probe)]
    assert [f for f in findings if f.severity != "note"] == []
    assert len(findings) == 6


def test_the_probe_keeps_the_mixture_and_its_seed(scene_of: Make) -> None:
    scene = scene_of(calls=30, words=6)
    places = chosen(scene, 6, seed=3)
    assert places == chosen(scene, 6, seed=3) != chosen(scene, 6, seed=4)
    assert [scene.rendered.examples[i].id.partition("-")[0] for i in places].count("none") == 1
    assert len(chosen(scene, 100, seed=3)) == 36


def test_groups_without_variance(probed: Make, answers: Any) -> None:
    """Everybody right every time: nothing to learn."""
    scene, probe = probed(lambda query, i: answers.right(query))
    found = of(check_groups(scene, probe))
    assert found["groups without variance"].severity == "warning"
    assert found["groups without variance"].figures["without_variance"] == 6
    assert found["groups without variance"].change.startswith("Harder rows")
    assert found["components"].severity == "note", "what is mastered is not dead"


def test_a_model_that_calls_nothing(probed: Make) -> None:
    scene, probe = probed(lambda query, i: "Hello there.")
    found = of(check_groups(scene, probe))
    assert "warm-up first" in found["groups without variance"].change
    assert found["dead components"].severity == "warning"
    assert found["dead components"].found.startswith("no group varies in format and correctness,")


def test_one_dead_component_beside_living_ones(probed: Make, answers: Any) -> None:
    """Calls are broken or whole, so that format varies; none is ever right, so that correctness does not."""
    whole = '<tool_call>\n{"name": "sendNote", "arguments": {"text": "x"}}\n</tool_call>'
    texts = (whole, "<tool_call>{broken</tool_call>", "Hm.", "")
    scene, probe = probed(lambda query, i: texts[i], words=0)
    found = of(check_groups(scene, probe))
    assert found["dead components"].found.startswith("no group varies in correctness,")
    assert found["dead components"].figures["format"]["varied"] == 6
    assert found["groups without variance"].severity == "note"


def test_completions_that_are_cut(probed: Make, answers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, probe = probed(mixed(answers))
    cut = [m.generation for m in probe.members]
    for generation in cut[: len(cut) // 2 + 1]:
        object.__setattr__(generation, "truncated", True)
    found = of(check_groups(scene, probe))["truncated"]
    assert found.severity == "warning"
    assert found.figures["truncated"] == len(cut) // 2 + 1


def composition(path: Path) -> str:
    """By the plain sum right is above wrong here; scaled one by one, efficiency outweighs it."""
    path.write_text(
        "name: tight\ndescription: Efficiency weighs much.\nmatching: typed\n"
        "components: {format: {}, correctness: {}, refusal: {}, efficiency: {}}\n"
        "stages:\n  stage1:\n    weights: {format: 0.2, correctness: 1.0, efficiency: 1.2, refusal: 1.0}\n"
        "    efficiency: {reasoning_penalty: 0.3}\n"
    )
    return str(path)


@pytest.mark.parametrize(("aggregation", "warns"), [(SUM, False), (GDPO, True)])
def test_an_aggregation_that_pays_wrong_above_right(
    aggregation: str, warns: bool, probed: Make, answers: Any, tmp_path: Path
) -> None:
    """One right completion that reasons, seven that are near and do not."""

    def say(query: str, i: int) -> str:
        right = answers.right(query)
        if query.startswith("Book"):
            return right
        return f"<think>Let me see.</think>\n{right}" if i == 0 else right.replace('"days": ', '"days": 9')

    scene, probe = probed(
        say,
        f"composition={composition(tmp_path / 'tight.yaml')}",
        f"trl.multi_objective_aggregation={aggregation}",
        "trl.num_generations=8",
    )
    found = of(check_groups(scene, probe))["advantages"]
    calling = len(probe.calling)
    assert found.figures["pairs"] == 7 * calling
    # Right: 0.2 + 1 - 0.36 = 0.84; near: 0.2 + 0.25 + 0.12 = 0.57. GDPO: one outlier of eight is 2.47 deviations off,
    # in correctness upwards with weight 1, in efficiency downwards with weight 1.2.
    assert found.figures["inverted"][GDPO] == 7 * calling
    assert found.figures["inverted"][SUM] == 0
    assert found.severity == ("warning" if warns else "note")


def test_refusing_pays_for_a_weak_model(probed: Make, answers: Any) -> None:
    """Nine in ten rows want a refusal, and the model calls always, and wrongly."""
    wrong = answers.CALL.format(city="Nowhere", days=1)
    scene, probe = probed(lambda query, i: wrong, "stage=stage2", calls=2, words=18)
    [found] = check_refusals(scene, probe)
    assert found.severity == "warning"
    assert found.figures["no_call"] == 0.9
    assert found.figures["pass_rate_needed"] > 1
    scene, probe = probed(lambda query, i: wrong, "stage=stage2", calls=18, words=2)
    [found] = check_refusals(scene, probe)
    assert found.severity == "note"


def test_a_model_that_tells_them_apart_may_have_many_refusals(probed: Make, answers: Any) -> None:
    wrong = answers.CALL.format(city="Nowhere", days=1)
    scene, probe = probed(
        lambda query, i: answers.REFUSAL if query.startswith("Book") else wrong, "stage=stage2", calls=2, words=18
    )
    [found] = check_refusals(scene, probe)
    assert found.figures["tells_apart"] == 1.0
    assert found.severity == "note"


def test_the_break_even_of_the_docs() -> None:
    """docs/training.md: s* = c / (c + r). By hand: right 0.7, wrong -0.7, refused -1, refusal 0.5, call beside -1.3;
    p = 0.5: c = 0 + 1 = 1, r = 1.8, s* = 0.357. At s = 0.5, c must be 1.8: p* = (1.8 + 0.7 - 1) / 1.4 = 1.071."""
    even = BreakEven(right=0.7, wrong=-0.7, refused=-1.0, refusal=0.5, call_beside=-1.3)
    assert even.share_of_refusals(0.5) == pytest.approx(1 / 2.8)
    assert even.pass_rate(0.5) == pytest.approx(1.5 / 1.4)


def test_calls_inside_the_reasoning_are_what_a_server_would_run(probed: Make, answers: Any) -> None:
    def say(query: str, i: int) -> str:
        return f"<think>I call {answers.right(query)}</think>\nDone." if i == 0 else answers.right(query)

    scene, probe = probed(say, prompts=12)
    [found] = check_serving_of(scene, probe)
    assert found.severity == "warning"
    assert found.figures == {"server": "--tool-call-parser hermes", "differing": 8, "completions": 48}
    scene, probe = probed(say, "serving.reasoning_parser=deepseek_r1", prompts=12)
    [found] = check_serving_of(scene, probe)
    assert found.figures["differing"] == 36, "without </think> all of it is reasoning there"


def test_a_reward_function_of_the_users_own_is_called_as_a_trainer_calls_it(
    probed: Make, answers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(
        "async def length(completions, **columns):\n"
        "    assert len(columns['completion_ids']) == len(columns['tools']) == len(completions)\n"
        "    return [float(len(c)) for c in completions]\n"
    )
    path = tmp_path / "own.yaml"
    path.write_text(
        "name: own\ndescription: One of mine.\nmatching: typed\ncomponents: {format: {}}\n"
        f"functions: {{length: {{function: '{tmp_path / 'mine.py'}:length'}}}}\n"
        "stages: {stage1: {weights: {format: 1.0, length: 0.1}}}\n"
    )
    _, probe = probed(mixed(answers), f"composition={path}")
    assert probe.names == ("format", "length")
    assert [m.scores[1] for m in probe.members] == [len(m.generation.text) for m in probe.members]
