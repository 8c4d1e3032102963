"""Verdicts beside those of BFCL's official AST checker, over mutated calls of its eight Python single-turn sets.

Every row's possible answers, and every kind of mutation that fits them, are rendered as Hermes text, parsed, and judged
in the modes `bfcl` and `typed`; the same calls go to the official checker, in a process and an environment of its own.
`bfcl` must give the official verdict. `typed` may differ by its named rules alone, and the row must show what the rule
speaks of. Left out: Java and JavaScript, multi-turn, and how BFCL decodes a model's text.

    python benchmarks/against_bfcl.py                     all sets; makes the environment on the first run
    python benchmarks/against_bfcl.py --sets multiple     one set
    python benchmarks/against_bfcl.py --freeze            writes the sample that the tests hold

Exits 1 where a verdict differs in `bfcl`, or in `typed` without a rule that the row bears out.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bfcl_mutations.base import Call
from bfcl_mutations.evidence import unsupported
from bfcl_mutations.kinds import completions
from bfcl_mutations.official import DEFAULT_VENV, PACKAGE, SETS, Official, Row, Verdict, prepare, rows

from rlvr.data.sources.bfcl import to_example
from rlvr.parsers import get_parser
from rlvr.rewards import Context, judge
from rlvr.types import ToolCall

SAMPLE = Path(__file__).resolve().parents[1] / "tests" / "rewards" / "matching" / "official"
PER_GROUP = 8
"""The frozen sample holds at least so many of each kind, row and error, where there are."""
NEEDED = 0.999


@dataclass
class Counts:
    """What one set came to."""

    n: int = 0
    kinds: set[str] = field(default_factory=set)
    fewest: int = 1 << 30
    valid: int = 0
    raised: int = 0
    wrong: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    accepts: int = 0
    rejects: int = 0


def compare(row: Row, made: list[tuple[str, list[Call]]], official: list[Verdict], counts: Counts) -> None:
    """Judge the completions of one row in both modes and count what differs."""
    example = to_example(row.question, row.answer)
    contexts = [Context.of(example, mode) for mode in ("bfcl", "typed")]
    hermes = get_parser("hermes")
    for (kind, calls), (valid, error) in zip(made, official, strict=True):
        parsed = hermes.parse(hermes.render([ToolCall(c["name"], c["arguments"]) for c in calls]))
        bfcl, typed = (judge(parsed, context) for context in contexts)
        counts.n += 1
        counts.kinds.add(kind)
        counts.valid += valid is True
        counts.raised += valid is None
        what = f"{row.id} {kind}: official {valid} {error}"
        if bfcl.right != (valid is True):
            counts.wrong.append(f"{what}, bfcl {bfcl.right} {json.dumps(calls, ensure_ascii=False):.300}")
        if typed.right != (valid is True):
            named = typed.match.rules if typed.match is not None else ()
            counts.accepts, counts.rejects = counts.accepts + typed.right, counts.rejects + (not typed.right)
            counts.rules.update(("accepts" if typed.right else "rejects", rule) for rule in named)
            bare = unsupported(named, row, calls) if named else ["no rule"]
            if bare:
                counts.unnamed.append(f"{what}, typed {typed.right}, without evidence: {', '.join(bare)}")


def run(names: list[str], folder: Path, seed: int, limit: int | None) -> dict[str, Counts]:
    package = prepare(folder)
    out = {}
    with Official(folder) as official:
        for name in names:
            counts = out[name] = Counts()
            for row in rows(package, name)[:limit]:
                made = list(completions(row, seed))
                counts.fewest = min(counts.fewest, len({kind for kind, _ in made}) - 2)
                compare(row, made, official.verdicts(row, [calls for _, calls in made]), counts)
            print(f"{name}: {counts.n:,} compared, {len(counts.wrong)} differ", file=sys.stderr, flush=True)
    return out


def table(results: dict[str, Counts]) -> Iterator[str]:
    """The tables of docs/matching.md."""
    yield "| set | n | kinds a row, from | official valid | raised | `bfcl` agrees | `typed` accepts | rejects |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for name, c in results.items():
        agree = 100 * (c.n - len(c.wrong)) / c.n
        yield (
            f"| {name} | {c.n:,} | {c.fewest} | {c.valid:,} | {c.raised} | {agree:.3f}% ({len(c.wrong)} differ) "
            f"| {c.accepts} | {c.rejects} |"
        )
    total = sum(c.n for c in results.values())
    wrong = sum(len(c.wrong) for c in results.values())
    kinds = len(set().union(*[c.kinds for c in results.values()]) - {"first_answers", "drawn_answers"})
    yield f"| all | {total:,} | {kinds} kinds in all | | | {100 * (total - wrong) / total:.3f}% | | |"
    yield ""
    yield "| rule | `typed` accepts, official does not | `typed` rejects, official does not |"
    yield "| --- | --- | --- |"
    rules: Counter[tuple[str, str]] = Counter()
    for c in results.values():
        rules.update(c.rules)
    for rule in sorted({r for _, r in rules}):
        yield f"| {rule} | {rules['accepts', rule]} | {rules['rejects', rule]} |"


def freeze(folder: Path, seed: int) -> None:
    """Write the official verdicts on mutations of our own rows: some of each kind, each row and each outcome."""
    prepare(folder)
    found = []
    own = [json.loads(line) for line in (SAMPLE / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    with Official(folder) as official:
        for raw in own:
            row = Row(raw["question"]["id"], raw["question"]["id"].split("_9")[0], raw["question"], raw["answer"])
            made = list(completions(row, seed))
            for (kind, calls), (valid, error) in zip(made, official.verdicts(row, [c for _, c in made]), strict=True):
                found.append({"id": row.id, "kind": kind, "calls": calls, "valid": valid, "error": error})
    random.Random(seed).shuffle(found)
    held: Counter[str] = Counter()
    kept = []
    for case in found:
        groups = [case["kind"], case["id"], case["error"]]
        if any(held[g] < PER_GROUP for g in groups):
            held.update(groups)
            kept.append(case)
    kept.sort(key=lambda case: (case["id"], case["kind"]))
    lines = [json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in kept]
    (SAMPLE / "verdicts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(
        f"{len(lines)} of {len(found)} verdicts of {PACKAGE} on {len(own)} rows, {len({c['kind'] for c in kept})} kinds"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Verdicts beside those of BFCL's official checker.")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="the sets (default: all eight)")
    parser.add_argument("--venv", type=Path, default=DEFAULT_VENV, help="the official checker's own environment")
    parser.add_argument("--seed", type=int, default=0, help="seed of the mutations (default: 0)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N rows of each set")
    parser.add_argument("--freeze", action="store_true", help="write the sample that the tests hold, and stop")
    args = parser.parse_args()
    if args.freeze:
        freeze(args.venv, args.seed)
        return 0
    start = time.perf_counter()
    results = run(args.sets, args.venv, args.seed, args.limit)
    print("\n".join(table(results)))
    print(f"\n{PACKAGE}, mutation seed {args.seed}, {time.perf_counter() - start:.0f} s")
    for name, counts in results.items():
        for line in [*counts.wrong, *counts.unnamed]:
            print(f"{name}: {line}")
    low = [n for n, c in results.items() if (c.n - len(c.wrong)) < NEEDED * c.n]
    return 1 if low or any(c.unnamed for c in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
