"""The words of refusing, asking and answering as data: one YAML a language, read once when first needed.

A language is added by a file in this folder, or by `register_language` with a path. `docs/refusal.md` has the keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rlvr.errors import ConfigError, UsageError
from rlvr.rewards.wordlists.any_of import AnyOf

LANGUAGES = ("en", "vi", "zh")
"""The languages that word lists ship for. `languages()` has those that a program registered as well."""

_CODE = re.compile(r"[a-z]{2,3}")
_NEVER = re.compile(r"(?!)")
_ESCAPES_AND_SETS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")
_REPEATS_WITHOUT_END = re.compile(r"[*+]|\{\d*,\}")
_REGISTERED: dict[str, Path] = {}
_changes = 0


@dataclass(frozen=True)
class _WordFile:
    """What one YAML holds, as it stands there. What each key does stands in docs/refusal.md."""

    function_words: tuple[str, ...]
    refuse: tuple[str, ...]
    clarify: tuple[str, ...]
    offer: tuple[str, ...]
    explain: tuple[str, ...]
    courtesy: str
    contrast: str
    min_answer_characters: int
    script: str | None = None
    letters: str | None = None
    terms: Mapping[str, str] | None = None
    never: tuple[str, ...] = ()
    conditional: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    limit: tuple[str, ...] = ()
    hint: tuple[str, ...] = ()
    apology: tuple[str, ...] = ()
    instruction: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    cues: str | None = None
    fold: Mapping[str, str] | None = None


@dataclass(frozen=True)
class WordList:
    """One language's patterns, compiled."""

    function_words: frozenset[str]
    script: re.Pattern[str] | None
    letters: frozenset[str]
    never: AnyOf
    refuse: AnyOf
    conditional: AnyOf
    stuck: AnyOf
    limit: AnyOf
    clarify: AnyOf
    offer: AnyOf
    explain: AnyOf
    hint: AnyOf
    apology: AnyOf
    instruction: AnyOf
    done: AnyOf
    undone: AnyOf
    cues: re.Pattern[str]
    courtesy: re.Pattern[str]
    contrast: re.Pattern[str]
    min_answer_characters: int
    fold: Mapping[int, str]


def languages() -> tuple[str, ...]:
    """The codes of every language whose words are known: those that ship, then those registered.

    >>> languages()[:3]
    ('en', 'vi', 'zh')
    """
    return (*LANGUAGES, *(code for code in _REGISTERED if code not in LANGUAGES))


def register_language(code: str, path: str | Path) -> None:
    """Take the word list at `path` for the language `code`: a new one, or in place of one that ships.

    It holds for this process: call it where your reward module is imported, before anything is scored. Raises
    `ConfigError` with every mistake of the file, `UsageError` where `code` is not two or three lower-case letters.
    """
    global _changes
    if not _CODE.fullmatch(code):
        raise UsageError(f"language code: got {code!r}, expected two or three lower-case letters, such as 'de'.")
    _read(Path(path))
    _REGISTERED[code] = Path(path)
    _forget()


def unregister_language(code: str) -> None:
    """Take back `register_language`. A language that ships has its own words again."""
    _REGISTERED.pop(code, None)
    _forget()


def changes() -> int:
    """How often the languages changed: what is cached under an older number no longer holds."""
    return _changes


def _forget() -> None:
    global _changes
    word_list.cache_clear()
    _changes += 1


@lru_cache(maxsize=64)
def word_list(lang: str) -> WordList:
    """The patterns of a language. Raises `ConfigError` where its file is broken."""
    return _read(_REGISTERED.get(lang) or Path(__file__).with_name(f"{lang}.yaml"))


def _read(path: Path) -> WordList:
    from rlvr.strict import build, read_yaml

    problems: list[str] = []
    raw = build(_WordFile, read_yaml(path), where=path.name, problems=problems)
    if raw is None or problems:
        raise ConfigError(problems)
    patterns = _Patterns(path.name, raw.terms or {}, problems)
    fold = {ord(k): v for k, v in (raw.fold or {}).items() if len(k) == 1}
    made = WordList(
        function_words=frozenset(raw.function_words),
        script=patterns.one("script", raw.script) if raw.script else None,
        letters=patterns.characters("letters", raw.letters) if raw.letters else frozenset(),
        never=patterns.any_of("never", raw.never),
        refuse=patterns.any_of("refuse", raw.refuse),
        conditional=patterns.any_of("conditional", raw.conditional),
        stuck=patterns.any_of("stuck", raw.stuck),
        limit=patterns.any_of("limit", raw.limit),
        clarify=patterns.any_of("clarify", raw.clarify),
        offer=patterns.any_of("offer", raw.offer),
        explain=patterns.any_of("explain", raw.explain),
        hint=patterns.any_of("hint", raw.hint),
        apology=patterns.any_of("apology", raw.apology),
        instruction=patterns.any_of("instruction", raw.instruction),
        done=patterns.any_of("done", raw.done),
        undone=patterns.any_of("undone", raw.undone),
        cues=patterns.one("cues", raw.cues) if raw.cues else _NEVER,
        courtesy=patterns.one("courtesy", rf"^(?:{raw.courtesy})[\s,.!?;:，。！？、…~～]{{0,20}}"),
        contrast=patterns.one("contrast", raw.contrast),
        min_answer_characters=raw.min_answer_characters,
        fold=fold,
    )
    if problems:
        raise ConfigError(problems)
    return made


class _Patterns:
    """Compiles the patterns of one file: terms put in, and every mistake noted with its key."""

    def __init__(self, where: str, terms: Mapping[str, str], problems: list[str]) -> None:
        self.where, self.problems = where, problems
        self.terms: dict[str, str] = {}
        for name, text in terms.items():
            self.terms[name] = self._with_terms(text)

    def one(self, key: str, text: str) -> re.Pattern[str]:
        filled = self._with_terms(text)
        if _REPEATS_WITHOUT_END.search(_ESCAPES_AND_SETS.sub("", filled)):
            self.problems.append(f"{self.where}: {key}: got a repetition without an end, expected {{0,60}}: {text!r}.")
            return _NEVER
        try:
            return re.compile(filled)
        except re.error as error:
            self.problems.append(f"{self.where}: {key}: got a broken pattern: {error}: {text!r}.")
            return _NEVER

    def characters(self, key: str, text: str) -> frozenset[str]:
        pattern = self.one(key, text)
        return frozenset(c for c in map(chr, range(0x80, 0x2000)) if pattern.fullmatch(c))

    def any_of(self, key: str, texts: tuple[str, ...]) -> AnyOf:
        found = len(self.problems)
        patterns = [self.one(key, text) for text in texts]
        return AnyOf([] if len(self.problems) > found else patterns)

    def _with_terms(self, text: str) -> str:
        for name, value in self.terms.items():
            text = text.replace(f"<{name}>", value)
        return text
