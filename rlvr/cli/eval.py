"""`rlvr eval MODEL… (--data FILE | --suite NAME)`: generate greedily, judge, print and write tables."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr.cli import eval_endpoint
from rlvr.cli.eval_suites import ListSuites, chosen_suite

if TYPE_CHECKING:
    from rlvr.evaluation import ModelSpec
    from rlvr.types import Example

_DEFAULTS: dict[str, Any] = {
    "suite_dir": None,
    "option": [],
    "matching": None,
    "parser": "hermes",
    "limit": None,
    "seed": 0,
    "rollout": "auto",
    "max_new_tokens": 256,
    "max_model_len": 4096,
    "thinking": None,
    "structured": False,
    **eval_endpoint.DEFAULTS,
}
_EPILOG = """\
examples:
  rlvr eval smollm2-135m warmup=runs/warmup/final --data held_out.jsonl --out runs/eval
  rlvr eval runs/stage1 --suite bfcl-small --limit 400
  rlvr eval runs/stage1 --suite bfcl-small --structured both
  rlvr eval served-name --suite bfcl-small --endpoint http://127.0.0.1:8000/v1

An interrupted evaluation goes on where it stopped when the same command is run again."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "eval",
        help="evaluate models on held-out examples or a benchmark",
        description="Complete every example at temperature 0, and print and write strict accuracy, abstentions, "
        "malformed, truncated and false calls, and completion tokens, with n and 95% intervals.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="a folder, run folder, hub id or known name, or LABEL=MODEL"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", metavar="FILE", type=Path, help="examples as JSONL (.gz too)")
    source.add_argument("--suite", metavar="NAME", help="a benchmark, fetched where it is missing; --suites lists them")
    parser.add_argument("--suites", action=ListSuites, help="list the suites with their options, and end")
    parser.add_argument(
        "--option", action="append", metavar="NAME=VALUE", help="an option of the suite (may be given several times)"
    )
    parser.add_argument("--suite-dir", metavar="DIR", type=Path, help="the benchmark's data, where you have it already")
    parser.add_argument(
        "--matching", choices=("typed", "bfcl", "exact"), help="default: typed for --data, the suite's own for --suite"
    )
    parser.add_argument("--parser", metavar="NAME", help="the tool-call format (default: hermes)")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="at most N examples, drawn evenly over categories and languages"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="for --limit and the bootstrap (default: 0)")
    parser.add_argument("--rollout", choices=("auto", "transformers", "vllm"), help="what generates")
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="default: 256")
    parser.add_argument("--max-model-len", type=int, metavar="N", help="prompt and completion tokens (default: 4096)")
    parser.add_argument("--thinking", choices=("on", "off"), help="told to the chat template (default: its own)")
    parser.add_argument(
        "--structured",
        nargs="?",
        const=True,
        choices=(True, "both"),
        metavar="both",
        help="what begins as a call is a valid call of an offered tool (vLLM only); both: each model free and "
        "structured, with the difference. Write models before it",
    )
    eval_endpoint.add_arguments(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, help="default: eval/<data or suite>")
    parser.set_defaults(run=run, go_on=go_on, **_DEFAULTS)


def _check_numbers(args: argparse.Namespace) -> None:
    from rlvr.errors import UsageError

    if args.limit is not None and args.limit < 1:
        raise UsageError(f"--limit must be at least 1, got {args.limit}")
    if args.seed < 0:
        raise UsageError(f"--seed must be at least 0, got {args.seed}")
    _check_room(args.max_new_tokens, args.max_model_len)


def _check_room(new: int, length: int) -> None:
    from rlvr.errors import UsageError

    if new >= length:
        raise UsageError(f"--max-new-tokens {new} leaves no room for a prompt in {length} tokens.")


def run(args: argparse.Namespace) -> int:
    from rlvr.errors import UsageError
    from rlvr.evaluation import evaluate, write_summary
    from rlvr.evaluation.both_ways import both_ways
    from rlvr.evaluation.judging import judge_generation
    from rlvr.evaluation.progress import StderrLines
    from rlvr.evaluation.rendering import check_structured, rendering
    from rlvr.evaluation.selection import draw
    from rlvr.rollouts import choose_backend, make_generator

    server = eval_endpoint.chosen_endpoint(args, _THINKING[args.thinking])
    backend = "endpoint" if server else choose_backend(args.rollout)
    _check_numbers(args)
    suite, options = chosen_suite(args)
    if suite and suite.run and server and server.options.api == "chat":
        raise UsageError(f"suite {suite.name} renders its prompts here: use --api completions with --tokenizer.")
    if suite and suite.parser:
        args.parser = suite.parser(options, args.parser)
    if args.structured:
        check_structured(args.parser, backend)
    examples = load_examples(args)
    if args.limit is not None:
        examples = (suite.draw if suite and suite.draw else draw)(examples, args.limit, args.seed)
    say = StderrLines()
    models = server.models(args.models) if server else [resolve_model(text, say) for text in args.models]
    length = min([args.max_model_len, *(n for m in models if (n := context_length(m.path)))])
    length = server.length(models, length) if server else length
    _check_room(args.max_new_tokens, length)
    out = out_of(args)

    def rendered(structured: bool) -> Any:
        thinking = _THINKING[args.thinking]
        base = server.render(thinking) if server else rendering(thinking=thinking, structured=structured)
        return suite.render(options, base) if suite and suite.render else base

    if args.structured == "both":
        models = both_ways(models, rendered(True))
    go = partial(suite.run, options) if suite and suite.run else evaluate
    try:
        go(
            models,
            examples,
            server.make if server else lambda p: make_generator(p, backend, max_model_len=length, seed=args.seed),
            out_dir=out,
            parser=args.parser,
            matching=args.matching or (suite.matching if suite else "typed"),
            max_new_tokens=args.max_new_tokens,
            max_prompt_tokens=None if server and server.options.api == "chat" else length - args.max_new_tokens,
            seed=args.seed,
            progress=say,
            render=rendered(args.structured is True),
            judge=suite.judge if suite else judge_generation,
            extra_settings=_told(args, backend)
            | (server.settings if server else {})
            | (suite.told(options) if suite else {}),
        )
    finally:
        say.close()
    print("\n\n".join(table.text() for table in write_summary(out)))
    print(f"\nwritten to {out}: table.md, summary.json, records.jsonl")
    return 0


