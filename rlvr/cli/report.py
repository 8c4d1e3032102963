"""`rlvr report RUN… [--eval DIR] --out DIR`: one HTML page and its figures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "report",
        help="write an HTML report of runs and an evaluation",
        description="Write one self-contained HTML page, with its figures as PNG files beside it.",
        epilog="example: rlvr report runs/stage1 runs/stage2 --eval runs/eval --out runs/report",
    )
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", type=Path, help="run folders that `rlvr train` wrote, in order"
    )
    parser.add_argument(
        "--eval", dest="eval_dir", metavar="DIR", type=Path, help="an evaluation that `rlvr eval` wrote"
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", type=Path, help="where to write report.html and figures/"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rlvr.report import write_report

    page = write_report(args.runs, args.eval_dir, args.out)
    print(page)
    return 0
