"""`rlvr data build|show`: build function-calling data with negatives, and look at it."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvr.data.mixture import DataOptions, SourceOptions
    from rlvr.types import Example

_EPILOG = """\
examples:
  rlvr data build --source builtin --split heldout --count 400 --seed 7 --out held_out.jsonl
  rlvr data build --recipe smollm2-135m/stage1 --out train.jsonl.gz
  rlvr data show held_out.jsonl --n 3 --category irrelevance --lang vi"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "data",
        help="build function-calling data with negatives, or look at some",
        description="Build data from the built-in generator or a recipe's mixture, or show rows.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _add_build(actions.add_parser("build", help="write examples as JSONL"))
    _add_show(actions.add_parser("show", help="print some examples, readably"))


def _add_build(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--recipe", metavar="RECIPE", help="the mixture of a recipe (before it drops long prompts)")
    what.add_argument("--source", choices=("builtin",), help="the built-in generator")
    parser.add_argument("--split", choices=("train", "heldout"), help="default: train")
    parser.add_argument("--count", type=int, metavar="N", help="how many examples (default: 1000)")
    parser.add_argument("--seed", type=int, metavar="N", help="default: 0")
    parser.add_argument("--languages", metavar="en=2,vi=1,zh=1", help="shares, or names alone for equal shares")
    parser.add_argument("--categories", metavar="simple=3,…", help="shares, or names alone for equal shares")
    parser.add_argument("--tools", metavar="1=2,2=1", help="shares by the number of tools offered")
    parser.add_argument(
        "--spoken", type=float, metavar="SHARE", help="of lists whose values may be said in other words (default: 0.2)"
    )
    parser.add_argument("--out", required=True, metavar="FILE", type=Path, help="JSONL, packed where it ends in .gz")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    parser.set_defaults(run=run_build)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", type=Path, help="examples as JSONL (.gz too)")
    parser.add_argument("--recipe", metavar="RECIPE", help="the mixture of a recipe, in place of FILE")
    parser.add_argument("--n", type=int, default=5, metavar="N", help="how many (default: 5)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which ones are drawn (default: 0)")
    parser.add_argument("--category", metavar="NAME", help="only of this category")
    parser.add_argument("--lang", metavar="en|vi|zh", help="only in this language")
    parser.set_defaults(run=run_show)


def run_build(args: argparse.Namespace) -> int:
    from rlvr.data.mixture import MixtureCounts, load_mixture
    from rlvr.data.write import write_jsonl
    from rlvr.errors import UsageError

    if args.out.exists() and not args.force:  # before the work, not after
        raise UsageError(f"{args.out}: is there already. Give another --out, or --force to overwrite it.")
    if args.recipe:
        flags = ("split", "count", "seed", "languages", "categories", "tools", "spoken")
        own = [n for n in flags if getattr(args, n) is not None]
        if own:
            raise UsageError(f"--{', --'.join(own)}: the recipe says this; use it with --source builtin.")
        options = recipe_data(args.recipe)
    else:
        from rlvr.data.mixture import DataOptions

        options = DataOptions((_builtin(args),))
    examples = load_mixture(options)
    count = write_jsonl(examples, args.out, force=args.force)
    print("\n".join(count_lines(MixtureCounts.of(examples))))
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
        raise UsageError(f"--{error}") from error


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
    from rlvr.strict import build, read_yaml
    from rlvr.training.recipe import Recipe, recipe_path

    path = recipe_path(name)
    problems: list[str] = []
    recipe = build(Recipe, read_yaml(path), where=str(path), problems=problems)
    if recipe is None:
        raise ConfigError(problems)
    return recipe.data


def count_lines(counts: Any) -> Iterator[str]:
    """The counts of a mixture, a line for each way of counting."""
    named: dict[str, Counter[str]] = {
        "source": counts.by_source,
        "category": counts.by_category,
        "language": counts.by_language,
        "negative": counts.by_negative,
    }
    for name, counter in named.items():
        parts = ", ".join(f"{key} {n}" for key, n in sorted(counter.items(), key=lambda item: (-item[1], item[0])))
        yield f"{name:<9} {parts or 'none'}"


def run_show(args: argparse.Namespace) -> int:
    import random

    from rlvr.data.mixture import MixtureCounts
    from rlvr.errors import UsageError, did_you_mean
    from rlvr.types import CATEGORIES

    if (args.file is None) == (args.recipe is None):
        raise UsageError("rlvr data show: give a FILE or --recipe RECIPE, one of them.")
    if args.n < 1:
        raise UsageError(f"--n must be at least 1, got {args.n}")
    if args.category and args.category not in CATEGORIES:
        raise UsageError(f"--category {args.category}: no such category.{did_you_mean(args.category, CATEGORIES)}")
    examples = load(args)
    kept = [e for e in examples if args.category in (None, e.category) and args.lang in (None, e.lang)]
    if not kept:
        raise UsageError(f"none of {len(examples)} examples fits --category {args.category} --lang {args.lang}.")
    for index in sorted(random.Random(args.seed).sample(range(len(kept)), min(args.n, len(kept)))):
        print("\n".join(describe(kept[index])) + "\n")
    print("\n".join(count_lines(MixtureCounts.of(examples))))
    return 0


def load(args: argparse.Namespace) -> Sequence[Example]:
    if args.recipe:
        from rlvr.data.mixture import load_mixture

        return load_mixture(recipe_data(args.recipe))
    from rlvr.data.sources.jsonl import read_jsonl

    return list(read_jsonl(args.file))


def describe(example: Example) -> Iterator[str]:
    """An example in lines for people: who says what, the tools on offer, and what is right."""
    yield f"── {example.id}  {example.category}  {example.lang or 'language unknown'}  ({example.source})"
    for tool in example.tools:
        names = ", ".join((tool.parameters.get("properties") or {}).keys())
        yield f"   tool       {tool.name}({names}): {tool.description}"
    for message in example.messages:
        text = str(message.get("content") or "") or json.dumps(message.get("tool_calls"), ensure_ascii=False)
        yield f"   {message['role']:<10} " + text.replace("\n", "\n" + " " * 14)
    for call in example.ground_truth:
        body = json.dumps(call.canonical().to_json()["arguments"], ensure_ascii=False)
        yield f"   → call     {call.name}({body})"
    if not example.ground_truth:
        yield f"   → no call  expects: {example.expects}"
        if example.meta.get("reply"):
            yield f"   reply      {example.meta['reply']}"
    negative = example.meta.get("negative")
    if negative:
        yield f"   negative   {negative['kind']}: {negative['reason']}"
