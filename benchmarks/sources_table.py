"""What the sources make of real rows: understood, unused, coerced, invalid, by file and reason, as a Markdown table.

Reads every function-calling file of `../shared/data` (`docs/sources.md` holds what it prints), or one source of yours.
A row counts as understood where no part of it was in a form that the source does not know; an example counts as
coerced where a lossless coercion was applied to its ground truth; every example that is counted validates against its
own tools' schemas. `--time` reads each sample again and again instead: seconds of one core, files read from disk each
time. Left out: `mmlu.jsonl`, which offers no tools.

    python benchmarks/sources_table.py
    python benchmarks/sources_table.py --time
    python benchmarks/sources_table.py --source toolace --location toolace/data.json --coercions
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rlvr.data.sources import Reject, get_source, read_rows, shards
from rlvr.tools import check_ground_truth
from rlvr.types import Example

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FILES = (
    ("xlam", "samples/xlam.jsonl"),
    ("xlam", "samples/xlam_nemo_gym.jsonl"),
    ("toolace", "samples/toolace.jsonl"),
    ("toolace", "samples/toolace_sharegpt_converted.jsonl"),
    ("toucan", "samples/toucan.jsonl"),
    ("hermes", "samples/hermes_card.jsonl"),
    ("glaive", "samples/glaive_sharegpt_en.jsonl"),
    ("glaive", "samples/glaive_sharegpt_zh.jsonl"),
    ("glaive", "samples/glaive_ms_swift.jsonl"),
    ("rlla", "samples/rlla_sft.jsonl"),
    ("rlla", "samples/rlla_rl_test.jsonl"),
    ("rlla", "samples/rlla_rl_test.parquet"),
    ("hammer", "samples/hammer_masking.jsonl"),
    ("llamafactory", "samples/llamafactory_reasoning_tool_use.jsonl"),
    ("llamafactory", "samples/llamafactory_reasoning_tool_use_v0.jsonl"),
    ("sgd", "samples/sgd_dialogues.jsonl"),
    ("jsonl", "train_real.jsonl.gz"),
    ("jsonl", "nocall_real.jsonl.gz"),
    ("jsonl", "train_sgd.jsonl.gz"),
)
TIMES = 7
HEAD = (
    "| source | file | rows | understood | unused | examples | coerced | invalid | why not |",
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
)


@dataclass
class Counts:
    """What became of a file's rows. `unused` counts rows, `invalid` turns; `broken` are rows not understood."""

    rows: int = 0
    broken: int = 0
    unused: int = 0
    examples: int = 0
    coerced: int = 0
    invalid: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    coercions: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def understood(self) -> float:
        return (self.rows - self.broken) / self.rows if self.rows else 0.0

    def line(self, source: str, file: str) -> str:
        why = ", ".join(f"{code} {n}" for code, n in self.codes.most_common())
        share = f"{100 * self.understood:.1f} %"
        cells = (source, file, self.rows, share, self.unused, self.examples, self.coerced, self.invalid, why)
        return f"| {' | '.join(map(str, cells))} |"


def count(source: str, location: str | Path | None) -> Counts:
    """Read a source to its end. Raises `AssertionError` on an example that its own schema rejects."""
    counts = Counts()
    for part in shards(source, location):
        for _, found in read_rows(get_source(source), part):
            counts.rows += 1
            rejects = [f for f in found if isinstance(f, Reject)]
            counts.broken += any(r.kind == "not_understood" for r in rejects)
            counts.unused += any(r.kind == "unused" for r in rejects)
            counts.invalid += sum(r.kind == "invalid" for r in rejects)
            counts.codes.update(r.code for r in rejects)
            counts.rejects += rejects
            for example in found:
                if isinstance(example, Example):
                    _add(counts, example)
    return counts


def _add(counts: Counts, example: Example) -> None:
    problems = check_ground_truth(example.ground_truth, example.tools)
    assert not problems, (example.id, problems)
    made = example.meta.get("coercions") or ()
    counts.examples += 1
    counts.coerced += bool(made)
    counts.coercions.update(_kind(c) for c in made)


def _kind(change: str) -> str:
    """What sort of coercion a line tells: its values' types."""
    place, _, values = change.partition(": ")
    before, _, after = values.rpartition(" → ")
    if place == "name":
        return "a name restored"
    return f"{_type(before)} → {_type(after)}"


def _type(text: str) -> str:
    kinds = {"'": "string", '"': "string", "[": "array", "{": "object"}
    words = {"True": "boolean", "False": "boolean", "null": "null", "None": "null", "left out": "left out"}
    return words.get(text) or kinds.get(text[:1]) or "number"


def table(folder: Path = DATA) -> Iterator[str]:
    """The lines of the table over all files, with what was coerced below it."""
    yield from HEAD
    coercions: Counter[str] = Counter()
    for source, file in FILES:
        counts = count(source, folder / file)
        coercions.update(counts.coercions)
        yield counts.line(source, file.rpartition("/")[2])
    yield ""
    yield f"Coercions: {', '.join(f'{kind} {n}' for kind, n in coercions.most_common())}."


def timed(folder: Path = DATA) -> Iterator[str]:
    """A line a sample: rows a second, with tools and schemas that were met before, and on the first reading."""
    yield "| source | file | kB a row | rows/s | first reading |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for source, file in FILES:
        path = folder / file
        if path.suffix == ".gz" or source == "sgd":
            continue
        rows, seconds = 0, []
        for _ in range(TIMES):
            started = time.process_time()
            rows = count(source, path).rows
            seconds.append(time.process_time() - started)
        size = path.stat().st_size / rows / 1000
        yield f"| {source} | {path.name} | {size:.1f} | {rows / min(seconds):,.0f} | {rows / seconds[0]:,.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="read this source instead of the shared files")
    parser.add_argument("--location", help="its file, folder or id on the hub")
    parser.add_argument("--coercions", action="store_true", help="list the sorts of coercions and every reject")
    parser.add_argument("--time", action="store_true", help="rows a second of each sample")
    args = parser.parse_args()
    if args.time:
        print("\n".join(timed()))
        return
    if not args.source:
        print("\n".join(table()))
        return
    counts = count(args.source, args.location)
    print("\n".join((*HEAD, counts.line(args.source, args.location or ""))))
    if args.coercions:
        print("\n".join(f"{n:6} {kind}" for kind, n in counts.coercions.most_common()))
        print("\n".join(f"{r.where}: {r.kind} {r.code}: {r.reason}" for r in counts.rejects))


if __name__ == "__main__":
    main()
