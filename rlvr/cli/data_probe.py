"""`rlvr data probe MODEL --data FILE --out FILE`: how difficult each example is for a model."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvr.data.difficulty import ProbeOptions

_EPILOG = """\
examples:
  rlvr data probe runs/warmup --data train.jsonl --k 8 --out probe.jsonl
  rlvr data probe Qwen/Qwen3-1.7B --data train.jsonl --limit 2000 --out probe.jsonl

A recipe's `filters: {difficulty: {file: probe.jsonl, least: 0.1, most: 0.9, floor: 0.2}}` keeps what lies between.
An interrupted probe goes on where it stopped when the same command is run again."""


def add_parser(actions: Any) -> None:
    """Add the action `probe` to `rlvr data`."""
    parser = actions.add_parser(
        "probe",
        help="sample k completions of each example and record how often a model is right",
        description="Sample k completions of each example, score them, and write pass rate, and mean and variance of "
        "every component, one JSON line an example.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="a folder, run folder, hub id or known name")
    parser.add_argument(
        "--data", required=True, metavar="FILE", type=Path, help="a build's folder, Parquet, or JSONL (.gz too)"
    )
    parser.add_argument("--out", required=True, metavar="FILE", type=Path, help="JSONL, one line an example")
    parser.add_argument("--k", type=int, default=8, metavar="N", help="completions of each (default: 8)")
    parser.add_argument("--temperature", type=float, default=1.0, metavar="T", help="as in training (default: 1.0)")
    parser.add_argument("--composition", default="function_calling", metavar="NAME", help="default: function_calling")
    parser.add_argument("--stage", metavar="STAGE", help="default: the composition's first")
    parser.add_argument("--matching", choices=("typed", "bfcl", "exact"), help="default: the composition's")
    parser.add_argument("--parser", default="hermes", metavar="NAME", help="the tool-call format (default: hermes)")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="at most N examples, drawn evenly over categories and languages"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for sampling and --limit (default: 0)")
    parser.add_argument("--rollout", default="auto", choices=("auto", "transformers", "vllm"), help="what generates")
    parser.add_argument("--max-new-tokens", type=int, default=256, metavar="N", help="default: 256")
    parser.add_argument(
        "--max-model-len", type=int, default=4096, metavar="N", help="prompt and completion tokens (default: 4096)"
    )
    parser.add_argument("--chunk", type=int, default=64, metavar="N", help="prompts at a time (default: 64)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rlvr.cli.eval import context_length, load_examples, resolve_model
    from rlvr.data.difficulty import ProbeProgress, probe, summarise
    from rlvr.data.probe_file import ProbeFile
    from rlvr.evaluation.progress import Progress, StderrLines
    from rlvr.evaluation.selection import draw
    from rlvr.evaluation.store import fingerprint
    from rlvr.rollouts import choose_backend, make_generator

    backend = choose_backend(args.rollout)
    options = probe_options(args)  # wrong flags are told before a model is loaded
    ProbeFile(args.out)
    args.suite, args.data_split = None, "train"
    examples = load_examples(args)
    if args.limit is not None:
        examples = draw(examples, args.limit, args.seed)
    say = StderrLines()
    model = resolve_model(args.model, say)
    length = min(args.max_model_len, context_length(model.path) or args.max_model_len)
    lines = Progress(len(examples), say)
    seen = ProbeProgress(len(examples))
    engine: Any = None

    def sampler() -> Any:
        nonlocal engine
        say(f"{model.label}: loading {model.path}")
        engine = make_generator(model.path, backend, max_model_len=length, seed=args.seed)
        lines.start()
        return engine

    def progress(state: ProbeProgress) -> None:
        if not seen.new:
            lines.drop(state.done - state.new)  # what an earlier run wrote costs no time
        lines.add(model.label, state.done, state.total, state.new - seen.new, state.tokens - seen.tokens)
        seen.new, seen.tokens = state.new, state.tokens

    try:
        label = f"{model.label} {fingerprint(model.path)} {backend}"
        rows = probe(sampler, examples, args.out, within(options, length), model=label, progress=progress)
    finally:
        say.close()
        if engine is not None:
            engine.close()
    print("\n".join(table_lines(summarise(rows))))
    skipped = sum(1 for row in rows if not row["k"])
    if skipped:
        print(f"{skipped} of {len(rows)} prompts are too long for {length} tokens and were not sampled")
    print(f"\nwritten to {args.out}")
    return 0


def probe_options(args: argparse.Namespace) -> ProbeOptions:
    """Raises `UsageError` for a flag that cannot be."""
    from rlvr.data.difficulty import ProbeOptions
    from rlvr.errors import UsageError

    if args.limit is not None and args.limit < 1:
        raise UsageError(f"--limit must be at least 1, got {args.limit}")
    if args.max_new_tokens >= args.max_model_len:
        raise UsageError(
            f"--max-new-tokens {args.max_new_tokens} leaves no room for a prompt in {args.max_model_len} tokens"
        )
    return ProbeOptions(
        k=args.k,
        temperature=args.temperature,
        max_new_tokens=args.max_new_tokens,
        parser=args.parser,
        composition=args.composition,
        stage=args.stage,
        matching=args.matching,
        seed=args.seed,
        chunk_size=args.chunk,
    )


def within(options: ProbeOptions, length: int) -> ProbeOptions:
    """The options for a model that takes `length` tokens."""
    from dataclasses import replace

    from rlvr.errors import UsageError

    if options.max_new_tokens >= length:
        raise UsageError(f"--max-new-tokens {options.max_new_tokens} leaves no room in the model's {length} tokens")
    return replace(options, max_prompt_tokens=length - options.max_new_tokens)


def table_lines(summary: Sequence[Mapping[str, Any]]) -> list[str]:
    """The summary for the eye. Groups that are always or never right may still vary in what else is rewarded."""
    lines = [f"{'category':<18} {'n':>7} {'pass rate':>10} {'never':>7} {'always':>7} {'no variance':>12}"]
    for row in summary:
        lines.append(
            f"{row['category']:<18} {row['n']:>7} {row['pass_rate']:>10.3f} {row['never']:>7.1%} "
            f"{row['always']:>7.1%} {row['zero_variance']:>12.1%}"
        )
    return lines
