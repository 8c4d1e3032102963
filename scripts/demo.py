"""The whole job on one machine without a GPU: model → data → warm-up → stage 1 → stage 2 → evaluation → report.

    make demo                                      (33 minutes of it train: the recipes' budgets)
    make demo TIMES=4                              (four times the budgets, for a slow CPU)
    .venv/bin/python scripts/demo.py --out runs/demo

Every step is a command that can be run by hand; it is printed before it runs. A step that is done is not done again,
and one that was interrupted goes on where it stopped, so the same command continues an interrupted demo.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import subprocess
import sys
import time
from pathlib import Path

STAGES = ("warmup", "stage1", "stage2")
HELD_OUT_EXAMPLES = 420
# Matrix products, in GFLOP/s, of a CPU with bf16 instructions, for which the recipes' minutes are; with half of it the
# speed is told.
BF16_SPEED = 690


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="where everything goes (default: runs/demo)"
    )
    parser.add_argument(
        "--times", type=positive, default=1.0, metavar="N", help="N times the training recipes' minutes (default: 1)"
    )
    args = parser.parse_args()
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    print(told_speed(*speed(), args.times), end="", flush=True)
    for command in commands(out, args.times):
        code = run(command, started)
        if code:
            print(f"\ndemo: this step failed (exit code {code}). Mend it and run the same command: it goes on here.")
            return code
    minutes = (time.monotonic() - started) / 60
    print(f"\n{(out / 'eval' / 'table.md').read_text(encoding='utf-8')}")
    print(f"done in {minutes:.1f} min. The report: {out / 'report' / 'report.html'}")
    return 0


def positive(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1000:
        raise argparse.ArgumentTypeError(f"got {text}, expected a number above 0 and at most 1000")
    return number


def speed() -> tuple[str, float]:
    """The number format that training takes here, and how fast it is multiplied, in GFLOP/s; endless on a GPU."""
    import torch

    from rlvr.rollouts.precision import cpu_dtype

    if torch.cuda.is_available():
        return "bfloat16", math.inf
    name = cpu_dtype()
    a, b = (torch.ones(1024, 1024, dtype=getattr(torch, name)) for _ in range(2))
    seconds = []
    for _ in range(6):
        begun = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - begun)
    return name, 2 * 1024**3 / min(seconds) / 1e9


def told_speed(name: str, gflops: float, times: float) -> str:
    """What to expect of a CPU that is much slower than one with bf16 instructions; nothing where it is not."""
    if gflops >= BF16_SPEED / 2 or times > 1:
        return ""
    more = 2 if gflops >= BF16_SPEED / 4 else 3 if gflops >= BF16_SPEED / 8 else 4
    return (
        f"This CPU multiplies {gflops:.0f} GFLOP/s in {name}; one with bf16 instructions multiplied {BF16_SPEED}.\n"
        "In the same minutes the model takes fewer steps and learns less, as the last table will say.\n"
        f"`make demo TIMES={more}` gives it {more} times the minutes. An interrupted demo may go on with other TIMES.\n"
    )


def commands(out: Path, times: float = 1.0) -> list[list[str]]:
    """The commands that are still to do, in order, with `times` the minutes of the recipes."""
    held_out = out / "heldout.jsonl"
    todo = [["models", "fetch", "smollm2-135m"]]
    if not held_out.is_file():
        data = ["data", "build", "--source", "builtin", "--split", "heldout", "--count", str(HELD_OUT_EXAMPLES)]
        # One or two tools, as the prompts of a short demo go; every value stands in its query.
        todo.append([*data, "--seed", "7", "--tools", "1=3,2=2", "--spoken", "0", "--out", str(held_out)])
    before: list[str] = []
    for stage in STAGES:
        folder = out / stage
        if not finished(folder):
            resume = ["--resume"] if (folder / "run.json").is_file() else []
            if times != 1:
                resume += ["--set", f"max_minutes={times * budget(stage):g}"]
            # The tests take these recipes through preflight; here its checks would cost a minute a stage.
            more = ["--no-preflight", *resume]
            todo.append(["train", f"smollm2-135m/{stage}", *before, "--out", str(folder), *more])
        before = ["--model", str(folder)]
    models = ["base=smollm2-135m", *(f"{stage}={out / stage}" for stage in STAGES)]
    todo.append(["eval", *models, "--data", str(held_out), "--out", str(out / "eval"), "--max-new-tokens", "192"])
    runs = [str(out / stage) for stage in STAGES]
    todo.append(["report", *runs, "--eval", str(out / "eval"), "--out", str(out / "report")])
    return todo


def budget(stage: str) -> float:
    """The budget of a stage's recipe."""
    from rlvr.training.recipe import load_recipe

    found = load_recipe(f"smollm2-135m/{stage}")[0].max_minutes
    assert found is not None
    return found


def finished(folder: Path) -> bool:
    record = folder / "run.json"
    return record.is_file() and bool(json.loads(record.read_text(encoding="utf-8")).get("finished"))


def run(command: list[str], started: float) -> int:
    print(f"\n[{(time.monotonic() - started) / 60:5.1f} min] rlvr {shlex.join(command)}", flush=True)
    return subprocess.run([sys.executable, "-m", "rlvr", *command], check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ndemo: stopped. Run the same command to go on where it stopped.")
        sys.exit(130)
