"""A data recipe: one YAML file that says which rows a build takes, what it does to them, and how they are mixed.

Strict: unknown keys fail, all mistakes of a file at once. A default is stated here, once; `recipes/README.md` explains
the keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rlvr.data.build.shares import check_calls_wanted, check_share, check_shares
from rlvr.data.text import TextOptions
from rlvr.errors import ConfigError
from rlvr.strict import build as build_strictly
from rlvr.strict import override, read_yaml


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """One source of a mixture: what is read, from where, and how many examples of it are taken.

    `location` is a local file or folder, or a hub id; left out, it is the source's own hub id. `count` is how many
    examples are kept after the filters, `share` the same as a part of the recipe's `total`; without either all are.
    `take: first` stops reading as soon as there are enough, `random` reads everything and draws. `expects` overrides
    what the source says of its no-call rows. `options` are the built-in generator's.
    """

    source: str
    location: str | None = None
    config: str | None = None
    split: str = "train"
    subset: str | None = None
    revision: str | None = None
    turns: Literal["all", "first", "last"] = "all"
    count: int | None = None
    share: float | None = None
    take: Literal["first", "random"] = "first"
    expects: Literal["refuse", "clarify", "answer", "any"] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise ValueError(f"count: got {self.count}, expected at least 1")
        if self.count is not None and self.share is not None:
            raise ValueError("count and share: give one of them")
        check_share("share", self.share)
        if self.options and self.source != "builtin":
            raise ValueError("options: go with source builtin, the generator")
        if self.source == "builtin" and self.take == "random":
            raise ValueError("take: random goes with a source that ends; builtin makes examples without end")

    @property
    def never_calls(self) -> bool:
        """Whether no row of it can want a call: Toucan's irrelevant ones."""
        return self.source == "toucan" and self.subset == "irrelevant"


@dataclass(frozen=True, slots=True)
class DifficultyChoice:
    """Keep the examples whose pass rate (measured by `rlvr data probe` into `file`) lies between `least` and `most`.

    `floor` is the share of each category that is kept whatever it passes (one number, or by category with `*` for the
    others): mastered negatives must not vanish. `unprobed` says what becomes of rows that the file does not hold.
    """

    file: str
    least: float = 0.1
    most: float = 0.9
    floor: float | Mapping[str, float] = 0.1
    unprobed: Literal["drop", "keep"] = "drop"

    def __post_init__(self) -> None:
        floors = self.floor if isinstance(self.floor, Mapping) else {"*": self.floor}
        for name, share in {
            "least": self.least,
            "most": self.most,
            **{f"floor {k}": v for k, v in floors.items()},
        }.items():
            check_share(name, share)
        if self.least > self.most:
            raise ValueError(f"least {self.least} is above most {self.most}")


@dataclass(frozen=True, slots=True)
class FilterChoice:
    """What is dropped, and counted: see `docs/filters.md`.

    `max_prompt_tokens` counts the rendered prompt with `tokenizer`'s chat template; a longer row is dropped whole.
    `decontaminate` names benchmarks (`bfcl`) and files of examples whose questions must not be among the rows.
    `tools` is the least and the greatest number of tools offered.
    """

    max_prompt_tokens: int | None = None
    tokenizer: str | None = None
    parser: str = "hermes"
    duplicates: Literal["exact", "near", "none"] = "exact"
    near_threshold: float = 0.8
    decontaminate: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    tools: tuple[int, ...] = ()
    difficulty: DifficultyChoice | None = None

    def __post_init__(self) -> None:
        if self.max_prompt_tokens is not None and not self.tokenizer:
            raise ValueError("max_prompt_tokens: needs a tokenizer to count with (a hub id or a model folder)")
        if self.max_prompt_tokens is not None and self.max_prompt_tokens < 1:
            raise ValueError(f"max_prompt_tokens: got {self.max_prompt_tokens}, expected at least 1")
        if not 0.3 <= self.near_threshold <= 1:
            raise ValueError(f"near_threshold: got {self.near_threshold}, expected a similarity between 0.3 and 1")
        if self.tools and (len(self.tools) != 2 or not 0 <= self.tools[0] <= self.tools[1]):
            raise ValueError(f"tools: got {list(self.tools)}, expected [least, most]")


@dataclass(frozen=True, slots=True)
class JudgeChoice:
    """A model behind an OpenAI-compatible endpoint that is asked of every negative whether it is one.

    Its answers are kept in the file `cache`; the key is read from the environment variable `api_key_env`.
    """

    endpoint: str
    model: str
    cache: str
    api_key_env: str = "OPENAI_API_KEY"

    def __post_init__(self) -> None:
        if not self.endpoint.startswith(("http://", "https://")):
            raise ValueError(f"endpoint: got {self.endpoint!r}, expected an address that begins with http(s)://")


