"""`rlvr rewards list|show`: the compositions, and what typical completions earn under one."""

from __future__ import annotations

import argparse
import json
from typing import Any

_EPILOG = """\
examples:
  rlvr rewards list
  rlvr rewards show function_calling --stage stage2
  rlvr rewards show function_calling_card --stage stage2     # inverted, and says where"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "rewards",
        help="list the compositions, or show what typical completions earn under one",
        description="Compositions: their weights and parameters, and what typical completions earn.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    shown = actions.add_parser("list", help="the compositions that ship")
    shown.set_defaults(run=run_list)
    show = actions.add_parser("show", help="one composition, with a total for each typical completion")
    show.add_argument("composition", metavar="NAME|PATH")
    show.add_argument("--stage", metavar="NAME", help="a stage of the composition (default: each of them)")
    show.add_argument("--parser", default="hermes", metavar="NAME", help="the tool-call format (default: hermes)")
    show.add_argument("--json", action="store_true", help="one JSON object a completion, nothing rounded")
    show.set_defaults(run=run_show)


def run_list(args: argparse.Namespace) -> int:
    from rlvr import resources
    from rlvr.rewards import load_composition

    for name in resources.names("rewards", "*.yaml"):
        composition = load_composition(name)
        print(f"{name:<28} {', '.join(composition.stages)}")
        print(f"  {composition.description}")
    return 0


def run_show(args: argparse.Namespace) -> int:
    from rlvr.audit.typical import table, typical
    from rlvr.rewards import load_composition

    first = load_composition(args.composition, args.stage)
    for i, stage in enumerate((args.stage,) if args.stage else first.stages):
        composition = load_composition(args.composition, stage)
        rows = typical(composition, args.parser)
        if args.json:
            for row in rows:
                about = {"wanted": row.wanted, "name": row.name, "completion": row.completion}
                print(json.dumps({**about, **row.breakdown.to_json()}, ensure_ascii=False))
            continue
        print(("\n" if i else "") + composition.describe())
        if composition.functions:
            print("  (a function of your own runs in a trainer; the totals below are without it)")
        print("\n" + "\n".join(table(rows, composition)))
    return 0
