"""What decontamination against BFCL finds, and what it takes for contaminated that is not.

    python benchmarks/decontamination.py                  the data of ../shared/data, BFCL from the cache (or fetched)
    python benchmarks/decontamination.py --bfcl FOLDER    BFCL's data files, where you have them

Planted: 500 BFCL questions (seed 0) of the single-turn sets, 500 dialogues of the multi-turn ones with all that their
users say, and of 500 dialogues one turn alone (drawn among those that say something); each verbatim, in capitals, with
its tools renamed, and with both. Clean: the rows of `train_real`, which share no question with BFCL, and 6,000 of the
built-in generator, on which the rules were not fitted. Kin: `train_sgd`, whose services stand in BFCL's live sets. Each
figure carries n and a 95% interval (Wilson); flags are printed with reasons, to be read.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rlvr.data.decontaminate import Flag, Index
from rlvr.data.decontaminate.bfcl import read_multi_turn
from rlvr.data.generator import generate
from rlvr.data.sources.bfcl import CATEGORIES, load_suite
from rlvr.data.sources.jsonl import read_jsonl
from rlvr.types import Example

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
PLANTED = 500


def verbatim(example: Example) -> Example:
    return example


def capitals(example: Example) -> Example:
    return replace(example, messages=tuple({**m, "content": str(m["content"]).upper()} for m in example.messages))


def renamed(example: Example) -> Example:
    """Other names for tools and parameters; the ground truth is not looked at by decontamination."""
    tools = []
    for place, tool in enumerate(example.tools):
        properties = tool.parameters.get("properties", {})
        other = {f"arg_{i}": schema for i, schema in enumerate(properties.values())}
        tools.append(replace(tool, name=f"tool_{place}", parameters={"type": "object", "properties": other}))
    return replace(example, tools=tuple(tools), ground_truth=())


def both(example: Example) -> Example:
    return renamed(capitals(example))


def reworded(example: Example) -> Example:
    """One word of eight (at least one) replaced; not asked of decontamination, shown for what it is."""
    messages = []
    for message in example.messages:
        words = str(message["content"]).split(" ")
        for place in random.Random(example.id).sample(range(len(words)), max(1, len(words) // 8)):
            words[place] = "something"
        messages.append({**message, "content": " ".join(words)})
    return replace(example, messages=tuple(messages))


WAYS: dict[str, Callable[[Example], Example]] = {
    "verbatim": verbatim,
    "capitals": capitals,
    "tools renamed": renamed,
    "both": both,
    "one word of eight replaced": reworded,
}


def dialogues(folder: str | None) -> list[Example]:
    """The rows of the multi-turn sets as examples of their last turn, with what the user said before."""
    out = []
    for row_id, texts, tools in read_multi_turn(folder):
        messages = tuple({"role": "user", "content": text} for text in texts if text.strip())
        out.append(Example(row_id, "bfcl", "multi_turn", messages, tools, ()))
    return out


def one_turn(example: Example) -> Example:
    """One of a dialogue's turns, of whatever length, as if it were all."""
    return replace(example, messages=(random.Random(example.id).choice(example.messages),))


def interval(found: int, n: int) -> str:
    """A share with Wilson's 95% interval."""
    z, share = 1.96, found / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return f"{found}/{n} = {share:.4f} [{max(0, middle - half):.4f}, {min(1, middle + half):.4f}]"


def flags_of(index: Index, examples: Sequence[Example]) -> list[Flag | None]:
    start = time.process_time()
    flags = [index.flag(e) for e in examples]
    seconds = time.process_time() - start
    print(f"  ({len(examples) / seconds:,.0f} rows/s)")
    return flags


def planted(index: Index, what: str, questions: Sequence[Example]) -> None:
    chosen = random.Random(0).sample(list(questions), PLANTED)
    for name, way in WAYS.items():
        found = [index.flag(way(e)) for e in chosen]
        kinds = Counter(f.kind for f in found if f)
        print(f"planted, {what}, {name}: {interval(sum(1 for f in found if f), PLANTED)} {dict(kinds)}", flush=True)
        for example, flag in zip(chosen, found, strict=True):
            if flag is None and way is not reworded:
                print(f"    missed {example.id}: {example.query[:120]!r}")


def show(index: Index, name: str, examples: Sequence[Example], read: int) -> None:
    print(f"{name}:")
    flags = flags_of(index, examples)
    found = [(e, f) for e, f in zip(examples, flags, strict=True) if f]
    overlap = index.examine(examples)
    print(f"  flagged {interval(len(found), len(examples))} {dict(Counter(f.kind for _, f in found))}")
    print(f"  shares tools with the benchmark: {overlap.shares_tools}")
    for example, flag in found[:: max(1, len(found) // read)][:read]:
        print(f"    {example.id} {flag.kind}: {flag.reason}\n      {example.query[:160]!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bfcl", metavar="FOLDER")
    parser.add_argument("--read", type=int, default=10, metavar="N", help="flagged rows to print (default: 10)")
    args = parser.parse_args()
    questions, turns = load_suite(args.bfcl, CATEGORIES), dialogues(args.bfcl)
    start = time.process_time()
    index = Index().add_bfcl(args.bfcl)
    index.flag(questions[0])
    print(f"{len(index)} BFCL questions indexed in {time.process_time() - start:.1f} s")
    planted(index, "single-turn", questions)
    planted(index, "multi-turn, whole", turns)
    planted(index, "multi-turn, one turn", [one_turn(e) for e in turns])
    for name in ("train_real.jsonl.gz", "nocall_real.jsonl.gz", "train_sgd.jsonl.gz"):
        show(index, name, list(read_jsonl(SHARED / name)), args.read)
    made = [example for split in ("train", "heldout") for example in generate(split, 3000, 5)]
    show(index, "the built-in generator", made, args.read)


if __name__ == "__main__":
    main()
