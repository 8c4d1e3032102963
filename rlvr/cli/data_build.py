"""`rlvr data build RECIPE --out FOLDER`: a data recipe, built into a folder of Parquet with its card."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlvr.data.build.progress import Progress


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that only a data recipe has."""
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE",
                        help="override a key of the data recipe; repeatable")  # fmt: skip
    parser.add_argument("--jobs", type=int, metavar="N", help="processes of a data recipe's build (default: 1)")
    parser.add_argument("--resume", action="store_true", help="go on with a build that was stopped")


def run(args: argparse.Namespace) -> int:
    """Build, and say what was built."""
    from rlvr.data.build import How, build, load_data_recipe
    from rlvr.data.card_tables import negative_kinds, shortfalls, totals
    from rlvr.errors import RunError, UsageError
    from rlvr.extras import has
    from rlvr.models.tokenizer import load_tokenizer
    from rlvr.report.data_figures import draw_figures
    from rlvr.training.recipe import recipe_path

    if args.jobs is not None and args.jobs < 1:
        raise UsageError(f"--jobs must be at least 1, got {args.jobs}")
    if args.resume and args.force:
        raise UsageError("--resume and --force: give one of them.")
    recipe, resolved = load_data_recipe(recipe_path(args.data_recipe), args.overrides)
    lines = _Lines()
    figures = draw_figures if has("matplotlib") else None
    how = How(
        args.jobs or 1, args.resume, args.force,
        say=lines, note=lines.note, illustrate=figures, load_tokenizer=load_tokenizer,
    )  # fmt: skip
    try:
        manifest = build(recipe, resolved, args.out, how)
    except RunError as error:
        raise RunError(f"{error}\n{go_on(args)}") from error
    finally:
        lines.close()
    counts = manifest["counts"]
    for by in ("source", "category", "lang", "kind"):
        print(f"{by:<9} " + ", ".join(f"{name} {n:,}" for name, n, _ in totals(counts, by)))
    kinds = [f"{k.kind} {k.made:,}/{k.asked:,}" for k in negative_kinds(counts)]
    if kinds:
        print(f"negatives {', '.join(kinds)} (made/asked for)")
    for line in shortfalls(counts):
        print(f"note      {line}")
    rows = " and ".join(f"{n:,} {split}" for split, n in counts["rows"].items() if n)
    print(f"{rows} rows written to {args.out}; read {args.out / 'README.md'}")
    return 0


def go_on(args: argparse.Namespace) -> str:
    """What to say after Ctrl-C, and after an error on the way: the command that goes on."""
    if not getattr(args, "data_recipe", None) or not (args.out / ".build").is_dir():
        return "Run the same command again."
    words = ["rlvr", "data", "build", args.data_recipe]
    for override in args.overrides:
        words += ["--set", override]
    words += ["--out", str(args.out)] + (["--jobs", str(args.jobs)] if args.jobs else [])
    return f"What is done is kept. Go on with: {shlex.join([*words, '--resume'])}"


class _Lines:
    """One line a step, rewritten on a terminal: how far, how fast, how long still."""

    def __init__(self) -> None:
        from rlvr.evaluation.progress import StderrLines

        self._lines = StderrLines(sys.stderr)
        self._step = ""

    def __call__(self, progress: Progress) -> None:
        if progress.step != self._step:
            self._lines.close()
            self._step = progress.step
        self._lines(progress_line(progress))

    def note(self, words: str) -> None:
        """A sentence of its own, between the lines."""
        self._lines.close()
        sys.stderr.write(f"note: {words}\n")

    def close(self) -> None:
        self._lines.close()


def progress_line(progress: Progress) -> str:
    """A step in words."""
    from rlvr.evaluation.progress import duration

    of = f"/{progress.total:,}" if progress.total is not None else ""
    parts = [f"{progress.step}: {progress.done:,}{of} {progress.unit}"]
    parts += [progress.note] if progress.note else []
    parts += [f"{progress.rate:,.0f} {progress.unit}/s"] if progress.rate else []
    parts += [f"{duration(progress.seconds_left)} left"] if progress.seconds_left is not None else []
    return ", ".join(parts)
