"""Strict configuration: YAML in, frozen dataclasses out, every mistake of a file reported at once.

Unknown keys fail with a suggestion, wrong types name what they got and what is expected. Defaults live in the
dataclasses, and nowhere else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from rlvr.errors import ConfigError, did_you_mean
from rlvr.yaml_text import NotYamlError, load_yaml

T = TypeVar("T")
Check = Callable[[Any], "str | None"]
"""What is wrong with a field's value alone, as `got X, expected Y`; `None` where nothing is."""
_CHECK = "check"


class MistakesError(ValueError):
    """Several things that are wrong with a dataclass, raised in `__post_init__`: each becomes a line of its own."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("; ".join(self.lines))


class _UnknownKey(str):
    """A line that says of a key that it is unknown: the known ones beside it can still be checked."""


def checked(check: Check, default: Any = dataclasses.MISSING, *, factory: Any = dataclasses.MISSING) -> Any:
    """A dataclass field whose value is checked alone, also where other fields of its dataclass are wrong; the
    dataclass calls `raise_mistakes` in `__post_init__`."""
    given = {"default": default} if factory is dataclasses.MISSING else {"default_factory": factory}
    return dataclasses.field(metadata={_CHECK: check}, **given)


def raise_mistakes(made: Any, more: Iterable[str] = ()) -> None:
    """Raise `MistakesError` where a `checked` field of `made` is wrong, or where there are `more` lines."""
    lines = [f"{f.name}: {p}" for f in dataclasses.fields(made) if (p := _mistake(f, getattr(made, f.name)))]
    if not lines:
        lines = list(more)  # they may rely on the fields
    if lines:
        raise MistakesError(lines)


def _mistake(spec: dataclasses.Field[Any], value: Any) -> str | None:
    check: Check | None = spec.metadata.get(_CHECK)
    return check(value) if check else None


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML mapping. Raises `ConfigError` where the file is missing, broken, or holds something else."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}."]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not valid UTF-8: {error.reason} at byte {error.start}."]) from error
    try:
        loaded = load_yaml(text)
    except NotYamlError as error:
        line = f":{error.line}" if error.line else ""
        raise ConfigError([f"{path}{line}: not valid YAML: {error}."]) from error
    if not isinstance(loaded, dict):
        raise ConfigError([f"{path}: got {'nothing' if loaded is None else _kind(loaded)}, expected keys and values."])
    return loaded


def parse_scalar(text: str) -> Any:
    """Read the right side of `--set key=value` as YAML does.

    >>> parse_scalar("5e-7"), parse_scalar("true"), parse_scalar("[1, 2]"), parse_scalar("auto")
    (5e-07, True, [1, 2], 'auto')
    """
    try:
        return load_yaml(text)
    except NotYamlError:
        return text


def override(mapping: dict[str, Any], text: str, problems: list[str]) -> None:
    """Set `outer.inner=value` in a configuration, as `--set` has it; append to `problems` what cannot be set.

    >>> recipe = {"trl": {}, "sources": [{"count": 1}]}
    >>> override(recipe, "trl.lr=5e-7", []), override(recipe, "sources.0.count=2", [])
    (None, None)
    >>> recipe
    {'trl': {'lr': 5e-07}, 'sources': [{'count': 2}]}
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        problems.append(f"--set {text}: expected key=value, as in --set trl.learning_rate=1e-5.")
        return
    *outer, last = key.strip().split(".")
    place: Any = mapping
    for part in outer:
        outside, place = place, _step_into(place, part)
        if place is None:
            what = isinstance(outside, list) and f"no place {part} among {len(outside)}"
            return problems.append(f"--set {text}: {what or f'{part} holds no keys of its own'}.")
    if isinstance(place, list) and last.isdecimal() and int(last) < len(place):
        place[int(last)] = parse_scalar(value)
    elif isinstance(place, dict):
        place[last] = parse_scalar(value)
    else:
        problems.append(f"--set {text}: no place {last} among {len(place)}.")


def _step_into(place: Any, part: str) -> Any:
    if isinstance(place, list):
        inner = place[int(part)] if part.isdecimal() and int(part) < len(place) else None
    else:
        inner = place.setdefault(part, {}) if isinstance(place, dict) else None
    return inner if isinstance(inner, (dict, list)) else None


def build(cls: type[T], mapping: Any, *, where: str, problems: list[str]) -> T | None:
    """Build the frozen dataclass `cls` from `mapping`; append `where: …` lines to `problems` and return `None` on any.

    `where` is a file, or `file: outer.key`. Keys of nested dataclasses are reported as `outer.inner`. What spans
    several fields (`__post_init__`) is told too, unless one of them is wrong in itself; an unknown key hinders nothing.
    """
    before = len(problems)
    made = _make(cls, mapping, where, "", problems)
    return made if len(problems) == before else None


