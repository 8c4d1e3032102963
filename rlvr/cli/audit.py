"""`rlvr audit TARGET`: try to break a reward with adversarial completions of known truth."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvr.audit import AuditResult, Target

COMPOSITION_MARGIN = 0.1
_EPILOG = """\
a function is called as TRL calls one: f(completions=, prompts=, completion_ids=, tools=, ground_truth=, expects=, …),
and gives one score a completion. Exit code: 0 nothing found, 1 findings, 2 a mistake in the command.

examples:
  rlvr audit my_rewards:my_reward
  rlvr audit my_rewards.py:my_reward --data held_out.jsonl --html audit.html
  rlvr audit function_calling --stage stage2
  rlvr audit my_composition.yaml --skip float_for_integer --json > audit.json"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "audit",
        help="try to break a reward: false rewards, missed rewards, broken contract",
        description="Score adversarial completions of known truth, and print where the reward is wrong.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", nargs="?", metavar="MODULE:FUNCTION|COMPOSITION", help="also a path to either")
    parser.add_argument("--stage", metavar="NAME", help="a stage of the composition (default: each of them)")
    parser.add_argument("--data", metavar="FILE", type=Path, help="examples as JSONL (default: the audit's own, 42)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N examples")
    parser.add_argument("--parser", default="hermes", metavar="NAME", help="the tool-call format (default: hermes)")
    parser.add_argument(
        "--margin", type=float, metavar="X", help="how far right must stand above wrong (default: 0; compositions: 0.1)"
    )
    parser.add_argument("--only", nargs="+", metavar="FAMILY", help="only these families (`--list` names them)")
    parser.add_argument("--skip", nargs="+", default=[], metavar="FAMILY", help="leave these families out")
    parser.add_argument("--conversational", action="store_true", help="completions and prompts as messages")
    parser.add_argument("--objects", action="store_true", help="tools and ground_truth as objects, not JSON strings")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page with the worst of each family")
    parser.add_argument("--json", action="store_true", help="print every finding as JSON, and nothing else")
    parser.add_argument("--list", action="store_true", help="list the families and policies, and stop")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rlvr.audit import audit, built_in_examples, load_examples
    from rlvr.audit.html import write_html
    from rlvr.errors import UsageError

    if args.list:
        print("\n".join(_families()))
        return 0
    if not args.target:
        raise UsageError("give a reward: MODULE:FUNCTION, or a composition. See `rlvr audit --help`.")
    if args.limit is not None and args.limit < 1:
        raise UsageError(f"--limit must be at least 1, got {args.limit}")
    if args.margin is not None and not 0 <= args.margin < float("inf"):
        raise UsageError(f"--margin must be 0 or more, got {args.margin}")
    targets, default = _targets(args)
    examples = (load_examples(args.data) if args.data else built_in_examples())[: args.limit]
    margin = default if args.margin is None else args.margin
    results = [audit(t, examples, parser=args.parser, margin=margin, only=args.only, skip=args.skip) for t in targets]
    _print(results, as_json=args.json)
    if args.html:
        page = write_html(results, args.html)
        if not args.json:
            print(page)
    return 0 if all(r.clean for r in results) else 1


def _targets(args: argparse.Namespace) -> tuple[list[Target], float]:
    """What is audited, and its margin: each stage of a composition, or a function."""
    from rlvr.audit import composition_target, function_target
    from rlvr.errors import UsageError
    from rlvr.rewards import load_composition

    if ":" in args.target and not args.target.endswith((".yaml", ".yml")):
        if args.stage:
            raise UsageError("--stage: a function has no stages; it goes with a composition.")
        return [function_target(args.target, conversational=args.conversational, as_objects=args.objects)], 0.0
    for flag in ("conversational", "objects"):
        if getattr(args, flag):
            raise UsageError(f"--{flag}: goes with a function, not with a composition.")
    first = load_composition(args.target, args.stage)
    stages = (args.stage,) if args.stage else first.stages
    compositions = [load_composition(args.target, stage) for stage in stages]
    return [composition_target(c, args.parser) for c in compositions], COMPOSITION_MARGIN


def _print(results: list[AuditResult], as_json: bool) -> None:
    if as_json:
        values = [r.to_json() for r in results]
        print(json.dumps(values[0] if len(values) == 1 else values, ensure_ascii=False, indent=1))
        return
    for i, result in enumerate(results):
        print(("\n" if i else "") + result.report())


def _families() -> list[str]:
    from rlvr.audit import FAMILIES, POLICIES
    from rlvr.audit.families import POLICY, TRUNCATED

    lines = [f"{'family':<24} made to be  what it tries"]
    lines += [f"{f.name:<24} {'right' if f.right else 'wrong':<11} {f.about}" for f in FAMILIES.values()]
    lines.append(f"{TRUNCATED:<24} {'wrong':<11} The right completion, cut at the length limit (compositions only).")
    lines += ["", f"{POLICY + ' (all of them)':<24}             what it does"]
    lines += [f"{POLICY}:{name:<29} {(p.__doc__ or '').strip()}" for name, p in POLICIES.items()]
    return lines
