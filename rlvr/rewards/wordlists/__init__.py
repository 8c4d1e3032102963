"""The words of refusing, asking and answering as data: one YAML a language, read once when first needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rlvr.errors import ConfigError

LANGUAGES = ("en", "vi", "zh")
"""The languages whose refusals, questions and answers are told apart."""

_NEVER = re.compile(r"(?!)")


@dataclass(frozen=True)
class _WordFile:
    """What one YAML holds, as it stands there."""

    function_words: tuple[str, ...]
    refuse: tuple[str, ...]
    conditional: tuple[str, ...]
    clarify: tuple[str, ...]
    offer: tuple[str, ...]
    explain: tuple[str, ...]
    courtesy: str
    contrast: str
    min_answer_characters: int
    fold: Mapping[str, str] | None = None


@dataclass(frozen=True)
class WordList:
    """One language's patterns, compiled. What each means stands in `en.yaml`."""

    function_words: frozenset[str]
    refuse: re.Pattern[str]
    conditional: re.Pattern[str]
    clarify: re.Pattern[str]
    offer: re.Pattern[str]
    explain: re.Pattern[str]
    courtesy: re.Pattern[str]
    contrast: re.Pattern[str]
    min_answer_characters: int
    fold: Mapping[int, str]


@lru_cache(maxsize=len(LANGUAGES))
def word_list(lang: str) -> WordList:
    """The patterns of a language. Raises `ConfigError` where its file is broken."""
    from rlvr.strict import build, read_yaml

    path = Path(__file__).with_name(f"{lang}.yaml")
    problems: list[str] = []
    raw = build(_WordFile, read_yaml(path), where=path.name, problems=problems)
    if raw is None:
        raise ConfigError(problems)
    fold = {ord(k): v for k, v in (raw.fold or {}).items()}
    if problems:
        raise ConfigError(problems)
    return WordList(
        function_words=frozenset(raw.function_words),
        refuse=_any_of(raw.refuse),
        conditional=_any_of(raw.conditional),
        clarify=_any_of(raw.clarify),
        offer=_any_of(raw.offer),
        explain=_any_of(raw.explain),
        courtesy=re.compile(rf"^(?:{raw.courtesy})[\s,.!?;:，。！？、]*"),
        contrast=re.compile(raw.contrast),
        min_answer_characters=raw.min_answer_characters,
        fold=fold,
    )


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{p})" for p in patterns)) if patterns else _NEVER
