"""The register of families: what each tries, on which examples, and what is true of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rlvr.audit import calls, markup, words
from rlvr.audit.policies import POLICIES
from rlvr.audit.subject import Probe, Subject
from rlvr.errors import UsageError

POLICY = "policy"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Family:
    """One way to be wrong, or right. `where`: on examples that want calls, that want none (`words`), or on all."""

    name: str
    make: Callable[[Subject], Iterator[tuple[str, str]]]
    where: str
    right: bool = False
    same: bool = False
    heavy: bool = False

    @property
    def about(self) -> str:
        """What it tries, in a sentence."""
        return (self.make.__doc__ or "").strip().splitlines()[0]

    def fits(self, subject: Subject) -> bool:
        return self.where == "all" or (self.where == "calls") == bool(subject.gold)


def _register() -> Mapping[str, Family]:
    wrong_calls = (
        calls.junk_calls, calls.right_and_wrong_call, calls.duplicate_calls, calls.too_few_calls,
        calls.boolean_for_integer, calls.quoted_value, calls.float_for_integer, calls.null_argument,
        calls.invented_argument, calls.missing_argument, calls.wrong_value, calls.swapped_arguments, calls.wrong_tool,
        calls.words_for_call, markup.call_in_reasoning, markup.unclosed_tags, markup.nested_tags, markup.bare_call,
    )  # fmt: skip
    wrong_words = (
        words.call_where_none_fits, words.refusal_then_call, words.written_out_call, words.refusal_then_answer,
        words.wrong_language, words.other_words, markup.malformed_refusal,
    )  # fmt: skip
    wrong = (markup.odd_json, markup.copied_instructions, markup.empty)
    same = (
        words.reordered_calls, words.key_order, words.json_spelling, words.other_right_values, words.number_spelling,
    )  # fmt: skip
    found = [Family(f.__name__, f, "calls") for f in wrong_calls]
    found += [Family(f.__name__, f, "words") for f in wrong_words]
    found += [Family(f.__name__, f, "all") for f in wrong]
    found.append(Family("very_long", markup.very_long, "all", heavy=True))
    found += [Family(f.__name__, f, "calls", right=True, same=True) for f in same]
    found.append(Family("other_right_words", words.other_right_words, "words", right=True))
    found.append(Family("reasoned", words.reasoned, "all", right=True))
    found.append(Family("word_beside_call", words.word_beside_call, "calls", right=True))
    return {f.name: f for f in found}


FAMILIES: Mapping[str, Family] = _register()
"""Every family of probes by its name, those that make wrong completions first."""

GROUND_TRUTH = "ground_truth"
TRUNCATED = "truncated"
NAMES: Sequence[str] = (*FAMILIES, TRUNCATED, *(f"{POLICY}:{p}" for p in POLICIES))
"""What a user may choose or leave out."""


def probes(subject: Subject, names: Sequence[str] = NAMES, heavy: bool = True) -> Iterator[Probe]:
    """Every probe of the named families for one example, the ground truth first.

    `heavy`: the families of megabytes too.
    """
    yield Probe(GROUND_TRUTH, subject.ground_truth, True, "the ground truth", same=True)
    wanted = set(names)
    for family in FAMILIES.values():
        if family.name not in wanted or not family.fits(subject) or (family.heavy and not heavy):
            continue
        for what, text in _written(family.make(subject)):
            yield Probe(family.name, text, family.right, what, family.same, heavy=family.heavy)
    if TRUNCATED in wanted:
        yield Probe(TRUNCATED, subject.ground_truth, False, "the right completion, cut at the limit", truncated=True)
    for name, policy in POLICIES.items():
        if f"{POLICY}:{name}" in wanted:
            for text in _written(policy(subject) for _ in (0,)):
                yield Probe(f"{POLICY}:{name}", text, subject.right(text), (policy.__doc__ or "").strip())


def _written(made: Iterator[T]) -> Iterator[T]:
    """What is made up to what the format has no way to write: another tool's argument with a space, in `pythonic`."""
    try:
        yield from made
    except UsageError:
        return
