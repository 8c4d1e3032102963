"""Which of the languages that rlvr knows a text is written in: by script, by diacritics, by its small words."""

from __future__ import annotations

import re
import unicodedata

from rlvr.rewards.wordlists import LANGUAGES, word_list

MAX_DETECT_CHARS = 4_000
"""A text's language shows in its beginning; reading no more keeps detection cheap on hostile lengths."""

_SHORT_WORDS = (
    6  # a text of fewer Latin words, names not counted, may be of any language, and says nothing about its language
)
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_KANA_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af\u1100-\u11ff]")
_LATIN_WORD = re.compile(r"[a-z\u00c0-\u024f\u1e00-\u1eff]+(?:'[a-z]+)*")
_WORD = re.compile(r"[^\W\d_]+")
_OTHER_LETTER = re.compile(r"[\u0370-\u052f\u0590-\u08ff\u0900-\u10ff\u1200-\u139f\u1780-\u17ff]")
_ONLY_VIETNAMESE = re.compile(r"[ăđơư\u1ea0-\u1ef9]")


def plain(text: str) -> str:
    """The form that word patterns are written for: NFKC, lower case, straight apostrophes.

    >>> plain("I can’t  do THAT")
    "i can't  do that"
    """
    text = unicodedata.normalize("NFKC", text).lower()
    return text.translate({0x2019: "'", 0x2018: "'", 0x02BC: "'", 0x0060: "'"})


def known_language(code: str | None) -> str | None:
    """`zh-Hans`, `zh_TW` or `en-GB` as one of rlvr's three languages; `None` where it is none of them.

    >>> known_language("zh-Hans"), known_language("en-GB"), known_language("fr"), known_language(None)
    ('zh', 'en', None, None)
    """
    if not code:
        return None
    head = re.split(r"[-_]", code.strip().lower(), maxsplit=1)[0]
    return head if head in LANGUAGES else None


def detect_language(text: str) -> str | None:
    """`en`, `vi` or `zh`; `None` where the text is too short to tell, or is in another language.

    >>> detect_language("What is the weather in Hà Nội?"), detect_language("Thời tiết ở Paris thế nào?")
    ('en', 'vi')
    >>> detect_language("請幫我訂 Hilton 的房間"), detect_language("42"), detect_language("Wie wird das Wetter?")
    ('zh', None, None)
    """
    found = _language(text)
    return found if found in LANGUAGES else None


def speaks(text: str, lang: str) -> bool:
    """Whether `text` may stand as a reply in `lang`: it is in it, or it is too short to be in any language.

    >>> speaks("Paris.", "vi"), speaks("The capital is Paris.", "vi"), speaks("Je ne peux pas le faire ici", "en")
    (True, False, False)
    """
    return _language(text) in (lang, "")


def _language(text: str) -> str:
    """A known language, `other`, or the empty string for what is too short to tell."""
    original = unicodedata.normalize("NFKC", text[:MAX_DETECT_CHARS])
    text = plain(original)
    han = len(_HAN.findall(text))
    words = _LATIN_WORD.findall(text)
    foreign = len(_KANA_HANGUL.findall(text)) + len(_OTHER_LETTER.findall(text))
    if foreign > han and foreign > 2 * len(words):
        return "other"
    if han and han >= len(words):
        return "other" if foreign * 5 > han else "zh"
    names = {w.lower() for w in _WORD.findall(original) if w.istitle()}
    return _latin_language(words, names)


def _latin_language(words: list[str], names: set[str]) -> str:
    """`names` are words with a capital letter: an English sentence may well speak of Nguyễn in Đà Nẵng."""
    small = word_list("vi").function_words
    vietnamese = sum(1 for w in words if w in small or (w not in names and _ONLY_VIETNAMESE.search(w)))
    english = sum(1 for w in words if w in word_list("en").function_words)
    common = sum(1 for w in words if w not in names)
    if vietnamese > english:
        return "vi"
    if english > vietnamese and english * 7 >= common:
        return "en"
    return "" if common < _SHORT_WORDS else "other"
