"""`rlvr data export DATA --to verl --out FILE`: examples as another trainer's files."""

from __future__ import annotations

import argparse
from pathlib import Path

_EPILOG = """\
examples:
  rlvr data export data/qwen3-1.7b --to verl --tokenizer Qwen/Qwen3-1.7B --out data/verl/train.parquet
  rlvr data export data/qwen3-1.7b --to verl --split heldout --tokenizer Qwen/Qwen3-1.7B --out data/verl/val.parquet
  rlvr data export train.jsonl.gz --to verl --out train.parquet

With --tokenizer the prompts are those that rlvr trains on with that model; without, the tools stand in a system prompt
of rlvr's. recipes/verl has a run over such files."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = _EPILOG, argparse.RawDescriptionHelpFormatter
    parser.add_argument("data", metavar="DATA", type=Path, help="a build's folder, Parquet, or JSONL (.gz too)")
    parser.add_argument("--to", required=True, choices=("verl",), help="whose files")
    parser.add_argument("--out", required=True, metavar="FILE", type=Path, help="a Parquet file")
    parser.add_argument("--split", choices=("train", "heldout"), default="train", help="of a build (default: train)")
    parser.add_argument("--tokenizer", metavar="MODEL", help="the model to be trained: a hub id, folder or known name")
    parser.add_argument("--parser", default="hermes", metavar="NAME", help="the tool-call format (default: hermes)")
    parser.add_argument("--force", action="store_true", help="write over FILE")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rlvr.data.export import export_verl, read_examples
    from rlvr.models.tokenizer import load_tokenizer
    from rlvr.parsers import get_parser

    get_parser(args.parser)  # a wrong name is told before a tokenizer is loaded
    examples = read_examples(args.data, args.split)
    tokenizer = load_tokenizer(args.tokenizer) if args.tokenizer else None
    count = export_verl(examples, args.out, split=args.split, parser=args.parser, tokenizer=tokenizer, force=args.force)
    print(f"{count} rows written to {args.out}")
    return 0
