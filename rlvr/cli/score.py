"""`rlvr score FILE.jsonl`: score completions, a row a line, and say why."""

from __future__ import annotations

import argparse
import codecs
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvr.rewards import Breakdown

COMPONENTS = ("format", "correctness", "refusal", "efficiency")
_EPILOG = """\
a row of the file: {"completion": …, "tools": […], "ground_truth": […]}, and it may hold
  expects, lang, query or messages, truncated, reasoning_opened

examples:
  rlvr score completions.jsonl --explain
  rlvr score completions.jsonl --stage stage2 --json > scores.jsonl"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "score",
        help="score the completions of a JSONL file, and say why",
        description="Score every completion of a file with the reward components of a composition.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="completions as JSONL (.gz too)")
    parser.add_argument(
        "--composition", default="function_calling", metavar="NAME|PATH", help="default: function_calling"
    )
    parser.add_argument("--stage", metavar="NAME", help="a stage of the composition (default: its first)")
    parser.add_argument("--parser", default="hermes", metavar="NAME", help="the tool-call format (default: hermes)")
    parser.add_argument(
        "--reasoning-parser",
        default="think",
        metavar="NAME",
        help="what counts as reasoning: think, none, or vLLM's deepseek_r1 or qwen3 (default: think)",
    )
    parser.add_argument("--matching", choices=("typed", "bfcl", "exact"), help="default: the composition's")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a row, nothing rounded, no summary")
    form.add_argument("--explain", action="store_true", help="the reasons below each row")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rlvr.errors import DataError
    from rlvr.jsonl import dumps
    from rlvr.rewards import score_file

    breakdowns = score_file(
        args.file,
        composition=args.composition,
        stage=args.stage,
        parser=args.parser,
        matching=args.matching,
        reasoning_parser=args.reasoning_parser,
    )
    tally, ascii_only = _Tally(), not _writes_utf8()
    for number, breakdown in enumerate(breakdowns, start=1):
        tally.add(breakdown)
        if args.json:
            print(dumps({"row": number, **breakdown.to_json()}, ascii_only=ascii_only))
            continue
        if number == 1:
            print(_HEAD)
        print(line(number, breakdown))
        if args.explain:
            print("".join(f"      {text}\n" for text in breakdown.explain().splitlines()))
    if not tally.totals:
        raise DataError(str(args.file), "holds no rows")
    if not args.json:
        print("\n" + "\n".join(tally.lines()))
    return 0


def _writes_utf8() -> bool:
    return codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name == "utf-8"


_HEAD = f"{'row':>5} {'outcome':<14} {'right':<5} " + " ".join(f"{c:>11}" for c in (*COMPONENTS, "total")) + "  why"


def line(number: int, breakdown: Breakdown) -> str:
    """One row of the table. A dash stands where a component does not apply; `cut` for a truncated completion."""
    outcome = str(breakdown.outcome) + (", cut" if breakdown.parsed.truncated else "")
    values = (*breakdown.scores.values(), breakdown.total)
    numbers = " ".join(f"{'–' if v is None else format(v, '.3f'):>11}" for v in values)
    right = "yes" if breakdown.right else "no"
    return f"{number:>5} {outcome:<14} {right:<5} {numbers}  {breakdown.verdict.reason}"


class _Tally:
    """What the summary below the table needs; one number a row is kept, nothing else."""

    def __init__(self) -> None:
        self.right = 0
        self.totals: list[float] = []
        self.scores: dict[str, list[float]] = {name: [] for name in COMPONENTS}

    def add(self, breakdown: Breakdown) -> None:
        self.right += breakdown.right
        self.totals.append(breakdown.total)
        for name, value in breakdown.scores.items():
            if value is not None:
                self.scores[name].append(value)

    def lines(self) -> Iterable[str]:
        """The share of right rows (Wilson) and the means (bootstrap), each with n and its 95% interval."""
        from rlvr.evaluation.statistics import mean, wilson

        figures = {"right": wilson(self.right, len(self.totals))}
        figures |= {name: mean(values, seed=0) for name, values in self.scores.items() if values}
        figures["total"] = mean(self.totals, seed=0)
        yield f"{'mean':<12} {'value':>7}   95% interval       n"
        for name, figure in figures.items():
            bounds = "–" if figure.low is None else f"[{figure.low:.3f}, {figure.high:.3f}]"
            yield f"{name:<12} {figure.value:>7.3f}   {bounds:<16} {figure.n:>3}"
