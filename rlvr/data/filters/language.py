"""The filter that looks at the language of what the user said."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from rlvr.errors import UsageError
from rlvr.rewards.language import known_language, read_messages
from rlvr.rewards.wordlists import word_list
from rlvr.types import Example

UNKNOWN = "unknown"
"""In `Languages`: what is in none of the languages that rlvr tells apart."""
UNTOLD = "untold"
"""What `language_of_user` says of words too few to tell, as `List all servers`, and of figures."""
OTHER = "other"

_TAG = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{1,8}){0,4}\Z", re.IGNORECASE)
_NO_LANGUAGE = ("und", "mul", "zxx", "mis")  # ISO 639: undetermined, several, none, without a code
_LETTER = re.compile(r"[^\W\d_]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
_WORD = re.compile(r"[^\W\d_]+")
_SURE_WORDS = 20
_ELSEWHERE = (  # small words of other languages in Latin letters, which no English sentence has
    "der das und ist nicht wie wird mit auf eine einen bitte ich wir zu von "  # German
    "une dans que qui avec vous je du "  # French
    "una para por como cual quiero uma qual meu "  # Spanish, Portuguese
    "il che di della sono gli "  # Italian
    "het een voor niet ik "  # Dutch
    "yang untuk dengan tidak itu saya dari apa apakah berapa kapan masih "  # Indonesian, Malay
    "och det som att ikke jeg hvad bir nie ang mga kwa"  # Swedish, Danish, Turkish, Polish, Tagalog, Swahili
)
_SMALL_WORDS_ELSEWHERE = frozenset(_ELSEWHERE.split())


def language_of_user(example: Example) -> str:
    """`en`, `vi`, `zh`, the code of the other language that the example states, `other` or `untold`.

    What the example says of itself (`meta["lang"]`, else `meta["lang_tag"]`) counts; where it says nothing, all that
    the user said is looked at. Words too few to tell are `other` by a small word of another language alone; up to 20
    words in plain letters without one may well be English without its small words, and are `untold`.
    """
    for tag in (example.lang, example.meta.get("lang_tag")):
        found = _TAG.match(tag.strip()) if isinstance(tag, str) else None
        if found and found[1].lower() not in _NO_LANGUAGE:
            return known_language(found[0]) or found[1].lower()
    said = example.user_texts
    read = read_messages(said)
    return _looked_at_again(" ".join(said), read) if read in ("", OTHER) else read


def _looked_at_again(text: str, read: str) -> str:
    """`other` or `untold`, where `read` is `other` or an empty string."""
    words = _WORD.findall(text)
    if not _SMALL_WORDS_ELSEWHERE.isdisjoint(words):
        return OTHER
    plain = words and len(words) < _SURE_WORDS and all(map(str.isascii, words))
    return UNTOLD if plain else read or UNTOLD


@dataclass(frozen=True, slots=True)
class Languages:
    """Keeps the examples whose user speaks one of `keep` (`en`, `vi`, `zh`; `unknown` for those that are in none).

    What the example says of itself counts; where it says nothing, what the user said is looked at. A text too short to
    tell stays where its letters are those of a language in `keep`: figures always, Latin words beside `en` or `vi`.
    Code: `language`; `in_words` names the language.
    """

    keep: Collection[str]
    name: ClassVar[str] = "languages"

    def __post_init__(self) -> None:
        wrong = [code for code in self.keep if code != UNKNOWN and known_language(code) != code]
        if wrong or not self.keep:
            raise UsageError(
                f"languages: got {', '.join(map(repr, wrong)) or 'none'}, expected en, vi, zh or {UNKNOWN}"
            )

    def why_not(self, example: Example) -> str | None:
        found = language_of_user(example)
        if found in self.keep:
            return None
        if found == UNTOLD:
            return None if self._may_be_kept(" ".join(example.user_texts)) else "language"
        return None if UNKNOWN in self.keep and known_language(found) is None else "language"

    def in_words(self, example: Example) -> str:
        """The language that was found, beside those that are kept."""
        return f"{language_of_user(example)}; kept: {', '.join(self.keep)}"

    def _may_be_kept(self, text: str) -> bool:
        """Whether a text that is in no language for certain could be in one that is kept, by its letters."""
        if UNKNOWN in self.keep or not _LETTER.search(text):
            return True
        return _LATIN.search(text) is not None and any(word_list(code).script is None for code in self.keep)
