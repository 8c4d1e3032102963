"""Completions scored a second: raw text to all four components, schema validation included, on one core.

The completions are right and wrong ones, mixed as the mutations of `bfcl_mutations` make them: groups of 8 for each of
125 examples, as a GRPO batch has them. Every round has new examples and new texts, and every row strings of its own, as
a trainer's columns have. The yardstick parses the same texts with a bare regular expression and `orjson`, in the same
run; it knows no truth. Time is processor time of this process, so that other work on the machine matters less.

Two figures: with examples that were met before (in an earlier epoch, with other completions), and with examples that
are new, where the tools are read, their schemas compiled and the ground truth checked for every group. The last lines
are completions of 1 MB, and of the longest length that is parsed at all, made to be slow.

    python benchmarks/scoring.py                   the built-in generator's examples
    python benchmarks/scoring.py --rows bfcl       BFCL's, where against_bfcl.py fetched them
    python benchmarks/scoring.py --hostile         the last lines alone

`orjson` goes into a folder of its own under `benchmarks/.cache` on the first run. Left out: tokenizers, and everything
of the trainer's.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import itertools
import json
import random
import re
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bfcl_mutations.base import Call, drawn_answers
from bfcl_mutations.kinds import KINDS
from bfcl_mutations.official import DEFAULT_VENV, SETS, Row, rows
from hostile import EXAMPLE, HOSTILE, written_in

from rlvr.data.generator import generate
from rlvr.data.sources.bfcl import to_example
from rlvr.errors import DataError
from rlvr.parsers import PARSERS, get_parser
from rlvr.parsers.base import MAX_CHARS
from rlvr.rewards import build_context, load_composition
from rlvr.types import Example, ToolCall, gold_calls_from_json

EXAMPLES, GROUP = 125, 8
CACHE = Path(__file__).with_name(".cache")
BLOCK = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
MEGABYTE = 1_000_000
MOST_SECONDS, MOST_MEMORY = 0.1, 50_000_000

Batch = tuple[list[str], dict[str, list[Any]]]
"""Completions, and the columns that a trainer passes beside them."""


def orjson_loads() -> Callable[[str], Any]:
    """The yardstick's parser: as it is installed, else out of a folder of its own, which is filled on the first run."""
    folder = CACHE / "orjson"
    if importlib.util.find_spec("orjson") is None:
        if not folder.exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            if subprocess.run([*pip, "--target", str(folder), "orjson"], check=False).returncode:
                raise SystemExit("orjson is the yardstick, and cannot be installed here: pip install orjson")
        sys.path.append(str(folder))
    import orjson

    loads: Callable[[str], Any] = orjson.loads
    return loads


def generated(seed: int) -> Iterator[tuple[Example, Row, Callable[[random.Random], list[Call]]]]:
    """Calling examples of the built-in generator; the mutations start from their ground truth."""
    for example in generate("train", 10 * EXAMPLES, seed):
        if example.ground_truth:
            calls = [call.canonical().to_json() for call in example.ground_truth]
            functions = [tool.to_json() for tool in example.tools]
            row = Row(example.id, "generator", {"function": functions}, {"ground_truth": []})
            yield example, row, lambda _, calls=calls: calls  # type: ignore[misc]


def published(seed: int) -> Iterator[tuple[Example, Row, Callable[[random.Random], list[Call]]]]:
    """Rows of BFCL's eight Python single-turn sets; the mutations start from drawn answers."""
    package = next(iter(sorted(DEFAULT_VENV.glob("lib/python3*/site-packages/bfcl_eval"))), None)
    if package is None:
        raise SystemExit("BFCL's rows are not there: run benchmarks/against_bfcl.py first.")
    found = [row for name in SETS for row in rows(package, name)]
    random.Random(seed).shuffle(found)
    for row in found:
        example = to_example(row.question, row.answer)
        try:
            build_context(example.tools, example.ground_truth)
        except DataError:
            continue  # a ground truth that breaks its own schema is no training example
        yield example, row, lambda rng, row=row: drawn_answers(row, rng)  # type: ignore[misc]


SOURCES = {"generator": generated, "bfcl": published}


def batch(source: str, seed: int) -> Batch:
    completions: list[str] = []
    columns: dict[str, list[Any]] = {"tools": [], "ground_truth": [], "expects": [], "lang": []}
    render = get_parser("hermes").render
    for example, row, calls in itertools.islice(SOURCES[source](seed), EXAMPLES):
        rng = random.Random(f"{seed} {example.id}")
        made: list[list[Call]] = []
        while len(made) < GROUP:
            mutated = KINDS[rng.choice(list(KINDS))](row, calls(rng), rng)
            if mutated is not None:
                made.append(mutated)
        for each in made:
            completions.append(render([ToolCall(c["name"], c["arguments"]) for c in each]))
            columns["tools"].append(json.dumps([t.to_json() for t in example.tools]))
            columns["ground_truth"].append(json.dumps([c.to_json() for c in example.ground_truth]))
            columns["expects"].append(example.expects)
            columns["lang"].append(example.lang)
    return completions, columns


