"""Real rows of the sources, where the shared data lie beside the checkout."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.sources import SOURCES, Row, read
from rlvr.data.sources.mcp import read_servers
from rlvr.jsonl import read_objects
from rlvr.tools import validate
from rlvr.types import Example

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside the checkout")


@pytest.fixture(scope="module")
def bench() -> Any:
    """`benchmarks/sources_table.py` as a module."""
    path = ROOT / "benchmarks" / "sources_table.py"
    spec = importlib.util.spec_from_file_location("sources_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sources_table"] = module
    spec.loader.exec_module(module)
    return module


def test_every_sample_has_a_source(bench: Any) -> None:
    listed = {file for _, file in bench.FILES}
    there = {str(p.relative_to(SHARED)) for p in SHARED.rglob("*") if p.name.endswith((".jsonl", ".gz", ".parquet"))}
    assert there - listed == {"mcp_servers.jsonl.gz", "samples/mmlu.jsonl"}
    assert {source for source, _ in bench.FILES} <= set(SOURCES)


def test_the_table_of_the_docs_is_what_the_rows_give_and_98_percent_are_understood(bench: Any) -> None:
    lines = list(bench.table(SHARED))
    docs = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    for line in lines:
        assert line in docs, line
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")][2:]
    assert len(rows) == len(bench.FILES)
    assert all(float(cells[3].strip(" %")) >= 98 for cells in rows)


def collect(source: str, name: str) -> dict[str, list[Example]]:
    """The examples of a sample that call, by query."""
    out: dict[str, list[Example]] = defaultdict(list)
    for example in read(source, SHARED / "samples" / name, rejects=lambda reject: None):
        if example.ground_truth:
            out[example.query.strip()].append(example)
    return out


@pytest.mark.parametrize(
    ("key", "source", "files", "least"),
    [
        ("xlam", "xlam", ["xlam.jsonl"], 188),
        ("toolace", "toolace", ["toolace.jsonl"], 140),
        ("toucan", "toucan", ["toucan.jsonl"], 14),
        ("hermes", "hermes", ["hermes_card.jsonl"], 1),
        ("rlla", "rlla", ["rlla_sft.jsonl"], 80),
    ],
)
def test_calls_agree_with_a_conversion_made_by_others(key: str, source: str, files: list[str], least: int) -> None:
    """`train_real` was converted from the same rows without this code."""
    mine = {q: e for f in files for q, e in collect(source, f).items()}
    agreed, differ = 0, []
    for example in read("jsonl", SHARED / "train_real.jsonl.gz", rejects=print):
        same_query = mine.get(example.query.strip(), [])
        if example.source != key or not same_query:
            continue
        wanted = [c.to_json() for c in example.ground_truth]
        if any([c.to_json() for c in e.ground_truth] == wanted for e in same_query):
            agreed += 1
        else:
            differ.append(example.id)
    assert differ == []
    assert agreed >= least


def test_every_server_of_the_catalogue_is_read() -> None:
    rejects: list[Any] = []
    servers = list(read_servers(SHARED / "mcp_servers.jsonl.gz", rejects.append))
    tools = sum(len(s.tools) for s in servers)
    assert len(servers) >= 0.98 * 755
    assert tools + len(rejects) == 5416
    assert tools >= 0.98 * 5416
    assert all(s.name and s.label and s.id for s in servers)
    assert sum(bool(s.same_toolset) for s in servers) > 0
    assert all(isinstance(validate(t, {}), list) for s in servers for t in s.tools)


def service(name: str, tools: list[dict[str, Any]]) -> dict[str, Any]:
    """A service of `schema.json` that offers these tools."""
    slots: dict[str, dict[str, Any]] = {}
    intents = []
    for tool in tools:
        properties, required = tool["parameters"]["properties"], tool["parameters"].get("required", [])
        for slot, schema in properties.items():
            values = ["True", "False"] if schema.get("type") == "boolean" else [str(v) for v in schema.get("enum", [])]
            slots[slot] = {"name": slot, "description": "", "is_categorical": bool(values), "possible_values": values}
        optional = {slot: "dontcare" for slot in properties if slot not in required}
        intents.append(
            {"name": tool["name"], "description": "", "required_slots": required, "optional_slots": optional}
        )
    return {"service_name": name, "description": "", "slots": list(slots.values()), "intents": intents}


def test_dialogues_of_sgd_give_the_calls_that_others_took_from_them(tmp_path: Path) -> None:
    """The sample has no schema.json: it is made here from the tools of the seven dialogues that `train_sgd` has too."""
    dialogues = {d["dialogue_id"]: d for _, d in read_objects(SHARED / "samples" / "sgd_dialogues.jsonl")}
    agreed = []
    for _, row in read_objects(SHARED / "train_sgd.jsonl.gz"):
        dialogue = dialogues.get(row["provenance"]["dialogue_id"])
        if dialogue is None:
            continue
        folder = tmp_path / row["id"]
        folder.mkdir()
        first, *others = dialogue["services"]
        listed = [service(first, row["tools"]), *(service(s, []) for s in others)]
        (folder / "schema.json").write_text(json.dumps(listed), encoding="utf-8")
        found = SOURCES["sgd"].examples(Row("f:1", dialogue, "0", str(folder / "dialogues.json")))
        calls = [[c.to_json() for c in e.ground_truth] for e in found if isinstance(e, Example)]
        assert row["ground_truth"] in calls, (row["id"], row["ground_truth"], found)
        agreed.append(row["id"])
    assert len(agreed) == 7