def _make(cls: type[T], mapping: Any, where: str, key: str, problems: list[str]) -> T | None:
    """The dataclass, also where `mapping` has unknown keys, so that what holds it can be checked."""
    before = len(problems)
    values = _fields(cls, mapping, where, f"{key}." if key else "", problems)
    if any(not isinstance(p, _UnknownKey) for p in problems[before:]):
        return None
    try:
        return cls(**values)
    except ValueError as error:  # made in __post_init__
        lines = error.lines if isinstance(error, MistakesError) else (str(error),)
        problems.extend(": ".join(filter(None, (where, key, line))) for line in lines)
        return None


def _fields(cls: type[Any], mapping: Any, where: str, prefix: str, problems: list[str]) -> dict[str, Any]:
    if not isinstance(mapping, Mapping):
        name = prefix.rstrip(".") or "the whole"
        problems.append(f"{where}: {name}: got {_kind(mapping)}, expected keys and values.")
        return {}
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    hints = get_type_hints(cls)
    for key in mapping:
        if key not in fields:
            problems.append(_UnknownKey(f"{where}: {prefix}{key}: unknown key.{did_you_mean(str(key), fields)}"))
    values: dict[str, Any] = {}
    for name, spec in fields.items():
        if name not in mapping:
            if spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
                problems.append(f"{where}: {prefix}{name}: missing, expected {describe(hints[name])}.")
            continue
        before = len(problems)
        values[name] = _convert(hints[name], mapping[name], where, prefix + name, problems)
        if len(problems) == before and (wrong := _mistake(spec, values[name])):
            problems.append(f"{where}: {prefix}{name}: {wrong}")
    return values


def _convert(hint: Any, value: Any, where: str, key: str, problems: list[str]) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _make(hint, value, where, key, problems)
    ok, converted = _match(hint, value, where, key, problems)
    if not ok:
        words = get_args(hint) if get_origin(hint) is Literal and isinstance(value, str) else ()
        suggestion = did_you_mean(value, map(str, words)) if words else ""
        problems.append(f"{where}: {key}: got {_kind(value)}, expected {describe(hint)}.{suggestion}")
    return converted


def _match(hint: Any, value: Any, where: str, key: str, problems: list[str]) -> tuple[bool, Any]:
    """Return whether `value` fits `hint`, and the value as the dataclass wants it."""
    origin = get_origin(hint)
    if hint is Any:
        return True, value
    if origin in (Union, UnionType):
        for option in get_args(hint):
            if dataclasses.is_dataclass(option) and isinstance(value, Mapping):
                return True, _convert(option, value, where, key, problems)
            ok, converted = _match(option, value, where, key, problems)
            if ok:
                return True, converted
        return False, None
    if origin is Literal:
        if isinstance(value, bool) and not any(isinstance(x, bool) for x in get_args(hint)):
            value = "on" if value else "off"  # as it was written: YAML takes both words for booleans
        return value in get_args(hint), value
    if hint in (NoneType, None):
        return value is None, None
    if origin in (tuple, list):
        return _match_sequence(hint, value, where, key, problems)
    if hint is dict or origin in (dict, Mapping):
        return _match_mapping(hint, value, where, key, problems)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool), value
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool), value
    if isinstance(hint, type) and issubclass(hint, Enum):
        return value in {e.value for e in hint}, value
    return isinstance(value, hint), value


def _match_sequence(hint: Any, value: Any, where: str, key: str, problems: list[str]) -> tuple[bool, Any]:
    if not isinstance(value, (list, tuple)):
        return False, None
    item = (get_args(hint) or (Any,))[0]
    items = [_convert(item, v, where, f"{key}[{i}]", problems) for i, v in enumerate(value)]
    return True, tuple(items) if get_origin(hint) is tuple else items


def _match_mapping(hint: Any, value: Any, where: str, key: str, problems: list[str]) -> tuple[bool, Any]:
    if not isinstance(value, Mapping):
        return False, None
    name, item = get_args(hint) or (Any, Any)
    for k in value:
        if not _match(name, k, where, key, problems)[0]:
            problems.append(f"{where}: {key}: the key {k!r:.60} is not {describe(name)}.")
    return True, {k: _convert(item, v, where, f"{key}.{k}", problems) for k, v in value.items()}


def mismatch(hint: Any, value: Any) -> str | None:
    """`got X, expected Y.` where a value is not of a type; else `None`."""
    wrong = f"got {_kind(value)}, expected {describe(hint)}."
    inner: list[str] = []
    return None if _match(hint, value, "", "", inner)[0] and not inner else wrong


def _kind(value: Any) -> str:
    if isinstance(value, (bool, int, float, str)) or value is None:
        return f"{value!r:.60}"
    return {"dict": "keys and values", "list": "a list"}.get(type(value).__name__, type(value).__name__)


_WORDS = {str: "text", int: "an integer", float: "a number", bool: "true or false", NoneType: "null", dict: "a mapping"}


def describe(hint: Any) -> str:
    """Say in words what a type wants.

    >>> describe(int | None), describe(Literal["a", "b"])
    ('an integer or null', 'one of a, b')
    """
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return " or ".join(describe(option) for option in get_args(hint))
    if origin is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if origin in (tuple, list):
        return f"a list of {describe((get_args(hint) or (Any,))[0])}"
    if origin is not None:
        return "keys and values"
    if dataclasses.is_dataclass(hint):
        return "keys and values"
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))
