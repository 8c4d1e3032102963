"""The probes: their truth is known by construction, and our own judge agrees with it."""

from __future__ import annotations

from collections import Counter

import pytest

from rlvr.audit import FAMILIES, NAMES, POLICIES, Subject, probes
from rlvr.audit.calls import other_value
from rlvr.audit.families import GROUND_TRUTH, TRUNCATED
from rlvr.audit.subject import PHRASES, sample_arguments, shell_of
from rlvr.parsers import PARSERS
from rlvr.tools import validate
from rlvr.types import Example

FORMAT_FAMILIES = {
    "llama3_json": {"malformed_refusal", "odd_json", "bare_call"},
    "pythonic": {"malformed_refusal", "word_beside_call"},
    "xlam": {"malformed_refusal", "odd_json", "word_beside_call"},
    "qwen3_coder": {"quoted_value", "boolean_for_integer"},
    "functiongemma": {"quoted_value", "boolean_for_integer"},
}
"""Families whose completions another format reads in its own way: values without types, calls without tags."""


def test_our_judge_agrees_with_the_truth_of_every_probe(examples: list[Example]) -> None:
    tried: Counter[str] = Counter()
    for i, example in enumerate(examples):
        subject = Subject(example)
        for probe in probes(subject, heavy=i in (0, 27)):
            tried[probe.family] += 1
            assert subject.right(probe.completion, probe.truncated) == probe.right, (
                example.id,
                probe.family,
                probe.what,
            )
    assert set(tried) == {GROUND_TRUTH, *NAMES}
    assert sum(tried.values()) > 3_000


@pytest.mark.parametrize("parser", list(PARSERS))
def test_other_formats_differ_only_where_the_format_does(parser: str, examples: list[Example]) -> None:
    odd: Counter[str] = Counter()
    total = 0
    for example in examples:
        subject = Subject(example, parser)
        for probe in probes(subject, heavy=False):
            total += 1
            if subject.right(probe.completion, probe.truncated) != probe.right:
                odd[probe.family] += 1
    assert GROUND_TRUTH not in odd
    assert set(odd) <= FORMAT_FAMILIES.get(parser, set()), odd
    assert total > 1_500
    assert sum(odd.values()) < 0.05 * total


def test_families_fit_their_examples_and_say_what_they_try() -> None:
    for family in FAMILIES.values():
        assert family.where in ("calls", "words", "all")
        assert len(family.about) > 15
        assert family.right or not family.same
    for policy in POLICIES.values():
        assert len((policy.__doc__ or "").strip()) > 10


def test_the_phrases_are_right_words_of_their_kind() -> None:
    for lang, phrases in PHRASES.items():
        for kind in ("refuse", "clarify", "answer"):
            example = Example("x", "", "irrelevance", ({"role": "user", "content": "?"},), (), (), kind, {"lang": lang})
            assert Subject(example).right(phrases[kind]), (lang, kind)


def test_the_prompt_of_a_policy_holds_the_tools_and_an_example_call(examples: list[Example]) -> None:
    text = Subject(examples[0]).instructions
    assert '"name": "get_weather"' in text
    assert "<tool_call>" in text


def test_a_shell_is_found_where_calls_are_json() -> None:
    hermes = shell_of("hermes")
    assert hermes is not None
    assert (hermes.open, hermes.close, hermes.arguments_key) == ("<tool_call>\n", "\n</tool_call>", "arguments")


def test_sample_arguments_are_valid(examples: list[Example]) -> None:
    tools = {t.name: t for e in examples for t in e.tools}
    assert len(tools) == 10
    known_pattern = {"set_alarm", "book_hotel", "create_event"}  # a pattern or format is not read
    for tool in tools.values():
        for seed in range(3):
            problems = validate(tool, sample_arguments(tool, seed))
            assert not problems or tool.name in known_pattern, (tool.name, problems)


@pytest.mark.parametrize(
    ("value", "schema", "other"),
    [
        (3, {}, 4),
        (100, {"maximum": 100}, 99),
        (0.5, {"maximum": 1}, 0.25),
        (True, {}, False),
        ("celsius", {"enum": ["celsius", "fahrenheit"]}, "fahrenheit"),
        ("06:45", {}, "06:46"),
        ("19", {}, "10"),
        ("Rome", {}, "Xome"),
        ("x", {}, "Y"),
        ("台南", {}, "某南"),
        ("...", {}, "...x"),
        (["a", "b"], {}, ["a"]),
        ([], {}, [0]),
        ({"floor": 2}, {}, {"floor": 3}),
    ],
)
def test_another_value_is_near_and_different(value: object, schema: dict[str, object], other: object) -> None:
    assert other_value(value, schema) == other


def test_only_the_named_families_are_made(examples: list[Example]) -> None:
    made = {p.family for p in probes(Subject(examples[0]), ["junk_calls", TRUNCATED])}
    assert made == {GROUND_TRUTH, "junk_calls", TRUNCATED}
