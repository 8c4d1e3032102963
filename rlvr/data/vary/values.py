"""Other names, things and codes in a query, and in its calls alike: a value that a model cannot know must be copied."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rlvr.strict import read_yaml

_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?")
_TIME = re.compile(r"\d{2}:\d{2}")
_CHINESE = re.compile("[一-鿿]")
_WORD = re.compile(r"[^\W\d_]+")
# Booking codes, order and train numbers, telephone numbers: capitals, digits and hyphens, a digit among them.
_CODE = re.compile(r"(?=[A-Z-]*\d)[A-Z0-9][A-Z0-9-]{2,}")


@cache
def load_names() -> dict[str, list[str]]:
    content = read_yaml(Path(__file__).resolve().parent / "names.yaml")
    return {kind: [str(x) for x in words] for kind, words in content.items()}


def vary_values(
    query: str, arguments: Mapping[str, Any], lang: str, rng: random.Random, others: Sequence[str] = ()
) -> dict[str, str]:
    """Choose new words for the strings among the arguments: a mapping from old string to new.

    Only a string that stands in the query is changed. Half of those that say something in plain words become one of
    `others`, whatever it means: who has always seen the same ten medicines knows them by heart and copies none. Of the
    rest, names and codes change.
    """
    new: dict[str, str] = {}
    for value in dict.fromkeys(strings(arguments)):
        if value not in query or any(value in other or other in value for other in new):
            continue
        swapped = others and plain(value) and rng.random() < 0.5 and _stands_alone(value, query)
        changed = rng.choice(others) if swapped else renamed(value, lang, rng)
        if changed != value and changed not in query and not any(changed in o or o in changed for o in new.values()):
            new[value] = changed
    return new


def plain(value: str) -> bool:
    """Whether a string is words of a language: no digit, no address, no file name, no code.

    >>> [plain(value) for value in ("house deed", "大學畢業證書", "VN123", "a@b.c", "notes.docx", "top_floor")]
    [True, True, False, False, False, False]
    """
    return 2 <= len(value) <= 40 and not any(c.isdigit() or c in "@/_." for c in value) and not value.isupper()


def _stands_alone(value: str, query: str) -> bool:
    """Whether a value is nowhere a part of a word: `tea` of a team. Chinese has no spaces to tell by."""
    if _CHINESE.search(value):
        return True
    return len(re.findall(rf"(?<!\w){re.escape(value)}(?!\w)", query)) == query.count(value)


@cache
def load_things() -> dict[str, list[str]]:
    """Things by language, to be asked for in place of others."""
    content = read_yaml(Path(__file__).resolve().parent / "things.yaml")
    return {lang: [str(word) for word in words] for lang, words in content.items()}


def leaves(value: Any) -> Iterator[Any]:
    """Every value among the arguments that holds no others, keys left out."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def strings(value: Any) -> Iterator[str]:
    """Every string among the arguments, keys left out."""
    return (leaf for leaf in leaves(value) if isinstance(leaf, str))


def renamed(value: str, lang: str, rng: random.Random) -> str:
    """One string with other names, digits or characters, in the same shape. Plain words come back as they are."""
    if _DATE.fullmatch(value):
        return _date(value, rng)
    if _TIME.fullmatch(value):
        return f"{rng.randrange(6, 23):02d}:{rng.choice((0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55)):02d}"
    if _CODE.fullmatch(value):
        return _code(value, rng)
    if "@" in value or "/" in value:
        return value
    if lang == "zh" and _chinese(value):
        return _renamed_chinese(value, rng)
    return _WORD.sub(lambda match: _name(match[0], lang, rng), value)


def invented(rng: random.Random) -> str:
    """A pronounceable name that nobody has heard: one to three syllables.

    >>> invented(random.Random(1))
    'Brerfiam'
    """
    names = load_names()
    parts = [names[kind] for _ in range(rng.choice((1, 2, 2, 3))) for kind in ("onsets", "vowels", "codas")]
    return "".join(rng.choice(part) for part in parts).capitalize()


def _name(word: str, lang: str, rng: random.Random) -> str:
    """Another name for most capitalised words; a word in small letters says what kind of thing it is."""
    if not word.istitle() or len(word) < 2 or rng.random() >= 0.6:
        return word
    return rng.choice(load_names()["vietnamese"]) if lang == "vi" else invented(rng)


def _code(value: str, rng: random.Random) -> str:
    """Digits become other digits; the letters of a code that mixes them freely become other letters."""
    mixed = bool(re.search(r"\d[A-Z]", value))
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    return "".join(
        rng.choice("123456789") if c.isdigit() else rng.choice(letters) if mixed and c.isalpha() else c for c in value
    )


def _date(value: str, rng: random.Random) -> str:
    day = f"-{rng.randrange(1, 29):02d}" if value.count("-") == 2 else ""
    return f"{rng.choice((2024, 2025, 2026, 2027))}-{rng.randrange(1, 13):02d}{day}"


def _chinese(value: str) -> bool:
    return 2 <= len(value) <= 12 and all("一" <= c <= "鿿" for c in value[:2])


def _renamed_chinese(value: str, rng: random.Random) -> str:
    """The first two characters of a name change; what kind of thing it is stands behind them."""
    return "".join(rng.sample(load_names()["chinese"], 2)) + value[2:]
