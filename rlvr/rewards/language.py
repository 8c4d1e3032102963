"""Which of the languages that rlvr knows a text is written in: by script, by letters, by its small words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rlvr.rewards.abbreviations import without_abbreviations
from rlvr.rewards.wordlists import changes, languages, word_list

MAX_DETECT_CHARS = 4_000
"""A text's language shows in its beginning; reading no more keeps detection cheap on hostile lengths."""

_SHORT_WORDS = (
    6  # a text of fewer Latin words, names not counted, may be of any language, and says nothing about its language
)
_MOST_MESSAGES = 50
_FOREIGN_SHARE = 1 / 3  # a reply with more than this in another language does not speak its own
_FOREIGN_LEAST = 4.0  # … where it is more than a name or a term: words, or as many characters as make them
_HAN_PER_WORD = 1.6  # Chinese words are one or two characters long
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_OTHER_SCRIPT = re.compile(
    r"[\u3040-\u30ff\uac00-\ud7af\u1100-\u11ff\u0370-\u052f\u0590-\u08ff\u0900-\u10ff\u1200-\u139f\u1780-\u17ff]"
)
_LATIN_WORD = re.compile(r"[a-z\u00c0-\u024f\u1e00-\u1eff]+(?:'[a-z]+)*")
_WORD = re.compile(r"[^\W\d_]+")
_ASCII_NAME = re.compile(r"[A-Z](?<![A-Za-z][A-Z])[a-z]*(?![A-Za-z])")
_ADDRESS_SIGN = re.compile(r"[:@_]")
_QUOTE_SIGN = re.compile(r"[\"“「『《〈«`]")
# A dot ends a sentence but inside an address or a number: `Booking.com`, `4.5`.
_SENTENCE = re.compile(r"(?:[^.!?。！？;；\n]++|(?<=[^\W_])\.(?=[a-z0-9])|(?<![^\W\d_]{2})(?<=[A-Z])\.(?=[A-Z]))++")
_SMALL = "(?:of|the|a|an|and|in|on|to|for|at|by|with|from|my|your|over|is)"
_TITLE = re.compile(
    rf"(?<=[^\W\d_A-Z] )[A-Z][a-z']{{0,30}}(?:(?: {_SMALL}){{0,2}} [A-Z][a-z']{{0,30}}){{1,12}}(?![^\W\d_])"
)
_QUOTED = re.compile(
    r"\"[^\"\n]{1,300}\"|“[^“”\n]{1,300}”|「[^「」\n]{1,300}」|『[^『』\n]{1,300}』"
    r"|《[^《》\n]{1,300}》|〈[^〈〉\n]{1,300}〉|«[^«»\n]{1,300}»|`[^`\n]{1,300}`"
)
_NO_LANGUAGE = re.compile(
    r"https?://\S{1,300}|[\w.+-]{1,64}@[\w.-]{1,64}|\b[a-zA-Z0-9]{1,40}(?:_[a-zA-Z0-9]{1,40}){1,9}"
)
_LETTER = re.compile(r"[^\W\d_]")
_NOT_DIGIT = re.compile(r"[^\W\d_]|[.!?;。！？；]")


def plain(text: str) -> str:
    """The form that word patterns are written for: NFKC, lower case, straight apostrophes.

    >>> plain("I can’t  do THAT")
    "i can't  do that"
    """
    if text.isascii():
        return text.lower().replace("`", "'")
    return _lowered(unicodedata.normalize("NFKC", text))


def _lowered(text: str) -> str:
    text = text.lower().replace("`", "'")
    return text if text.isascii() else text.replace("’", "'").replace("‘", "'").replace("\u02bc", "'")


def mask_quotes(text: str) -> str:
    """Quotations with their letters masked and their digits kept, so that their words do nothing.

    A text that is a quotation as a whole is left as it is.

    >>> mask_quotes('"Sorry 7" is from 1961')
    '"qqqqq 7" is from 1961'
    """
    if _QUOTE_SIGN.search(text) is None or _LETTER.search(_QUOTED.sub("", text)) is None:
        return text
    return _QUOTED.sub(lambda m: m[0][0] + _NOT_DIGIT.sub("q", m[0][1:-1]) + m[0][-1], text)


def known_language(code: str | None) -> str | None:
    """`zh-Hans`, `zh_TW` or `en-GB` as one of the languages with a word list; `None` where it is none of them.

    >>> known_language("zh-Hans"), known_language("en-GB"), known_language("fr"), known_language(None)
    ('zh', 'en', None, None)
    """
    if not code:
        return None
    head = re.split(r"[-_]", code.strip().lower(), maxsplit=1)[0]
    return head if head in languages() else None


