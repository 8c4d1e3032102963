"""`robustness`: the same requests beside changed tools and in other words, each paired with the untouched example."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rlvr.data.generator import CatalogueTool, load_catalogue
from rlvr.data.generator.parallel import Request, parallel_request
from rlvr.data.sources.mcp import read_servers
from rlvr.errors import UsageError, did_you_mean
from rlvr.evaluation.statistics import mean, paired_share_difference, wilson
from rlvr.evaluation.suites import changes
from rlvr.evaluation.suites.base import Option, Suite, SuiteOptions
from rlvr.evaluation.suites.common import (
    ROW,
    by_lang,
    draw_groups,
    evenly,
    judge_row,
    placed,
    read_examples,
    seen_by_model,
    whole_number,
)
from rlvr.evaluation.suites.grids import Grid, kept, shown
from rlvr.negatives import why_answerable
from rlvr.types import Example, GoldCall, Tool

if TYPE_CHECKING:
    from rlvr.evaluation.store import EvalStore
    from rlvr.evaluation.suites.common import Seen

UNTOUCHED = "untouched"
LEVELS = "1,2,4,8,16,32,64"
MOST_DISTRACTORS = 512
_DISTRACTORS = "distractors"
_WORDS: Mapping[str, changes.Change] = {
    "renamed": changes.renamed,
    "masked": changes.masked,
    "shuffled": changes.shuffled,
    "described": changes.described,
    "paraphrase": changes.in_other_words("paraphrase"),
    "vi": changes.in_other_words("vi"),
    "zh": changes.in_other_words("zh"),
}
CHANGES = (*_WORDS, _DISTRACTORS)


def _load(options: SuiteOptions) -> Sequence[Example]:
    chosen, levels = _chosen(options["changes"]), _levels(options["distractors"])
    count = whole_number("count", options["count"])
    base = _given(options["data"], count) if options["data"] else built_in_base(count, options.seed)
    made: dict[str, changes.Change] = {name: _WORDS[name] for name in chosen if name in _WORDS}
    if _DISTRACTORS in chosen:
        pool = _pool(options["servers"], base if options["data"] else ())
        drawer = changes.Distractors(pool, options.seed, max(levels))
        made |= {f"{_DISTRACTORS} {level:02d}": drawer.change(level) for level in levels}
    return list(changed_examples(base, made, options.seed))


def changed_examples(base: Sequence[Example], made: Mapping[str, changes.Change], seed: int) -> Iterator[Example]:
    """Each example untouched, and behind it once for each change that it leaves room for.

    What a change of one example is depends on the seed, its id and the change's name alone.
    """
    for example in base:
        yield replace(placed(example, UNTOUCHED, example.id, untouched=example.id), id=f"{example.id}/{UNTOUCHED}")
        for name, change in made.items():
            changed = change(example, random.Random(f"{seed}/{name}/{example.id}"))
            if changed is not None:
                at = name.replace(" ", "-")
                yield replace(placed(changed, name, example.id, untouched=example.id), id=f"{example.id}/{at}")


def built_in_base(count: int, seed: int) -> list[Example]:
    """Requests for the catalogue's held-out tools, one call each, in English, with what they are called in other words.

    Tools take turns. A half of the examples offers the tool alone, the others one or two more that cannot serve.
    """
    catalogue = load_catalogue()
    tools = [t for t in catalogue if t.split == "heldout"]
    random.Random(f"{seed}/tools").shuffle(tools)
    return [_built_in(k, tools[k % len(tools)], tools, random.Random(f"{seed}/base/{k}")) for k in range(count)]


def _built_in(number: int, tool: CatalogueTool, heldout: Sequence[CatalogueTool], rng: random.Random) -> Example:
    drawn = parallel_request(tool, rng)
    alone = _example(f"base-{number:04d}", tool, drawn.base, [tool.tool])
    others = [t for t in heldout if t.name != tool.name]
    rng.shuffle(others)
    beside = [t.tool for t in others if why_answerable(alone, [t.tool]) is None][: rng.choice((0, 0, 1, 2))]
    offered = [tool.tool, *beside]
    rng.shuffle(offered)
    words: dict[str, Any] = {lang: _in_meta(tool, request) for lang, request in drawn.others.items()}
    if drawn.paraphrase is not None:
        words["paraphrase"] = _in_meta(tool, drawn.paraphrase)
    catalogue = {t.name: t for t in heldout}
    texts = {t.name: _as_sentence(catalogue[t.name].ability["en"]) for t in offered}
    meta = {**alone.meta, changes.QUERIES: words, changes.DESCRIPTIONS: texts}
    category = "multiple" if beside else "simple"
    return replace(alone, tools=tuple(offered), category=category, meta=meta)


def _example(id: str, tool: CatalogueTool, request: Request, offered: Sequence[Tool]) -> Example:
    meta = {"lang": "en", "domain": tool.domain, "licence": "Apache-2.0", "split": tool.split}
    messages = ({"role": "user", "content": request.query},)
    return Example(id, "builtin", "simple", messages, tuple(offered), (_call(tool, request),), "any", meta)


def _call(tool: CatalogueTool, request: Request) -> GoldCall:
    return GoldCall(tool.name, dict(request.arguments))


def _in_meta(tool: CatalogueTool, request: Request) -> dict[str, Any]:
    return {"query": request.query, "ground_truth": [_call(tool, request).to_json()]}


def _as_sentence(ability: str) -> str:
    return f"{ability[:1].upper()}{ability[1:]}."


def _given(location: str, count: int) -> list[Example]:
    """Calling examples of the user's data, evenly over their languages."""
    calling = [e for e in read_examples(location) if e.ground_truth]
    if not calling:
        raise UsageError(f"{location}: holds no example that wants a call; robustness is about calls that stay right.")
    return evenly(by_lang(calling), count)


