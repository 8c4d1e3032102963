"""Whether a named rule can be what made `typed` and the official checker differ, seen from the raw row alone.

One predicate a rule, over the calls, the possible answers and the raw schema. None of the library's code is used, so
that a name given for the wrong reason shows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bfcl_mutations.base import Call
from bfcl_mutations.official import Row

_DROPPED = re.compile(r"[ ,./\-_*^]")
_TYPOGRAPHIC = re.compile(r"[\u2010-\u2015\u2018-\u201f\u2022\u2027\u2212\u2219\u02bc\u3001\u3002]")
_TONES = re.compile(r"[òóỏõọÒÓỎÕỌ][aeAE]|[ùúủũụÙÚỦŨỤ][yY]|Ð|[oO][àáảãạèéẻẽẹ]|[uU][ỳýỷỹỵ]")
_SIGNED = re.compile(r"""(^|[\s,;:=("'\[])-+\w|\w-+([\s,;)"'\]]|$)|[*^]|[\d)] ?/""")
_KINDS = {"string": str, "integer": int, "float": float, "boolean": bool, "array": list, "tuple": list, "dict": dict}


def standard(text: str) -> str:
    """The benchmark's normal form of a string."""
    return _DROPPED.sub("", text).lower().replace("'", '"')


def leaves(value: Any, depth: int = 0) -> Iterator[tuple[Any, int]]:
    """All values inside a value, itself included, each with its depth."""
    stack = [(value, depth)]
    while stack:
        here, level = stack.pop()
        yield here, level
        if isinstance(here, dict):
            stack.extend((v, level + 1) for v in here.values())
        elif isinstance(here, list):
            stack.extend((v, level + 1) for v in here)


@dataclass(frozen=True, slots=True)
class Seen:
    """The values of a completion's calls and of a row's answers, flat, and the row's schemas."""

    given: list[Any]
    wanted: list[Any]
    calls: list[Call]
    row: Row

    def strings_alike(self) -> Iterator[tuple[str, str]]:
        """Strings that the benchmark takes as the same, and that are written differently."""
        texts = {w for w in self.wanted if isinstance(w, str)}
        for value in self.given:
            if isinstance(value, str):
                yield from ((value, w) for w in texts if w != value and standard(w) == standard(value))

    def schemas(self) -> Iterator[dict[str, Any]]:
        for function in self.row.functions:
            yield from (s for s, _ in leaves(function["parameters"]) if isinstance(s, dict))

    def arguments(self) -> Iterator[tuple[str, list[Any], dict[str, Any], Call | None]]:
        """Each argument of the answers with its accepted values, its function's parameters, and a call of its name."""
        for answer in self.row.answers:
            for function, accepted in answer.items():
                parameters = next((f["parameters"] for f in self.row.functions if f["name"] == function), {})
                for call in [c for c in self.calls if c["name"] == function] or [None]:
                    yield from ((name, values, parameters, call) for name, values in accepted.items())


def see(row: Row, calls: list[Call]) -> Seen:
    given = [v for c in calls for v, _ in leaves(c["arguments"])]
    wanted = [v for a in row.answers for v, _ in leaves(a)]
    return Seen(given, wanted, calls, row)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _of_other_kinds(seen: Seen, a: Any, b: Any) -> bool:
    """Some given value of kind `a` equals some wanted value of kind `b`, or the other way round."""
    return any(
        g == w and ((type(g) in a and type(w) in b) or (type(g) in b and type(w) in a))
        for g in seen.given
        for w in seen.wanted
        if not isinstance(g, (dict, list)) and not isinstance(w, (dict, list))
    )


def _pinned(seen: Seen, *keywords: str) -> bool:
    return any(True for _ in seen.strings_alike()) and any(k in s for s in seen.schemas() for k in keywords)


def _written(seen: Seen, pattern: str) -> bool:
    return any(re.search(pattern, wanted) for _, wanted in seen.strings_alike())


def _optional_by_answer(seen: Seen) -> bool:
    """A call leaves out what the schema requires and the answers mark, or do not name."""
    for answer in seen.row.answers:
        for function, accepted in answer.items():
            required = next((f["parameters"]["required"] for f in seen.row.functions if f["name"] == function), [])
            for call in seen.calls:
                left_out = [n for n in required if n not in call["arguments"]]
                if call["name"] == function and any("" in accepted.get(n, [""]) for n in left_out):
                    return True
    return False


def _other_type(seen: Seen) -> bool:
    """The first accepted answer is of another type than the schema says."""
    for name, accepted, parameters, _ in seen.arguments():
        kind = _KINDS.get(parameters.get("properties", {}).get(name, {}).get("type"), str)
        first = next((type(v) for v in accepted if v != ""), None)
        if first is not None and first is not kind:
            return True
    return False


def _nfkc(seen: Seen) -> bool:
    texts = {standard(unicodedata.normalize("NFKC", w)) for w in seen.wanted if isinstance(w, str)}
    return any(
        isinstance(g, str) and not (g.isascii() and all(w.isascii() for w in texts))
        for g in seen.given
        if isinstance(g, str) and standard(unicodedata.normalize("NFKC", g)) in texts
    )


EVIDENCE: dict[str, Callable[[Seen], bool]] = {
    "integer_only": lambda s: _of_other_kinds(s, (int,), (float,)),
    "number_by_value": lambda s: _of_other_kinds(s, (int,), (float,)),
    "boolean_only": lambda s: _of_other_kinds(s, (bool,), (int, float)),
    "schema_type": _other_type,
    "enum_exact": lambda s: _pinned(s, "enum", "const"),
    "format_exact": lambda s: _pinned(s, "format", "pattern"),
    "identifier_exact": lambda s: _written(s, r"^[^\s]*[0-9_][^\s]*$"),
    "address_exact": lambda s: _written(s, r"[@/\\~_]|^\S*[.]\S*$"),
    "date_exact": lambda s: _written(s, r"\d[-/.]\d"),
    "digits_apart": lambda s: _written(s, r"\d"),
    "empty_form": lambda s: any(isinstance(g, str) and not standard(g) for g in s.given),
    "unicode_nfkc": _nfkc,
    "chinese_variants": lambda s: any(isinstance(g, str) and any(c in "台臺裡裏" for c in g) for g in s.given),
    "typographic_marks": lambda s: any(isinstance(v, str) and _TYPOGRAPHIC.search(v) for v in (*s.given, *s.wanted)),
    "vietnamese_tones": lambda s: any(isinstance(v, str) and _TONES.search(v) for v in (*s.given, *s.wanted)),
    "signs_stay": lambda s: any(_SIGNED.search(v) for pair in s.strings_alike() for v in pair),
    "length_in_bounds": lambda s: _pinned(s, "minLength", "maxLength"),
    "nested_values": lambda s: any(d > 1 for c in s.calls for v in c["arguments"].values() for _, d in leaves(v)),
    "default_equals_omission": lambda s: any("default" in schema for schema in s.schemas()),
    "blank_is_a_value": lambda s: any(g in ("", None, []) or (isinstance(g, str) and not standard(g)) for g in s.given),
    "optional_by_answer": _optional_by_answer,
    "unknown_argument": lambda s: any(n not in p.get("properties", {}) for n, _, p, _ in s.arguments()),
    "best_assignment": lambda s: len(s.calls) > 1,
    "tool_not_offered": lambda s: {n for a in s.row.answers for n in a} > {f["name"] for f in s.row.functions},
}


def unsupported(rules: tuple[str, ...], row: Row, calls: list[Call]) -> list[str]:
    """Those of the rules for which the row and the calls show nothing."""
    seen = see(row, calls)
    return [rule for rule in rules if not EVIDENCE[rule](seen)]
