"""The words of tools and queries: split names, drop endings, tell verbs from the rest (`verbs.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from rlvr.strict import read_yaml
from rlvr.types import Tool

VERBS_FILE = Path(__file__).resolve().parent / "verbs.yaml"
MAX_CHARS = 2_000
"""A longer description or query is read up to here: what it is about shows in its beginning."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+|[^\W\d_\u3400-\u9fff\uf900-\ufaff]+|\d+")
_HAN = "\u3400"
_SEPARATOR = re.compile(r"[^0-9a-z\u0080-\uffff]+")
_SPOKEN = re.compile(r"[^\W_]+")
_SERVER = re.compile(r"[./:]+|__|--|(?<=-)(?:server|mcp)-(?=.)", re.IGNORECASE)
_ASCII_WORD = re.compile(r"[a-z]+")
_CLAUSE_WORD = re.compile(r"[a-z]+|[,/;.(]")
_CARRIES_ON = frozenset(("", "or", "and", "to", "can", "also", ",", "/", ";", "you", "then", "(", "."))
_EMPTY = frozenset(
    """a about above after all also am an and any are as at be been being below but by can could did do does each either
    else for from get had has have here how i if in into is it its just let like may me might more most my need no nor
    not now of off on one only or other our out over please should so some such than that the their them then there
    these they this those through to too under up us use used user using via want was we were what when where which
    while who whom whose why will with within without would you your tool function api return returns returned given
    provide provides provided specified specify specific based value values parameter parameters optional required
    default e g eg etc new result results information data detail details i'm string integer number boolean object
    array list args type false true none null""".split()  # noqa: SIM905 (words read better than a list of them)
)

_IDLE = frozenset(("a", "an", "the", "of", "for", "to", "and", "this", "given", "api", "tool", "v", *"123456789"))
_PARTICLES = (("on", "off"), ("in", "out"), ("up", "down"))
_MOST_COMPARED, _LEAST_SAID, _SAME_WORDS = 600, 3, 0.8


@dataclass(frozen=True, slots=True)
class Verbs:
    """`verbs.yaml`, by stemmed word: its class, its opposites, whether it opens something; which tools do anything."""

    classes: dict[str, str]
    conflicts: frozenset[frozenset[str]]
    opposites: dict[str, frozenset[str]]
    openers: frozenset[str]
    ambiguous: frozenset[str]
    on_demand: frozenset[str]
    asking: frozenset[str]
    universal_words: frozenset[str]
    universal_pairs: tuple[frozenset[str], ...]
    universal_phrases: re.Pattern[str]

    def excluded(self, kind: str | None) -> list[str]:
        """The classes that cannot do what `kind` does."""
        return sorted(other for pair in self.conflicts if kind in pair for other in pair - {kind})

    def exclude(self, one: str | None, other: str | None) -> bool:
        """Whether of two verbs (stemmed) neither can do what the other does."""
        if one is None or other is None:
            return False
        classes = frozenset((self.classes.get(one), self.classes.get(other)))
        return other in self.opposites.get(one, ()) or classes in self.conflicts


