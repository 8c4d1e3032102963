"""The words around a query and behind it: joiners, refusals, reasoning, preambles. All are data (`words.yaml`)."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

from rlvr.strict import read_yaml

WORDS_FILE = Path(__file__).resolve().parent / "words.yaml"
_ENDS = (".", "?", "!", "。", "？", "！")


@cache
def load_words() -> dict[str, Any]:
    return read_yaml(WORDS_FILE)


def join_queries(first: str, second: str, lang: str, split: str, rng: random.Random, parts: int = 2) -> str:
    """Put two requests into one message; `parts` is how many it will hold in the end."""
    joiners = [str(j) for j in load_words()["joiners"][split][lang]]
    joiner = rng.choice(joiners)
    if parts > 2 and _counts(joiner, lang):
        joiner = next(j for j in joiners if not _counts(j, lang))  # "two things" would be wrong; no further draw
    return joiner.replace("{a}", _closed(first, lang)).replace("{b}", _closed(second, lang))


def _counts(joiner: str, lang: str) -> bool:
    return any(words in joiner for words in load_words()["counting"][lang])


def _closed(text: str, lang: str) -> str:
    return text if text.endswith(_ENDS) else text + ("。" if lang == "zh" else ".")


def refusal(
    lang: str,
    rng: random.Random,
    ability: str | None = None,
    topic: str | None = None,
    *,
    wordings: int | None = None,
) -> str:
    """Refusing words in a language; what was asked for and what is on offer are named where they are known. Without a
    topic the wordings that name it are passed over.

    `wordings` draws among the first so many of the language only.
    """
    templates = [str(t) for t in _in(load_words()["refusals" if ability else "plain_refusals"], lang)[:wordings]]
    template = rng.choice(templates)
    if not topic and "{topic}" in template:
        later = templates[templates.index(template) :] + templates
        template = next(t for t in later if "{topic}" not in t)  # no further draw
    return template.replace("{ability}", ability or "").replace("{topic}", topic or "")


def reasoning(lang: str, rng: random.Random, names: list[str]) -> str:
    """A sentence of reasoning; `names` is empty before a refusal."""
    template = str(rng.choice(_in(load_words()["reasoning" if names else "reasoning_refusal"], lang)))
    return template.replace("{names}", ", ".join(dict.fromkeys(names)))


def preamble(lang: str, rng: random.Random) -> str:
    return str(rng.choice(_in(load_words()["preambles"], lang)))


def _in(by_language: dict[str, list[str]], lang: str) -> list[str]:
    return by_language.get(lang) or by_language["en"]
