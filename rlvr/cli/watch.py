"""`rlvr watch RUN`: a run live in the terminal, from the files of its folder alone."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

CLEAR = "\x1b[H\x1b[2J\x1b[3J"


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "watch",
        help="show a run live in the terminal",
        description="Show where a run is, until it has finished or Ctrl-C is pressed. The run is not touched.",
        epilog="examples:\n  rlvr watch runs/stage1\n  rlvr watch /mnt/other-machine/runs/stage1 --every 10\n"
        "  rlvr watch runs/stage1 --once",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="a run folder, also one copied from elsewhere")
    parser.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="between two frames (default: 2)")
    parser.add_argument("--once", action="store_true", help="print one frame and leave")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rlvr.errors import UsageError

    if not 0 < args.every < float("inf"):
        raise UsageError(f"--every: got {args.every:g}, expected more than 0 seconds.")
    try:
        return _show(args)
    except KeyboardInterrupt:
        sys.stdout.write("\n")
        return 0


def _show(args: argparse.Namespace) -> int:
    from rlvr.report.live import frame, progress
    from rlvr.report.runs import load_run

    terminal = sys.stdout.isatty()
    colour = terminal and "NO_COLOR" not in os.environ
    while True:
        quiet = _quiet_seconds(args.run_folder)
        loaded = load_run(args.run_folder)
        size = shutil.get_terminal_size((100, 50))
        text = frame(loaded, quiet_seconds=quiet, width=size.columns, colour=colour)
        if terminal and not args.once:
            text = CLEAR + "\n".join(text.split("\n")[: size.lines - 1])
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        if args.once or progress(loaded, quiet).state == "finished":
            return 0
        if not terminal:
            sys.stdout.write("\n")
        time.sleep(args.every)


def _quiet_seconds(folder: Path) -> float | None:
    """How long ago the run wrote metrics; another machine's clock may be ahead of this one's."""
    try:
        return max(0.0, time.time() - (folder / "metrics.jsonl").stat().st_mtime)
    except OSError:
        return None