@cache
def load_verbs() -> Verbs:
    data = read_yaml(VERBS_FILE)
    opposites: dict[str, set[str]] = {}
    for one, other in data["opposites"]:
        opposites.setdefault(stem(one), set()).add(stem(other))
        opposites.setdefault(stem(other), set()).add(stem(one))
    universal = data["universal"]
    return Verbs(
        classes={stem(word): kind for kind, words in data["classes"].items() for word in words},
        conflicts=frozenset(frozenset(pair) for pair in data["conflicts"]),
        opposites={word: frozenset(others) for word, others in opposites.items()},
        openers=frozenset(map(stem, data["openers"])),
        ambiguous=frozenset(map(stem, data["ambiguous"])),
        on_demand=frozenset(map(stem, data["on_demand"])),
        asking=frozenset(map(stem, data["asking"])),
        universal_words=frozenset(map(stem, universal["words"])),
        universal_pairs=tuple(frozenset(map(stem, pair)) for pair in universal["pairs"]),
        universal_phrases=re.compile("|".join(re.escape(p) for p in universal["phrases"])),
    )


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """A lower-case word without the endings of plural, participle and gerund. It need not be a word.

    >>> [stem(w) for w in ("cities", "searches", "booking", "stopped", "computes", "news", "bus", "thời")]
    ['city', 'search', 'book', 'stop', 'comput', 'new', 'bus', 'thời']
    """
    if len(word) <= 3 or not word.isascii():
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            if word[-1] == word[-2] and word[-1] not in "lsez":
                word = word[:-1]
            break
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def terms(text: str) -> Iterator[str]:
    """The content words of a text, stemmed; of Chinese, its pairs of characters. Linear.

    >>> list(terms("getWeatherForecasts for a city")), list(terms("查詢天氣"))
    (['weather', 'forecast', 'city'], ['查詢', '詢天', '天氣'])
    """
    for match in _WORD.finditer(_CAMEL.sub(" ", text[:MAX_CHARS])):
        word = match[0]
        if word[0] >= _HAN:
            yield from (word[i : i + 2] for i in range(max(1, len(word) - 1)))
        else:
            word = word.lower()
            if word not in _EMPTY and (len(word) > 1 or word.isdigit()):
                yield stem(word)


def name_words(name: str) -> list[str]:
    """The words of a tool's name, lower case and in order.

    >>> name_words("pubchem-server-getHTTPStatus_v2")
    ['pubchem', 'server', 'get', 'http', 'status', 'v', '2']
    """
    return [m[0].lower() for m in _WORD.finditer(_CAMEL.sub(" ", name))]


def plain_name(name: str) -> str:
    """A name without what writing styles differ in.

    >>> plain_name("getForecast") == plain_name("GET-forecast"), plain_name("查詢 天氣")
    (True, '查詢天氣')
    """
    return _SEPARATOR.sub("", name.lower())


def bare_name(name: str) -> str:
    """A tool's name without the server's in front of it, as far as it shows where that ends.

    >>> [bare_name(n) for n in ("my-notes-server-list_notes", "send-mail-list_contacts", "homes.find", "find-place")]
    ['list_notes', 'list_contacts', 'find', 'find-place']
    """
    last = [part for part in _SERVER.split(name) if part][-1:] or [name]
    head, _, tail = last[0].rpartition("-")
    return tail if head and ("_" in tail or _CAMEL.search(tail)) and "_" not in head else last[0]


def said_as(name: str) -> str:
    """A tool's name as words for a sentence.

    >>> said_as("create_s3Bucket")
    'create s3 bucket'
    """
    return " ".join(_SPOKEN.findall(_CAMEL.sub(" ", name))).lower() or name


@dataclass(frozen=True, slots=True)
class Action:
    """What a tool does: its verb (stemmed) and the verb's class, `None` where unclear, and the nouns of its name."""

    verb: str | None
    kind: str | None
    nouns: frozenset[str]


def action_of(tool: Tool) -> Action:
    """Read verb and nouns off a tool's name; its description's first words must not say otherwise.

    >>> action_of(Tool("list_calendar_events", "Shows events.", {})).kind
    'read'
    >>> action_of(Tool("book_details", "", {})).kind, action_of(Tool("book_table", "Books a table.", {})).kind
    (None, 'create')
    """
    verbs = load_verbs()
    words = [stem(w) for w in name_words(tool.name)]
    nouns = frozenset(w for w in words if w not in verbs.classes and w not in _EMPTY and len(w) > 1)
    bare = [stem(w) for w in name_words(bare_name(tool.name))]  # a server's name may hold verbs too
    known = [w for w in bare if w in verbs.classes or w in verbs.opposites]
    known = known or [w for w in words if w in verbs.classes or w in verbs.opposites]
    opening = [stem(w) for w in _ASCII_WORD.findall(tool.description[:120].lower())[:4]]
    said = next((w for w in opening if w in verbs.classes), None)
    if said is not None and known:
        verb = next((w for w in known if verbs.classes.get(w) == verbs.classes[said]), None)
    else:
        verb = said or next((w for w in known if w not in verbs.ambiguous), None)
    return Action(verb, verbs.classes.get(verb) if verb else None, nouns)