@dataclass(frozen=True, slots=True)
class NegativeChoice:
    """The negatives that are made: see `docs/negatives.md`.

    `count` of them, or `share` of the recipe's `total`; without either, as many as `calls_wanted` needs. `kinds` are
    weights by kind (left out: those of the generator), `servers` is a list of MCP servers whose tools are drawn from.
    With `twins` every negative stands beside a positive: the same query with the needed tool, in place of its parent.
    `embeddings` is a sentence-embedding model (a folder or hub id) that verifies beside TF-IDF. `pool` is how many
    examples lend each other their tools, `max_tools` how many one negative offers at most.
    """

    count: int | None = None
    share: float | None = None
    kinds: Mapping[str, float] = field(default_factory=dict)
    twins: bool = False
    servers: str | None = None
    embeddings: str | None = None
    judge: JudgeChoice | None = None
    pool: int = 1_000
    max_tools: int = 16

    def __post_init__(self) -> None:
        from rlvr.negatives import KINDS

        if self.count is not None and self.count < 0:
            raise ValueError(f"count: got {self.count}, expected 0 or more")
        if self.count is not None and self.share is not None:
            raise ValueError("count and share: give one of them")
        check_share("share", self.share)
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown:
            raise ValueError(f"kinds: {', '.join(unknown)} unknown, expected some of {', '.join(KINDS)}")
        for name in ("pool", "max_tools"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected at least 1")
        if self.kinds and (min(self.kinds.values()) < 0 or not any(self.kinds.values())):
            raise ValueError("kinds: weights are 0 or more, and one of them above 0")


@dataclass(frozen=True, slots=True)
class HeldoutChoice:
    """`share` of the rows, in groups that share no tool name and no question with training."""

    share: float = 0.02

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"share: got {self.share}, expected a share from 0 to below 1")


@dataclass(frozen=True, slots=True)
class DataRecipe:
    """What `rlvr data build` builds. `calls_wanted` is the share of rows that want a call; it holds exactly."""

    kind: Literal["data"]
    name: str
    sources: tuple[SourceChoice, ...]
    seed: int = 0
    total: int | None = None
    text: TextOptions = field(default_factory=TextOptions)
    filters: FilterChoice = field(default_factory=FilterChoice)
    negatives: NegativeChoice | None = None
    calls_wanted: float | None = None
    heldout: HeldoutChoice | None = None
    rows_per_file: int = 10_000
    note: str = ""

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("sources: got none, expected at least one")
        if self.rows_per_file < 1:
            raise ValueError(f"rows_per_file: got {self.rows_per_file}, expected at least 1")
        check_shares(self)
        check_calls_wanted(self)

    def wanted(self, index: int) -> int | None:
        """How many examples of source `index` are asked for; `None` for all of them."""
        choice = self.sources[index]
        if choice.share is None or self.total is None:
            return choice.count
        return round(choice.share * self.total)


def load_data_recipe(path: str | Path, overrides: Sequence[str] = ()) -> tuple[DataRecipe, dict[str, Any]]:
    """Load a data recipe, with `key=value` overrides; return it and the resolved mapping.

    Raises `ConfigError` with every problem of the file at once.
    """
    from rlvr.data.build.feeds import source_problems

    mapping = read_yaml(path)
    problems: list[str] = []
    for text in overrides:
        override(mapping, text, problems)
    if mapping.get("kind") in ("warmup", "grpo"):
        raise ConfigError(
            [f"{path}: kind: got {mapping['kind']!r}, expected 'data'. `rlvr train {path}` runs this recipe; "
             f"`rlvr data build --recipe {path}` writes its mixture."]
        )  # fmt: skip
    recipe = build_strictly(DataRecipe, mapping, where=str(path), problems=problems)
    sources = enumerate(recipe.sources) if recipe else _sound_sources(mapping)
    problems += [f"{path}: {p}" for p in source_problems(sources)]
    if problems:
        raise ConfigError(problems)
    assert recipe is not None
    return recipe, mapping


def _sound_sources(mapping: Mapping[str, Any]) -> Iterator[tuple[int, SourceChoice]]:
    """The sources of a recipe that is wrong elsewhere, so that its problems can be told at once."""
    found = mapping.get("sources")
    for place, raw in enumerate(found if isinstance(found, list) else ()):
        choice = build_strictly(SourceChoice, raw, where="", problems=[])
        if choice is not None:
            yield place, choice
