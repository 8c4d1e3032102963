"""`rlvr report RUN… [--eval DIR] [--out DIR] [--follow SECONDS]`: one HTML page and its figures."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "report",
        help="write an HTML report of runs and an evaluation",
        description="Write one self-contained HTML page, with its figures as PNG files beside it.",
        epilog="examples:\n  rlvr report runs/stage1 runs/stage2 --eval runs/eval --out runs/report\n"
        "  rlvr report runs/stage1 --follow 60        # runs/stage1/report.html, as long as the run goes on",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", type=Path, help="run folders that `rlvr train` wrote, in order"
    )
    parser.add_argument(
        "--eval", dest="eval_dir", metavar="DIR", type=Path, help="an evaluation that `rlvr eval` wrote"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="where to write report.html and figures/ (default: RUN, if it is one)"
    )
    parser.add_argument(
        "--follow", type=float, metavar="SECONDS", help="write it anew so often, until the runs have finished"
    )
    parser.set_defaults(run=run, go_on=lambda args: "The last page that was written stays.")


def run(args: argparse.Namespace) -> int:
    from rlvr.errors import UsageError
    from rlvr.report import load_run, write_report

    if args.out is None and (len(args.runs) != 1 or args.eval_dir is not None):
        raise UsageError("--out DIR is required, but for the report of one run, which goes into its folder.")
    if args.follow is not None and (not 1 <= args.follow < float("inf") or not args.runs):
        raise UsageError("--follow: expected a RUN, and at least 1 second.")
    out = args.out or args.runs[0]
    page = write_report(args.runs, args.eval_dir, out, refresh_seconds=round(args.follow or 0))
    print(page)
    while args.follow is not None and not all(load_run(path).ended for path in args.runs):
        sys.stdout.flush()
        time.sleep(args.follow)
        write_report(args.runs, args.eval_dir, out, refresh_seconds=round(args.follow))
    return 0