def detect_language(text: str) -> str | None:
    """`en`, `vi` or `zh`; `None` where the text is too short to tell, or is in another language.

    Names, quotations, addresses and the names of tools tell nothing.

    >>> detect_language("What is the weather in Hà Nội?"), detect_language("Thời tiết ở Paris thế nào?")
    ('en', 'vi')
    >>> detect_language("請幫我訂 Hilton 的房間"), detect_language("42"), detect_language("Wie wird das Wetter?")
    ('zh', None, None)
    """
    found = read_language(text)
    return found if found in languages() else None


def read_language(text: str) -> str:
    """As `detect_language`, with what it leaves out told apart: `other`, or an empty string for what is too short.

    >>> read_language("Wie wird das Wetter morgen in der Stadt und im Umland?"), read_language("List all servers")
    ('other', '')
    """
    return _read(text[:MAX_DETECT_CHARS], changes())[0]


def read_messages(texts: Sequence[str]) -> str:
    """The language of one speaker's messages, in the order in which they were written; as `read_language` names it.

    Each message that tells has one voice, so that a long foreign text in one of them decides nothing; one that is
    nothing but quotations has none, nor has one that takes up another language's words among its own. Where voices are
    even, the later one counts. Where none tells by itself, they are read as one text. The last 50 are looked at.

    >>> read_messages(["請幫我檢查「racecar」是否為迴文", "Computer"]), read_messages(["List", "servers"])
    ('zh', '')
    >>> read_messages(["Translate 你好嗎 into English"]), read_messages(["Dịch How are you today sang tiếng Việt"])
    ('', '')
    """
    newest = [text for text in reversed(texts[-_MOST_MESSAGES:]) if text]
    found = [(read_language(text), text) for text in newest if _has_own_words(text)]
    voices = Counter(lang for lang, text in found if lang and not _of_two(text, lang))
    if voices:
        return max(voices, key=lambda lang: voices[lang])  # the first of equals, and the newest came first
    return "" if any(lang for lang, _ in found) else read_language("\n".join(newest))


def _of_two(text: str, lang: str) -> bool:
    """Whether a message that is read as `lang` may as well be in another language, of which it takes words up."""
    own_words = _own_words(text[:MAX_DETECT_CHARS])
    if own_words.isascii() or lang not in ("en", "vi", "zh"):
        return False
    lowered = _without_titles(own_words).lower()
    words = _LATIN_WORD.findall(lowered)
    english = sum(map(word_list("en").function_words.__contains__, words))
    if _HAN.search(lowered):
        framed = english > 0 or word_list("zh").function_words.isdisjoint(lowered)
        return lang == "zh" and framed and _LATIN_WORD.match(lowered.lstrip()) is not None
    letters = word_list("vi").letters
    names = {w.lower() for w in _WORD.findall(own_words)[1:] if w.istitle()}
    lettered = sum(1 for w in words if not letters.isdisjoint(w) and w not in names)
    return lettered > 1 and english > 1 and max(lettered, english) < 3 * min(lettered, english)


def _has_own_words(text: str) -> bool:
    return _QUOTE_SIGN.search(text) is None or _LETTER.search(_QUOTED.sub("", text)) is not None


def speaks(text: str, lang: str) -> bool:
    """Whether `text` may stand as a reply in `lang`: it is in it, or it is too short to be in any language.

    Words of another language inside a sentence do no harm. A reply that says a third or more of its sentences in
    another language does not speak `lang`. Simplified and Traditional Chinese are one language.

    >>> speaks("Paris.", "vi"), speaks("The capital is Paris.", "vi"), speaks("Je ne peux pas le faire ici", "en")
    (True, False, False)
    >>> speaks("I'm sorry, I can't do that. 很抱歉，我沒有辦法處理這件事。", "en")
    False
    """
    found, own_words, sentences = _read(text[:MAX_DETECT_CHARS], changes())
    if found != lang:
        return found == ""
    if sentences == 1:
        return True
    weights = _sentence_languages(own_words, changes())
    foreign = sum(weight for other, weight in weights if other not in (lang, ""))
    return foreign < _FOREIGN_LEAST or foreign < _FOREIGN_SHARE * sum(weight for _, weight in weights)


@lru_cache(maxsize=4096)
def _read(text: str, _changes: int) -> tuple[str, str, int]:
    """A text's language, its own words and how many sentences they are.

    Cached, because two components ask about the same completion, each of them twice.
    """
    own_words = _own_words(text)
    return _language(own_words), own_words, sum(1 for _ in _sentences(own_words))


