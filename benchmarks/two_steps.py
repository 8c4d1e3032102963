"""How many negatives of the kind `partial_fulfilment` the generator's tasks of two steps give, and what they are.

    python benchmarks/two_steps.py --count 2000              # how many distinct ones, by language and missing step
    python benchmarks/two_steps.py --count 50 --read         # to read by eye

Two are the same where query and offered tools are. Each is checked once more, without the rule that made it: the
missing tool is not offered, and no value that the kept second step requires stands in the user's words alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator

from rlvr.data.generator import GeneratorOptions, generate
from rlvr.negatives import NegativeOptions, Tally, synthesize
from rlvr.types import Example

KIND = "partial_fulfilment"


def negatives(split: str, count: int, seed: int, tally: Tally) -> Iterator[Example]:
    """At most `count`; half of the generator's examples are of a second turn, and can be parents."""
    made = generate(split, 3 * count, seed, GeneratorOptions(two_step=1.0, group_size=1))
    parents = (e for e in made if e.category == "multi_turn")
    yield from synthesize(itertools.islice(parents, count), NegativeOptions(kinds={KIND: 1.0}, share=1.0), tally=tally)


def key(example: Example) -> tuple[str, tuple[str, ...]]:
    return example.query, tuple(sorted(t.name for t in example.tools))


def read_aloud(made: list[Example]) -> None:
    for number, example in enumerate(made, 1):
        about = example.meta["negative"]
        print(f"--- {number} ({example.lang}) {example.query}")
        print(f"  asked: {json.dumps(about['asked'], ensure_ascii=False)}")
        for tool in example.tools:
            print(f"  tool: {tool.name}({', '.join(tool.parameters['properties'])}) {tool.description[:110]}")
        print(f"  why: {about['reason']}\n  reply: {example.meta['reply']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=("train", "heldout"), default="train")
    parser.add_argument("--count", type=int, default=2_000, help="calling examples to make them of")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--read", action="store_true", help="print them")
    given = parser.parse_args()
    tally, start = Tally(), time.process_time()
    made = list(negatives(given.split, given.count, given.seed, tally))
    seconds = time.process_time() - start
    if given.read:
        read_aloud(made)
    steps: Counter[str] = Counter()
    for example in made:
        first, last = example.meta["steps"]
        offered = {t.name for t in example.tools}
        assert len(offered & {first, last}) == 1, example.id
        steps["first" if last in offered else "last"] += 1
        told = set(example.meta["negative"]["asked"][1]["arguments"].items())
        assert any(str(value) not in example.query for _, value in told), example.id
    print(f"{len(made)} of {tally.parents} examples, {len({key(e) for e in made})} distinct, {seconds:.1f} s")
    print(
        f"missing step: {dict(steps)}; languages: {dict(Counter(e.lang for e in made))}; refused: {dict(tally.refused)}"
    )


if __name__ == "__main__":
    main()
