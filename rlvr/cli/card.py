"""`rlvr card RUN`: a model card for the hub, from what the run and its evaluations recorded."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

_EPILOG = """\
examples:
  rlvr card runs/stage2 --eval runs/eval
  rlvr card runs --eval runs/eval --eval runs/bfcl --base Qwen/Qwen3-1.7B --audit audit.json
  rlvr card runs/stage2 --out models/merged/README.md

an evaluation counts where it is of these very weights. What nothing recorded is said to be not known, in the card and
here. docs/publishing.md says more."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "card",
        help="write a model card: evaluation, limits, data, rewards, how to do it again",
        description="Write a Hugging Face model card of a finished run, with evaluation results as metadata.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="a finished run, or the folder of a chain of them")
    parser.add_argument(
        "--eval", dest="evals", action="append", default=[], metavar="DIR", type=Path,
        help="an evaluation that `rlvr eval` wrote; may be given several times",
    )  # fmt: skip
    parser.add_argument("--base", metavar="MODEL", help="the base model, by its id on the hub (default: as recorded)")
    parser.add_argument(
        "--license", metavar="ID", help="the hub's id of the licence (default: where all parts have one)"
    )
    parser.add_argument("--name", metavar="NAME", help="the card's title (default: the base's name and the stage's)")
    parser.add_argument(
        "--audit", dest="audits", action="append", default=[], metavar="FILE", type=Path,
        help="what `rlvr audit --json` found in the reward",
    )  # fmt: skip
    parser.add_argument("--out", metavar="FILE", type=Path, help="default: RUN/final/README.md")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rlvr.report.model_card import make_card, write_card

    card = make_card(
        args.run_folder,
        args.evals,
        base=args.base,
        licence=args.license,
        name=args.name,
        audits=args.audits,
        out=args.out,
    )
    print(write_card(card, args.out))
    for line in card.missing():
        sys.stderr.write(f"left open: {line}\n")
    return 0
