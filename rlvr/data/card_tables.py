"""What a build counted, as rows of tables and sentences: the card, the page and the terminal say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Counts = Mapping[str, Any]
COLUMNS = ("split", "source", "category", "lang", "kind", "license")
SPLITS = ("train", "heldout")
_KIN = ("benchmark_tools", "benchmark_tool", "benchmark_kin")
_ENTANGLED = 0.05
_ROUNDING = 0.01
_REJECTED = ("invalid", "not_understood", "unused")


@dataclass(frozen=True, slots=True)
class Table:
    """The first `words` columns hold words, the others numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def totals(counts: Counts, by: str) -> list[tuple[str, int, int]]:
    """(name, rows, length) for each value of a column of the counts, the largest first."""
    place = COLUMNS.index(by)
    rows: Counter[str] = Counter()
    lengths: Counter[str] = Counter()
    for line in counts["table"]:
        rows[line[place]] += line[-2]
        lengths[line[place]] += line[-1]
    return sorted(((name, rows[name], lengths[name]) for name in rows), key=lambda t: (-t[1], t[0]))


def count_tables(counts: Counts) -> list[Table]:
    """Rows and lengths by source, kind, category and language, and by source and licence."""
    whole, unit = max(1, sum(counts["rows"].values())), str(counts["length_unit"])
    out = []
    for by, name in (("source", "source"), ("kind", "kind"), ("category", "category"), ("lang", "language")):
        rows = [(v, f"{n:,}", f"{length:,}", f"{100 * n / whole:.1f}") for v, n, length in totals(counts, by)]
        out.append(Table(f"By {name}", (name, "rows", unit, "% of rows"), tuple(rows)))
    kinds = list(negative_kinds(counts))
    if kinds:
        lines = tuple((k.kind, k.why, f"{k.asked:,}", f"{k.made:,}", f"{k.kept:,}") for k in kinds)
        head = ("kind", "why fewer", "asked for", "made", "passed the filters")
        out.append(Table("Negatives by kind, asked for and made", head, lines, 2))
    return out


@dataclass(frozen=True, slots=True)
class NegativeKind:
    """How many negatives of a kind were asked for, were made, and passed the filters; `why` there are fewer."""

    kind: str
    asked: int
    made: int
    kept: int
    why: str


def negative_kinds(counts: Counts) -> Iterator[NegativeKind]:
    """What became of each kind of negative. What one kind could not give, the others gave in its place."""
    found = counts["negatives"]
    if not found or "asked_by_kind" not in found:  # a build of an older version
        return
    for kind, asked in found["asked_by_kind"].items():
        made = found["by_kind"].get(kind, 0)
        reasons = [(n, why) for of, why, n in found["refused"] if of == kind]
        rounding = max(_ROUNDING * asked, found["units"])  # each unit of work rounds its own part
        why = ""
        if asked - made > rounding or (asked and not made and reasons):
            n, words = max(reasons, default=(0, ""))
            why = f"{words} ({n:,} tries)" if words else "no parent was left for it"
        yield NegativeKind(kind, asked, made, found["kept_by_kind"].get(kind, 0), why)


def licence_table(counts: Counts) -> Table:
    pairs: Counter[tuple[str, str]] = Counter()
    for line in counts["table"]:
        pairs[line[1], line[5]] += line[-2]
    rows = tuple((source, licence, f"{n:,}") for (source, licence), n in sorted(pairs.items()))
    return Table("Licences", ("source", "licence", "rows"), rows, 2)


def source_table(counts: Counts) -> Table:
    """What was asked of each source, and what became of its rows. A row may give several examples, one a turn."""
    head = (
        "source",
        "asked",
        "rows read",
        "examples",
        "coerced",
        "invalid",
        "not understood",
        "unused",
        "kept",
        "taken",
    )
    rows = []
    for source in counts["sources"]:
        kinds: Counter[str] = Counter()
        for kind, _, n in source["rejected"]:
            kinds[kind] += n
        asked = "all" if source["asked"] is None else f"{source['asked']:,}"
        numbers = (source["rows"], source["examples"], source["coerced"], *(kinds[k] for k in _REJECTED))
        numbers += (source["kept"], source["taken"])
        rows.append((source_name(source), asked, *(f"{n:,}" for n in numbers)))
    return Table("Sources", head, tuple(rows))


def source_name(source: Mapping[str, Any]) -> str:
    """A source of a recipe with what tells it from the others."""
    return ", ".join([source["source"], *(str(source[k]) for k in ("location", "config", "subset") if k in source)])


