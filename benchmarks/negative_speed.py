"""How long 46,000 negatives of 71,000 positives take, in one process or, as `rlvr data build` makes them, in several.

    python benchmarks/negative_speed.py                                    # examples of the built-in generator
    python benchmarks/negative_speed.py --data ../shared/data --jobs 2     # real rows, and the MCP servers as donors

The rows are repeated under new ids until there are enough. Repeated rows would meet tools that were met before; so each
repetition's tools get a word of their own in their description (`--same-tools` leaves them as they are, as where a
source offers the same tools again and again). Reading the rows is not timed; with several jobs, starting them is, and
each takes its part of the rows. The peak of resident memory includes the rows, and is that of the largest process.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from negative_labels import read_parents, read_tool_sets  # the script beside this one

from rlvr.data.generator import generate
from rlvr.negatives import NegativeOptions, Tally, ToolSet, synthesize
from rlvr.types import Example, Tool

ROWS_BEFORE_REPEATING = 6_000


def repeated(rows: Sequence[Example], count: int, *, same_tools: bool) -> Iterator[Example]:
    for number in range(count):
        turn, at = divmod(number, len(rows))
        row = rows[at]
        tools = row.tools if same_tools or not turn else tuple(_renamed(t, turn) for t in row.tools)
        yield dataclasses.replace(row, id=f"{row.id}~{turn}", tools=tools)


def _renamed(tool: Tool, turn: int) -> Tool:
    return Tool(tool.name, f"{tool.description} Edition{turn}.", tool.parameters)


@dataclasses.dataclass(frozen=True)
class Done:
    """What one process made, its processor time in seconds and its peak of resident memory in MiB."""

    made: int
    busy: float
    peak: float
    tally: Tally


def work(positives: Sequence[Example], count: int, twins: bool, servers: Sequence[ToolSet]) -> Done:
    options = NegativeOptions(count=count, parents=len(positives), twins=twins)
    tally = Tally()
    start = time.process_time()
    made = sum(1 for _ in synthesize(positives, options, servers, tally=tally))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Done(made, time.process_time() - start, peak, tally)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with real rows and MCP servers")
    parser.add_argument("--positives", type=int, default=71_000)
    parser.add_argument("--negatives", type=int, default=46_000)
    parser.add_argument("--same-tools", action="store_true")
    parser.add_argument("--twins", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    servers: list[ToolSet] = []
    if given.data:
        rows, servers = read_parents(given.data), list(read_tool_sets(given.data))
    else:
        rows = [e for e in generate("train", ROWS_BEFORE_REPEATING, 0) if e.ground_truth]
    positives = list(repeated(rows, given.positives, same_tools=given.same_tools))
    size = -(-len(positives) // given.jobs)
    parts = [positives[i : i + size] for i in range(0, len(positives), size)]
    todo = [(part, round(given.negatives * len(part) / len(positives)), given.twins, servers) for part in parts]
    start = time.perf_counter()
    if given.jobs == 1:
        done = [work(*todo[0])]
    else:
        with multiprocessing.get_context("fork").Pool(given.jobs) as pool:
            done = pool.starmap(work, todo)
    wall = time.perf_counter() - start
    made, busy, peak = sum(d.made for d in done), sum(d.busy for d in done), max(d.peak for d in done)
    tally = Tally()
    for one in done:
        tally.made.update(one.tally.made)
        tally.refused.update(one.tally.refused)
    print(f"{len(rows)} rows, {len(positives)} positives, {len(servers)} servers, {given.jobs} jobs")
    print(f"{made} examples made, {dict(tally.made)}")
    print(f"{wall:.1f} s ({busy:.1f} s of one core in all), {made / wall:.0f}/s, at most {peak:.0f} MiB")
    for (kind, why), count in tally.refused.most_common(12):
        print(f"  {count:7} {kind}: {why}")


if __name__ == "__main__":
    main()
