"""Kinds of mutation of one value: of an argument's own, and of one inside an array or an object."""

from __future__ import annotations

import copy
import json
import random
import string
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

Path = tuple[str | int, ...]
Change = Callable[[Any, random.Random], Any]


def is_int(value: Any) -> bool:
    return type(value) is int


def is_float(value: Any) -> bool:
    return type(value) is float


def is_whole_float(value: Any) -> bool:
    return is_float(value) and value.is_integer()


def is_number(value: Any) -> bool:
    return is_int(value) or is_float(value)


def is_bool(value: Any) -> bool:
    return type(value) is bool


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def is_letters(value: Any) -> bool:
    return is_text(value) and any(c.isalpha() for c in value)


def is_words(value: Any) -> bool:
    return is_text(value) and any(c in value for c in " ,./-_*^")


def is_quoted(value: Any) -> bool:
    return is_text(value) and ("'" in value or '"' in value)


def is_chinese(value: Any) -> bool:
    return is_text(value) and any(c in "台臺裡裏" for c in value)


def is_digits(value: Any) -> bool:
    return is_text(value) and any(c in string.digits for c in value)


def is_list(value: Any) -> bool:
    return isinstance(value, list)


def is_filled_list(value: Any) -> bool:
    return is_list(value) and len(value) > 0


def is_longer_list(value: Any) -> bool:
    return is_list(value) and len(value) > 1


def is_object(value: Any) -> bool:
    return isinstance(value, dict)


def is_filled_object(value: Any) -> bool:
    return is_object(value) and len(value) > 0


def is_anything(_: Any) -> bool:
    return True


def _case(value: str, rng: random.Random) -> str:
    return rng.choice([value.upper(), value.lower(), value.title(), value.swapcase()])


def _without_marks(value: str, rng: random.Random) -> str:
    place = rng.choice([i for i, c in enumerate(value) if c in " ,./-_*^"])
    return value[:place] + value[place + 1 :]


def _other_mark(value: str, rng: random.Random) -> str:
    place = rng.choice([i for i, c in enumerate(value) if c in " ,./-_*^"])
    return value[:place] + rng.choice(" ,./-_*^") + value[place + 1 :]


def _with_mark(value: str, rng: random.Random) -> str:
    place = rng.randrange(len(value) + 1)
    return value[:place] + rng.choice([" ", ",", ".", "-", "_", "*", ":", "\n", "!"]) + value[place:]


def _typo(value: str, rng: random.Random) -> str:
    place = rng.choice([i for i, c in enumerate(value) if c.isalpha()])
    letter = rng.choice([c for c in string.ascii_lowercase if c != value[place].lower()])
    return value[:place] + rng.choice([letter, "", value[place] + letter]) + value[place + 1 :]


def _other_digit(value: str, rng: random.Random) -> str:
    place = rng.choice([i for i, c in enumerate(value) if c in string.digits])
    return value[:place] + rng.choice([c for c in string.digits if c != value[place]]) + value[place + 1 :]


def _quotes(value: str, rng: random.Random) -> str:
    return value.translate(str.maketrans("'\"", "\"'"))


