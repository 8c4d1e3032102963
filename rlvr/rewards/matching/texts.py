"""A wanted string, ready to be compared with what a completion gives; and the form of all verdicts on values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rlvr.rewards.matching import rules
from rlvr.rewards.matching.strings import (
    benchmark_form,
    credit_of_forms,
    holds_digits,
    looks_pinned,
    much_longer,
    near_lengths,
    nfkc,
    typed_form,
)
from rlvr.rewards.matching.variants import fold_variants


class ValueVerdict(NamedTuple):
    """Whether a value is the wanted one; `applied` are the rules that were looked at on the way."""

    equal: bool
    reason: str
    credit: float = 0.0
    applied: frozenset[str] = frozenset()


EQUAL = ValueVerdict(True, rules.EQUAL, 1.0)
WRONG_VALUE = ValueVerdict(False, rules.WRONG_VALUE)
WRONG_TYPE = ValueVerdict(False, rules.WRONG_TYPE, 0.0, frozenset({rules.SCHEMA_TYPE}))
_NORMALISED = ValueVerdict(True, rules.NORMALISED, 1.0)
_PINNED = {
    rule: ValueVerdict(False, rules.WRONG_VALUE, 0.0, frozenset({rule}))
    for rule in (
        rules.ENUM_EXACT,
        rules.FORMAT_EXACT,
        rules.IDENTIFIER_EXACT,
        rules.ADDRESS_EXACT,
        rules.DATE_EXACT,
        rules.EMPTY_FORM,
        rules.DIGITS_APART,
    )
}
_LOOKS = {"identifier": rules.IDENTIFIER_EXACT, "address": rules.ADDRESS_EXACT, "date": rules.DATE_EXACT}


class Text:
    """One acceptable string under one branch of its schema."""

    __slots__ = ("_digits", "_form", "_least", "_near", "rule", "wanted")

    def __init__(self, wanted: str, schema: Mapping[str, Any]) -> None:
        self.wanted = wanted
        self.rule = _pinned_by(wanted, schema)
        """By which the string is compared as it is written; `None` for ordinary words."""
        if self.rule is None:
            self._form = typed_form(wanted)
            self._digits = holds_digits(wanted)
            self._near = near_lengths(self._form)
            self._least = min(len(self._form), self._near.start or len(self._form))
            self.rule = None if self._form else rules.EMPTY_FORM

    def verdict(self, given: Any) -> ValueVerdict:
        if given == self.wanted:
            return EQUAL
        if not isinstance(given, str):
            return WRONG_TYPE
        if much_longer(given, self.wanted):
            return WRONG_VALUE
        return self.unlike(given, "" if self.rule else typed_form(given))

    def credit(self, given: Any) -> float:
        if given == self.wanted:
            return 1.0
        if self.rule is not None or not isinstance(given, str):
            return 0.0
        if len(given) < self._least and given.isascii():  # what is dropped makes it shorter still
            return 0.0
        if much_longer(given, self.wanted):
            return 0.0
        return self.credit_unlike(given, typed_form(given))

    def credit_unlike(self, given: str, form: str) -> float:
        """The credit of a string that is written differently; `form` is its typed form. There must be no `rule`."""
        if form == self._form:
            return 1.0
        if self._digits or len(form) not in self._near or holds_digits(given):
            return 0.0
        return credit_of_forms(self.wanted, given, self._form, form)

    def unlike(self, given: str, form: str) -> ValueVerdict:
        """The verdict on a string that is written differently; `form` is its typed form, where there is no rule."""
        rule = self.rule
        if rule is None:
            if form == self._form:
                return _NORMALISED if self._alike(given) else _by_unicode(self.wanted, given)
            if not form:
                rule = rules.EMPTY_FORM
            elif self._digits or holds_digits(given):
                rule = rules.DIGITS_APART
            elif len(form) not in self._near:
                return WRONG_VALUE
            else:
                credit = credit_of_forms(self.wanted, given, self._form, form)
                return ValueVerdict(False, rules.SIMILAR, credit) if credit else WRONG_VALUE
        return _PINNED[rule] if self._alike(given) else WRONG_VALUE

    def _alike(self, given: str) -> bool:
        """Whether the official checker takes them as the same."""
        return benchmark_form(given) == benchmark_form(self.wanted)


class Texts:
    """Several acceptable strings: what is given is brought to its normal form once."""

    __slots__ = ("_exact", "_longest", "_ruled", "_texts")

    def __init__(self, texts: Sequence[Text]) -> None:
        self._texts = tuple(texts)
        self._exact = frozenset(t.wanted for t in texts)
        self._longest = max(self._exact, key=len)
        self._ruled = all(t.rule for t in texts)

    def verdict(self, given: Any) -> ValueVerdict:
        if not isinstance(given, str):
            return WRONG_TYPE
        if given in self._exact:
            return EQUAL
        if much_longer(given, self._longest):
            return WRONG_VALUE
        form = "" if self._ruled else typed_form(given)
        return best([text.unlike(given, form) for text in self._texts])

    def credit(self, given: Any) -> float:
        if not isinstance(given, str):
            return 0.0
        if given in self._exact:
            return 1.0
        if self._ruled or much_longer(given, self._longest):
            return 0.0
        form = typed_form(given)
        return max([0.0 if text.rule else text.credit_unlike(given, form) for text in self._texts])


def best(verdicts: Sequence[ValueVerdict]) -> ValueVerdict:
    """The best of some verdicts on one value, with the rules of all that say the same."""
    first = verdicts[0]
    chosen = first
    for verdict in verdicts:
        if (verdict.equal, verdict.credit) > (chosen.equal, chosen.credit):
            chosen = verdict
    applied = frozenset().union(*[v.applied for v in verdicts if v.equal == chosen.equal])
    return chosen if applied == chosen.applied else ValueVerdict(chosen.equal, chosen.reason, chosen.credit, applied)


def _by_unicode(wanted: str, given: str) -> ValueVerdict:
    """By which of its rules `typed` took two strings as the same that the benchmark's form does not."""
    if benchmark_form(nfkc(wanted)) == benchmark_form(nfkc(given)):
        applied = frozenset({rules.UNICODE_NFKC})
    elif benchmark_form(fold_variants(wanted)) == benchmark_form(fold_variants(given)):
        applied = frozenset({rules.CHINESE_VARIANTS})
    else:
        applied = frozenset({rules.UNICODE_NFKC, rules.CHINESE_VARIANTS})
    return ValueVerdict(True, rules.NORMALISED, 1.0, applied)


def _pinned_by(wanted: str, schema: Mapping[str, Any]) -> str | None:
    if "enum" in schema or "const" in schema:
        return rules.ENUM_EXACT
    if "format" in schema or "pattern" in schema:
        return rules.FORMAT_EXACT
    looks = looks_pinned(wanted)
    return None if looks is None else _LOOKS[looks]
