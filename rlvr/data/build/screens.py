"""The recipe's filters as a build runs them: those of a single row in any process, duplicates in the rows' order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rlvr.data.build.recipe import DataRecipe, FilterChoice
from rlvr.data.decontaminate import Index
from rlvr.data.filters import (
    Decontaminate,
    DifficultyBand,
    ExactDuplicates,
    Filter,
    Languages,
    NearDuplicates,
    OwnSchema,
    PromptLength,
    RememberingFilter,
    ToolCount,
    first_reason_in_words,
)
from rlvr.data.text import normalise_example
from rlvr.errors import DataError, UsageError
from rlvr.prompts import Tokenizer
from rlvr.types import Example

LoadTokenizer = Callable[[str], Tokenizer]
"""A name → the tokenizer. What loads one stands to the right of this module, and is handed in."""

BFCL = "bfcl"
_UNKNOWN = ("not_probed", "probed_differently")
Reason = tuple[str, str, str]  # filter, reason code, in words


class Screens:
    """What a recipe asks of every single row. Made once in each process: tokenizers and indexes are read here."""

    def __init__(self, recipe: DataRecipe, load_tokenizer: LoadTokenizer | None) -> None:
        filters = recipe.filters
        self._length = _prompt_length(filters, load_tokenizer)
        self._checks: list[Filter] = [OwnSchema()]
        if filters.tools:
            self._checks.append(ToolCount(*filters.tools))
        if filters.languages:
            self._checks.append(Languages(filters.languages))
        self._text = recipe.text
        self._benchmarks = benchmarks(filters, traditional=recipe.text.traditional)
        self._difficulty = _difficulty(recipe)
        self._duplicates = duplicate_filter(filters, None)

    def normalised(self, example: Example) -> Example:
        """The example with its text as the recipe wants it; doing it twice changes nothing."""
        return normalise_example(example, self._text) if self._text else example

    def why_not(self, example: Example, *, made: bool = False) -> Reason | None:
        """The first filter that drops the example, with its reason.

        An example that was `made` in this build may not have been probed: its difficulty counts where it is known.
        """
        found = first_reason_in_words(self._checks, example)
        if found is not None:
            return found
        if self._benchmarks is not None and (flag := self._benchmarks.flag(example)):
            return self._benchmarks.name, flag.code, flag.reason
        code = self._difficulty.why_not(example) if self._difficulty is not None else None
        if self._difficulty is None or code is None or (made and code in _UNKNOWN):
            return None
        return self._difficulty.name, code, code

    def length(self, example: Example) -> tuple[int, Reason | None]:
        """Tokens of the rendered prompt where the recipe has a tokenizer, and why the example is dropped for them."""
        if self._length is None:
            return 0, None
        name, most = self._length.name, self._length.max_prompt_tokens
        try:
            length = self._length.length(example)
        except DataError as error:
            return 0, (name, "not_rendered", str(error))
        return length, (name, "too_long", f"{length} tokens, at most {most}") if length > most else None

    def key(self, example: Example) -> bytes:
        """The fingerprint by which duplicates of the example are known."""
        return self._duplicates.key(example) if self._duplicates is not None else b""


def benchmarks(filters: FilterChoice, *, traditional: bool = False) -> Decontaminate | None:
    """The benchmarks and files that a recipe keeps its rows apart from. Raises what reading them raises.

    `traditional`: the rows were turned into Traditional Chinese, so the questions are looked for in that form too.
    """
    if not filters.decontaminate:
        return None
    index = Index(traditional=traditional)
    for name in filters.decontaminate:
        if name == BFCL:
            index.add_bfcl()
        else:
            index.add_file(name)
    return Decontaminate(index)


def _difficulty(recipe: DataRecipe) -> DifficultyBand | None:
    choice = recipe.filters.difficulty
    if choice is None:
        return None
    return DifficultyBand(
        choice.file, choice.least, choice.most, choice.floor, seed=recipe.seed, unprobed=choice.unprobed
    )


def duplicate_filter(filters: FilterChoice, store: Path | None) -> RememberingFilter | None:
    """The filter that remembers rows; with a `store` what it remembers is on the disk, and a stopped build goes on."""
    if filters.duplicates == "exact":
        return ExactDuplicates(store)
    if filters.duplicates == "near":
        return NearDuplicates(threshold=filters.near_threshold, store=store)
    return None


def _prompt_length(filters: FilterChoice, load: LoadTokenizer | None) -> PromptLength | None:
    """Counts tokens; without a limit it drops nothing."""
    if filters.tokenizer is None:
        return None
    if load is None:
        raise UsageError(f"filters.tokenizer: {filters.tokenizer} is to be loaded, and no way to load it was given.")
    most = filters.max_prompt_tokens if filters.max_prompt_tokens is not None else 2**62
    return PromptLength(load(filters.tokenizer), most, filters.parser)
