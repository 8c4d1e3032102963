"""The example side of a score: what was offered and what was wanted, checked once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any

from rlvr.errors import DataError, UsageError, did_you_mean
from rlvr.rewards.language import MAX_DETECT_CHARS
from rlvr.rewards.matching import MODES, WantedCall, wanted_calls
from rlvr.rewards.wordlists import changes
from rlvr.rewards.words import detect_language, known_language
from rlvr.tools import Validators, check_ground_truth, normalise_tools
from rlvr.types import EXPECTS, Example, GoldCall, Tool, gold_calls_from_json


@dataclass(frozen=True)
class Context:
    """What one example asks for. The empty `gold` means that the right thing is to call nothing.

    `expects` says what words are right then; `lang` is the query's language (`en`, `vi`, `zh`; `None`: not known, and
    then not checked); `matching` is the mode in which calls are compared.
    """

    tools: Mapping[str, Tool]
    gold: tuple[GoldCall, ...] = ()
    expects: str = "any"
    lang: str | None = None
    matching: str = "typed"

    def __getstate__(self) -> dict[str, Any]:
        """What is made ready below is made again where a context is sent to: not all of it can be pickled."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def wanted(self) -> tuple[WantedCall, ...]:
        """The calls that are wanted, ready to be compared under `typed`."""
        return wanted_calls(self.gold, self.tools)

    @cached_property
    def validators(self) -> Validators:
        """By a tool's name: whether arguments are valid for it; `None` where it is not offered."""
        return Validators(self.tools)

    @classmethod
    def of(cls, example: Example, matching: str = "typed") -> Context:
        """The context of an `Example`, which was checked when it was loaded; in its query's language."""
        tools = {tool.name: tool for tool in example.tools}
        lang = language_of(example.lang, example.query)
        return cls(tools, example.ground_truth, example.expects, lang, check_mode(matching))


def language_of(stated: str | None, query: str) -> str | None:
    """A query's language: as stated, else as it reads. A stated one that rlvr does not know counts as not known."""
    if stated is not None:
        return known_language(stated)
    return _detected(query[:MAX_DETECT_CHARS], changes()) if query else None


@lru_cache(maxsize=1024)
def _detected(text: str, _changes: int) -> str | None:
    """The completions of a group have one query, and each component asks."""
    return detect_language(text)


def check_mode(matching: str) -> str:
    """Return `matching`. Raises `UsageError` where it is no mode."""
    if matching not in MODES:
        raise UsageError(f"unknown matching {matching!r}.{did_you_mean(str(matching), MODES)}")
    return matching


def build_context(
    tools: Any,
    ground_truth: Any,
    *,
    expects: str | None = None,
    lang: str | None = None,
    matching: str = "typed",
    where: str = "",
) -> Context:
    """Build the context of a row: `tools` and `ground_truth` as JSON strings or as objects.

    A ground truth that cannot be reached (its tool is not offered, its arguments break the schema) raises `DataError`
    with `where`. Under `bfcl` the schemas are not held against the ground truth: the benchmark's own break some, and
    its checker does not look. Rows with the same content share one context (a group of completions has one example).
    """
    check_mode(matching)
    expects = expects or "any"
    if expects not in EXPECTS:
        raise DataError(where, f"expects: got {expects!r}, expected one of {', '.join(EXPECTS)}.")
    try:
        return _context(_as_json(tools, "tools"), _as_json(ground_truth, "ground_truth"), expects, lang, matching)
    except DataError as error:
        raise DataError(where, str(error)) from error


@lru_cache(maxsize=1024)
def _context(tools: str, ground_truth: str, expects: str, lang: str | None, matching: str) -> Context:
    offered = normalise_tools(tools)
    try:
        loaded = json.loads(ground_truth)
    except (ValueError, RecursionError) as error:
        raise DataError("", f"ground_truth is not valid JSON: {error}") from error
    gold = gold_calls_from_json(loaded)
    problems = check_ground_truth(gold, offered) if matching != "bfcl" else []
    if problems:
        raise DataError("", "ground truth: " + "; ".join(problems))
    return Context({tool.name: tool for tool in offered}, gold, expects, known_language(lang), matching)


def _as_json(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        raise DataError("", f"{name} is missing")
    try:
        return json.dumps(value, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError("", f"{name} is not JSON: {error}") from error


def _plain(value: Any) -> Any:
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
