"""A wanted value, ready to be compared with what a completion gives, under the `typed` mode; `exact` is one function.

What a schema and a wanted value say is worked out once; a verdict is then a matter of a few comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, Protocol

from rlvr.rewards.matching import rules
from rlvr.rewards.matching.scalars import Constant, Number, types_of
from rlvr.rewards.matching.strings import benchmark_form
from rlvr.rewards.matching.texts import WRONG_TYPE, WRONG_VALUE, Text, Texts, ValueVerdict, best
from rlvr.tools import branches, child_schema, json_type, object_shape, stated_default
from rlvr.types import OneOf

Schema = Mapping[str, Any]
ABSENT = object()
"""Stands for an argument that is not there; `None` is a value."""
_NOTHING = object()
"""Stands where no value is equal whatever the schema says; it equals none."""

_BLANK = frozenset({rules.BLANK_IS_A_VALUE})
_DEFAULT = frozenset({rules.DEFAULT_EQUALS_OMISSION})
_NESTED = frozenset({rules.NESTED_VALUES})
_LEFT_OUT = ValueVerdict(True, rules.LEFT_OUT, 1.0)
_IS_DEFAULT = ValueVerdict(True, rules.DEFAULT, 1.0, _DEFAULT)
_MISSING = ValueVerdict(False, rules.MISSING)
_INVENTED = ValueVerdict(False, rules.INVENTED, 0.0, _BLANK)
_SOME_INVENTED = ValueVerdict(False, rules.WRONG_VALUE, 0.0, _NESTED | _BLANK)


class Wanted(Protocol):
    """A wanted value under its schema."""

    def verdict(self, given: Any) -> ValueVerdict: ...

    def credit(self, given: Any) -> float:
        """The credit of `verdict`, without its reasons; it is 1 where the value is equal, and nowhere else."""
        ...


def wanted_value(wanted: Any, schema: Any, root: Schema) -> Wanted:
    """Make a value, or a `OneOf`, ready to be compared: the best verdict over the acceptable values and the schema's
    alternatives counts. References are resolved in `root`."""
    if isinstance(wanted, OneOf):
        return _choice([wanted_value(v, schema, root) for v in wanted.values], wanted.optional)
    kind = json_type(wanted)
    if kind == "array":
        return Array(wanted, container_schema(wanted, schema, root), root)
    if kind == "object":
        return Object(wanted, Properties(container_schema(wanted, schema, root), root))
    found = _fitting(kind, schema, root)
    if kind in ("boolean", "null"):
        return Constant(wanted)
    if kind == "string":
        return _choice([Text(wanted, branch) for branch in found])
    return _choice([Number(wanted, branch) for branch in found])


def container_schema(wanted: Any, schema: Any, root: Schema) -> Schema:
    """The one schema of all branches that admit an array or object. What is inside is looked at under all of them
    together: one by one would take exponential time where a schema refers to itself."""
    found = _fitting(json_type(wanted), schema, root)
    return found[0] if len(found) == 1 else {"anyOf": found}


def _choice(options: Sequence[Wanted], optional: bool = False) -> Wanted:
    if len(options) == 1 and not optional:
        return options[0]
    texts = [o for o in options if isinstance(o, Text)]
    if len(texts) == len(options) > 1 and not optional:
        return Texts(texts)
    return _Choice([Texts(texts)] if len(texts) == len(options) > 1 else options, optional)


class _Choice:
    """Several acceptable values, of any kinds; with none, the value may only be left out."""

    __slots__ = ("_optional", "_options")

    def __init__(self, options: Sequence[Wanted], optional: bool) -> None:
        self._options = tuple(options)
        self._optional = optional

    def verdict(self, given: Any) -> ValueVerdict:
        if not self._options:
            return _INVENTED
        found = best([option.verdict(given) for option in self._options])
        if self._optional and not found.equal and _is_blank(given):
            return ValueVerdict(False, found.reason, found.credit, _BLANK)
        return found

    def credit(self, given: Any) -> float:
        return max([option.credit(given) for option in self._options], default=0.0)


class Array:
    """An array, item by item."""

    __slots__ = ("items",)

    def __init__(self, wanted: Sequence[Any], schema: Schema, root: Schema) -> None:
        self.items = [wanted_value(w, child_schema(schema, i, root), root) for i, w in enumerate(wanted)]

    def verdict(self, given: Any) -> ValueVerdict:
        if not isinstance(given, (list, tuple)):
            return WRONG_TYPE
        if len(given) != len(self.items):
            return WRONG_VALUE
        return _together([item.verdict(g) for item, g in zip(self.items, given, strict=True)])

    def credit(self, given: Any) -> float:
        if not isinstance(given, (list, tuple)) or len(given) != len(self.items):
            return 0.0
        for item, one in zip(self.items, given, strict=True):
            if item.credit(one) != 1.0:
                return 0.0
        return 1.0


class Properties:
    """What a schema says of an object's properties."""

    __slots__ = ("_defaults", "_schema", "known", "required", "root")

    def __init__(self, schema: Schema, root: Schema) -> None:
        self._schema, self.root = schema, root
        shape = object_shape(schema, root)
        self.known: Mapping[str, Any] = shape.properties
        self.required = shape.required
        self._defaults: dict[str, list[tuple[Any, Wanted]]] | None = None

    @property
    def defaults(self) -> Mapping[str, Sequence[tuple[Any, Wanted]]]:
        """Of the properties that may be left out: the defaults that their branches state, also as wanted values."""
        if self._defaults is None:
            self._defaults = {}
            for name in self.known:
                if name not in self.required:
                    sub = self.child(name)
                    stated = [d for b in branches(sub, self.root) for d in stated_default(b)]
                    if stated:
                        self._defaults[name] = [(d, wanted_value(d, sub, self.root)) for d in stated]
        return self._defaults

    def child(self, name: str) -> Any:
        """The schema of one property; the empty one where nothing is said about it."""
        return child_schema(self._schema, name, self.root)

    def value(self, name: str, wanted: Any) -> Wanted:
        return wanted_value(wanted, self.child(name), self.root)

    def invented(self, name: str, given: Any) -> ValueVerdict:
        """The verdict on a property that nobody asked for: it may only state its default."""
        stated = self.defaults.get(name, ())
        return _IS_DEFAULT if any(wanted.verdict(given).equal for _, wanted in stated) else _INVENTED

    def of_other_type(self, name: str, wanted: Any) -> bool:
        """Whether a property's acceptable values are of another type than the schema's, or of several.

        The official checker then takes the first one's type beside the schema's.
        """
        options = wanted.values if isinstance(wanted, OneOf) else (wanted,)
        kinds = {json_type(o) for o in options if not isinstance(o, OneOf)}
        found = branches(self.child(name), self.root)
        admitted = frozenset().union(*[types_of(b) for b in found]) or frozenset({"string"})
        return len(kinds) > 1 or not kinds <= (admitted | {"integer"} if "number" in admitted else admitted)


