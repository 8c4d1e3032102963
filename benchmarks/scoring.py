"""Completions scored a second: 1,000 synthetic completions, four components that share one parse.

The completions belong to 125 examples of the built-in generator, 8 each, as a GRPO batch has them: the right calls,
with reasoning before them, with an invented argument, under another name, one call too many, cut markup, a refusal,
chatter.
Every repetition scores examples that were not scored before, so that no cache of ours is warm. The yardstick is
`json.loads` of the same texts, as JSON strings, on the same machine and in the same run. Left out: tokenizers, and
everything of the trainer's.

    python benchmarks/scoring.py --repeat 7
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from typing import Any

from rlvr.data.generator import generate
from rlvr.parsers import get_parser
from rlvr.rewards import load_composition
from rlvr.types import Example, ToolCall

COMPLETIONS, GROUP = 1000, 8
REFUSAL = "I'm sorry, but none of the available functions can do that."


def variants(example: Example) -> list[str]:
    """Eight completions, from right to useless."""
    render = get_parser("hermes").render
    calls = [c.canonical() for c in example.ground_truth] or [ToolCall(example.tools[0].name, {})]
    right = render(calls)
    wrong = render([ToolCall(c.name, {**c.arguments, "note": "invented"}) for c in calls])
    return [
        right,
        f"<think>\nThe user wants something done, and {calls[0].name} fits.\n</think>\n{right}",
        wrong,
        render([ToolCall(c.name + "_now", c.arguments) for c in calls]),
        render([*calls, calls[0]]),
        right[: len(right) * 2 // 3],
        REFUSAL,
        f"Sure, let me take care of that for you right away. {right} Tell me if you need anything else.",
    ]


def batch(seed: int) -> tuple[list[str], dict[str, list[Any]]]:
    """Completions, and the columns a trainer passes beside them; both of length `COMPLETIONS`."""
    completions: list[str] = []
    columns: dict[str, list[Any]] = {"tools": [], "ground_truth": [], "expects": [], "lang": []}
    for example in itertools.islice(generate("train", COMPLETIONS, seed), COMPLETIONS // GROUP):
        completions += variants(example)
        columns["tools"] += [json.dumps([t.to_json() for t in example.tools])] * GROUP
        columns["ground_truth"] += [json.dumps([c.to_json() for c in example.ground_truth])] * GROUP
        columns["expects"] += [example.expects] * GROUP
        columns["lang"] += [example.lang] * GROUP
    return completions, columns


def timed(seed: int) -> tuple[float, float, int]:
    """Seconds of scoring one batch, seconds of `json.loads` of its texts, and its characters."""
    completions, columns = batch(seed)
    rewards = load_composition("function_calling", stage="stage2").reward_functions()
    texts = [json.dumps(c) for c in completions]
    start = time.perf_counter()
    for reward in rewards:
        reward(completions, **columns)
    between = time.perf_counter()
    for text in texts:
        json.loads(text)
    return between - start, time.perf_counter() - between, sum(map(len, completions))


def main() -> int:
    parser = argparse.ArgumentParser(description="Completions scored a second.")
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="batches to score (default: 7)")
    repeat = parser.parse_args().repeat
    timed(seed=0)  # loads YAML and jsonschema; not counted
    runs = [timed(seed) for seed in range(1, repeat + 1)]
    scored, loaded = (statistics.median(r[i] for r in runs) for i in (0, 1))
    mean = statistics.mean(r[2] for r in runs) / COMPLETIONS
    print(f"{COMPLETIONS} completions of {mean:.0f} characters on average, median of {repeat} batches")
    print(f"  four components  {COMPLETIONS / scored:12,.0f} completions/s  ({scored * 1e6 / COMPLETIONS:.0f} µs each)")
    print(f"  json.loads       {COMPLETIONS / loaded:12,.0f} texts/s")
    print(f"  ratio            {statistics.median(s / j for s, j, _ in runs):12.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