_THINKING = {None: None, "on": True, "off": False}


def _told(args: argparse.Namespace, backend: str) -> dict[str, str]:
    """Settings; some only where they were given, so that folders of evaluations without them stay what they are."""
    told = {"data": args.suite or str(args.data), "rollout": backend}
    if args.thinking:
        told["thinking"] = args.thinking
    if args.structured:
        told["structured"] = "both" if args.structured == "both" else "on"
    return told


def out_of(args: argparse.Namespace) -> Path:
    """Where an evaluation goes: `--out`, else a folder named by what is evaluated on."""
    return Path(args.out) if args.out else Path("eval") / (args.suite or args.data.name.split(".")[0])


def go_on(args: argparse.Namespace) -> str:
    """What to say after Ctrl-C: what is kept, and the command that goes on, which is the same one."""
    from rlvr.errors import RlvrError
    from rlvr.evaluation.store import EvalStore

    out = out_of(args)
    try:
        store = EvalStore(out)
        kept = {label: sum(r.model == label for r in store.records()) for label in store.models}
    except RlvrError:  # another command's folder, or a damaged one: nothing is known of it
        kept = {}
    if not kept:
        return "The evaluation had not begun: nothing was written. Run the same command again."
    words = ", ".join(f"{label} {n:,}" for label, n in kept.items())
    of = f" of {store.settings['examples']:,} each" if "examples" in store.settings else ""
    steps = any(out.glob("steps-*.jsonl"))  # of dialogues
    cut = "Running dialogues go on at the step that was cut." if steps else "A batch that was cut is done again."
    if args.endpoint:
        cut = "A batch that was cut is done again, from the answers that came."
    return f"What is judged is kept in {out}: {words}{of}. {cut} Go on with: {shlex.join(_command(args, out))}"


def _command(args: argparse.Namespace, out: Path) -> list[str]:
    """The command that `args` were read from, with only what differs from the defaults."""
    words = ["rlvr", "eval", *args.models]
    words += ["--suite", args.suite] if args.suite else ["--data", str(args.data)]
    for name, default in _DEFAULTS.items():
        value = getattr(args, name)
        if name == "option":
            words += [word for text in value for word in ("--option", text)]
        elif value is True:
            words.append(f"--{name}")
        elif value != default:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return [*words, "--out", str(out)]


def load_examples(args: argparse.Namespace) -> Sequence[Example]:
    """The examples of `--data` (of a build, those held out) or `--suite`.

    Raises `DataError` for a missing file or a bad row.
    """
    from rlvr.errors import DataError

    suite, options = chosen_suite(args)
    if suite:
        return list(suite.load(options))
    from rlvr.data.mixture import read_parquet
    from rlvr.data.sources.jsonl import read_jsonl

    if args.data.is_dir() or args.data.suffix == ".parquet":
        return list(read_parquet(args.data, getattr(args, "data_split", "heldout")))
    if not args.data.is_file():
        raise DataError(str(args.data), "no such file. Build data with `rlvr data build`, or give another --data.")
    return list(read_jsonl(args.data))


def resolve_model(text: str, say: Any = None) -> ModelSpec:
    """Read `MODEL` or `LABEL=MODEL`; a run folder stands for its final checkpoint.

    Without a label the folder's name is taken, or the run's name for its `final` and `run@step-N` for a checkpoint.
    """
    from rlvr.evaluation import ModelSpec
    from rlvr.models import resolve
    from rlvr.models.adapter import holds_model

    label, path = "", text
    if "=" in text and not Path(text).exists():
        label, path = text.split("=", 1)
    folder = Path(path).expanduser()
    if not (folder / "config.json").is_file() and holds_model(folder / "final"):
        folder = folder / "final"
        path = str(folder)
    return ModelSpec(label or default_label(path), resolve(path, say))


def default_label(path: str) -> str:
    """The name of a model in the tables, where the user gave none.

    >>> default_label("runs/stage1/final"), default_label("runs/stage1/checkpoints/step-80"), default_label("org/name")
    ('stage1', 'stage1@step-80', 'name')
    """
    parts = [p for p in Path(path).parts if p not in ("/", ".", "..")] or [path]
    if parts[-1] in ("final", "best") and len(parts) > 1:
        return parts[-2] if parts[-1] == "final" else f"{parts[-2]}@best"
    if len(parts) > 2 and parts[-2] == "checkpoints":
        return f"{parts[-3]}@{parts[-1]}"
    return parts[-1]


def context_length(path: str | Path) -> int | None:
    """How many tokens a model takes by its config; `None` where that cannot be read."""
    import json

    try:
        config = json.loads((Path(path) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    value = config.get("max_position_embeddings") if isinstance(config, dict) else None
    return value if isinstance(value, int) and value > 0 else None