class Property:
    """One property of an object, or one argument of a call, that is wanted or may be given.

    Its schema is looked into when first needed: what is given is most often what is wanted.
    """

    __slots__ = ("_absent", "_name", "_of", "_optional", "_value", "_wanted")

    def __init__(self, name: str, wanted: Any, of: Properties) -> None:
        self._name, self._wanted, self._of = name, wanted, of
        self._optional = isinstance(wanted, OneOf) and wanted.optional
        self._value: Wanted | None = None
        self._absent: ValueVerdict | None = _LEFT_OUT if self._optional else None

    @property
    def value(self) -> Wanted:
        """What is wanted, under its schema."""
        if self._value is None:
            self._value = self._of.value(self._name, self._wanted)
        return self._value

    @property
    def itself(self) -> Any:
        """What is equal wherever it is given, type and all; `_NOTHING` where the schema may say otherwise: a float is
        not even itself where an integer is to stand."""
        return self._wanted if type(self._wanted) in (str, int, bool, NoneType) else _NOTHING

    @property
    def absent(self) -> ValueVerdict:
        """The verdict where it is left out."""
        if self._absent is None:
            stated = self._of.defaults.get(self._name, ())
            is_default = any(self.value.verdict(default).equal for default, _ in stated)
            self._absent = _IS_DEFAULT if is_default else _MISSING
        return self._absent

    def verdict(self, given: Any) -> ValueVerdict:
        """The verdict on what is given."""
        found = self.value.verdict(given)
        if not self._optional or found.equal or not self._of.invented(self._name, given).equal:
            return found
        return ValueVerdict(True, rules.DEFAULT, 1.0, found.applied | _DEFAULT)

    def credit(self, given: Any) -> float | None:
        """The verdict's credit; `None` where it is equal with nothing to score (`rules.NOTHING_TO_SCORE`)."""
        found = (self._value or self.value).credit(given)
        if self._optional and found != 1.0 and self._of.invented(self._name, given).equal:
            return None
        return found


