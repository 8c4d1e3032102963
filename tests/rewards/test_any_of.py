"""Searching for many patterns at once finds what searching for each of them finds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.rewards import wordlists
from rlvr.rewards.wordlists.any_of import AnyOf, word_starts
from rlvr.rewards.wordlists.prefixes import prefixes

LISTS = Path(wordlists.__file__).parent
SENTENCES = Path(__file__).parent / "words"


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ("abcd", "abc"),
        ("ab", "ab"),
        ("a|bc|", None),
        ("(?:ab|cd)?ef", "abe cde ef"),
        ("a{0,2}b", "aab ab b aaa aa a"),
        ("a{1,3}b", "ab aab aaa"),
        ("a{1}b", "ab"),
        ("a{2}b", "ab aab aaa"),
        ("a??b", "ab b"),
        ("a{1,}b", "ab aab aaa"),
        ("a*b", "b ab aab aaa"),
        ("[a-c]x", "ax bx cx"),
        ("[]x]y", "]y xy"),
        ("[a-]y", "ay -y"),
        (r"[\]a]y", "]y ay"),
        ("[^a]b", None),
        ("a[^a]b", "a"),
        (r"[\w']b", None),
        (r"a[\w']b", "a"),
        (r"\w", None),
        (r"\.b", ".b"),
        (r"\bno[\w]{1,3}", "no"),
        ("(?!x)(?<!y)no", "no"),
        ("(?=[ab])(?:ac|bd)", "ac bd"),
        ("(a|b)c", "ac bc"),
        ("(?P<x>a)", None),
        ("(?i)a", None),
        ("a{x", None),
        ("(a", None),
        ("[a", None),
        ("a)", None),
        ("", None),
        (".a", None),
        ("[\u0000-\uffff]", None),
        ("無|没", "無 没"),
    ],
)
def test_prefixes(pattern: str, first: str | None) -> None:
    found = prefixes(pattern)
    if first is None:
        assert found is None
    else:
        assert found is not None
        assert found >= set(first.split()) - {"aaa", "aa", "a"}
        assert found <= set(first.split())


_ATOMS = st.sampled_from(["a", "b", " ", "'", "[ab]", "[^a]", ".", r"\w", r"\b", "(?!a)", "(?<=b)", "(?:a|b c)", "$"])
_ITEMS = st.tuples(_ATOMS, st.sampled_from(["", "", "", "?", "{0,2}", "{1,2}"])).map(
    lambda pair: pair[0] + ("" if pair[0] in (r"\b", "(?!a)", "(?<=b)", "$") else pair[1])
)
_SEQUENCES = st.tuples(st.sampled_from(["", "^", r"\b"]), st.lists(_ITEMS, min_size=1, max_size=4).map("".join))
_PATTERNS = st.lists(_SEQUENCES.map("".join), min_size=1, max_size=2).map("|".join)


@settings(max_examples=150)
@given(st.lists(_PATTERNS, min_size=1, max_size=4), st.text("ab '", max_size=8))
def test_any_of_finds_what_its_patterns_find(patterns: list[str], text: str) -> None:
    compiled = [re.compile(pattern) for pattern in patterns]
    assert AnyOf(compiled).search(text, word_starts(text)) is any(pattern.search(text) for pattern in compiled)


@pytest.mark.parametrize("lang", wordlists.LANGUAGES)
def test_the_lists_find_what_each_of_their_patterns_finds(lang: str) -> None:
    raw = yaml.safe_load((LISTS / f"{lang}.yaml").read_text(encoding="utf-8"))
    problems: list[str] = []
    terms = wordlists._Patterns("x", raw["terms"], problems)
    lines = (SENTENCES / f"{lang}.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"].lower().translate(wordlists.word_list(lang).fold) for line in lines[::8]]
    seen = 0
    for key in (key for key, patterns in raw.items() if isinstance(patterns, list) and key != "function_words"):
        each = [terms.one(key, pattern) for pattern in raw[key]]
        found = getattr(wordlists.word_list(lang), key)
        for text in texts:
            expected = any(pattern.search(text) for pattern in each)
            assert found.search(text, word_starts(text)) is expected, (key, text)
            seen += expected
    assert problems == []
    assert seen > 60