def _own_words(text: str) -> str:
    """A text's beginning without addresses and names of tools, and without quotations where words are left then."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)[:MAX_DETECT_CHARS]
    if _ADDRESS_SIGN.search(text):
        text = _NO_LANGUAGE.sub(" ", text)
    text = without_abbreviations(text)
    if _QUOTE_SIGN.search(text):
        rest = _QUOTED.sub(" ", text)
        return rest if _LETTER.search(rest) else text
    return text


def _sentences(text: str) -> Iterator[str]:
    return (sentence for sentence in _SENTENCE.findall(text) if _LETTER.search(sentence))


@lru_cache(maxsize=4096)
def _sentence_languages(text: str, _changes: int) -> tuple[tuple[str, float], ...]:
    """Each sentence's language and its length in words."""
    return tuple((_language(sentence), _weight(sentence)) for sentence in _sentences(text))


def _weight(sentence: str) -> float:
    han = 0 if sentence.isascii() else len(_HAN.findall(sentence))
    return han / _HAN_PER_WORD + len(_LATIN_WORD.findall(_lowered(sentence)))


def _without_titles(text: str) -> str:
    """A text without the titles in English that it names behind a word of its own: `Shape of You`."""
    return _TITLE.sub(" ", text)


def _language(original: str) -> str:
    """A known language, `other`, or the empty string for what is too short to tell. `original` is in NFKC."""
    if not original.isascii():
        original = _without_titles(original)
    text = _lowered(original)
    words = _LATIN_WORD.findall(text)
    if text.isascii():
        return _ascii_language(words, {w.lower() for w in _ASCII_NAME.findall(original)})
    names = {w.lower() for w in _WORD.findall(original) if w.istitle()}
    han = len(_HAN.findall(text))
    foreign, code = _other_script(text)
    if foreign > han and foreign > 2 * len(words):
        return code
    if han and _is_chinese(text, han, words, names):
        return code if foreign * 5 > han else "zh"
    return _latin_language(words, names)


def _other_script(text: str) -> tuple[int, str]:
    """How many letters stand in a script that is neither Latin nor Han, and whose they are."""
    count, code = len(_OTHER_SCRIPT.findall(text)), "other"
    if count:
        for lang in languages():
            script = word_list(lang).script
            if lang != "zh" and script is not None and len(script.findall(text)) * 2 > count:
                code = lang
    return count, code


def _is_chinese(text: str, han: int, words: list[str], names: set[str]) -> bool:
    """Chinese with Latin names and terms in it, against a sentence of Latin words that names something in Chinese."""
    small = word_list("zh").function_words
    chinese = sum(1 for c in text if c in small)
    english = sum(1 for w in words if w not in names and w in word_list("en").function_words)
    if han >= len(words):
        latin = sum(map(word_list("en").function_words.__contains__, words))
        framed = latin > max(1, chinese) and _LATIN_WORD.match(text.lstrip()) is not None  # Sorry, I can't say 你好.
        return not framed and (chinese > 0 or english < 2)
    return chinese > max(1, english)


def _ascii_language(words: list[str], names: set[str]) -> str:
    """As `_latin_language`, where no word has a letter of one language only."""
    counts = [(sum(map(small.__contains__, words)), code, 0) for code, small, _ in _latin_lists(changes())]
    return _best_language(counts, sum(1 for w in words if w not in names))


def _latin_language(words: list[str], names: set[str]) -> str:
    """`names` are words with a capital letter: an English sentence may well speak of Nguyễn in Đà Nẵng."""
    counts = []
    for code, small, letters in _latin_lists(changes()):
        rest = words
        if letters:
            rest = [w for w in words if letters.isdisjoint(w) or w in names]
        own = len(words) - len(rest)
        counts.append((own + sum(map(small.__contains__, rest)), code, own))
    return _best_language(counts, sum(1 for w in words if w not in names))


def _best_language(counts: list[tuple[int, str, int]], common: int) -> str:
    """`counts`: how many words speak for a language, its code, and how many hold its letters."""
    most = max(count for count, _, _ in counts)
    count, code, lettered = next(c for c in counts if c[0] == most)
    second = max((c[0] for c in counts if c[1] != code), default=0)
    if count > second and (lettered or count * 7 >= common):
        return code
    return "" if common < _SHORT_WORDS else "other"


@lru_cache(maxsize=1)
def _latin_lists(_changes: int) -> tuple[tuple[str, frozenset[str], frozenset[str]], ...]:
    """Of each language in Latin letters: its code, its small words, the letters that it alone has."""
    lists = ((code, word_list(code)) for code in languages())
    return tuple((code, words.function_words, words.letters) for code, words in lists if words.script is None)