class Object:
    """An object, property by property; a call's arguments are one."""

    __slots__ = ("checks", "names", "of")

    def __init__(self, wanted: Mapping[str, Any], of: Properties) -> None:
        self.of = of
        self.names = {name: Property(name, value, of) for name, value in wanted.items()}
        self.checks = [(name, type(one.itself), one.itself, one) for name, one in self.names.items()]
        """Of each wanted property: its name, the value that is equal for sure and its type, and the property."""

    def verdict(self, given: Any) -> ValueVerdict:
        if not isinstance(given, Mapping):
            return WRONG_TYPE
        if len(given) > len(self.names) + len(self.of.defaults):
            return _SOME_INVENTED
        return _together([v for _, v in self.verdicts(given)])

    def verdicts(self, given: Mapping[str, Any]) -> Iterator[tuple[str, ValueVerdict]]:
        """A verdict for each property of either side, those that are wanted first."""
        for name, wanted in self.names.items():
            yield name, wanted.verdict(given[name]) if name in given else wanted.absent
        for name, value in given.items():
            if name not in self.names:
                yield name, self.of.invented(name, value)

    def credit(self, given: Any) -> float:
        if not isinstance(given, Mapping) or len(given) > len(self.names) + len(self.of.defaults):
            return 0.0
        for name, wanted in self.names.items():
            equal = wanted.credit(given[name]) in (None, 1.0) if name in given else wanted.absent.equal
            if not equal:
                return 0.0
        return 1.0 if all(n in self.names or self.of.invented(n, v).equal for n, v in given.items()) else 0.0


def _together(parts: Sequence[ValueVerdict]) -> ValueVerdict:
    applied = _NESTED.union(*[p.applied for p in parts])
    plain = True
    for part in parts:
        if not part.equal:
            return ValueVerdict(False, rules.WRONG_VALUE, 0.0, applied)
        plain = plain and part.reason == rules.EQUAL
    return ValueVerdict(True, rules.EQUAL if plain else rules.NORMALISED, 1.0, applied)


def _is_blank(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not benchmark_form(value))


def _fitting(kind: str, schema: Any, root: Schema) -> list[Schema]:
    """The branches that admit a wanted value of this type; the empty schema where none does."""
    admitted = {kind, "number"} if kind == "integer" else {kind}
    return [b for b in branches(schema, root) if not types_of(b) or types_of(b) & admitted] or [{}]


def may_be_left_out(wanted: Any) -> bool:
    return isinstance(wanted, OneOf) and wanted.optional


def exact_equal(wanted: Any, given: Any) -> bool:
    """JSON equality without any normalisation: 5 is not 5.0, `true` is not 1, the order of keys means nothing."""
    if isinstance(wanted, OneOf):
        return any(exact_equal(v, given) for v in wanted.values)
    if isinstance(wanted, Mapping):
        if not isinstance(given, Mapping) or any(k not in wanted for k in given):
            return False
        return all(exact_equal(v, given[k]) if k in given else may_be_left_out(v) for k, v in wanted.items())
    if isinstance(wanted, (list, tuple)):
        if not isinstance(given, (list, tuple)) or len(wanted) != len(given):
            return False
        return all(exact_equal(w, g) for w, g in zip(wanted, given, strict=True))
    return json_type(wanted) == json_type(given) and bool(wanted == given)
