"""Tells a refusal, a clarifying question and an answer apart. What separates them is data: `wordlists/*.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rlvr.rewards.abbreviations import without_abbreviations
from rlvr.rewards.language import detect_language, known_language, mask_quotes, plain, speaks
from rlvr.rewards.wordlists import LANGUAGES, WordList, changes, languages, register_language, word_list
from rlvr.rewards.wordlists.any_of import Starts, word_starts

__all__ = [
    "KINDS",
    "LANGUAGES",
    "WordKind",
    "classify_words",
    "detect_language",
    "has_words",
    "known_language",
    "languages",
    "register_language",
    "speaks",
]

KINDS = ("refuse", "clarify", "answer", "mixed")
"""`mixed` refuses and answers all the same; it counts as neither."""

MAX_WORD_CHARS = 4_000
"""A longer text is read up to here, and the rest counts as an answer: no refusal takes that long."""

MAX_STUFFED_CHARS, MIN_CUES = 1_000, 4
_CUES_OF_A_SENTENCE = 2  # I can't
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_SENTENCE_SIGN = re.compile(r"[.!?。]+(?=.)")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]{0,9}\s+|(?<=[.。!?])(?=[「\u3400-\u9fff])|\n+")
_MARKDOWN_SIGN = re.compile(r"[*_`#<>]")
_MARKDOWN = re.compile(r"[*_`#>]+|</?\w{1,10}>")
_LIST_ITEM = re.compile(r"^\s*(?:[-•–]|\d{1,2}[.)])\s")
_DIGIT = re.compile(r"\d")
_REASON = re.compile(r"(?:since|because|as|given|for|vì|do|bởi|因為|由於|畢竟)\b|因為|由於|畢竟")
_CALL = re.compile(r"\b[A-Za-z_][\w.]{0,60}\(\s{0,9}[A-Za-z_]\w{0,60}\s{0,9}=")
_ENDS_IN_QUESTION = re.compile(r"[?][\"')\]」』”’ \U0001f300-\U0001faff\ufe0f~～]{0,9}$")


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
    return _LETTER_OR_DIGIT.search(text) is not None


def classify_words(text: str, lang: str | None = None) -> WordKind:
    """Say whether `text` refuses, asks for what is missing, answers, or refuses and answers (`mixed`).

    A refusal may say what the tools can do, give its reasons, point elsewhere and offer other help. A clause that
    cannot go on *without* something which the user has not said is a question, not a refusal. The text's own language
    decides which patterns are read; `lang` (the query's) only where that does not show. What stands in quotation marks
    is talked about, and does nothing; nor does an instruction to whoever answers (a copied prompt). A refusal beside
    the claim to have done the thing is `mixed`. Linear in the text's length; never raises.

    >>> classify_words("I'm sorry, I can't book flights. My tools only cover hotels. Can I help with those?").kind
    'refuse'
    >>> classify_words("I can’t book it, but the capital of France is Paris.").kind
    'mixed'
    >>> classify_words("Sure! Which city do you mean?").kind, classify_words("The capital of France is Paris.").kind
    ('clarify', 'answer')
    >>> classify_words("很抱歉，我無法訂機票。").kind, classify_words("Bạn muốn đi ngày nào?").kind
    ('refuse', 'clarify')
    """
    text = text.strip()
    return _classify(text[:MAX_WORD_CHARS], len(text) - MAX_WORD_CHARS, lang, changes())


@lru_cache(maxsize=4096)
def _classify(text: str, unread: int, lang: str | None, _changes: int) -> WordKind:
    """`unread`: how many characters follow. Cached, because two components ask about the same completion."""
    found = detect_language(text)
    return WordKind(_kind(text, unread, word_list(found or known_language(lang) or "en")), found)


def _kind(text: str, unread: int, words: WordList) -> str:
    tally = _Tally(words.min_answer_characters)
    told: list[tuple[str, Starts]] = []
    before = ""
    lines = list(_sentences(text, words))
    for line, is_item in lines:
        for clause, is_question, may_refuse in _clauses(line, words):
            starts = word_starts(clause)
            label = _label(clause, starts, is_question, may_refuse, words)
            if is_item and label in ("answer", "hint", "clarify") and before in _CARRIED:
                label = before  # a list carries on what the sentence above it said
            tally.add(label, clause)
            if not is_question:
                rest = clause if label not in ("refuse", "stuck") else _behind_comma(clause, words)
                if rest:
                    told.append((rest, starts if rest is clause else word_starts(rest)))
            if not is_item:
                before = label
    if unread > 0 or ("(" in text and _CALL.search(text)):
        tally.after += words.min_answer_characters  # what was not read answers, and so does a call written out as text
    if tally.explained and not tally.refused:
        tally.sorry = any(words.apology.search(line, word_starts(line)) for line, _ in lines)
    kind = tally.kind()
    if kind not in ("refuse", "clarify"):
        return kind
    if any(words.done.search(*clause) and not words.undone.search(*clause) for clause in told):
        return "mixed" if kind == "refuse" else "answer"  # who says that he did it does not refuse it, nor asks before
    if kind == "clarify":
        return kind
    return "answer" if len(text) <= MAX_STUFFED_CHARS and _is_stuffed(lines, words) else kind


def _behind_comma(clause: str, words: WordList) -> str:
    """What a refusing clause goes on to say; nothing where it gives its reason."""
    _, _, rest = clause.partition(",")
    rest = rest.strip()
    return "" if words.undone.search(rest, word_starts(rest)) or _REASON.match(rest) else rest


def _is_stuffed(lines: Sequence[tuple[str, bool]], words: WordList) -> bool:
    """Whether a text only piles up the words of refusals, and says no sentence: more than two behind the courtesies.

    "I'm sorry, I can't." is one.
    """
    cues = bare = 0
    for line, _ in lines:
        opening = words.courtesy.match(line)
        at, said = 0, opening.end() if opening else 0
        while letter := _LETTER_OR_DIGIT.search(line, at):
            cue = words.cues.match(line, letter.start())
            if cue is None or cue.end() == letter.start():
                return False
            bare += cue.start() >= said
            cues, at = cues + 1, cue.end()
    return cues >= MIN_CUES and bare > _CUES_OF_A_SENTENCE


_CARRIED = ("explain", "limit", "offer", "clarify", "refuse")


def _sentences(text: str, words: WordList) -> Iterator[tuple[str, bool]]:
    """The sentences, in the form that the patterns want, and whether each stands in a list."""
    if _MARKDOWN_SIGN.search(text):
        text = _MARKDOWN.sub("", text)
    cleaned = plain(without_abbreviations(text))[:MAX_WORD_CHARS]  # one character may be eighteen in NFKC
    cleaned = mask_quotes(cleaned.translate(words.fold) if words.fold else cleaned)
    for line in cleaned.splitlines():
        is_item = _LIST_ITEM.match(line) is not None
        line = " ".join(line.split())
        for sentence in _SENTENCE_END.split(line) if _SENTENCE_SIGN.search(line) else (line,):
            if sentence and has_words(sentence):
                yield sentence.strip(), is_item


def _clauses(sentence: str, words: WordList) -> list[tuple[str, bool, bool]]:
    """A sentence parted at its contrasts, courtesies dropped: the clause, whether it asks, whether it may refuse.

    The sentence's question mark counts for all of its clauses, but only in the last does it undo a refusal.
    """
    asks = "?" in sentence and _ENDS_IN_QUESTION.search(sentence) is not None
    parts = []
    for part in words.contrast.split(sentence):
        clause = (part or "").strip(" ,;:")
        while (opening := words.courtesy.match(clause)) and opening.end():
            clause = clause[opening.end() :]
        if has_words(clause):
            parts.append(clause)
    last = len(parts) - 1
    if asks:
        parts = [p if p.endswith("?") else p + "?" for p in parts]
    return [(p, asks, i < last or not asks) for i, p in enumerate(parts)]


def _label(clause: str, starts: Starts, is_question: bool, may_refuse: bool, words: WordList) -> str:
    if may_refuse and words.refuse.search(clause, starts) and not words.never.search(clause, starts):
        if words.instruction.search(clause, starts):
            return "answer"
        if words.conditional.search(clause, starts):
            return "clarify"
        return "stuck" if words.stuck.search(clause, starts) else "refuse"
    if words.clarify.search(clause, starts):
        return "answer" if words.instruction.search(clause, starts) else "clarify"
    if not is_question and words.limit.search(clause, starts):
        return "limit"
    if words.offer.search(clause, starts):
        return "offer"
    if is_question:
        return "clarify"
    if words.explain.search(clause, starts):
        return "explain"
    return "hint" if words.hint.search(clause, starts) else "answer"


class _Tally:
    """Counts the characters of what was said, clause by clause."""

    def __init__(self, least: int) -> None:
        self.least = least
        self.sorry = False
        self.refused = False
        self.stuck = False
        self.explained = False
        self.limited = False
        self.asked = 0
        self.before = 0  # characters that answer, before the first refusal
        self.after = 0
        self.told_last = False  # the last of the clauses that ask or answer tells something, with a digit

    def add(self, label: str, clause: str) -> None:
        has_digit = _DIGIT.search(clause) is not None
        if label == "hint":
            label = "answer" if has_digit and (self.refused or self.stuck) else "explain"
        if label == "refuse":
            self.refused = True
        elif label == "stuck":
            self.stuck = True
        elif label == "limit":
            self.limited = True
        elif label == "explain":
            self.explained = True
        elif label == "clarify":
            self.asked += len(clause)
            self.told_last = False
        elif label == "answer" and (has_digit or len(clause) >= self.least):
            self.told_last = has_digit
            if self.refused or self.stuck:
                self.after += len(clause)
            else:
                self.before += len(clause)

    def kind(self) -> str:
        told = self.before + self.after
        regrets = self.limited or (self.sorry and self.explained)
        if self.refused or (not self.asked and (self.stuck or (regrets and not told))):
            return "mixed" if self.after or self.before >= 2 * self.least else "refuse"
        if self.asked and not self.told_last and told <= max(3 * self.least, 2 * self.asked):
            return "clarify"
        return "answer"
