"""Long completions that are made to be slow: time grows with the length alone, and memory stays small.

The families stand in `benchmarks/hostile.py`; `benchmarks/scoring.py --hostile` measures the longest.
"""

from __future__ import annotations

import gc
import importlib
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from rlvr.parsers import PARSERS
from rlvr.parsers.base import MAX_CHARS
from rlvr.rewards import load_composition

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
REWARDS = load_composition("function_calling", stage="stage2").reward_functions()


def _hostile() -> Any:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module("hostile")
    finally:
        sys.path.remove(str(BENCHMARKS))


H = _hostile()


def seconds(text: str, rewards: Any = REWARDS) -> float:
    """Processor time of all four components on both examples: one that wants calls, one that wants none."""
    gc.disable()  # else what other tests left on the heap is walked again and again, the more the longer the text
    try:
        start = time.process_time()
        for ground_truth in (H.EXAMPLE["ground_truth"], "[]"):
            scores = [f([text], tools=[H.EXAMPLE["tools"]], ground_truth=[ground_truth], lang=["en"]) for f in rewards]
            assert all(s is None or -1 <= s <= 1 for (s,) in scores)
        return time.process_time() - start
    finally:
        gc.enable()


def test_there_are_many_families() -> None:
    assert len(H.HOSTILE) >= 25
    for name, make in H.HOSTILE.items():
        assert 2_500 < len(make(4_000)) <= 4_200, name


@pytest.mark.parametrize("name", list(H.HOSTILE))
def test_time_grows_with_the_length_alone(name: str) -> None:
    make = H.HOSTILE[name]
    seconds(make(2_000))  # what is loaded or compiled once
    short, long = (min(seconds(make(n) + " " * k) for k in range(2)) for n in (20_000, 160_000))
    # Eight times the length; quadratic would take 64 times as long.
    assert long < 24 * short + 0.02


@pytest.mark.parametrize("name", list(H.HOSTILE))
@pytest.mark.parametrize("size", [MAX_CHARS, 1_000_000])
def test_a_long_completion_takes_little_memory(name: str, size: int) -> None:
    text = H.HOSTILE[name](size - 200)
    seconds(text[:100])
    tracemalloc.start()
    try:
        seconds(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000


@pytest.mark.slow
@pytest.mark.parametrize("parser", [name for name in PARSERS if name != "hermes"])
def test_the_same_calls_in_another_format_take_no_more(parser: str) -> None:
    rewards = load_composition("function_calling", stage="stage2").reward_functions(parser)
    for name in H.HOSTILE:
        text = H.written_in(parser, name, MAX_CHARS - 200)
        assert len(text) <= MAX_CHARS
        tracemalloc.start()
        try:
            seconds(text + " ", rewards)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 50_000_000, name
        taken = min(seconds(text + " " * k, rewards) for k in range(2))
        assert taken < 0.6, name  # of two examples; the benchmark holds the limit, this no more than an order of size
