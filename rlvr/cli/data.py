"""`rlvr data build|show|probe|push|export`: build function-calling data with negatives, look at it, hand it on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr.cli import data_build, data_export, data_probe, data_push, data_show

if TYPE_CHECKING:
    from rlvr.data.mixture import DataOptions, SourceOptions

_EPILOG = """\
examples:
  rlvr data build qwen3-1.7b/data --out data/qwen3 --jobs 8
  rlvr data build my_data.yaml --set sources.0.count=500 --out data/try
  rlvr data build --source builtin --split heldout --count 400 --seed 7 --out held_out.jsonl
  rlvr data build --recipe smollm2-135m/stage1 --out train.jsonl.gz
  rlvr data show held_out.jsonl --n 3 --category irrelevance --lang vi
  rlvr data show data/qwen3 --html data.html
  rlvr data push data/qwen3 me/function-calling
  rlvr data export data/qwen3 --to verl --out train.parquet"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "data",
        help="build function-calling data with negatives, or look at some",
        description="Build data from a data recipe, the built-in generator or a training recipe's mixture; show rows.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _add_build(actions.add_parser("build", help="build a data recipe into a folder of Parquet, or write JSONL"))
    data_show.add_flags(actions.add_parser("show", help="print some examples readably, or write a page"))
    data_probe.add_parser(actions)
    data_push.add_flags(actions.add_parser("push", help="upload a finished build to the hub"))
    data_export.add_flags(actions.add_parser("export", help="write examples as another trainer's files"))


def _add_build(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("data_recipe", nargs="?", metavar="DATA_RECIPE", help="a recipe of kind data: sources to Parquet")
    what.add_argument("--recipe", metavar="RECIPE", help="as JSONL: the mixture of a recipe (with its long prompts)")
    what.add_argument("--source", choices=("builtin",), help="as JSONL: the built-in generator")
    data_build.add_flags(parser)
    parser.add_argument("--split", choices=("train", "validation", "heldout"), help="default: train")
    parser.add_argument("--count", type=int, metavar="N", help="how many examples (default: 1000)")
    parser.add_argument("--seed", type=int, metavar="N", help="default: 0")
    parser.add_argument("--languages", metavar="en=2,vi=1,zh=1", help="shares, or names alone for equal shares")
    parser.add_argument("--categories", metavar="simple=3,…", help="shares, or names alone for equal shares")
    parser.add_argument("--tools", metavar="1=2,2=1", help="shares by the number of tools offered")
    parser.add_argument(
        "--spoken", type=float, metavar="SHARE", help="of lists whose values may be said in other words (default: 0.2)"
    )
    parser.add_argument(
        "--out", required=True, metavar="OUT", type=Path, help="a folder for a DATA_RECIPE, else JSONL (.gz packs it)"
    )
    parser.add_argument("--force", action="store_true", help="write over OUT")
    parser.set_defaults(run=run_build, go_on=data_build.go_on)


def run_build(args: argparse.Namespace) -> int:
    from rlvr.data.mixture import MixtureCounts, load_mixture
    from rlvr.data.write import write_jsonl
    from rlvr.errors import UsageError

    flags = ("split", "count", "seed", "languages", "categories", "tools", "spoken")
    given = [n for n in flags if getattr(args, n) is not None]
    if args.data_recipe:
        if given:
            raise UsageError(f"--{', --'.join(given)}: go with --source builtin; override the recipe with --set.")
        return data_build.run(args)
    own = [n for n in ("overrides", "jobs", "resume") if getattr(args, n)]
    if own:
        raise UsageError(f"--{own[0].replace('overrides', 'set')}: goes with a DATA_RECIPE.")
    if args.out.suffix == ".parquet":
        raise UsageError(f"{args.out}: what is written here is JSONL; a DATA_RECIPE is built to Parquet, in a folder.")
    if args.out.exists() and not args.force:  # before the work, not after
        raise UsageError(f"{args.out}: is there already. Give another --out, or --force to overwrite it.")
    if args.recipe:
        if given:
            raise UsageError(f"--{', --'.join(given)}: the recipe says this; use it with --source builtin.")
        options = recipe_data(args.recipe)
    else:
        from rlvr.data.mixture import DataOptions

        options = DataOptions((_builtin(args),))
    examples = load_mixture(options)
    count = write_jsonl(examples, args.out, force=args.force)
    print("\n".join(data_show.count_lines(MixtureCounts.of(examples))))
    print(f"{count} examples written to {args.out}")
    return 0


def _builtin(args: argparse.Namespace) -> SourceOptions:
    from rlvr.data.mixture import SourceOptions
    from rlvr.errors import UsageError

    count = 1000 if args.count is None else args.count
    if count < 1:
        raise UsageError(f"--count must be at least 1, got {count}")
    try:
        return SourceOptions(
            "builtin",
            count=count,
            seed=args.seed or 0,
            split=args.split or "train",
            languages=parse_shares(args.languages, "--languages"),
            categories=parse_shares(args.categories, "--categories"),
            tools_offered=_sizes(args.tools),
            **({} if args.spoken is None else {"spoken": args.spoken}),
        )
    except ValueError as error:
        raise UsageError(f"--{str(error).replace('tools_offered', 'tools', 1)}") from error


def _sizes(text: str | None) -> dict[int, float] | None:
    from rlvr.errors import UsageError

    shares = parse_shares(text, "--tools")
    if shares is None:
        return None
    wrong = [name for name in shares if not name.isdecimal()]
    if wrong:
        raise UsageError(f"--tools {text}: {wrong[0]!r} is no number of tools, as in 1=2,2=1.")
    return {int(name): share for name, share in shares.items()}


def parse_shares(text: str | None, flag: str) -> dict[str, float] | None:
    """Read `en=2,vi=1`, or `en,vi` for equal shares. Raises `UsageError` on anything else.

    >>> parse_shares("en=2,vi", "--languages"), parse_shares(None, "--languages")
    ({'en': 2.0, 'vi': 1.0}, None)
    """
    from rlvr.errors import UsageError

    if text is None:
        return None
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, equals, share = part.strip().partition("=")
        try:
            shares[name] = float(share) if equals else 1.0
        except ValueError:
            shares[name] = -1.0
        if not name or not 0 <= shares[name] < float("inf"):
            raise UsageError(f"{flag} {text}: {part!r} is no NAME or NAME=SHARE, as in en=2,vi=1.")
    if not any(shares.values()):
        raise UsageError(f"{flag} {text}: every share is 0.")
    return shares


def recipe_data(name: str) -> DataOptions:
    """The data of a recipe. Its options for TRL are not checked here, so that looking at data needs no trainer.

    Raises `ConfigError` with every problem of the file.
    """
    from rlvr.errors import ConfigError
    from rlvr.strict import build
    from rlvr.training.recipe import Recipe, read_recipe, recipe_path

    path = recipe_path(name)
    problems: list[str] = []
    recipe = build(Recipe, read_recipe(path, name), where=str(path), problems=problems)
    if recipe is None:
        raise ConfigError(problems)
    return recipe.data