def _pool(servers: str, base: Sequence[Example]) -> list[tuple[str, Tool]]:
    """The tools that distractors are drawn from: of servers, or of the other examples and the catalogue.

    Those for validation, which came later, are left out: a seed draws what it drew.
    """
    if servers:
        return [(server.label or "", tool) for server in read_servers(servers) for tool in server.tools]
    mine = [(str(e.meta.get("domain") or ""), tool) for e in base for tool in e.tools]
    return [*mine, *((t.domain, t.tool) for t in load_catalogue() if t.split != "validation")]


def _chosen(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in CHANGES:
            raise UsageError(f"--option changes: no change {name!r}.{did_you_mean(name, CHANGES)}")
    if not names:
        raise UsageError(f"--option changes: name one change at least of {', '.join(CHANGES)}")
    return [name for name in CHANGES if name in names]


def _levels(text: str) -> list[int]:
    levels = sorted({whole_number("distractors", part.strip()) for part in text.split(",")})
    if levels[-1] > MOST_DISTRACTORS:
        raise UsageError(f"--option distractors: got {levels[-1]}, expected at most {MOST_DISTRACTORS}")
    return levels


def _grids(store: EvalStore) -> list[Grid]:
    made = [e["meta"][ROW] for e in store.examples()]
    levels = sorted((name for name in set(made) if name.startswith(_DISTRACTORS)), key=_level)
    order = [*(name for name in _WORDS if name in made), *levels]
    seed = int(store.settings.get("seed", 0))
    rows: list[tuple[Any, ...]] = []
    curve: list[tuple[Any, ...]] = []
    for model, seen in seen_by_model(store).items():
        pairs = _pairs(seen)
        base = [records[UNTOUCHED] for records in pairs.values() if UNTOUCHED in records]
        curve.append(_point(model, 0, [(r, r) for r in base], seed))
        for name in order:
            both = [(p[UNTOUCHED], p[name]) for p in pairs.values() if UNTOUCHED in p and name in p]
            rows.append(_row(model, name, both, made.count(UNTOUCHED), made.count(name)))
            if name.startswith(_DISTRACTORS):
                curve.append(_point(model, _level(name), both, seed))
    grids = [Grid("Robustness: each change against the untouched examples", _COLUMNS, tuple(rows), notes=(_NOTE,))]
    if any(level for _, level, *_ in curve):
        grids.append(Grid("Right by the number of distractors", _CURVE, tuple(curve), left=1, notes=(_CURVE_NOTE,)))
    return grids


def _level(name: str) -> int:
    return int(name.split()[1])


def _pairs(seen: Mapping[str, Seen]) -> dict[str, dict[str, Any]]:
    """The records of each untouched example, by change."""
    out: dict[str, dict[str, Any]] = {}
    for record, meta in seen.values():
        out.setdefault(str(meta["untouched"]), {})[str(meta[ROW])] = record
    return out


def _row(model: str, name: str, both: Sequence[tuple[Any, Any]], asked: int, made: int) -> tuple[Any, ...]:
    before, after = [b.right for b, _ in both], [a.right for _, a in both]
    lost = sum(b and not a for b, a in zip(before, after, strict=True))
    gained = sum(a and not b for b, a in zip(before, after, strict=True))
    n = len(both)
    difference = paired_share_difference(before, after)
    return (model, name, n, wilson(sum(before), n), wilson(sum(after), n), difference, lost, gained, asked - made,
            made - n)  # fmt: skip


def _point(model: str, level: int, both: Sequence[tuple[Any, Any]], seed: int) -> tuple[Any, ...]:
    before, after = [b.right for b, _ in both], [a.right for _, a in both]
    right = wilson(sum(after), len(after))
    tokens = mean([float(a.prompt_tokens) for _, a in both], seed)
    return (model, level, len(both), right, right, paired_share_difference(before, after), tokens)


_COLUMNS = (
    ("model", "words"),
    ("change", "words"),
    ("n", "count"),
    ("untouched", "share"),
    ("changed", "share"),
    ("difference", "points"),
    ("lost", "count"),
    ("gained", "count"),
    ("not made", "count"),
    ("left out", "count"),
)
_CURVE = (
    ("model", "words"),
    ("distractors", "count"),
    ("n", "count"),
    ("right", "share"),
    ("curve", "bar"),
    ("difference", "points"),
    ("prompt tokens", "number"),
)
_NOTE = (
    "Strict accuracy in percent over the examples that were shown both ways, with 95% intervals (Wilson; differences "
    "in points: Tango, paired). Lost and gained: right before and not after, and the reverse. Not made: the example "
    "leaves nothing to change, or nothing says it in those words. Left out: its prompt did not fit."
)
_CURVE_NOTE = (
    "0: the untouched examples. The difference is to the same examples untouched: compare it over levels, since n may "
    "fall where prompts do not fit."
)

SUITE = Suite(
    "robustness",
    "tools renamed, masked, shuffled, described otherwise, among distractors; queries in other words and languages",
    _load,
    options={
        "data": Option("", "calling examples (JSONL, Parquet or a build) in place of the built-in held-out ones"),
        "count": Option("60", "how many of them; each is shown once for every change"),
        "changes": Option(",".join(CHANGES), "which changes, separated by commas"),
        "distractors": Option(LEVELS, "how many tools that do not fit are added, separated by commas"),
        "servers": Option("", "MCP servers (JSONL) that distractors are drawn from, in place of the catalogue"),
    },
    judge=judge_row,
    tables=shown(_grids),
    after=kept("robustness", _grids),
    draw=draw_groups,
)
