"""`abstention`: is a call made where a tool fits, and none where it does not: irrelevance sets, six kinds, twins."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rlvr.data.generator import GeneratorOptions, generate, load_catalogue
from rlvr.data.sources import bfcl
from rlvr.data.sources.mcp import read_servers
from rlvr.errors import UsageError
from rlvr.evaluation.statistics import Figure, wilson
from rlvr.evaluation.suites.base import Option, Suite, SuiteOptions
from rlvr.evaluation.suites.common import (
    ROW,
    draw_groups,
    evenly,
    judge_row,
    placed,
    read_examples,
    seen_by_model,
    whole_number,
)
from rlvr.evaluation.suites.grids import Grid, kept, shown
from rlvr.negatives import KINDS, NegativeOptions, ServerLike, ToolSet, synthesize
from rlvr.types import Example, Outcome, Tool

if TYPE_CHECKING:
    from rlvr.evaluation.records import EvalRecord
    from rlvr.evaluation.store import EvalStore
    from rlvr.evaluation.suites.common import Seen

IRRELEVANCE = ("irrelevance", "live_irrelevance")
_ALL = "all"
_LANGUAGES = {"en": 1.0, "vi": 1.0, "zh": 1.0}
_CATEGORIES = {"simple": 0.4, "multiple": 0.4, "parallel": 0.1, "parallel_multiple": 0.1}
_PARENTS_A_PAIR, _LEAST_PARENTS = 24, 720  # so many calling examples are read at most: few have a near twin
_BUILT_IN_POOL = 120

Pair = tuple[Example, Example]
"""A negative and its positive."""


def _load(options: SuiteOptions) -> Sequence[Example]:
    count = whole_number("count", options["count"], 0)
    out: list[Example] = []
    if options["irrelevance"] == "bfcl":
        for name in IRRELEVANCE:
            out += [placed(e, f"bfcl {name}", e.id) for e in bfcl.load_suite(options.folder, (name,))]
    if count:
        pairs = _from_file(options, count) if options["data"] else _built_in(options, count)
        out += [shown_as for kind in KINDS for pair in pairs[kind] for shown_as in _both(kind, pair)]
    if not out:
        raise UsageError("abstention: nothing is left to show; give a count above 0, or leave irrelevance at bfcl")
    return out


def make_pairs(
    examples: Iterable[Example],
    kind: str,
    count: int,
    seed: int,
    servers: Sequence[ToolSet | ServerLike] = (),
    *,
    pool: int = 1_000,
    languages: Collection[str] = (),
) -> list[Pair]:
    """At most `count` verified negatives of one kind, each with its twin, evenly over the languages.

    A calling example gives one at most. The same examples, servers and seed give the same pairs. Examples are held
    `pool` at a time; with `languages`, no more are read once each of these has its part.
    """
    wanted = NegativeOptions(kinds={kind: 1.0}, share=1.0, seed=seed, twins=True, pool=pool)
    made = iter(synthesize(examples, wanted, servers or None))
    found: dict[str, list[Pair]] = {}
    for without in made:
        found.setdefault(without.lang or "", []).append((without, next(made)))
        if languages and all(len(found.get(lang, ())) * len(languages) >= count for lang in languages):
            break
    return evenly(found, count)


def _both(kind: str, pair: Pair) -> tuple[Example, Example]:
    without, beside = pair
    return placed(without, kind, without.id), placed(beside, f"{kind} twin", without.id)


def _from_file(options: SuiteOptions, count: int) -> Mapping[str, list[Pair]]:
    """Pairs of the user's own examples; MCP servers lend their tools where they are given."""
    calling = [e for e in read_examples(options["data"]) if e.ground_truth]
    if not calling:
        raise UsageError(f"{options['data']}: holds no example that wants a call, so no negative can be made of it")
    servers: list[ToolSet | ServerLike] = list(read_servers(options["servers"])) if options["servers"] else []
    return {kind: make_pairs(calling, kind, count, options.seed, servers) for kind in KINDS}


def _built_in(options: SuiteOptions, count: int) -> Mapping[str, list[Pair]]:
    """Pairs of the generator's held-out examples; partial fulfilment of its tasks of two steps.

    The tools beside them are those of the held-out catalogue, by domain, or those of the servers that are given. Near
    twins are looked for among the training tools too: the held-out ones have none of each other.
    """
    given: list[ToolSet | ServerLike] = list(read_servers(options["servers"])) if options["servers"] else []
    number = max(_LEAST_PARENTS, _PARENTS_A_PAIR * count)
    out = {}
    for kind in KINDS:
        steps = 1.0 if kind == "partial_fulfilment" else 0.0
        asked = GeneratorOptions(languages=_LANGUAGES, categories=_CATEGORIES, two_step=steps, group_size=1)
        servers = given or _domains(("heldout", "train") if kind == "action_mismatch" else ("heldout",))
        parents = generate("heldout", number, options.seed, asked)
        out[kind] = make_pairs(
            parents, kind, count, options.seed, servers, pool=_BUILT_IN_POOL, languages=tuple(_LANGUAGES)
        )
    return out


def _domains(splits: Sequence[str]) -> list[ToolSet | ServerLike]:
    """The catalogue's tools of some splits, a set for each domain."""
    domains: dict[str, list[Tool]] = {}
    for tool in load_catalogue():
        if tool.split in splits:
            domains.setdefault(tool.domain, []).append(tool.tool)
    return [ToolSet(domain, tuple(tools), name=domain) for domain, tools in domains.items()]


