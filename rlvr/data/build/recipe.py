"""A data recipe: one YAML file that says which rows a build takes, what it does to them, and how they are mixed.

Strict: unknown keys fail, all mistakes of a file at once. A default is stated here, once; `recipes/README.md` explains
the keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rlvr.data.build.shares import a_share, an_exact_share, calls_wanted_problems, share_problems
from rlvr.data.filters.language import UNKNOWN
from rlvr.data.text import TextOptions
from rlvr.errors import ConfigError, guess
from rlvr.rewards.words import languages
from rlvr.strict import Check, checked, override, raise_mistakes, read_yaml
from rlvr.strict import build as build_strictly

_NAMES = ("source", "location", "config", "split", "subset", "revision")


def _at_least(least: int) -> Check:
    return lambda value: None if value is None or value >= least else f"got {value}, expected at least {least}"


def _tools(value: Sequence[int]) -> str | None:
    fits = not value or (len(value) == 2 and 0 <= value[0] <= value[1])
    return None if fits else f"got {list(value)}, expected [least, most]"


def _similarity(value: float) -> str | None:
    return None if 0.3 <= value <= 1 else f"got {value}, expected a similarity between 0.3 and 1"


def _languages(value: Sequence[str]) -> str | None:
    known = (*languages(), UNKNOWN)
    wrong = [code for code in value if code not in known]
    return f"{', '.join(wrong)} unknown, expected some of {', '.join(known)}" if wrong else None


def _floors(value: float | Mapping[str, float]) -> str | None:
    shares = value.items() if isinstance(value, Mapping) else [("", value)]
    return next((f"{name}: {wrong}".removeprefix(": ") for name, share in shares if (wrong := a_share(share))), None)


def _kinds(value: Mapping[str, float]) -> str | None:
    from rlvr.negatives import KINDS

    unknown = sorted(set(value) - set(KINDS))
    if unknown:
        guesses = "".join(guess(kind, KINDS) for kind in unknown)
        return f"{', '.join(unknown)} unknown, expected some of {', '.join(KINDS)}.{guesses}"
    if value and (min(value.values()) < 0 or not any(value.values())):
        return "weights are 0 or more, and one of them above 0"
    return None


def _part(value: float) -> str | None:
    return None if 0 <= value < 1 else f"got {value}, expected a share from 0 to below 1"


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
    count: int | None = checked(_at_least(1), None)
    share: float | None = checked(a_share, None)
    take: Literal["first", "random"] = "first"
    expects: Literal["refuse", "clarify", "answer", "any"] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        more = []
        if self.count is not None and self.share is not None:
            more.append("count and share: give one of them")
        if self.options and self.source != "builtin":
            more.append("options: go with source builtin, the generator")
        if self.source == "builtin" and self.take == "random":
            more.append("take: random goes with a source that ends; builtin makes examples without end")
        raise_mistakes(self, more)

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
    least: float = checked(a_share, 0.1)
    most: float = checked(a_share, 0.9)
    floor: float | Mapping[str, float] = checked(_floors, 0.1)
    unprobed: Literal["drop", "keep"] = "drop"

    def __post_init__(self) -> None:
        raise_mistakes(self, [f"least {self.least} is above most {self.most}"] if self.least > self.most else [])


@dataclass(frozen=True, slots=True)
class FilterChoice:
    """What is dropped, and counted: see `docs/filters.md`.

    `max_prompt_tokens` counts the rendered prompt with `tokenizer`'s chat template; a longer row is dropped whole.
    `decontaminate` names benchmarks (`bfcl`) and files of examples whose questions must not be among the rows.
    `tools` is the least and the greatest number of tools offered.
    """

    max_prompt_tokens: int | None = checked(_at_least(1), None)
    tokenizer: str | None = None
    parser: str = "hermes"
    duplicates: Literal["exact", "near", "none"] = "exact"
    near_threshold: float = checked(_similarity, 0.8)
    decontaminate: tuple[str, ...] = ()
    languages: tuple[str, ...] = checked(_languages, ())
    tools: tuple[int, ...] = checked(_tools, ())
    difficulty: DifficultyChoice | None = None

    def __post_init__(self) -> None:
        counts = self.max_prompt_tokens is None or bool(self.tokenizer)
        needs = "max_prompt_tokens: needs a tokenizer to count with (a hub id or a model folder)"
        raise_mistakes(self, [] if counts else [needs])


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
    weights by kind (left out: all six), `servers` is a list of MCP servers whose tools are drawn from.
    With `twins` every negative stands beside a positive: the same query with the needed tool, in place of its parent.
    `embeddings` is a sentence-embedding model (a folder or hub id) that verifies beside TF-IDF. `pool` is how many
    examples lend each other their tools, `max_tools` how many one negative offers at most.
    """

    count: int | None = checked(_at_least(0), None)
    share: float | None = checked(a_share, None)
    kinds: Mapping[str, float] = checked(_kinds, factory=dict)
    twins: bool = False
    servers: str | None = None
    embeddings: str | None = None
    judge: JudgeChoice | None = None
    pool: int = checked(_at_least(1), 1_000)
    max_tools: int = checked(_at_least(1), 16)

    def __post_init__(self) -> None:
        twice = self.count is not None and self.share is not None
        raise_mistakes(self, ["count and share: give one of them"] if twice else [])


@dataclass(frozen=True, slots=True)
class HeldoutChoice:
    """`share` of the rows, in groups that share no tool (name or description) and no question with training."""

    share: float = checked(_part, 0.02)

    def __post_init__(self) -> None:
        raise_mistakes(self)


@dataclass(frozen=True, slots=True)
class DataRecipe:
    """What `rlvr data build` builds. `calls_wanted` is the share of rows that want a call; it holds exactly."""

    kind: Literal["data"]
    name: str
    sources: tuple[SourceChoice, ...] = checked(lambda value: None if value else "got none, expected at least one")
    seed: int = 0
    total: int | None = checked(_at_least(1), None)
    text: TextOptions = field(default_factory=TextOptions)
    filters: FilterChoice = field(default_factory=FilterChoice)
    negatives: NegativeChoice | None = None
    calls_wanted: float | None = checked(an_exact_share, None)
    heldout: HeldoutChoice | None = None
    rows_per_file: int = checked(_at_least(1), 10_000)
    note: str = ""

    def __post_init__(self) -> None:
        raise_mistakes(self)
        raise_mistakes(self, [*share_problems(self), *calls_wanted_problems(self)])

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
    sources = enumerate(recipe.sources) if recipe else _sources_of(mapping)
    problems += [f"{path}: {p}" for p in source_problems(sources)]
    if problems:
        raise ConfigError(problems)
    assert recipe is not None
    return recipe, mapping


def _sources_of(mapping: Mapping[str, Any]) -> Iterator[tuple[int, SourceChoice]]:
    """The sources of a recipe that is wrong somewhere, so that what is wrong with their names can be told at once: of
    one that is wrong itself, what says which rows are read."""
    found = mapping.get("sources")
    for place, raw in enumerate(found if isinstance(found, list) else ()):
        choice = build_strictly(SourceChoice, raw, where="", problems=[])
        if choice is None and isinstance(raw, Mapping) and isinstance(raw.get("source"), str):
            texts: dict[str, Any] = {k: str(raw[k]) for k in _NAMES if raw.get(k) is not None}
            options = raw.get("options") if raw["source"] == "builtin" else None
            choice = SourceChoice(**texts, options=options if isinstance(options, Mapping) else {})
        if choice is not None:
            yield place, choice