def _wide(value: str, rng: random.Random) -> str:
    """Full-width forms of the ASCII characters, which NFKC takes back."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value)


def _decomposed(value: str, rng: random.Random) -> str:
    return unicodedata.normalize("NFD", value.replace("e", "é", 1))


def _shuffled(value: list[Any], rng: random.Random) -> list[Any]:
    return rng.sample(value, len(value))


def _without_item(value: list[Any], rng: random.Random) -> list[Any]:
    place = rng.randrange(len(value))
    return value[:place] + value[place + 1 :]


def _without_key(value: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    gone = rng.choice(sorted(value))
    return {k: v for k, v in value.items() if k != gone}


def _renamed_key(value: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    old = rng.choice(sorted(value))
    return {(k + "_" if k == old else k): v for k, v in value.items()}


def _off(value: Any, rng: random.Random) -> Any:
    return value + rng.choice([-1, 1, 10]) if is_int(value) else value * rng.choice([0.5, 1.01, -1.0]) + 0.25


VALUE_KINDS: dict[str, tuple[Callable[[Any], bool], Change]] = {
    "integer_as_float": (is_int, lambda v, _: float(v)),
    "float_as_integer": (is_whole_float, lambda v, _: int(v)),
    "number_off": (is_number, _off),
    "number_as_text": (is_number, lambda v, _: str(v)),
    "number_as_boolean": (is_number, lambda v, _: bool(v)),
    "boolean_flipped": (is_bool, lambda v, _: not v),
    "boolean_as_number": (is_bool, lambda v, r: r.choice([int(v), float(v)])),
    "boolean_as_text": (is_bool, lambda v, r: r.choice([str(v), str(v).lower()])),
    "text_case": (is_letters, _case),
    "text_mark_gone": (is_words, _without_marks),
    "text_mark_other": (is_words, _other_mark),
    "text_mark_more": (is_text, _with_mark),
    "text_padded": (is_text, lambda v, r: r.choice([f" {v}", f"{v} ", f"{v}.", f"\t{v}\n"])),
    "text_typo": (is_letters, _typo),
    "text_longer": (is_text, lambda v, r: r.choice([f"{v} city", f"the {v}", v + v])),
    "text_shorter": (is_text, lambda v, _: v[:-1]),
    "text_other_digit": (is_digits, _other_digit),
    "text_quotes": (is_quoted, _quotes),
    "text_wide": (is_letters, _wide),
    "text_decomposed": (is_letters, _decomposed),
    "text_variant": (is_chinese, lambda v, _: v.translate(str.maketrans("台臺裡裏", "臺台裏裡"))),
    "text_empty": (is_text, lambda v, r: r.choice(["", "", "-", "."])),
    "text_in_list": (is_text, lambda v, _: [v]),
    "text_as_characters": (is_text, lambda v, _: list(v)),
    "any_null": (is_anything, lambda v, _: None),
    "any_other_kind": (is_anything, lambda v, r: r.choice([0, 1.5, True, "x", [], {}])),
    "list_reordered": (is_longer_list, _shuffled),
    "list_item_gone": (is_filled_list, _without_item),
    "list_item_twice": (is_filled_list, lambda v, r: [*v, r.choice(v)]),
    "list_empty": (is_filled_list, lambda v, _: []),
    "list_unwrapped": (is_filled_list, lambda v, _: v[0]),
    "list_nested": (is_list, lambda v, _: [v]),
    "list_as_text": (is_list, lambda v, _: json.dumps(v)),
    "list_mixed": (is_filled_list, lambda v, r: [r.choice([None, True, 1, 1.0, "x", ""]), *v[1:]]),
    "object_key_gone": (is_filled_object, _without_key),
    "object_key_more": (is_object, lambda v, r: {**v, "extra": r.choice([None, "", 1])}),
    "object_key_renamed": (is_filled_object, _renamed_key),
    "object_empty": (is_filled_object, lambda v, _: {}),
    "object_in_list": (is_object, lambda v, _: [v]),
    "object_as_text": (is_object, lambda v, _: json.dumps(v)),
    "object_values_listed": (is_filled_object, lambda v, _: {k: [x] for k, x in v.items()}),
}
"""Name → which values it can be done to, and what it does to them. None changes the value that it is given."""


def sites(value: Any, at: Path = ()) -> Iterator[Path]:
    """The paths of all values in an object of arguments, its own not counted; iterative, in order."""
    stack: list[tuple[Path, Any]] = [(at, value)]
    while stack:
        path, here = stack.pop()
        if path:
            yield path
        if isinstance(here, dict):
            stack.extend(((*path, k), v) for k, v in reversed(list(here.items())))
        elif isinstance(here, list):
            stack.extend(((*path, i), v) for i, v in reversed(list(enumerate(here))))


def value_at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def with_value(value: Any, path: Path, new: Any) -> Any:
    """A deep copy of `value` with another value at `path`."""
    out = copy.deepcopy(value)
    here = out
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = new
    return out
