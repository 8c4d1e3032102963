"""`rlvr data show FOLDER|FILE`: rows in the terminal, or counts and rows as one page."""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvr.types import Example

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a row must not steer the terminal


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", metavar="FOLDER|FILE", type=Path, help="a build, or examples as JSONL (.gz) or Parquet"
    )
    parser.add_argument("--recipe", metavar="RECIPE", help="the mixture of a training recipe, in place of a file")
    parser.add_argument("--n", type=int, metavar="N", help="how many (default: 5)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which ones are drawn (default: 0)")
    parser.add_argument("--category", metavar="NAME", help="only of this category")
    parser.add_argument("--kind", metavar="NAME", help="only of this kind: call, or a kind of negative")
    parser.add_argument("--source", metavar="NAME", help="only of this source")
    parser.add_argument("--lang", metavar="en|vi|zh", help="only in this language")
    parser.add_argument("--split", choices=("train", "heldout"), help="of a build (default: train)")
    parser.add_argument("--html", metavar="OUT", type=Path, help="write one page: counts, what was left out, rows")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import random

    from rlvr.errors import UsageError, did_you_mean
    from rlvr.types import CATEGORIES

    if (args.file is None) == (args.recipe is None):
        raise UsageError("rlvr data show: give a FOLDER or FILE, or --recipe RECIPE, one of them.")
    if args.html:
        idle = [name for name in ("n", "category", "kind", "source", "lang") if getattr(args, name) is not None]
        if idle:
            raise UsageError(
                f"--{idle[0]}: goes without --html, whose page has the counts and drawn rows of everything."
            )
    args.n = 5 if args.n is None else args.n
    if args.n < 1:
        raise UsageError(f"--n must be at least 1, got {args.n}")
    if args.category and args.category not in CATEGORIES:
        raise UsageError(f"--category {args.category}: no such category.{did_you_mean(args.category, CATEGORIES)}")
    if args.html:
        return _page(args)
    kept, counts = _drawn(args, random.Random(args.seed))
    for example in kept:
        text = _CONTROL.sub("�", "\n".join(describe(example)))
        print(text.encode("utf-8", "replace").decode("utf-8") + "\n")
    print("\n".join(count_lines(counts)))
    return 0


def _drawn(args: argparse.Namespace, rng: Any) -> tuple[list[Example], Any]:
    """`--n` of the examples that fit, in their order, each as likely as any other; nothing else is held."""
    from rlvr.data.mixture import MixtureCounts
    from rlvr.errors import UsageError

    wanted = {"category": args.category, "lang": args.lang, "source": args.source, "kind": args.kind}
    counts, seen, fitting = MixtureCounts(), 0, 0
    kept: list[tuple[int, Example]] = []
    for example in examples_of(args):
        counts.add(example)
        seen += 1
        if not _fits(example, wanted):
            continue
        fitting += 1
        if len(kept) < args.n:
            kept.append((seen, example))
        elif (place := rng.randrange(fitting)) < args.n:
            kept[place] = (seen, example)
    if not kept:
        asked = " ".join(f"--{name} {value}" for name, value in wanted.items() if value)
        raise UsageError(f"none of {seen} examples fits {asked}." if seen else f"{args.file}: holds no example.")
    return [example for _, example in sorted(kept, key=lambda k: k[0])], counts


def _fits(example: Example, wanted: Mapping[str, str | None]) -> bool:
    own = {"category": example.category, "lang": example.lang, "source": example.source, "kind": kind_of(example)}
    return all(value in (None, own[name]) for name, value in wanted.items())


def kind_of(example: Example) -> str:
    """The kind under which a build counts the example."""
    from rlvr.data.build.shards import kind_of as of_texts

    calls = json.dumps([c.name for c in example.ground_truth])
    return of_texts(("",) * 6 + (calls, example.expects), example.meta)


def examples_of(args: argparse.Namespace) -> Iterator[Example]:
    """The examples of a build, a file or a recipe's mixture, one after another."""
    if args.recipe:
        from rlvr.cli.data import recipe_data
        from rlvr.data.mixture import load_mixture

        yield from load_mixture(recipe_data(args.recipe))
        return
    from rlvr.data.mixture import read_parquet
    from rlvr.data.sources.jsonl import read_jsonl
    from rlvr.errors import UsageError

    if args.file.is_dir() or args.file.suffix == ".parquet":
        yield from read_parquet(args.file, args.split or "train")
    else:
        if args.split:
            raise UsageError(f"--split {args.split}: {args.file} is one file of JSONL, and has no splits.")
        yield from read_jsonl(args.file)


def _page(args: argparse.Namespace) -> int:
    """The page of a build has what the build counted; that of other examples has their counts and drawn rows."""
    from rlvr.data.build.examples import summarise_examples
    from rlvr.data.build.folder import MANIFEST, read_manifest, read_samples
    from rlvr.report.data_page import write_data_page

    if args.file is not None and (args.file / MANIFEST).is_file():
        manifest = read_manifest(args.file)
        print(write_data_page(manifest["name"], manifest["counts"], read_samples(args.file), args.html))
        return 0
    counts, samples = summarise_examples(examples_of(args), args.split or "train", args.seed)
    print(write_data_page(str(args.recipe or args.file.name), counts, samples, args.html))
    return 0


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
    if isinstance(negative, Mapping):
        yield f"   negative   {negative.get('kind')}: {negative.get('reason', 'no reason is given')}"
