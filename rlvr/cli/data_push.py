"""`rlvr data push FOLDER REPO`: upload a finished build to the hub."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="a finished build")
    parser.add_argument("repo", metavar="OWNER/NAME", help="a data set on the hub; it is made where there is none")
    parser.add_argument("--public", action="store_true", help="make a new data set public (default: private)")
    parser.add_argument("--revision", metavar="BRANCH", help="a branch (default: the main one)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rlvr.data.push import push

    print(push(args.folder, args.repo, private=not args.public, revision=args.revision))
    return 0
