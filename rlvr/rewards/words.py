"""Tells a refusal, a clarifying question and an answer apart. What separates them is data: `wordlists/*.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rlvr.rewards.language import detect_language, known_language, plain, speaks
from rlvr.rewards.wordlists import LANGUAGES, WordList, word_list

__all__ = [
    "KINDS",
    "LANGUAGES",
    "WordKind",
    "classify_words",
    "detect_language",
    "has_words",
    "known_language",
    "speaks",
]

KINDS = ("refuse", "clarify", "answer", "mixed")
"""`mixed` refuses and answers all the same; it counts as neither."""

MAX_WORD_CHARS = 4_000
"""A longer text is read up to here, and the rest counts as an answer: no refusal takes that long."""

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|(?<=[。！？])|\n+")
_MARKDOWN = re.compile(r"[*_`#>]+|</?\w{1,10}>")
_LIST_ITEM = re.compile(r"^\s*(?:[-•–]|\d{1,2}[.)])\s")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class WordKind:
    """What words do, and the language that they are in (`None`: not known)."""

    kind: str
    lang: str | None


def has_words(text: str) -> bool:
    """Whether a text holds a letter or a digit: `...` says nothing in any language.

    >>> has_words("..."), has_words("好"), has_words("42")
    (False, True, True)
    """
    return any(c.isalnum() for c in text)


@lru_cache(maxsize=4096)
def classify_words(text: str, lang: str | None = None) -> WordKind:
    """Say whether `text` refuses, asks for what is missing, answers, or refuses and answers (`mixed`).

    A refusal may say what the tools can do, give its reasons, point elsewhere and offer other help. A clause that
    cannot go on *without* something which the user has not said is a question, not a refusal. The text's own language
    decides which patterns are read; `lang` (the query's) only where that does not show.
    Linear in the text's length; never raises.

    >>> classify_words("I'm sorry, I can't book flights. My tools only cover hotels. Can I help with those?").kind
    'refuse'
    >>> classify_words("I can’t book it, but the capital of France is Paris.").kind
    'mixed'
    >>> classify_words("Sure! Which city do you mean?").kind, classify_words("The capital of France is Paris.").kind
    ('clarify', 'answer')
    >>> classify_words("很抱歉，我無法訂機票。").kind, classify_words("Bạn muốn đi ngày nào?").kind
    ('refuse', 'clarify')
    """
    found = detect_language(text)
    return WordKind(_kind(text, word_list(found or known_language(lang) or "en")), found)


def _kind(text: str, words: WordList) -> str:
    tally = _Tally(words.min_answer_characters)
    before = ""
    for line, is_item in _sentences(text[:MAX_WORD_CHARS], words):
        for clause in _clauses(line, words):
            label = _label(clause, words)
            if is_item and label in ("answer", "clarify") and before in ("explain", "offer", "clarify", "refuse"):
                label = before  # a list carries on what the sentence above it said
            tally.add(label, clause)
            if not is_item and label != "courtesy":
                before = label
    tally.after += max(0, len(text) - MAX_WORD_CHARS)
    return tally.kind()


def _sentences(text: str, words: WordList) -> Iterator[tuple[str, bool]]:
    """The sentences, in the form that the patterns want, and whether each stands in a list."""
    cleaned = plain(_MARKDOWN.sub("", text)).translate(words.fold)
    for line in cleaned.splitlines():
        is_item = _LIST_ITEM.match(line) is not None
        for sentence in _SENTENCE_END.split(_SPACE.sub(" ", line)):
            if sentence and has_words(sentence):
                yield sentence.strip(), is_item


def _clauses(sentence: str, words: WordList) -> list[str]:
    """A sentence parted at its contrasts, courtesies dropped; the question mark stays with every clause."""
    mark = "?" if sentence.rstrip("\"')]」』 ").endswith(("?", "？")) else ""
    clauses = []
    for part in words.contrast.split(sentence):
        clause = (part or "").strip(" ,，")
        while (rest := words.courtesy.sub("", clause, count=1)) != clause:
            clause = rest
        if has_words(clause):
            clauses.append(clause if clause.endswith("?") else clause + mark)
    return clauses


def _label(clause: str, words: WordList) -> str:
    if words.refuse.search(clause) and not clause.endswith("?"):
        return "clarify" if words.conditional.search(clause) else "refuse"
    if words.clarify.search(clause):
        return "clarify"
    if words.offer.search(clause):
        return "offer"
    if clause.endswith("?"):
        return "clarify"
    return "explain" if words.explain.search(clause) else "answer"


class _Tally:
    """Counts the characters of what was said, clause by clause."""

    def __init__(self, least: int) -> None:
        self.least = least
        self.refused = False
        self.asked = 0
        self.before = 0  # characters that answer, before the first refusal
        self.after = 0

    def add(self, label: str, clause: str) -> None:
        if label == "refuse":
            self.refused = True
        elif label == "clarify":
            self.asked += len(clause)
        elif label == "answer" and (len(clause) >= self.least or any(c.isdigit() for c in clause)):
            if self.refused:
                self.after += len(clause)
            else:
                self.before += len(clause)

    def kind(self) -> str:
        if self.refused:
            return "mixed" if self.after or self.before >= 2 * self.least else "refuse"
        if self.asked and self.before + self.after <= max(2 * self.least, self.asked):
            return "clarify"
        return "answer"