def _grids(store: EvalStore) -> list[Grid]:
    metas = [e["meta"] for e in store.examples()]
    sets = [name for name in (*(f"bfcl {n}" for n in IRRELEVANCE), *KINDS) if any(m[ROW] == name for m in metas)]
    missing = [kind for kind in KINDS if kind not in sets]
    spoken = sorted({str(m["lang"]) for m in metas if m.get("lang")})
    abstained, twins = [], []
    for model, seen in seen_by_model(store).items():
        for name in [*sets, _ALL] if len(sets) > 1 else sets:
            for lang in [_ALL, *spoken] if len(spoken) > 1 else [_ALL]:
                silent = [r for r, m in seen.values() if _is(m[ROW], name, sets) and lang in (_ALL, m.get("lang"))]
                if silent:
                    abstained.append(_silent_row(model, name, lang, silent))
                pairs = _pairs(seen, name, lang)
                if pairs:
                    twins.append(_twin_row(model, name, lang, pairs))
    note = f"No example was made of: {', '.join(missing)}." if missing and any(m[ROW] in KINDS for m in metas) else ""
    grids = [Grid("Abstention: no call is right", _SILENT, tuple(abstained), 3, (_NOTE, *([note] if note else [])))]
    if twins:
        grids.append(Grid("Twins: the same query with the tool, and without", _TWINS, tuple(twins), 3, (_TWIN_NOTE,)))
    return grids


def _is(row: str, name: str, sets: Sequence[str]) -> bool:
    return row in sets if name == _ALL else row == name


def _pairs(seen: Mapping[str, Seen], name: str, lang: str) -> list[tuple[EvalRecord, EvalRecord]]:
    """The records of each negative of a kind (of all) and of its twin, where both were shown."""
    out = []
    for record, meta in seen.values():
        twin = seen.get(str((meta.get("twin") or {}).get("id")))
        chosen = meta[ROW] in KINDS if name == _ALL else meta[ROW] == name
        if chosen and twin is not None and lang in (_ALL, meta.get("lang")):
            out.append((record, twin[0]))
    return out


def _silent_row(model: str, name: str, lang: str, records: Sequence[EvalRecord]) -> tuple[object, ...]:
    tests: tuple[Callable[[EvalRecord], bool], ...] = (
        lambda r: r.right,
        lambda r: r.abstained,
        lambda r: r.false_call,
        lambda r: r.malformed,
    )
    return (model, name, lang, len(records), *(_share(records, test) for test in tests))


def _twin_row(model: str, name: str, lang: str, pairs: Sequence[tuple[EvalRecord, EvalRecord]]) -> tuple[object, ...]:
    """`right`: the wanted call with the tool, a refusal without. `told apart`: a call with, no call without."""
    calls = Outcome.CALLS.value
    counts = (
        sum(beside.right and without.right for without, beside in pairs),
        sum(beside.outcome == calls and without.abstained for without, beside in pairs),
        sum(beside.right for _, beside in pairs),
        sum(without.right for without, _ in pairs),
        sum(beside.outcome == calls and without.false_call for without, beside in pairs),
        sum(beside.abstained for _, beside in pairs),
    )
    return (model, name, lang, len(pairs), *(wilson(c, len(pairs)) for c in counts))


def _share(records: Sequence[EvalRecord], test: Callable[[EvalRecord], bool]) -> Figure:
    return wilson(sum(map(test, records)), len(records))


_SILENT = (
    ("model", "words"),
    ("set", "words"),
    ("lang", "words"),
    ("n", "count"),
    ("right words", "share"),
    ("abstained", "share"),
    ("false calls", "share"),
    ("malformed", "share"),
)
_TWINS = (
    ("model", "words"),
    ("kind", "words"),
    ("lang", "words"),
    ("pairs", "count"),
    ("right", "share"),
    ("told apart", "share"),
    ("call right with", "share"),
    ("refused without", "share"),
    ("called both", "share"),
    ("over-refusal", "share"),
)
_NOTE = (
    "Percent with 95% Wilson intervals. Right words: a refusal in the query's language, for BFCL's sets any words. "
    "Abstained: clean text, not cut. False calls: well-formed or malformed ones (the latter under malformed too)."
)
_TWIN_NOTE = (
    "Percent of pairs with 95% Wilson intervals. Right: the wanted call is made with the tool, and refused without it. "
    "Told apart: any well-formed call with it, no call without. Called both: a call with, a false one without. "
    "Over-refusal: words and no call with the tool there. A pair of which one side did not fit is left out."
)

SUITE = Suite(
    "abstention",
    "BFCL's irrelevance sets, six kinds of negatives made from calling examples, and their twins with the tool",
    _load,
    options={
        "data": Option("", "calling examples (JSONL, Parquet or a build) in place of the built-in held-out ones"),
        "count": Option("40", "pairs of each kind; 0: none"),
        "irrelevance": Option(
            "bfcl", "BFCL's irrelevance and live_irrelevance, fetched where missing", ("bfcl", "none")
        ),
        "servers": Option("", "MCP servers (JSONL) whose tools are put in the place of the needed one"),
    },
    judge=judge_row,
    tables=shown(_grids),
    after=kept("abstention", _grids),
    draw=draw_groups,
)
