"""The pytest plugin on rewards of a user's own, run by pytest itself in an empty folder."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from rlvr.testing import RewardContract, check_reward

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parents[2]
# Installed before there was the entry point, rlvr brings its plugin by module; pytest takes it only once.
REGISTERED = any(e.name == "rlvr" for e in entry_points(group="pytest11"))
PLUGIN = (*(() if REGISTERED else ("-p", "rlvr.testing.plugin")), "-p", "no:cacheprovider")

GOOD = """
    from rlvr.rewards import score

    def reward(completions, *, tools, ground_truth, expects, lang, **kwargs):
        rows = zip(completions, tools, ground_truth, expects, lang)
        return [float(score(c, tools=t, ground_truth=g, expects=e, lang=l).right) for c, t, g, e, l in rows]
"""
NAIVE = """
    import json

    def reward(completions, *, ground_truth, **kwargs):
        scores = []
        for completion, gold in zip(completions, map(json.loads, ground_truth)):
            names = [call["name"] for call in gold]
            scores.append(float(all(name in completion for name in names)))
        return scores
"""
CLASS = """
    from rlvr.testing import RewardContract
    from mine import reward

    class TestMine(RewardContract):
        reward = staticmethod(reward)
        skip = ["very_long"]
"""
FIXTURE = """
    from mine import reward

    def test_mine(audit_reward):
        audit_reward(reward, skip=["very_long"])
"""


@pytest.fixture
def mine(pytester: pytest.Pytester, request: pytest.FixtureRequest) -> pytest.Pytester:
    pytester.makepyfile(mine=request.param)
    pytester.syspathinsert()
    return pytester


@pytest.mark.parametrize("mine", [GOOD], indirect=True)
def test_a_good_reward_passes_every_clause(mine: pytest.Pytester) -> None:
    mine.makepyfile(test_mine=CLASS)
    result = mine.runpytest_subprocess(*PLUGIN, "-v")
    result.assert_outcomes(passed=9)
    for name in (
        "test_finite",
        "test_deterministic",
        "test_batch_independent",
        "test_permutation_invariant",
        "test_leaves_its_inputs_alone",
        "test_none_depends_on_the_example_alone",
        "test_fast_enough",
        "test_ground_truth_is_the_unique_maximum",
        "test_right_completions_are_paid",
    ):
        result.stdout.fnmatch_lines([f"*TestMine::{name} PASSED*"])


@pytest.mark.parametrize("mine", [NAIVE], indirect=True)
def test_a_naive_reward_fails_where_it_is_wrong_and_says_how(mine: pytest.Pytester) -> None:
    mine.makepyfile(test_mine=CLASS)
    result = mine.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(passed=8, failed=1)
    result.stdout.fnmatch_lines(["*FAILED test_mine.py::TestMine::test_ground_truth_is_the_unique_maximum*"])
    result.stdout.fnmatch_lines(["*findings in * families*false reward: a wrong completion earns as much*"])
    result.stdout.fnmatch_lines(["*junk_calls (the right calls, then nine of no use), example simple-en-days:*"])


@pytest.mark.parametrize("mine", [GOOD], indirect=True)
def test_one_fixture_does_the_same(mine: pytest.Pytester) -> None:
    mine.makepyfile(test_mine=FIXTURE)
    mine.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


@pytest.mark.parametrize("mine", [NAIVE], indirect=True)
def test_the_fixture_fails_with_the_report(mine: pytest.Pytester) -> None:
    mine.makepyfile(test_mine=FIXTURE)
    result = mine.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["reward: * false rewards, 0 missed rewards, 0 broken contract in *"])
    assert "Traceback" not in result.stdout.str()


def test_an_own_file_of_examples_and_a_composition(pytester: pytest.Pytester) -> None:
    pytester.makefile(
        ".jsonl",
        data='{"tools": [{"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, '
        '"required": ["a"]}}], "ground_truth": [{"name": "f", "arguments": {"a": 1}}], "query": "Do f with one."}',
    )
    pytester.makepyfile(
        """
        from rlvr.testing import RewardContract

        class TestMine(RewardContract):
            reward = "function_calling"
            stage = "stage2"
            examples = "data.jsonl"

        class TestCard(TestMine):
            reward = "function_calling_card"

        class TestForgotten(RewardContract):
            only = ["empty"]

            def test_finite(self): ...
        """
    )
    result = pytester.runpytest_subprocess(*PLUGIN, "-k", "TestMine or TestCard or unique")
    result.assert_outcomes(passed=17, failed=2)
    result.stdout.fnmatch_lines(["*TestForgotten.reward is not set: reward = staticmethod(my_reward)*"])
    result.stdout.fnmatch_lines(["*FAILED *TestCard::test_right_completions_are_paid*"])


def test_a_reward_that_applies_nowhere_fails(pytester: pytest.Pytester) -> None:
    """A misspelt column: None for every example, which a trainer adds as 0."""
    pytester.makepyfile(
        """
        from rlvr.testing import RewardContract

        class TestMine(RewardContract):
            only = ["empty", "wrong_value"]

            def reward(completions, **kwargs):
                return [None] * len(completions)

            reward = staticmethod(reward)
        """
    )
    result = pytester.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(passed=8, failed=1)
    result.stdout.fnmatch_lines(["*FAILED *TestMine::test_none_depends_on_the_example_alone*"])


def test_check_reward_raises_with_the_report() -> None:
    assert check_reward("function_calling", stage="stage2", only=["empty", "reasoned"]).clean
    with pytest.raises(AssertionError, match="missed rewards: "):
        check_reward("function_calling_card", stage="stage2", only=["wrong_value", "reasoned"])


def test_the_class_is_no_test_by_itself() -> None:
    assert RewardContract.reward is None
    assert not RewardContract.__name__.startswith("Test")


def test_the_plugin_is_an_entry_point_and_loads_nothing() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"rlvr": "rlvr.testing.plugin"}
    code = "import sys, rlvr.testing.plugin; print([m for m in sys.modules if m.startswith('rlvr.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['rlvr.testing.contract', 'rlvr.testing', 'rlvr.testing.plugin']"
