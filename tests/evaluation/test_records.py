"""Records survive writing and reading; a cut line is left out, a broken one is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rlvr.errors import DataError, RunError
from rlvr.evaluation.records import EvalRecord, append_records, read_records, write_records

MakeRecord = Callable[..., EvalRecord]


@pytest.mark.parametrize("text", ["plain", "臺北 Hà Nội", "a\u2028b\u0085c\nd", "\ud83d alone", ""])
def test_a_record_comes_back_as_it_was(make_record: MakeRecord, tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.jsonl"
    records = [make_record(completion=text, scores={"format": 1.0, "refusal": None}), make_record(number=1, lang=None)]
    append_records(path, records)
    assert read_records(path) == records


def test_no_file_is_no_record(tmp_path: Path) -> None:
    assert read_records(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("cut", [1, 2, 20, 100])
def test_a_cut_last_line_is_left_out(make_record: MakeRecord, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "r.jsonl"
    records = [make_record(number=i, completion="臺北") for i in range(3)]
    write_records(path, records)
    path.write_bytes(path.read_bytes()[: -1 - cut])
    assert read_records(path) == records[:2]


def test_a_broken_line_inside_is_an_error_with_its_place(make_record: MakeRecord, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_records(path, [make_record(number=i) for i in range(3)])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:30], lines[2]]) + "\n")
    with pytest.raises(DataError, match=r"r\.jsonl:2: broken JSON"):
        read_records(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"right": "yes"}, "right: got str"),
        ({"completion_tokens": True}, "completion_tokens: got bool"),
        ({"colour": "red"}, "colour: unknown field"),
        ({"lang": 3}, "lang: got int"),
    ],
)
def test_a_wrong_field_is_named(
    make_record: MakeRecord, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(make_record().to_json() | change) + "\n")
    with pytest.raises(DataError, match=message):
        read_records(path)


def test_missing_fields_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"model": "m"}\n')
    with pytest.raises(DataError, match=r"id: missing; category: missing"):
        read_records(path)
    path.write_text("[1]\n")
    with pytest.raises(DataError, match="must be an object, got list"):
        read_records(path)


def test_a_full_disk_says_what_survived(
    make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(RunError, match=r"No space left on device.*is kept") as caught:
        append_records(tmp_path / "r.jsonl", [make_record()])
    assert caught.value.exit_code == 1
