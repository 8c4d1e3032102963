"""What is done to a row on its own, in any process: understood, its text normalised, filtered, measured, packed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlvr.data.build.feeds import Chunk, Place, subset_of, understood
from rlvr.data.build.recipe import DataRecipe
from rlvr.data.build.record import facts, to_texts
from rlvr.data.build.screens import LoadTokenizer, Screens
from rlvr.data.build.store import Packed, compress
from rlvr.data.rows import Row
from rlvr.errors import DataError
from rlvr.types import Example

MOST_SUBSETS, MOST_SUBSET_CHARACTERS = 32, 80


@dataclass(slots=True)
class Tally:
    """Counts of what became of rows; sums of tallies are tallies. Keys of `dropped` and `rejected` are (what, why).

    `subsets` are those of rows that were passed over for another one, the first `MOST_SUBSETS` names.
    """

    rows: int = 0
    examples: int = 0
    kept: int = 0
    coerced: int = 0
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    coercions: Counter[str] = field(default_factory=Counter)
    subsets: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.rows += other.rows
        self.examples += other.examples
        self.kept += other.kept
        self.coerced += other.coerced
        self.rejected.update(other.rejected)
        self.dropped.update(other.dropped)
        self.coercions.update(other.coercions)
        for name, n in other.subsets.items():
            if name in self.subsets or len(self.subsets) < MOST_SUBSETS:
                self.subsets[name] += n

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "examples": self.examples,
            "kept": self.kept,
            "coerced": self.coerced,
            "rejected": [[*key, n] for key, n in sorted(self.rejected.items())],
            "dropped": [[*key, n] for key, n in sorted(self.dropped.items())],
            "coercions": dict(sorted(self.coercions.items())),
            "subsets": dict(sorted(self.subsets.items())),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tally:
        return cls(
            value["rows"],
            value["examples"],
            value["kept"],
            value["coerced"],
            Counter({(a, b): n for a, b, n in value["rejected"]}),
            Counter({(a, b): n for a, b, n in value["dropped"]}),
            Counter(value["coercions"]),
            Counter(value["subsets"]),
        )


@dataclass(frozen=True, slots=True)
class Done:
    """A chunk after the steps: packed rows that may stay, in order, each with its id and its place in the source; what
    was left out, as JSON rows."""

    rows: tuple[tuple[str, str, Packed], ...]
    left_out: tuple[dict[str, str], ...]
    tally: Tally
    end: Place


class Steps:
    """The steps of a recipe, ready: made once in each process (tokenizers and indexes are read here)."""

    def __init__(self, recipe: DataRecipe, load_tokenizer: LoadTokenizer | None = None) -> None:
        self.recipe = recipe
        self.screens = Screens(recipe, load_tokenizer)

    def __call__(self, chunk: Chunk) -> Done:
        choice = self.recipe.sources[chunk.source]
        tally = Tally(rows=len(chunk.rows))
        rows: list[tuple[str, str, Packed]] = []
        left_out: list[dict[str, str]] = []
        for raw in chunk.rows:
            found = understood(choice, raw)
            if found is None:
                tally.dropped["subset", "another_subset"] += 1
                tally.subsets[subset_of(choice, raw)[:MOST_SUBSET_CHARACTERS]] += 1
                continue
            for reject in found[1]:
                tally.rejected[reject.kind, reject.code] += 1
                left_out.append(reject.to_json())
            for example in found[0]:
                tally.examples += 1
                _count_coercions(example, tally)
                where = raw.where if isinstance(raw, Row) else ""
                packed = self.one(example, tally, left_out, where)
                if packed:
                    rows.append((example.id, where, packed))
        return Done(tuple(rows), tuple(left_out), tally, chunk.end)

    def one(
        self, example: Example, tally: Tally, left_out: list[dict[str, str]], where: str = "", *, made: bool = False
    ) -> Packed | None:
        """One example, normalised and packed, or `None` with its reason counted. `where` it stands, for people; `made`:
        by this build."""
        try:
            example = self.screens.normalised(example)
            reason = self.screens.why_not(example, made=made)
            texts = to_texts(example)
        except DataError as error:
            tally.rejected["invalid", "not_writable"] += 1
            left_out.append(left(example, where, "invalid", "not_writable", error.what))
            return None
        length = 0
        if reason is None:
            length, reason = self.screens.length(example)
        if reason is not None:
            name, code, words = reason
            tally.dropped[name, code] += 1
            left_out.append(left(example, where, "dropped", f"{name}: {code}", words))
            return None
        counted = length or len(texts[4]) + len(texts[5])
        return compress(texts, facts(example, counted), self.screens.key(example))


def left(example: Example, where: str, kind: str, code: str, reason: str) -> dict[str, str]:
    """A line of the rejects file for an example that was left out."""
    place = where or place_in_source(example.meta)
    row = {"source": example.source, "id": example.id, "where": place, "kind": kind, "code": code, "reason": reason}
    return {k: v.encode("utf-8", "backslashreplace").decode("utf-8") for k, v in row.items()}


def place_in_source(meta: Mapping[str, Any]) -> str:
    """`file#row`, the row counted from 0, as `meta.provenance` has it; empty where that says something else."""
    provenance = meta.get("provenance")
    if not isinstance(provenance, Mapping) or not provenance.get("location"):
        return ""
    return "#".join(str(provenance[k]) for k in ("location", "row") if provenance.get(k) is not None)


def _count_coercions(example: Example, tally: Tally) -> None:
    done: Sequence[Any] = example.meta.get("coercions") or ()
    tally.coerced += bool(done)
    tally.coercions.update(coercion_kind(str(c)) for c in done)


def coercion_kind(text: str) -> str:
    """The kind of a coercion such as `arguments.n: '5' → 5`: from what to what.

    >>> coercion_kind("arguments.n: '5' → 5"), coercion_kind("x: 1 → 1.0"), coercion_kind("x: 'a' → ['a']")
    ('string → integer', 'integer → number', 'string → array')
    >>> coercion_kind("arguments.a: null → left out"), coercion_kind("name: 'Get' → 'Weather.Get'")
    ('null → left out', 'a name restored')
    """
    at, _, change = text.partition(": ")
    if at == "name":
        return "a name restored"
    before, _, after = change.rpartition(" → ")
    return f"{_literal_kind(before)} → {_literal_kind(after)}"


def _literal_kind(text: str) -> str:
    text = text.strip()
    for signs, kind in (("'\"", "string"), ("[(", "array"), ("{", "object")):
        if text[:1] in tuple(signs):
            return kind
    if text in ("True", "False", "true", "false"):
        return "boolean"
    if text in ("None", "null", ""):
        return "null"
    if text == "left out":
        return text
    digits = text.lstrip("+-")
    return "integer" if digits.isdecimal() else "number" if digits[:1].isdigit() else "other"


_STEPS: Steps | None = None


def prepare(recipe: DataRecipe, load_tokenizer: LoadTokenizer | None) -> None:
    """Make the steps of this process."""
    global _STEPS
    _STEPS = Steps(recipe, load_tokenizer)


def run_steps(chunk: Chunk) -> Done:
    return current()(chunk)


def current() -> Steps:
    assert _STEPS is not None, "prepare() comes first"
    return _STEPS
