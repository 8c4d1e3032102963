"""What deduplication finds, how fast, and what it keeps in memory.

    python benchmarks/duplicates.py                            both parts
    python benchmarks/duplicates.py --rows 100000,400000,1500000
    python benchmarks/duplicates.py --random-keys --rows …     memory and look-up alone, with random keys: quick
    python benchmarks/duplicates.py --truth                    the first part alone

Truth: the rows of `../shared/data` (`train_real`, `train_sgd`, `nocall_real`), in order. Which rows are near duplicates
of one that stayed is worked out by comparing all pairs of sets, and held against what the band table dropped.

Memory: made rows (a query of 8 to 40 words, 1 to 6 tools; one in fifty again with one word changed), until so many
stayed. Resident memory is that of this process above what it had before the first row. Time is processor time of this
process: `key` can run in many processes, `look-up` runs in one. Both filters run: exact duplicates, then near ones.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rlvr.data.filters import ExactDuplicates, NearDuplicates
from rlvr.data.filters.near_duplicates import shingles
from rlvr.data.sources.jsonl import read_jsonl
from rlvr.types import Example, GoldCall, Tool

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
FILES = ("train_real.jsonl.gz", "train_sgd.jsonl.gz", "nocall_real.jsonl.gz")


def truth(threshold: float) -> None:
    rows = [example for name in FILES for example in read_jsonl(SHARED / name)]
    sets = [frozenset(shingles(e)) for e in rows]
    keep = NearDuplicates(threshold)
    stayed: list[int] = []
    right = missed = wrong = 0
    worst = 1.0
    for place, example in enumerate(rows):
        best = max((len(sets[place] & sets[s]) / len(sets[place] | sets[s]) for s in stayed), default=0.0)
        dropped = keep.why_not(example) is not None
        right += dropped and best >= threshold
        missed += not dropped and best >= threshold
        wrong += dropped and best < threshold
        worst = min(worst, best) if dropped else worst
        if not dropped:
            stayed.append(place)
    print(f"{len(rows)} rows, threshold {threshold}: {right + missed} are near duplicates of one that stayed")
    print(f"  found {right}, missed {missed}; dropped below the threshold {wrong} (the least similar: {worst:.3f})")


def made(seed: int) -> Iterator[Example]:
    """Rows without end, the same for a seed."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 10))) for _ in range(30_000)]
    parameters = [{w: {"type": "string"} for w in rng.sample(words, rng.randint(1, 5))} for _ in range(3_000)]
    tools = [Tool(rng.choice(words), "", {"type": "object", "properties": p}) for p in parameters]
    number = 0
    while True:
        query = rng.choices(words, k=rng.randint(8, 40))
        offered = tuple(rng.sample(tools, rng.randint(1, 6)))
        for _ in range(2 if rng.random() < 0.02 else 1):
            message = {"role": "user", "content": " ".join(query)}
            yield Example(str(number), "made", "multiple", (message,), offered, (GoldCall(offered[0].name, {}),))
            query[rng.randrange(len(query))] = rng.choice(words)
            number += 1


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def memory(counts: list[int], threshold: float) -> None:
    exact, near = ExactDuplicates(), NearDuplicates(threshold)
    rows = made(0)
    for _ in range(2_000):  # the generator, caches and the packages are there
        near.key(next(rows))
    before, seen, key_seconds, look_seconds = resident_bytes(), 0, 0.0, 0.0
    print(f"{'stayed':>10} {'seen':>10} {'MiB':>8} {'bytes a row':>12} {'key rows/s':>11} {'look-up rows/s':>15}")
    for wanted in counts:
        while len(near) < wanted:
            example = next(rows)
            start = time.process_time()
            keys = exact.key(example), near.key(example)
            middle = time.process_time()
            if exact.why_not_key(keys[0]) is None:
                near.why_not_key(keys[1])
            look_seconds += time.process_time() - middle
            key_seconds += middle - start
            seen += 1
        grown = resident_bytes() - before
        print(
            f"{wanted:>10,} {seen:>10,} {grown / 2**20:>8.1f} {grown / wanted:>12.1f} "
            f"{seen / key_seconds:>11,.0f} {seen / look_seconds:>15,.0f}",
            flush=True,
        )


def random_keys(counts: list[int], threshold: float) -> None:
    """As `memory`, with keys that are drawn: no two alike, so each takes a place in every table, which is the most."""
    exact, near, rng = ExactDuplicates(), NearDuplicates(threshold), random.Random(0)
    before, look_seconds = resident_bytes(), 0.0
    print(f"{'keys':>10} {'MiB':>8} {'bytes a row':>12} {'look-up rows/s':>15}")
    for wanted in counts:
        while len(near) < wanted:
            keys = rng.randbytes(16), rng.randbytes(near.num_perm)
            start = time.process_time()
            if exact.why_not_key(keys[0]) is None:
                near.why_not_key(keys[1])
            look_seconds += time.process_time() - start
        grown = resident_bytes() - before
        print(
            f"{wanted:>10,} {grown / 2**20:>8.1f} {grown / wanted:>12.1f} {wanted / look_seconds:>15,.0f}", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="100000,400000", metavar="N,N", help="default: 100000,400000")
    parser.add_argument("--threshold", type=float, default=0.8)
    parser.add_argument("--truth", action="store_true", help="the first part alone")
    parser.add_argument("--random-keys", action="store_true", help="memory and look-up alone, with random keys")
    args = parser.parse_args()
    if args.random_keys:
        random_keys(sorted(int(n) for n in args.rows.split(",")), args.threshold)
        return
    print(f"Python {sys.version.split()[0]}")
    if SHARED.is_dir():
        truth(args.threshold)
    if not args.truth:
        memory(sorted(int(n) for n in args.rows.split(",")), args.threshold)


if __name__ == "__main__":
    main()