def left_out_tables(counts: Counts) -> list[Table]:
    """Rejects, what the filters dropped, the coercions, and why parents gave no negative; those that are not empty."""
    sources = [(source_name(s), s) for s in counts["sources"]]
    made = counts["negatives"]
    rejected = [(name, kind, code, n) for name, s in sources for kind, code, n in s["rejected"]]
    dropped = [(name, kind, code, n) for name, s in sources for kind, code, n in s["dropped"]]
    dropped += [("negatives", kind, code, n) for kind, code, n in (made["dropped"] if made else ())]
    coerced = [(name, kind, n) for name, s in sources for kind, n in s["coercions"].items()]
    refused = [(kind, why, n) for kind, why, n in (made["refused"] if made else ())]
    found = (
        (
            "Rejected: rows that were not understood, are invalid or unused",
            ("source", "as", "reason", "rows"),
            rejected,
        ),
        ("Dropped by filters", ("source", "filter", "reason", "examples"), dropped),
        ("Lossless coercions (each stands in its row's `meta.coercions`)", ("source", "coercion", "values"), coerced),
        ("Parents that gave no negative of a kind", ("kind", "why", "tries"), refused),
    )
    return [
        Table(caption, head, tuple((*map(str, row[:-1]), f"{row[-1]:,}") for row in rows), len(head) - 1)
        for caption, head, rows in found
        if rows
    ]


def mixture_lines(counts: Counts) -> list[str]:
    """What overlaps, negatives, the share of calls and the split came to, a sentence each."""
    return [
        *_overlaps(counts),
        *_negatives(counts["negatives"]),
        *_calls(counts["calls_wanted"]),
        *_heldout(counts["heldout"]),
    ]


def shortfalls(counts: Counts) -> Iterator[str]:
    """What did not come out as the recipe asked, and sources that are kin of a benchmark."""
    for source in counts["sources"]:
        kin = sum(n for _, code, n in source["dropped"] if code in _KIN)
        if kin > _ENTANGLED * max(1, source["examples"]):
            yield (
                f"{source_name(source)}: {kin / source['examples']:.1%} of its examples offer tools of a benchmark and "
                f"were dropped; what is left is close kin. Leave the source out, or say so where you report"
            )
        if (source["asked"] or 0) > source["taken"]:
            name = source_name(source)
            yield f"{name}: {source['taken']:,} of {source['asked']:,} examples asked for; there were no more"
    made = counts["negatives"]
    if made and made["kept"] < made["asked"]:
        yield f"negatives: {made['kept']:,} of {made['asked']:,} asked for passed their checks and the filters"
    instead = "; others took their place" if made and made["made"] >= made["asked"] else ""
    for one in negative_kinds(counts):
        if one.why:
            yield f"negatives, {one.kind}: {one.made:,} of {one.asked:,} asked for{instead}: {one.why}"
    held = counts["heldout"]
    if held and held["rows"] < 0.9 * held["asked"] * held["of"]:
        yield (
            f"heldout: {held['rows']:,} rows ({held['rows'] / max(1, held['of']):.2%}, {held['asked']:.2%} asked for): "
            f"the largest group of rows that share tools or questions has {held['largest']:,} of {held['of']:,}"
        )


def _overlaps(counts: Counts) -> Iterator[str]:
    found: Counter[str] = Counter()
    for one in (*counts["sources"], *([counts["negatives"]] if counts["negatives"] else [])):
        found.update({code: n for name, code, n in one["dropped"] if name == "decontaminate"})
    if found:
        codes = ", ".join(f"{code} {n:,}" for code, n in sorted(found.items()))
        yield f"Overlaps with a benchmark: {found.total():,} examples dropped ({codes})."


def _negatives(made: Mapping[str, Any] | None) -> Iterator[str]:
    if not made:
        return
    kinds = ", ".join(f"{kind} {n:,}" for kind, n in made["by_kind"].items())
    yield (
        f"Negatives: {made['asked']:,} asked for, {made['made']:,} made from {made['parents']:,} parents ({kinds}), "
        f"{made['kept']:,} passed the filters."
    )
    if made.get("servers"):
        yield f"Tools of negatives were drawn from {made['servers']:,} servers, and from other rows."
    elif "servers" in made and "server_shuffle" in made["by_kind"]:
        yield "The recipe names no list of servers: the tools of server_shuffle are those of other rows."
    if made["twins"]:
        broken = (
            f" In {made['broken_twins']:,} pairs one was left out for the share of calls."
            if made["broken_twins"]
            else ""
        )
        yield (
            f"Twins: {made['twins']:,} negatives stand beside a positive, the same query with the needed tool, which "
            f"takes the place of the example it was made from.{broken}"
        )


def _calls(share: Mapping[str, Any]) -> Iterator[str]:
    for split in SPLITS:
        side = share[split]
        n = side["calls"] + side["others"]
        if not n:
            continue
        asked = "" if share["asked"] is None else f" ({share['asked']:g} asked for)"
        calls, others = side["left_out_calls"], side["left_out_others"]
        lost = f"; for it {calls:,} calling and {others:,} other rows were left out" if calls or others else ""
        yield f"{split}: {side['calls']:,} of {n:,} rows want a call, a share of {side['calls'] / n:.4g}{asked}{lost}."


def _heldout(held: Mapping[str, Any] | None) -> Iterator[str]:
    if held:
        yield (
            f"Held out: {held['rows']:,} of {held['of']:,} rows before negatives, a share of "
            f"{held['rows'] / max(1, held['of']):.4g} ({held['asked']:g} asked for). They offer no tool with the name "
            f"or the description of one that a training row offers, and ask none of its questions. The rows fall into "
            f"{held['groups']:,} groups that share neither; the largest has {held['largest']:,} rows."
        )
