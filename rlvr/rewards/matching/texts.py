"""A wanted string, ready to be compared with what a completion gives; and the form of all verdicts on values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rlvr.rewards.matching import rules
from rlvr.rewards.matching.compact import compact
from rlvr.rewards.matching.signs import holds_written, without_names, without_signs
from rlvr.rewards.matching.spellings import tone_of_vietnamese, typographic
from rlvr.rewards.matching.strings import (
    benchmark_form,
    credit_of_forms,
    holds_digits,
    looks_pinned,
    much_longer,
    near_lengths,
    nfkc,
    plain_form,
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
        rules.SIGNS_STAY,
        rules.LENGTH_IN_BOUNDS,
    )
}
_LOOKS: Mapping[str, str] = {
    "identifier": rules.IDENTIFIER_EXACT,
    "address": rules.ADDRESS_EXACT,
    "date": rules.DATE_EXACT,
}


class Text:
    """One acceptable string under one branch of its schema."""

    __slots__ = ("_compact", "_digits", "_form", "_least", "_lengths", "_near", "_plain", "_written", "rule", "wanted")

    def __init__(self, wanted: str, schema: Mapping[str, Any]) -> None:
        self.wanted = wanted
        self.rule = _pinned_by(wanted, schema)
        """By which the string is compared as it is written; `None` for ordinary words."""
        self._lengths = _bounds(schema)
        self._plain = plain_form(wanted) if self.rule in _LOOKS.values() else None
        self._compact = compact(self._plain) if self._plain is not None else None
        if self.rule is None:
            self._form = typed_form(wanted)
            self._digits = holds_digits(wanted)
            self._written = holds_written(self._form)
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
        if not isinstance(given, str):
            return 0.0
        if self.rule is not None:
            return float(self.spelt_alike(given))
        if len(given) < self._least and given.isascii():  # what is dropped makes it shorter still
            return 0.0
        if much_longer(given, self.wanted):
            return 0.0
        return self.credit_unlike(given, typed_form(given))

    def credit_unlike(self, given: str, form: str) -> float:
        """The credit of a string that is written differently; `form` is its typed form. There must be no `rule`."""
        form = form if self._written else without_names(form)
        if form == self._form:
            return float(self._fits(given))
        if self._digits or len(form) not in self._near or holds_digits(given):
            return 0.0
        return credit_of_forms(self.wanted, given, self._form, form)

    def unlike(self, given: str, form: str) -> ValueVerdict:
        """The verdict on a string that is written differently; `form` is its typed form, where there is no rule."""
        rule = self.rule
        if self.spelt_alike(given):
            return _NORMALISED if self._alike(given) else _by_unicode(self.wanted, given)
        if rule is None:
            form = form if self._written else without_names(form)
            if form == self._form:
                if not self._fits(given):
                    return _PINNED[rules.LENGTH_IN_BOUNDS]
                return _NORMALISED if self._alike(given) else _by_unicode(self.wanted, given)
            if not form:
                rule = rules.EMPTY_FORM
            elif without_signs(form) == without_signs(self._form):
                rule = rules.ADDRESS_EXACT if self._written else rules.SIGNS_STAY
            elif self._digits or holds_digits(given):
                rule = rules.DIGITS_APART
            elif len(form) not in self._near:
                return WRONG_VALUE
            else:
                credit = credit_of_forms(self.wanted, given, self._form, form)
                return ValueVerdict(False, rules.SIMILAR, credit) if credit else WRONG_VALUE
        return _PINNED[rule] if self._alike(given) else WRONG_VALUE

    def spelt_alike(self, given: str) -> bool:
        """Whether a string that looks like an identifier, an address or a date is the wanted one, in other spelling: of
        another width, say, with other quotation marks, or a quantity or a formula with other spaces."""
        if self._plain is None or much_longer(given, self.wanted):
            return False
        if self._compact is None:
            if given.isascii() and self.wanted.isascii():
                return False
            return plain_form(given) == self._plain and self._fits(given)
        return compact(plain_form(given)) == self._compact and self._fits(given)

    def _fits(self, given: str) -> bool:
        """Whether a string is as long as the schema lets it be: normal forms may be shorter or longer."""
        return self._lengths is None or self._lengths[0] <= len(given) <= self._lengths[1]

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
        if much_longer(given, self._longest):
            return 0.0
        form = "" if self._ruled else typed_form(given)
        return max(
            [float(t.spelt_alike(given)) if t.rule else t.credit_unlike(given, form) for t in self._texts],
        )


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
    needed: list[tuple[str, Callable[[str], str]]] = []
    for rule, spell in _SPELLINGS:
        needed.append((rule, spell))
        if _same_after(needed, wanted, given):
            break
    for step in needed[:-1]:  # those that it does not need
        fewer = [kept for kept in needed if kept is not step]
        if _same_after(fewer, wanted, given):
            needed = fewer
    return ValueVerdict(True, rules.NORMALISED, 1.0, frozenset(rule for rule, _ in needed))


_SPELLINGS: tuple[tuple[str, Callable[[str], str]], ...] = (
    (rules.UNICODE_NFKC, nfkc),
    (rules.TYPOGRAPHIC_MARKS, typographic),
    (rules.VIETNAMESE_TONES, tone_of_vietnamese),
    (rules.CHINESE_VARIANTS, fold_variants),
)


def _same_after(spellings: Sequence[tuple[str, Callable[[str], str]]], wanted: str, given: str) -> bool:
    for _, spell in spellings:
        wanted, given = spell(wanted), spell(given)
    return benchmark_form(wanted) == benchmark_form(given)


def _bounds(schema: Mapping[str, Any]) -> tuple[float, float] | None:
    if "minLength" not in schema and "maxLength" not in schema:
        return None
    least, most = (schema.get(name) for name in ("minLength", "maxLength"))
    return (
        least if isinstance(least, (int, float)) else 0,
        most if isinstance(most, (int, float)) else float("inf"),
    )


def _pinned_by(wanted: str, schema: Mapping[str, Any]) -> str | None:
    if "enum" in schema or "const" in schema:
        return rules.ENUM_EXACT
    if "format" in schema or "pattern" in schema or "not" in schema:
        return rules.FORMAT_EXACT
    looks = looks_pinned(wanted)
    return None if looks is None else _LOOKS[looks]
