"""Our scanner of Python's literals against Python itself, which only the tests ask."""

from __future__ import annotations

import ast
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.parsers.literals import LiteralError, read_literal
from rlvr.parsers.python_literals import PYTHON


def read(text: str) -> Any:
    value, end = read_literal(text, 0, PYTHON)
    if text[end:].strip():
        raise LiteralError(end)
    return value


def listed(value: Any) -> Any:
    """Tuples as lists, since JSON has no tuples."""
    if isinstance(value, (list, tuple)):
        return [listed(v) for v in value]
    return {k: listed(v) for k, v in value.items()} if isinstance(value, dict) else value


plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | plain,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(plain, inner, max_size=3)
    ),
    max_leaves=10,
)


@given(values)
def test_what_python_writes_is_read(value: Any) -> None:
    assert json.dumps(read(repr(value))) == json.dumps(listed(value))


TOKENS = [
    "'", '"', '"""', "'''", "\\", "n", "x41", "u00e9", "U0001F327", "101", "r'", "u", "f'", "b'", "[", "]", "(", ")",
    "{", "}", ",", ":", " ", "\n", "1", "0", "_", ".", "e5", "-", "+", "0x1F", "0b1", "0o7", "True", "None", "null",
    "j", "N{DASH}", "#", "a", "é", "\t",
]  # fmt: skip


@given(st.lists(st.sampled_from(TOKENS), max_size=8).map("".join))
def test_whatever_is_read_python_reads_alike_and_what_it_reads_as_json_is_read(text: str) -> None:
    text = text.strip()
    try:
        ours = read(text)
    except LiteralError:
        ours = LiteralError
    try:
        python = ast.literal_eval(text)
        json.dumps(python, allow_nan=False)
    except Exception:
        python = LiteralError
    if ours is LiteralError:
        assert python is LiteralError or refused(text, python)
    elif python is not LiteralError:
        assert json.dumps(ours) == json.dumps(listed(python))
    else:
        assert "null" in text or "\n" in text or '"' in text or "'" in text


def refused(text: str, python: Any) -> bool:
    """What Python reads and we do not: comments, named characters, f-strings, keys that are no strings, sets, bytes,
    a backslash at a line's end outside strings, sums with complex numbers, more signs than one."""
    return (
        any(mark in text for mark in ("#", "\\N", "f'", 'f"', "b'", "j", "\\\n"))
        or any(type(k) is not str for k in _keys(python))
        or text.lstrip("([{ ")[:1] in ("-", "+")
        or any(s in text for s in ("--", "++", "+-", "-+", "- ", "+ ", "-\n", "+\n", "-(", "+(", "-\t", "+\t"))
    )


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *(k for v in value.values() for k in _keys(v))]
    return [k for v in value for k in _keys(v)] if isinstance(value, (list, tuple)) else []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("+5", 5),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0x_1F_0", 496),
        ("0b11", 3),
        ("0o17", 15),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-1.5E-2", -0.015),
        ("True", True),
        ("false", False),
        ("null", None),
        ("(5)", 5),
        ("(5,)", [5]),
        ("()", []),
        ("((1, 2), [3])", [[1, 2], [3]]),
        ("{'a': {}}", {"a": {}}),
        ("[1, 2,]", [1, 2]),
        (r"'a\tb'", "a\tb"),
        (r"r'a\tb'", "a\\tb"),
        (r"'\d\/'", "\\d\\/"),
        (r"'\x41\u00e9\U0001F327\101'", "Aé🌧A"),
        ("'a' \"b\" '''c'''", "abc"),
        ("'''it's'''", "it's"),
        ('"""a "b" c"""', 'a "b" c'),
        ("'a\\\nb'", "ab"),
        ("''", ""),
        ("u'x'", "x"),
    ],
)
def test_literals(text: str, value: Any) -> None:
    assert json.dumps(read(text)) == json.dumps(value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "unclosed"),
        ("[", "unclosed"),
        ("[1", "unclosed"),
        ("[1,", "unclosed"),
        ("{'a'", "unclosed"),
        ("{'a':", "unclosed"),
        ("'abc", "unclosed"),
        ("'abc\\", "unclosed"),
        ('"""abc"', "unclosed"),
        ("Tru", "unclosed"),
        ("-", "unclosed"),
        ("[1 2]", "json"),
        ("[,]", "json"),
        ("(,)", "json"),
        ("[1}", "json"),
        ("{1: 2}", "json"),
        ("{'a'}", "json"),
        ("{'a': 1, 'a': 2}", "json"),
        ("'a\nb'", "json"),
        ("007", "json"),
        ("1__0", "json"),
        ("1e999", "json"),
        ("1" * 309, "json"),
        ("0x" + "F" * 300, "json"),
        ("0x1__F", "json"),
        ("0x", "json"),
        ("5j", "json"),
        ("x", "json"),
        ("nan", "json"),
        ("--5", "json"),
        ("1+1", "json"),
        ("f'x'", "json"),
        ("b'x'", "json"),
        (r"'\x4'", "json"),
        (r"'\u12'", "json"),
        (r"'\U00110000'", "json"),
        (r"'\ud800'", "json"),
        (r"'\N{DASH}'", "json"),
        ("[" * 70 + "]" * 70, "json"),
        ("...", "json"),
    ],
)
def test_what_is_no_literal(text: str, fault: str) -> None:
    with pytest.raises(LiteralError) as caught:
        read(text)
    assert caught.value.fault == fault
    assert 0 <= caught.value.position <= len(text)


def test_numbers_keep_their_kind() -> None:
    assert isinstance(read("5"), int)
    assert isinstance(read("5.0"), float)
    assert math.copysign(1, read("-0.0")) == -1