def cannot_do(twin: Tool, mine: Action, wanted: Action) -> bool:
    """Whether `twin`'s verb (`mine`) cannot do what is wanted: the two verbs exclude each other, and nothing in the
    description of `twin` says that it does both. Where a verb is unclear, the answer is no."""
    verbs = load_verbs()
    if mine.verb is None or wanted.verb is None:
        return False
    if not verbs.exclude(mine.verb, wanted.verb):
        return False
    opposed = wanted.verb in verbs.opposites.get(mine.verb, ())
    return not _also_does(twin, wanted, opposed)


def _also_does(twin: Tool, wanted: Action, opposed: bool) -> bool:
    """Whether the name or the description also names the wanted verb or one of its class, as something that it does."""
    verbs = load_verbs()

    def same(word: str) -> bool:
        return word == wanted.verb or (not opposed and verbs.classes.get(word) == wanted.kind)

    if any(same(stem(w)) for w in name_words(twin.name)):
        return True
    before = ""
    for found in _CLAUSE_WORD.findall(twin.description[:MAX_CHARS].lower()):
        if before in _CARRIES_ON and same(stem(found)):
            return True
        before = found
    return _switches(twin)


def _switches(tool: Tool) -> bool:
    """Whether a parameter chooses what is done."""
    properties = tool.parameters.get("properties")
    names = properties if isinstance(properties, dict) else {}
    return any(
        stem(w) in ("action", "operation", "method", "mod", "command") for n in names for w in name_words(str(n))
    )


def same_deed(one: Tool, other: Tool) -> bool:
    """Whether two tools do the same whatever their verbs: they have one name but for the server's in front of it, their
    descriptions say nearly the same, or what the one "gets" and the other "creates" is made when it is asked for.

    >>> same_deed(Tool("a-server-getRoute", "", {}), Tool("get_route", "", {}))
    True
    >>> same_deed(Tool("get_route", "Way to a place.", {}), Tool("create_route", "Plans a way.", {}))
    True
    >>> same_deed(Tool("get_event", "Shows an event.", {}), Tool("create_event", "Makes an event.", {}))
    False
    """
    names = [bare_name(t.name) for t in (one, other)]
    bags = [_bag(n) for n in names]
    if plain_name(names[0]) == plain_name(names[1]) or (bags[0] and bags[0] == bags[1]):
        return True
    mine, theirs = action_of(one), action_of(other)
    if {mine.kind, theirs.kind} == {"read", "create"} and mine.nouns & theirs.nouns & load_verbs().on_demand:
        return True
    return _say_the_same(one, mine, other, theirs)


def _say_the_same(one: Tool, mine: Action, other: Tool, theirs: Action) -> bool:
    """Whether two descriptions have nearly all words in common, and those that they do not are no verbs that exclude
    each other: "Turns the light on" and "Turns the light off" differ in one word."""
    texts = [_bag(t.description[:_MOST_COMPARED]) for t in (one, other)]
    shared = texts[0] & texts[1]
    if len(shared) < _LEAST_SAID or len(shared) < _SAME_WORDS * len(texts[0] | texts[1]):
        return False
    first, second = texts[0] - shared, texts[1] - shared
    if any({a, b} <= first ^ second for a, b in _PARTICLES):
        return False
    verbs = load_verbs()
    apart = [(a, b) for a in {*first, mine.verb} for b in {*second, theirs.verb} if a in first or b in second]
    return not any(verbs.exclude(a, b) for a, b in apart)


def _bag(text: str) -> frozenset[str]:
    return frozenset(stem(w) for w in name_words(text) if w not in _IDLE)


def is_universal(tool: Tool) -> bool:
    """Whether a tool could serve nearly any query: a web search, a shell, a model to ask, an HTTP client.

    >>> is_universal(Tool("brave_web_search", "", {})), is_universal(Tool("get_weather", "Weather of a city.", {}))
    (True, False)
    """
    verbs = load_verbs()
    words = {stem(w) for w in name_words(tool.name)}
    if words & verbs.universal_words or any(pair <= words for pair in verbs.universal_pairs):
        return True
    return verbs.universal_phrases.search(tool.description[:600].lower()) is not None
