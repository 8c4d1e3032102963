"""BFCL's multi-turn sets: every turn's text counts, and their APIs only where they stand together as wholes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.decontaminate import Index, bfcl
from rlvr.data.decontaminate.signatures import WHOLE_TOOLS
from rlvr.data.sources.bfcl_files import VERSION
from rlvr.errors import DataError, UsageError
from rlvr.paths import cache_dir
from rlvr.types import Example, Tool

SECOND = "Now take the blue lantern out of the cellar and hang it over the gate"
ROW: dict[str, Any] = {
    "id": "multi_turn_base_0",
    "question": [
        [{"role": "user", "content": "Count the lanterns in the house and tell me which of them is broken"}],
        [],
        [{"role": "user", "content": SECOND}],
        [{"role": "user", "content": "Post it."}],
    ],
    "involved_classes": ["TicketAPI", "MathAPI"],
}
NAMES = ("raise_matter", "close_matter", "merge_matters", "park_matter")
API = [
    {
        "name": name,
        "description": f"{name}.",
        "parameters": {
            "type": "dict",
            "properties": {"matter_key": {"type": "string"}, "desk_name": {"type": "string"}},
        },
    }
    for name in NAMES
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One set of one row and one API, pinned in place of the real files."""
    files = {
        "BFCL_v4_multi_turn_base.json": json.dumps(ROW) + "\n",
        "multi_turn_func_doc/ticket_api.json": "\n".join(json.dumps(t) for t in API),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(bfcl, "SHA256", {n: hashlib.sha256(t.encode()).hexdigest() for n, t in files.items()})
    return tmp_path


@pytest.fixture
def index(folder: Path) -> Index:
    return Index().add_bfcl(folder, ["multi_turn_base"])


def test_a_text_of_any_turn_is_found(index: Index, example: Callable[..., Example]) -> None:
    assert len(index) == 1
    flag = index.flag(example(SECOND.upper() + "!", [], []))
    assert flag is not None
    assert (flag.kind, flag.reference) == ("query", "multi_turn_base_0")
    assert index.flag(example("post it", [], [])) is None  # two words prove nothing


def test_two_tools_of_an_api_are_no_overlap_and_four_are(
    index: Index, example: Callable[..., Example], tool: Callable[..., Tool]
) -> None:
    same = [tool(name, "matter_key", "desk_name") for name in NAMES]
    assert index.flag(example("Something else", same[:2], [])) is None
    flag = index.flag(example("Something else", same[:WHOLE_TOOLS], []))
    assert flag is not None
    assert (flag.kind, flag.reference) == ("tools", "multi_turn_base_0")


def test_a_reworded_turn_is_found_by_its_tools(
    index: Index, example: Callable[..., Example], tool: Callable[..., Tool]
) -> None:
    reworded = SECOND.replace("blue", "red").replace("hang", "put")
    flag = index.flag(example(reworded, [tool("raise_matter", "matter_key", "desk_name")], []))
    assert flag is not None
    assert flag.kind in ("ngrams", "kin")


def test_what_every_calculator_has_is_no_evidence(folder: Path) -> None:
    ((_, texts, tools),) = bfcl.read_multi_turn(folder, ("multi_turn_base",))
    assert [t.name for t in tools] == list(NAMES)
    assert len(texts) == 3


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "involved_classes": ["Unknown"]}, "offers an API without a file: Unknown"),
        ({**ROW, "question": ["x"]}, "must hold turns, each a list of messages"),
    ],
)
def test_a_row_of_another_form_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, row: dict[str, Any], message: str
) -> None:
    name = "BFCL_v4_multi_turn_base.json"
    (folder / name).write_text(json.dumps(row))
    with pytest.raises(DataError, match="is not the file of bfcl-eval"):
        list(bfcl.read_multi_turn(folder, ("multi_turn_base",)))
    monkeypatch.setitem(bfcl.SHA256, name, hashlib.sha256(json.dumps(row).encode()).hexdigest())
    with pytest.raises(DataError, match=re.escape(message)):
        list(bfcl.read_multi_turn(folder, ("multi_turn_base",)))


def test_an_unknown_set_is_told(folder: Path) -> None:
    with pytest.raises(UsageError, match="unknown BFCL category 'multi_turn_bse'"):
        Index().add_bfcl(folder, ["multi_turn_bse"])


@pytest.mark.skipif(not (cache_dir() / "bfcl" / f"{VERSION}-multi-turn").is_dir(), reason="needs BFCL in the cache")
def test_every_turn_of_the_real_sets_is_found(example: Callable[..., Example]) -> None:
    index = Index().add_bfcl(categories=bfcl.MULTI_TURN)
    rows = list(bfcl.read_multi_turn())
    assert len(index) == len(rows) == 800
    texts = {text for _, said, _ in rows for text in said if len(text.split()) >= 8}
    assert len(texts) > 700
    missed = [text for text in texts if index.flag(example(re.sub(r"\s+", "  ", text).swapcase(), [], [])) is None]
    assert missed == []
