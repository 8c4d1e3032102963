"""Rows on disk: whole or not there, any row by itself, and examples unchanged by the way through texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rlvr.data.build.record import Facts, facts, hash64, pack, question_key, to_example, to_texts, tool_keys, unpack
from rlvr.data.build.store import Reader, Readers, Writer, compress, is_whole, join, read_index, read_notes
from rlvr.errors import DataError
from rlvr.types import Example, GoldCall, OneOf, Tool

TOOL = Tool("get_weather", "Weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})


def example(name: str = "e", **more: object) -> Example:
    given = {
        "messages": ({"role": "user", "content": "河內天氣？ 🌧"},),
        "tools": (TOOL,),
        "ground_truth": (GoldCall("get_weather", {"city": OneOf(("Hanoi", "Ha Noi"), optional=True), "n": 1.5}),),
        "meta": {"lang": "zh", "license": "MIT"},
    }
    return Example(name, "test", "simple", **{**given, **more})  # type: ignore[arg-type]


def test_an_example_comes_back_as_it_was() -> None:
    one = example()
    texts = to_texts(one)
    assert to_example(unpack(pack(texts))) == one
    assert texts[3] == "zh"
    assert '"$one_of": ["Hanoi", "Ha Noi"]' in texts[6]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"messages": ({"role": "user", "content": "\ud83d"},)}, "half of one"),
        ({"ground_truth": (GoldCall("f", {"x": float("nan")}),)}, "cannot be written as JSON"),
        ({"meta": {"seen": {1, 2}}}, "cannot be written as JSON"),
    ],
)
def test_what_parquet_cannot_hold_is_named(more: dict[str, object], reason: str) -> None:
    with pytest.raises(DataError, match=f"e: .*{reason}"):
        to_texts(example(**more))


def test_two_tools_are_one_by_name() -> None:
    """Whatever they take: no name stands on both sides of a held-out split."""

    def key(name: str, *parameters: str) -> tuple[int, ...]:
        return tool_keys(Tool(name, "", {"type": "object", "properties": {p: {} for p in parameters}}))

    assert key("get_weather", "city", "days") == key("getWeather", "town") == key("Get Weather")
    assert key("get_weather", "city") != key("weather", "city")


def test_two_tools_are_one_by_what_is_said_of_them() -> None:
    """Hammer's rows are xLAM's under random names: their descriptions stay."""

    def keys(name: str, description: str) -> set[int]:
        return set(tool_keys(Tool(name, description, {"type": "object", "properties": {}})))

    assert len(keys("is_prime", "Checks if a number is prime.") & keys("O0i5r3KfA", "checks if a number is prime")) == 1
    assert keys("get_word_definition", "获取一个单词的定义") & keys("get_definition", "获取一个单词的定义。")
    assert not keys("find", "Search.") & keys("look_up", "Search.")
    assert not keys("is_prime", "Checks if a number is prime.") & keys("is_even", "Checks if a number is even.")


def test_two_rows_ask_the_same_by_all_that_the_user_says() -> None:
    def key(*said: str) -> int:
        answer = {"role": "assistant", "content": "?"}
        messages = tuple(m for text in said for m in ({"role": "user", "content": text}, answer))
        return question_key(example(messages=messages))

    assert key("Weather in Huế, please!") == key("weather in huế please") == key("Weather in", "Huế, please")
    assert key("Weather in Huế") != key("Weather in Huế", "And tomorrow?")
    assert key("?!") == key() == 0


def write(path: Path, numbers: range) -> None:
    writer = Writer(path)
    for i in numbers:
        one = example(f"e{i}")
        writer.add(compress(to_texts(one), Facts(hash64(one.id), i % 2 == 0, i, (7, 8)[: i % 3])))
    writer.close({"said": "é"})


def test_single_rows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.rows"
    write(path, range(10))
    reader = Reader(path)
    assert len(reader) == 10
    assert [texts[0] for texts in reader.rows([7, 0, 9])] == ["e7", "e0", "e9"]
    assert read_notes(path) == {"said": "é"}


def test_rows_of_many_files_come_in_the_order_asked_for(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.rows" for i in range(3)]
    for i, path in enumerate(files):
        write(path, range(10 * i, 10 * i + 4))
    places = np.array([[2, 3], [0, 1], [2, 0], [1, 2], [0, 0]])
    assert [texts[0] for texts in Readers(files).rows(places)] == ["e23", "e1", "e20", "e12", "e0"]
    assert Readers(files).rows(np.empty((0, 2), np.int32)) == []


def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.rows"
    writer = Writer(path)
    writer.add(compress(to_texts(example()), facts(example(), 3)))
    assert not is_whole(path)
    assert not path.exists()
    writer.abandon()
    assert list(tmp_path.iterdir()) == []
    write(path, range(1))
    assert is_whole(path)
    path.with_suffix(".npz").unlink()  # killed between the rows and their arrays
    assert not is_whole(path)


def test_indexes_are_joined(tmp_path: Path) -> None:
    for name, numbers in (("a", range(4)), ("b", range(0)), ("c", range(4, 6))):
        write(tmp_path / f"{name}.rows", numbers)
    index = join([read_index(tmp_path / f"{name}.rows") for name in "abc"])
    assert len(index) == 6
    assert index.lengths.tolist() == list(range(6))
    assert index.calls.tolist() == [True, False] * 3
    assert index.keys.tolist() == [hash64(f"e{i}") for i in range(6)]
    # (7, 8)[: i % 3] for i in 0 to 5: none, one, two, none, one, two
    assert index.tool_ends.tolist() == [0, 1, 3, 3, 4, 6]
    assert index.tools.tolist() == [7, 7, 8, 7, 7, 8]
    assert join([]).keys.dtype == np.uint64
