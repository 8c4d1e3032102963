"""The whole job on one machine without a GPU: model → data → warm-up → stage 1 → stage 2 → evaluation → report.

    make demo                                      (33 minutes of it train: the recipes' budgets)
    .venv/bin/python scripts/demo.py --out runs/demo

Every step is a command that can be run by hand; it is printed before it runs. A step that is done is not done again,
and one that was interrupted goes on where it stopped, so the same command continues an interrupted demo.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

STAGES = ("warmup", "stage1", "stage2")
HELD_OUT_EXAMPLES = 420


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="where everything goes (default: runs/demo)"
    )
    args = parser.parse_args()
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    for command in commands(out):
        code = run(command, started)
        if code:
            print(f"\ndemo: this step failed (exit code {code}). Mend it and run the same command: it goes on here.")
            return code
    minutes = (time.monotonic() - started) / 60
    print(f"\n{(out / 'eval' / 'table.md').read_text(encoding='utf-8')}")
    print(f"done in {minutes:.1f} min. The report: {out / 'report' / 'report.html'}")
    return 0


def commands(out: Path) -> list[list[str]]:
    """The commands that are still to do, in order."""
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
            # The tests take these recipes through preflight; here its checks would cost a minute a stage.
            more = ["--no-preflight", *resume]
            todo.append(["train", f"smollm2-135m/{stage}", *before, "--out", str(folder), *more])
        before = ["--model", str(folder)]
    models = ["base=smollm2-135m", *(f"{stage}={out / stage}" for stage in STAGES)]
    todo.append(["eval", *models, "--data", str(held_out), "--out", str(out / "eval"), "--max-new-tokens", "192"])
    runs = [str(out / stage) for stage in STAGES]
    todo.append(["report", *runs, "--eval", str(out / "eval"), "--out", str(out / "report")])
    return todo


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