def met_before(columns: dict[str, list[Any]]) -> list[str]:
    """Completions of an earlier epoch: each example's calls with no value in them, so that no text is met again."""
    render = get_parser("hermes").render
    golds = [gold_calls_from_json(json.loads(written)) for written in columns["ground_truth"]]
    return [render([ToolCall(call.name, dict.fromkeys(call.arguments)) for call in gold]) for gold in golds]


def parsed_bare(completions: list[str], loads: Callable[[str], Any]) -> None:
    for text in completions:
        for body in BLOCK.findall(text):
            loads(body)


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def speed(source: str, repeat: int) -> None:
    loads = orjson_loads()
    rewards = load_composition("function_calling", stage="stage2").reward_functions()

    def score(completions: list[str], columns: dict[str, list[Any]]) -> None:
        for reward in rewards:
            reward(completions, **columns)

    figures: dict[str, list[float]] = {"known": [], "new": [], "bare": []}
    characters = []
    for seed in range(repeat + 1):
        (new, columns), (known, known_columns) = batch(source, 2 * seed), batch(source, 2 * seed + 1)
        score(met_before(known_columns), known_columns)
        row = {
            "new": timed(lambda new=new, columns=columns: score(new, columns)),  # type: ignore[misc]
            "known": timed(lambda known=known, columns=known_columns: score(known, columns)),  # type: ignore[misc]
            "bare": timed(lambda known=known: parsed_bare(known, loads)),  # type: ignore[misc]
        }
        if seed:  # the first round loads modules and YAML
            characters.append(statistics.mean(map(len, known)))
            for name, seconds in row.items():
                figures[name].append(seconds / len(known))
    mean = statistics.mean(characters)
    print(f"{EXAMPLES * GROUP} completions a round ({source}), {mean:.0f} characters on average, median of {repeat}")
    names = {"known": "four components, examples met before", "new": "four components, new examples"}
    names["bare"] = "a regular expression and orjson"
    for name, title in names.items():
        each = statistics.median(figures[name])
        ratio = statistics.median(b / f for f, b in zip(figures[name], figures["bare"], strict=True))
        print(f"  {title:<38} {1 / each:10,.0f}/s  {each * 1e6:6.1f} µs each  ratio {ratio:.3f}")


def hostile() -> bool:
    """Whether every hostile completion, in every format, stays within its time and memory."""
    within = True
    for size in (MEGABYTE, MAX_CHARS):
        worst: list[tuple[float, int, str]] = []
        for parser in PARSERS:
            rewards = load_composition("function_calling", stage="stage2").reward_functions(parser)
            for reward in rewards:  # loads the word lists
                reward(["Hello."], tools=["[]"], ground_truth=["[]"], lang=["en"])
            # Above the size that is parsed, the format makes no difference.
            for name in HOSTILE if size <= MAX_CHARS or parser == "hermes" else ():
                worst.append((*costs(written_in(parser, name, size - 200), rewards), f"{parser}: {name}"))
        slow, big = max(worst), max(worst, key=lambda w: w[1])
        within = within and slow[0] < MOST_SECONDS and big[1] < MOST_MEMORY
        print(f"{size:,} characters, {len(worst)} hostile texts: at most {slow[0]:.3f} s ({slow[2]}), "
              f"{big[1] / 1e6:.1f} MB ({big[2]})")  # fmt: skip
    return within


def costs(text: str, rewards: list[Any]) -> tuple[float, int]:
    """Seconds and bytes of all components, on an example that wants calls and on one that wants none."""

    def score(text: str) -> None:
        for ground_truth in (EXAMPLE["ground_truth"], "[]"):
            for reward in rewards:
                reward([text], tools=[EXAMPLE["tools"]], ground_truth=[ground_truth], lang=["en"])

    seconds = timed(lambda: score(text)) / 2
    tracemalloc.start()
    score(text + " ")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak


def main() -> int:
    parser = argparse.ArgumentParser(description="Completions scored a second.")
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="rounds (default: 7)")
    parser.add_argument("--rows", choices=list(SOURCES), default="generator", help="where the examples come from")
    parser.add_argument("--hostile", action="store_true", help="only the long completions that are made to be slow")
    args = parser.parse_args()
    if not args.hostile:
        speed(args.rows, args.repeat)
    return 0 if hostile() else 1


if __name__ == "__main__":
    sys.exit(main())
