"""`rlvr train RECIPE…`: run a recipe or several in a row, or go on with what was stopped."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

_EPILOG = """\
examples:
  rlvr train smollm2-135m/warmup --out runs/warmup
  rlvr train smollm2-135m/stage1 --model runs/warmup --set trl.learning_rate=1e-5
  rlvr train smollm2-135m/stage1 --out runs/stage1 --resume
  rlvr train smollm2-135m/stage1 smollm2-135m/stage2 --model runs/warmup --out runs --set stage2:max_minutes=10

Several recipes: each runs in DIR/<its name>, and each but the first starts from what the one before selected. A --set
that begins with a recipe's name and a colon is for that one alone; --model is for the first."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "train",
        help="run a recipe: warm-up, stage 1 or stage 2",
        description="Run a recipe in a folder of its own; the selected model ends in DIR/final.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "recipes", nargs="+", metavar="RECIPE", help="a YAML file, or a shipped name such as smollm2-135m/stage1"
    )
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="override a key; repeatable"
    )
    parser.add_argument("--model", metavar="MODEL", help="a folder, run folder, hub id or known name, for the recipe's")
    parser.add_argument("--out", metavar="DIR", type=Path, help="default: runs/<the recipe's name>")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the last complete checkpoint in DIR, past finished stages",
    )
    parser.add_argument(
        "--no-preflight",
        action="store_true",
        help="leave out the checks of `rlvr preflight` that cost time, and begin whatever the others find",
    )
    parser.set_defaults(run=run, go_on=go_on)


def run(args: argparse.Namespace) -> int:
    from rlvr.training.recipe import load_recipe

    if len(args.recipes) > 1:
        from rlvr.training.chain import run_chain

        out = args.out or default_out(args.recipes[0]).parent
        more = ["--no-preflight"] if args.no_preflight else []
        return run_chain(args.recipes, args.overrides, args.model, out, resume=args.resume, more=more)
    overrides = list(args.overrides)
    if args.model:
        overrides.append(f"model={json.dumps(args.model)}")  # quoted, so that it stays text whatever it looks like
    recipe, resolved = load_recipe(args.recipes[0], overrides)
    from rlvr.errors import PreemptedError
    from rlvr.training.processes import is_main
    from rlvr.training.run import train

    out, preflight = args.out or default_out(args.recipes[0]), not args.no_preflight
    try:
        final = train(recipe, resolved, out, resume=args.resume, preflight=preflight)
    except PreemptedError as stop:
        stop.args = (f"{stop} {go_on(args)}",)
        raise
    if is_main():
        print(final)
    return 0


def default_out(recipe: str) -> Path:
    """Where a run goes when the user does not say.

    >>> for name in ("smollm2-135m/stage1", "recipes/smollm2-135m/stage1.yaml", "/home/me/mine.yaml"):
    ...     print(default_out(name).as_posix())
    runs/smollm2-135m/stage1
    runs/smollm2-135m/stage1
    runs/mine
    """
    path = Path(recipe)
    parts = path.with_suffix("").parts if path.suffix in (".yaml", ".yml") else path.parts
    if "recipes" in parts[:-1]:
        parts = parts[parts.index("recipes") + 1 :]
    elif path.is_absolute() or path.suffix:
        parts = parts[-1:]
    return Path("runs", *(p for p in parts if p not in (".", "..")))


def go_on(args: argparse.Namespace) -> str:
    """What to say after Ctrl-C: what is kept, and the command that goes on, with the same overrides."""
    first = default_out(args.recipes[0])
    alone = len(args.recipes) == 1
    out = args.out or (first if alone else first.parent)
    if alone and not (out / "run.json").is_file():
        return "The run had not begun: nothing was written."
    words = ["rlvr", "train", *args.recipes]
    for override in args.overrides:
        words += ["--set", override]
    if args.model:
        words += ["--model", args.model]
    command = f"Go on with: {shlex.join([*words, '--out', str(out), '--resume'])}"
    if not alone:
        return f"Every stage keeps its checkpoints. {command}"
    from rlvr.training.checkpoints import Checkpoints

    last = Checkpoints(out / "checkpoints").last()
    kept = f"Kept: {last}; what was done since is done again." if last else "No checkpoint was written yet."
    return f"{kept} {command}"
