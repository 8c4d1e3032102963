"""What `import rlvr.rewards` costs beyond a bare Python.

Two fresh processes after each other, bare and importing, N times; printed are the medians over the pairs, in
milliseconds of the wall clock and of processor time, and the ratio. Left out: the first scoring call, which reads YAML
and builds JSON Schema validators (`scoring.py` warms up first).

    python benchmarks/import_time.py --pairs 21
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

LIMIT_MS = 150.0


def milliseconds(code: str) -> tuple[float, float]:
    """Run `code` in a fresh Python: (wall clock, processor time) in ms."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    wall, after = time.perf_counter() - start, os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return wall * 1000, used * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description="Time `import rlvr.rewards` against bare Python.")
    parser.add_argument("--pairs", type=int, default=15, metavar="N", help="pairs of fresh processes (default: 15)")
    pairs = parser.parse_args().pairs
    milliseconds("import rlvr.rewards")  # writes the .pyc files
    measured = [(milliseconds("pass"), milliseconds("import rlvr.rewards")) for _ in range(pairs)]
    print(f"import rlvr.rewards, {pairs} pairs of fresh processes, medians")
    for index, clock in enumerate(("wall clock", "processor time")):
        bare = statistics.median(b[index] for b, _ in measured)
        more = statistics.median(i[index] - b[index] for b, i in measured)
        print(f"  {clock:<15} bare {bare:6.1f} ms, rlvr.rewards +{more:6.1f} ms, ratio {(bare + more) / bare:.2f}")
    extra = statistics.median(i[0] - b[0] for b, i in measured)
    print(f"  {'within' if extra < LIMIT_MS else 'ABOVE'} the limit of {LIMIT_MS:.0f} ms more (wall clock)")
    return 0 if extra < LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
