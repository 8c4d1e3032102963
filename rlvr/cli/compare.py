"""`rlvr compare A B …`: models on the same examples, with paired intervals, and what was won and lost."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr.paths import write_whole

if TYPE_CHECKING:
    from rlvr.evaluation.contrast import Contrast
    from rlvr.evaluation.sides import Side
    from rlvr.evaluation.won_lost import Changed

FORMATS = ("text", "md", "html", "latex", "json")
_BY_SUFFIX = {".txt": "text", ".md": "md", ".html": "html", ".htm": "html", ".tex": "latex", ".json": "json"}
_EPILOG = """\
examples:
  rlvr compare eval/demo                                 # the models of one folder, each against the first
  rlvr compare eval/base eval/tuned --out compare.html
  rlvr compare eval/demo:warmup eval/demo:stage1 tuned=eval/other:stage2 --successive
  rlvr compare eval/a eval/b --model stage1 --format latex > table.tex

A and B must have seen the same examples with the same matching; docs/comparing.md says how to read the tables."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "compare",
        help="compare models on the same examples, with paired intervals",
        description="Compare evaluations example by example: differences with 95% intervals, McNemar's exact test, and "
        "which examples were won and lost.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sides", nargs="+", metavar="[NAME=]PATH[:LABEL]", help="a folder of `rlvr eval`, or a records.jsonl"
    )
    parser.add_argument(
        "--model", action="append", default=[], metavar="LABEL", help="which model, where a folder holds several"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--against", metavar="LABEL", help="compare all with this one (default: the first)")
    which.add_argument("--successive", action="store_true", help="compare each with the one before it")
    parser.add_argument(
        "--shared-only", action="store_true", help="compare the examples that both have, and say how many are left out"
    )
    parser.add_argument("--format", choices=FORMATS, help="default: by the name of --out, else text")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write there in place of the terminal")
    parser.add_argument(
        "--examples", type=int, default=3, metavar="N", help="won and lost ones shown as text and Markdown (default: 3)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for the bootstrap (default: 0)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rlvr.errors import UsageError
    from rlvr.evaluation.contrast import contrasts
    from rlvr.evaluation.sides import load_sides

    form = _format(args)
    for name in ("examples", "seed"):
        if getattr(args, name) < 0:
            raise UsageError(f"--{name}: got {getattr(args, name)}, expected 0 or more.")
    sides = load_sides(args.sides, args.model)
    found = contrasts(
        sides, against=args.against, successive=args.successive, shared_only=args.shared_only, seed=args.seed
    )
    text = _render(form, found, sides, args)
    if args.out is None:
        print(text)
    else:
        write_whole(args.out, f"{text}\n".encode())
        print(args.out)
    return 0


def _format(args: argparse.Namespace) -> str:
    from rlvr.errors import UsageError

    if args.out is not None and args.out.is_dir():
        raise UsageError(f"{args.out}: is a folder. Give --out a file, as {args.out / 'compare.html'}.")
    if args.format or args.out is None:
        return args.format or "text"
    form = _BY_SUFFIX.get(args.out.suffix.lower())
    if form is None:
        raise UsageError(f"--out {args.out}: say which format, with --format {'|'.join(FORMATS)}.")
    return form


def _render(form: str, found: Sequence[Contrast], sides: Sequence[Side], args: argparse.Namespace) -> str:
    from rlvr.evaluation.contrast_tables import tables

    if form == "html":
        from rlvr.report.compare_page import compare_page

        return compare_page(found, args.seed).encode("utf-8", "replace").decode("utf-8")
    if form == "json":
        from rlvr.jsonl import dumps

        return dumps(to_json(found, sides, args.seed), indent=2)
    shown = tables(found, args.seed)
    if form == "latex":
        from rlvr.evaluation.latex import PREAMBLE, latex_table

        return "\n\n".join([PREAMBLE, *(latex_table(t, f"tab:compare-{i}") for i, t in enumerate(shown, 1))])
    if form == "md":
        parts = [t.markdown() for t in shown]
        parts += ["\n".join(_markdown_examples(c, args.examples)) for c in found if args.examples]
    else:
        parts = [t.text() for t in shown]
        parts += ["\n".join(_text_examples(c, args.examples)) for c in found if args.examples]
    # Labels and categories come from files: they shall not command the terminal either.
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in "\n\n".join(parts))


def to_json(found: Sequence[Contrast], sides: Sequence[Side], seed: int) -> dict[str, Any]:
    """Everything that the tables show and every example won or lost, with nothing rounded or cut."""
    from rlvr.evaluation.contrast_tables import families
    from rlvr.evaluation.statistics import RESAMPLES
    from rlvr.evaluation.won_lost import changed

    whole, parts = families(found)
    return {
        "confidence": 0.95,
        "seed": seed,
        "resamples": RESAMPLES,
        "tests": {"columns": whole, "slices": parts, "adjusted": "holm"},
        "sides": [s.to_json() for s in sides],
        "comparisons": [
            {
                "before": c.before,
                "after": c.after,
                "n": len(c.pairing.ids),
                "left_out": {"only_before": list(c.pairing.only_before), "only_after": list(c.pairing.only_after)},
                "notes": list(c.pairing.notes),
                "slices": [s.to_json() for s in c.slices],
                "examples": [item.to_json() for item in changed(c)],
            }
            for c in found
        ],
    }


def _text_examples(found: Contrast, count: int) -> Iterable[str]:
    for kind, total, items in _short(found, count):
        yield f"{found.before} → {found.after}: {kind}, {len(items)} of {total}"
        for item in items:
            yield f"\n  {_clip(item.id)} ({_clip(item.category)}, {_clip(item.lang or 'language unknown')})"
            yield f"    query         {_clip(item.query) if item.query is not None else 'not known: no examples.jsonl'}"
            yield f"    ground truth  {_clip(item.wanted) if item.wanted is not None else 'not known'}"
            for label, text, judged in _answers(found, item):
                yield f"    {_clip(label)}\n      {_clip(text) or '(nothing)'}\n      {_clip(judged)}"
        yield ""


def _markdown_examples(found: Contrast, count: int) -> Iterable[str]:
    for kind, total, items in _short(found, count):
        yield f"### {found.before} → {found.after}: {kind}, {len(items)} of {total}\n"
        for item in items:
            yield f"- {_code(item.id)} ({_code(item.category)}, {_code(item.lang or 'language unknown')})"
            if item.query is not None and item.wanted is not None:
                yield f"  - query: {_code(item.query)}"
                yield f"  - ground truth: {_code(item.wanted)}"
            for label, text, judged in _answers(found, item):
                yield f"  - {_code(label)}, {_code(judged)}: {_code(text or '(nothing)')}"
        yield ""


def _short(found: Contrast, count: int) -> Iterable[tuple[str, int, list[Changed]]]:
    from rlvr.evaluation.won_lost import LOST, WON, changed, drawn

    items = changed(found)
    for kind, ids in ((WON, found.won), (LOST, found.lost)):
        yield kind, len(ids), drawn(items, kind, count)


def _answers(found: Contrast, item: Changed) -> Iterable[tuple[str, str, str]]:
    from rlvr.evaluation.won_lost import verdict

    sides = ((found.before, item.before, item.to_match[0]), (found.after, item.after, item.to_match[1]))
    for label, record, hint in sides:
        yield label, record.completion, f"{verdict(record, hint)} ({record.completion_tokens} tokens)"


def _clip(text: str, limit: int = 200) -> str:
    """One line for a terminal: what a model said may hold anything, escape sequences too."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= limit else line[:limit] + "…"


def _code(text: str) -> str:
    """Text as Markdown code, whatever it holds: fenced by more backquotes than stand in it."""
    line = _clip(text)
    if "`" not in line:
        return f"`{line}`"
    fence = "`" * (max(len(run) for run in re.findall("`+", line)) + 1)
    return f"{fence} {line} {fence}"
