"""Strict configuration: every mistake at once, with what was got, what is expected and what was perhaps meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from rlvr.errors import ConfigError
from rlvr.strict import MistakesError, build, checked, describe, override, parse_scalar, raise_mistakes, read_yaml


class Kind(Enum):
    A = "a"


@dataclass(frozen=True)
class Inner:
    size: int = 1
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.share > 1:
            raise ValueError(f"share: got {self.share}, expected at most 1")


@dataclass(frozen=True)
class Outer:
    name: str
    mode: Literal["fast", "slow"] = "fast"
    inner: Inner = field(default_factory=Inner)
    parts: tuple[Inner, ...] = ()
    names: list[str] | None = None
    shares: Mapping[str, float] | None = None
    free: Mapping[str, Any] = field(default_factory=dict)
    plain: dict = field(default_factory=dict)  # type: ignore[type-arg]
    kind: Kind | None = None
    on: bool = False
    maybe: Inner | None = None
    switch: Literal["auto", "on", "off"] = "auto"

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("name: must not be bad")


def problems_of(mapping: Any) -> list[str]:
    problems: list[str] = []
    assert build(Outer, mapping, where="f.yaml", problems=problems) is None
    return problems


def test_a_right_mapping_becomes_the_dataclass() -> None:
    problems: list[str] = []
    mapping = {
        "name": "x",
        "mode": "slow",
        "inner": {"size": 2},
        "parts": [{"share": 1}, {}],
        "names": ["a"],
        "shares": {"en": 1, "vi": 0.5},
        "free": {"deep": {"er": [1]}},
        "plain": {1: 2},
        "on": True,
        "maybe": {"size": 3},
    }
    built = build(Outer, mapping, where="f.yaml", problems=problems)
    assert problems == []
    assert built == Outer(
        "x", "slow", Inner(2), (Inner(share=1), Inner()), ["a"], {"en": 1, "vi": 0.5}, {"deep": {"er": [1]}}, {1: 2},
        None, True, Inner(3),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mapping", "wanted"),
    [
        ({"nam": "x"}, ["nam: unknown key. Did you mean name?", "name: missing, expected text."]),
        ({"name": 3}, ["name: got 3, expected text."]),
        ({"name": "x", "mode": "fats"}, ["mode: got 'fats', expected one of fast, slow. Did you mean fast?"]),
        ({"name": "x", "inner": {"sise": 1}}, ["inner.sise: unknown key. Did you mean size?"]),
        ({"name": "x", "inner": {"size": 1.5}}, ["inner.size: got 1.5, expected an integer."]),
        ({"name": "x", "inner": {"size": True}}, ["inner.size: got True, expected an integer."]),
        ({"name": "x", "inner": {"share": "much"}}, ["inner.share: got 'much', expected a number."]),
        ({"name": "x", "inner": {"share": 2}}, ["inner: share: got 2, expected at most 1"]),
        ({"name": "x", "inner": [1]}, ["inner: got a list, expected keys and values."]),
        ({"name": "x", "parts": [{"sise": 1}, {"size": "a"}]},
         ["parts[0].sise: unknown key. Did you mean size?", "parts[1].size: got 'a', expected an integer."]),
        ({"name": "x", "parts": {"size": 1}}, ["parts: got keys and values, expected a list of keys and values."]),
        ({"name": "x", "names": "a"}, ["names: got 'a', expected a list of text or null."]),
        ({"name": "x", "shares": {"en": "much"}}, ["shares.en: got 'much', expected a number."]),
        ({"name": "x", "shares": {1: 0.5}}, ["shares: the key 1 is not text."]),
        ({"name": "x", "shares": 3}, ["shares: got 3, expected keys and values or null."]),
        ({"name": "x", "on": 1}, ["on: got 1, expected true or false."]),
        ({"name": "x", "maybe": {"sise": 1}}, ["maybe.sise: unknown key. Did you mean size?"]),
        ({"name": "bad"}, ["name: must not be bad"]),
        ([], ["the whole: got a list, expected keys and values."]),
    ],
)  # fmt: skip
def test_every_mistake_is_told(mapping: Any, wanted: list[str]) -> None:
    assert problems_of(mapping) == [f"f.yaml: {line}" for line in wanted]


@dataclass(frozen=True)
class Checked:
    least: int = checked(lambda v: None if v > 0 else f"got {v}, expected more than 0", 1)
    words: Mapping[str, int] = checked(lambda v: "got none" if v == {} else None, factory=lambda: {"a": 1})
    inner: Inner = field(default_factory=Inner)
    most: int = 5

    def __post_init__(self) -> None:
        both = [f"least {self.least} is above most {self.most}", "and that is all"]
        raise_mistakes(self, both if self.least > self.most else [])


@pytest.mark.parametrize(
    ("mapping", "wanted"),
    [
        ({}, []),
        ({"least": 0, "most": "x", "words": {}},
         ["least: got 0, expected more than 0", "most: got 'x', expected an integer.", "words: got none"]),
        ({"least": 9, "lesat": 1},
         ["lesat: unknown key. Did you mean least?", "least 9 is above most 5", "and that is all"]),
        ({"least": 9, "inner": {"sise": 1}},
         ["inner.sise: unknown key. Did you mean size?", "least 9 is above most 5", "and that is all"]),
        ({"least": 9, "inner": {"sise": 1, "share": 2}},
         ["inner.sise: unknown key. Did you mean size?", "inner: share: got 2, expected at most 1"]),
        ({"least": 9, "inner": {"size": "a"}}, ["inner.size: got 'a', expected an integer."]),
    ],
)  # fmt: skip
def test_fields_are_checked_alone_and_together(mapping: Any, wanted: list[str]) -> None:
    """Each field alone, whatever else is wrong; several together, where each of them is right."""
    problems: list[str] = []
    made = build(Checked, mapping, where="f.yaml", problems=problems)
    assert sorted(problems) == sorted(f"f.yaml: {line}" for line in wanted)
    assert (made is None) is bool(wanted)


def test_a_checked_dataclass_checks_itself() -> None:
    assert Checked().words == {"a": 1}
    with pytest.raises(MistakesError, match="least: got 0, expected more than 0; words: got none"):
        Checked(0, {})
    with pytest.raises(ValueError, match="least 9 is above most 5; and that is all"):
        Checked(9)


def test_all_mistakes_of_a_file_come_at_once() -> None:
    assert len(problems_of({"nam": 1, "mode": 1, "inner": {"size": "a", "sise": 2}, "on": "yes"})) == 6


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "f.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_yaml_reads_numbers_as_people_write_them(tmp_path: Path) -> None:
    assert read_yaml(write(tmp_path, "a: 5e-7\nb: 1E6\nc: 2\nd: 5e\n")) == {"a": 5e-7, "b": 1e6, "c": 2, "d": "5e"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", r"f\.yaml:2: not valid YAML: key 'a' stands twice"),
        ("a: [1\n", r"f\.yaml:\d: not valid YAML"),
        ("- 1\n", "got a list, expected keys and values"),
        ("", "got nothing, expected keys and values"),
        ("just words", "got 'just words', expected keys and values"),
        ("? [a]\n: 1\n", "unhashable"),
        (b"a: \xff\xfe", "not valid"),
        ("a: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
    ],
)
def test_a_broken_file_is_told(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_yaml(write(tmp_path, text))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [("5e-7", 5e-7), ("true", True), ("[1, 2]", [1, 2]), ("auto", "auto"), ("", None), ("[1", "[1"), ("null", None)],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    assert parse_scalar(text) == value


def test_types_in_words() -> None:
    assert describe(tuple[int, ...]) == "a list of an integer"
    assert describe(Mapping[str, int]) == "keys and values"
    assert describe(Kind | None) == "Kind or null"
    assert describe(dict) == "a mapping"


@pytest.mark.parametrize(("written", "meant"), [("on", "on"), ("off", "off"), ("'off'", "off"), ("auto", "auto")])
def test_on_and_off_are_words_where_words_are_asked_for(written: str, meant: str) -> None:
    """YAML 1.1 reads them as booleans."""
    problems: list[str] = []
    made = build(Outer, {"name": "x", **yaml.safe_load(f"switch: {written}")}, where="f", problems=problems)
    assert made is not None
    assert (made.switch, problems) == (meant, [])


def test_a_boolean_is_still_no_word_of_another_kind() -> None:
    problems: list[str] = []
    build(Outer, {"name": "x", "mode": True}, where="f", problems=problems)
    assert len(problems) == 1


@pytest.mark.parametrize(
    "text", ["date: 2024-13-45\n", "x: 0x_\n", "x: !!int x\n", "x: " + "[" * 3000 + "\n", "x: !!timestamp x\n"]
)
def test_what_the_yaml_reader_stumbles_over_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="not valid YAML"):
        read_yaml(write(tmp_path, text))
    value = text.removeprefix("x: ").removeprefix("date: ").strip()
    assert parse_scalar(value) == value


def test_merged_keys_may_be_given_again(tmp_path: Path) -> None:
    assert read_yaml(write(tmp_path, "x: &a {k: 1, m: 3}\ny: {<<: *a, k: 2}\n"))["y"] == {"k": 2, "m": 3}


@pytest.mark.parametrize("text", ["seeds.0.x=1", "seeds.²=1", "seeds.9=1"])
def test_a_place_that_is_none_is_told(text: str) -> None:
    problems: list[str] = []
    override({"seeds": [1, 2]}, text, problems)
    assert len(problems) == 1
    assert problems[0].startswith(f"--set {text}: ")
