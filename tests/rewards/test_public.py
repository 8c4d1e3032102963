"""The public list, what an import loads, and the docstrings' examples."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys

import pytest

import rlvr.rewards

HEAVY = ("torch", "trl", "transformers", "datasets", "vllm", "jsonschema", "yaml", "numpy", "accelerate", "peft")
OWN = sorted(
    m.name
    for m in pkgutil.iter_modules(rlvr.rewards.__path__, "rlvr.rewards.")
    if not m.name.endswith((".matching", ".wordlists"))
)


def test_the_public_list_is_what_the_package_offers() -> None:
    listed = rlvr.rewards.__all__
    assert listed == sorted(listed)
    for name in listed:
        assert not inspect.ismodule(getattr(rlvr.rewards, name))
    offered = {
        name
        for name, value in vars(rlvr.rewards).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }
    assert offered == set(listed)


def test_names_that_a_module_shares_are_the_functions() -> None:
    from rlvr.rewards import judge, score

    for module in ("rlvr.rewards.score", "rlvr.rewards.judge"):
        importlib.import_module(module)
    assert rlvr.rewards.score is score
    assert callable(score)
    assert rlvr.rewards.judge is judge
    assert callable(judge)


def test_an_import_loads_nothing_heavy() -> None:
    """How long it takes is measured by `benchmarks/import_time.py`."""
    code = "import json, sys; import rlvr.rewards; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(json.loads(done.stdout)) & set(HEAVY)


@pytest.mark.parametrize("name", [*OWN, "rlvr.rewards.wordlists"])
def test_the_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    found = [t for name in OWN for t in finder.find(importlib.import_module(name)) if t.examples]
    assert len(found) > 12
    public = {t.name.rsplit(".", 1)[-1] for t in found}
    assert {"format_reward", "correctness_reward", "refusal_reward", "efficiency_reward", "score"} <= public


@pytest.mark.parametrize("component", ["format", "correctness", "refusal", "efficiency"])
def test_a_rewards_docstring_says_everything_in_its_order(component: str) -> None:
    module = importlib.import_module(f"rlvr.rewards.{component}")
    text = inspect.getdoc(getattr(module, f"score_{component}")) or ""
    places = [
        text.find(p) for p in ("Formula:", "Range:", "Earns the most:", "Not checked:", "exploit to try first", ">>>")
    ]
    assert -1 not in places
    assert places == sorted(places)
    assert places[0] > 0
