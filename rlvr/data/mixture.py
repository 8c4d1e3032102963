"""A mixture: which sources, how many examples of each, and which negatives are made from them."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from rlvr.data.generator import LANGUAGES, GeneratorOptions, generate
from rlvr.data.license import one_key
from rlvr.data.rows import find_shards, read_shard
from rlvr.data.sources.jsonl import example_from_row, read_jsonl
from rlvr.data.vary import vary
from rlvr.errors import DataError
from rlvr.negatives import server_shuffle
from rlvr.negatives.base import why_bound
from rlvr.types import CATEGORIES, Example, Tool


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """One source of a mixture.

    `source: builtin` generates (`split`, `seed`, and the generator's own options); `source: jsonl` reads `path`, and so
    does `source: parquet`: a file, or what `rlvr data build` wrote (its `split`). `count` examples are taken (all,
    where it is left out), after `skip`; a file is shuffled with `seed` first unless `shuffle: false`. `negatives` is
    the share, between 0 and 1, of a file's calling examples that become negatives by server shuffle: their tools are
    swapped with another example's. `expects` overrides what a file says of its no-call rows. `categories` keeps only
    the named ones. `vary` is the share of lists of tools that get other names, further optional parameters, and other
    names, things and codes in their queries (`rlvr.data.vary`).
    """

    source: Literal["builtin", "jsonl", "parquet"]
    count: int | None = None
    skip: int = 0
    seed: int = 0
    path: str | None = None
    shuffle: bool = True
    negatives: float = 0.0
    expects: Literal["refuse", "clarify", "answer", "any"] | None = None
    max_tools: int | None = None
    repeat: int = 1
    categories: Mapping[str, float] | None = None
    split: Literal["train", "validation", "heldout"] = "train"
    languages: Mapping[str, float] | None = None
    tools_offered: Mapping[int, float] | None = None
    group_size: int = 6
    spoken: float = 0.2
    states_optional: float | None = None
    vary: float = 0.0

    def __post_init__(self) -> None:
        if self.source != "builtin" and not self.path:
            raise ValueError(f"source {self.source} needs a path")
        if self.source == "builtin" and self.count is None:
            raise ValueError("source builtin makes examples without end: give a count")
        for name in ("negatives", "vary"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected a share between 0 and 1")
        for name, least in (("count", 1), ("skip", 0), ("repeat", 1), ("group_size", 1), ("max_tools", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name}: got {value}, expected at least {least}")
            if value is not None and value > _MOST:
                raise ValueError(f"{name}: got {value:.4g}, expected at most {_MOST}")
        if self.source == "parquet" and self.split == "validation":
            raise ValueError("split: validation is the generator's; what `rlvr data build` wrote has train and heldout")
        self._check_idle()
        _known("categories", self.categories, CATEGORIES)
        _known("languages", self.languages, LANGUAGES)
        if self.source == "builtin":
            _generator_options(self)

    def _check_idle(self) -> None:
        """A key that does nothing for its source would mislead."""
        own = {f.name: f.default for f in fields(self)}
        for name in _IDLE[self.source]:
            if getattr(self, name) != own[name]:
                raise ValueError(f"{name}: does nothing for source {self.source}: {_IDLE_REASON[self.source]}")


_MOST = 1_000_000_000
_IDLE: Mapping[str, tuple[str, ...]] = {
    "builtin": ("path", "shuffle", "negatives", "expects", "max_tools", "repeat"),
    "jsonl": ("split", "languages", "tools_offered", "group_size", "spoken", "states_optional"),
    "parquet": ("languages", "tools_offered", "group_size", "spoken", "states_optional"),
}
_IDLE_REASON: Mapping[str, str] = {
    "builtin": "what is generated is said by the generator's own keys, such as categories, languages and tools_offered",
    "jsonl": "its rows are as the file has them",
    "parquet": "its rows are as the file has them",
}


def _known(name: str, given: Mapping[str, float] | None, known: Sequence[str]) -> None:
    unknown = sorted(set(given or {}) - set(known))
    if unknown:
        raise ValueError(f"{name}: {', '.join(unknown)} unknown, expected some of {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class DataOptions:
    """The sources of a run and the longest prompt it takes, in tokens: longer ones are dropped and counted.

    `order: even` (GRPO) takes the rows so that every stretch of them holds the mixture's shares, where a shuffle leaves
    each step's to the draw.
    """

    sources: tuple[SourceOptions, ...]
    max_prompt_tokens: int = 1024
    shuffle_groups: bool = True
    order: Literal["shuffled", "even"] = "shuffled"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("sources: got none, expected a list such as [{source: builtin, count: 100}]")
        if self.max_prompt_tokens < 1:
            raise ValueError(f"max_prompt_tokens: got {self.max_prompt_tokens}, expected at least 1")


@dataclass(slots=True)
class MixtureCounts:
    """What went into a mixture, for the run folder and for `rlvr data show`."""

    by_source: Counter[str] = field(default_factory=Counter)
    by_category: Counter[str] = field(default_factory=Counter)
    by_language: Counter[str] = field(default_factory=Counter)
    by_negative: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, examples: Iterable[Example]) -> MixtureCounts:
        counts = cls()
        for example in examples:
            counts.add(example)
        return counts

    def add(self, example: Example) -> None:
        self.by_source[example.source] += 1
        self.by_category[example.category] += 1
        self.by_language[example.lang or "unknown"] += 1
        negative = example.meta.get("negative")
        kind = negative.get("kind") if isinstance(negative, Mapping) else None
        if isinstance(kind, str):
            self.by_negative[kind] += 1


def load_mixture(options: DataOptions, root: Path | None = None) -> list[Example]:
    """Load every source, in order. Paths are relative to `root` (by default the working folder).

    Raises `DataError` naming file and line of a row that cannot be used, or a source that gives nothing.
    """
    examples: list[Example] = []
    paths = [source.path for source in options.sources]
    for index, source in enumerate(options.sources):
        again = source.source == "jsonl" and source.path in paths[:index]
        loaded = list(_load(source, root or Path.cwd(), tag=f"~source{index}" if again else ""))
        if source.vary:
            loaded = vary(loaded, source.seed, source.vary)
        if not loaded:
            raise DataError(source.path or source.source, f"source {index} gives no example: check its filters")
        examples.extend(loaded)
    _unique_ids(examples)
    return examples


def _load(source: SourceOptions, root: Path, tag: str) -> Iterator[Example]:
    """`tag` ends the ids of a file that a source before has read, so that a recipe may weigh some of its rows more."""
    if source.source == "builtin":
        yield from _builtin(source)
        return
    path = Path(str(source.path)).expanduser()
    path = path if path.is_absolute() else root / path
    rows = list(read_jsonl(path) if source.source == "jsonl" else read_parquet(path, source.split))
    if source.expects:
        rows = [replace(r, expects=source.expects) if not r.ground_truth else r for r in rows]
    if source.max_tools:
        rows = [r for r in rows if len(r.tools) <= source.max_tools]
    if source.shuffle:
        random.Random(source.seed).shuffle(rows)
    if source.categories:
        rows = [r for r in rows if r.category in source.categories]
    rows = rows[source.skip :][: source.count]
    if tag:
        rows = [replace(r, id=r.id + tag) for r in rows]
    for turn in range(source.repeat):
        named = [replace(r, id=f"{r.id}~{turn}") for r in rows] if turn else rows
        yield from _with_negatives(named, source, turn)


def read_parquet(path: Path, split: str) -> Iterator[Example]:
    """The examples of a Parquet file, or of a split of a folder. Raises `DataError` at the first bad row."""
    for shard in find_shards(path, split=split):
        for row in read_shard(shard):
            if isinstance(row, DataError):
                raise row
            yield example_from_row(row.value, row.where)


def _builtin(source: SourceOptions) -> Iterator[Example]:
    assert source.count is not None  # held by SourceOptions
    made = generate(source.split, source.skip + source.count, source.seed, _generator_options(source))
    yield from (one_key(e, source.split) for e in itertools.islice(made, source.skip, None))


def _generator_options(source: SourceOptions) -> GeneratorOptions:
    given: dict[str, Any] = {
        name: dict(getattr(source, name))
        for name in ("categories", "languages", "tools_offered")
        if getattr(source, name) is not None
    }
    plain = {name: getattr(source, name) for name in ("group_size", "spoken", "states_optional")}
    return GeneratorOptions(**plain, **given)


def _with_negatives(rows: Sequence[Example], source: SourceOptions, turn: int) -> Iterator[Example]:
    """Turn a share of the calling rows into negatives, in place, by giving them another row's tools.

    A dialogue that shows calls already, or whose system message names a needed tool, is none of them: beside other
    tools it would contradict itself. The others make up for it, as far as they go.
    """
    if not source.negatives:
        yield from rows
        return
    rng = random.Random(f"{source.seed}/{turn}/negatives")
    calling = [r for r in rows if r.ground_truth]
    free = [r for r in calling if why_bound(r.messages, _needed(r)) is None]
    share = min(1.0, source.negatives * len(calling) / len(free)) if free else 0.0
    chosen = [r for r in free if rng.random() < share]
    donors = [r for r in rows if r.tools]
    made = {r.id.rsplit("/", 1)[0]: r for r in server_shuffle(chosen, source.seed + turn, donors)}
    for row in rows:
        yield made.get(row.id, row)


def _needed(example: Example) -> list[Tool]:
    names = {call.name for call in example.ground_truth}
    return [tool for tool in example.tools if tool.name in names]


def _unique_ids(examples: Sequence[Example]) -> None:
    repeated = [i for i, n in Counter(e.id for e in examples).items() if n > 1]
    if repeated:
        raise DataError(
            repeated[0], f"{len(repeated)} ids stand more than once in the mixture. Give sources other seeds."
        )
