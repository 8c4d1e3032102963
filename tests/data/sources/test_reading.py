"""`read`: examples and rejects of a whole source, from any place in it, and what a wrong one says."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.data.generator import generate
from rlvr.data.license import with_license
from rlvr.data.sources import SOURCES, Reject, count_hint, get_source, read, read_rows, shards
from rlvr.data.sources.bfcl_files import CATEGORIES
from rlvr.data.sources.mcp import read_servers
from rlvr.errors import DataError, UsageError
from rlvr.types import Example


def no_rejects(reject: Reject) -> None:
    raise AssertionError(reject)


def write(path: Path, *rows: Any) -> Path:
    text = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_the_sources_have_what_a_card_needs() -> None:
    assert len(SOURCES) == 19
    for name, source in SOURCES.items():
        assert source.name == name
        assert source.license
        assert source.evaluation_only == (name == "bfcl")
    assert SOURCES["apigen_mt"].license == "CC-BY-NC-4.0"
    assert SOURCES["toucan"].hub_id == "Agent-Ark/Toucan-1.5M"


def test_a_misspelt_source_is_told_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match=r"unknown source 'toucn'\. Did you mean toucan\?"):
        read("toucn", "nowhere", rejects=no_rejects)
    with pytest.raises(UsageError, match="unknown source"):
        get_source("")


def test_a_source_that_is_published_nowhere_needs_a_location() -> None:
    with pytest.raises(UsageError, match="openai: give a location"):
        read("openai", rejects=no_rejects)


def test_rows_of_another_source_are_told_apart(tmp_path: Path, forms: SimpleNamespace) -> None:
    path = write(tmp_path / "a.jsonl", forms.TOOLACE)
    with pytest.raises(DataError, match=r"a\.jsonl:1: the rows are not those of source xlam.*look like.*toolace"):
        list(read("xlam", path, rejects=no_rejects))


def test_an_empty_source_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", "", "  ")
    with pytest.raises(UsageError, match=r"source xlam: .*a\.jsonl holds no row"):
        list(read("xlam", path, rejects=no_rejects))


def test_rejects_are_handed_over_with_id_and_reason(tmp_path: Path, forms: SimpleNamespace) -> None:
    bad_type = {
        **forms.XLAM,
        "id": 8,
        "answers": json.dumps([{"name": "get_weather", "arguments": {"city": 5.5, "x": 1}}]),
    }
    no_tools = {**forms.XLAM, "id": 9, "tools": "[]"}
    broken = {**forms.XLAM, "answers": "[{"}
    path = write(tmp_path / "a.jsonl.gz", forms.XLAM, bad_type, no_tools, broken, '{"query": ')
    rejects: list[Reject] = []
    examples = list(read("xlam", path, rejects=rejects.append))
    assert [e.id for e in examples] == ["xlam-7"]
    assert [(r.id, r.kind, r.code, r.where) for r in rejects] == [
        ("xlam-8", "invalid", "unknown_argument", f"{path}:2"),
        ("xlam-2", "unused", "no_tools", f"{path}:3"),
        ("xlam-3", "not_understood", "answers", f"{path}:4"),
        ("xlam-4", "not_understood", "row", f"{path}:5"),
    ]
    assert set(rejects[0].to_json()) == {"source", "id", "where", "kind", "code", "reason"}


def test_turns_can_be_chosen(tmp_path: Path, forms: SimpleNamespace) -> None:
    path = write(tmp_path / "a.jsonl", forms.TOOLACE)

    def ids(turns: Any) -> list[str]:
        return [e.id for e in read("toolace", path, turns=turns, rejects=no_rejects)]

    assert (ids("all"), ids("first"), ids("last")) == (
        ["toolace-0-t0", "toolace-0-t1"],
        ["toolace-0-t0"],
        ["toolace-0-t1"],
    )
    with pytest.raises(UsageError, match="turns: got 'none'"):
        ids("none")


def test_a_subset_is_chosen_by_name(tmp_path: Path, forms: SimpleNamespace) -> None:
    path = write(tmp_path / "a.jsonl", forms.TOUCAN, forms.TOUCAN_SFT)
    (example,) = read("toucan", path, subset="irrelevant", rejects=no_rejects)
    assert (example.id, example.expects, example.meta["subset"]) == ("toucan-u2", "refuse", "irrelevant")
    with pytest.raises(UsageError, match=r"no row whose subset_name is 'irelevant'"):
        list(read("toucan", path, subset="irelevant", rejects=no_rejects))
    with pytest.raises(UsageError, match="xlam has no subsets"):
        list(read("xlam", write(tmp_path / "b.jsonl", forms.XLAM), subset="x", rejects=no_rejects))


def test_reading_goes_on_where_it_stopped(tmp_path: Path, forms: SimpleNamespace) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in range(3):
        write(folder / f"{part}.jsonl", *({k: v for k, v in forms.XLAM.items() if k != "id"} for _ in range(4)))
    everything = [e.id for e in read("xlam", folder, rejects=no_rejects)]
    assert everything == [f"xlam-{part}.{row}" for part in range(3) for row in range(4)]
    for start, stop in ((0, 3), (3, 9), (4, 8), (8, None), (11, 100), (12, None)):
        got = [e.id for e in read("xlam", folder, start=start, stop=stop, rejects=no_rejects)]
        assert got == everything[start:stop]
    parts = shards("xlam", folder)
    assert count_hint(parts) == 12
    assert [e.id for e in read("xlam", parts[1], rejects=no_rejects)] == everything[4:8]
    rows = list(read_rows(get_source("xlam"), parts[2], start=1, stop=3))
    assert [(number, [getattr(f, "id", None) for f in found]) for number, found in rows] == [
        (1, ["xlam-2.1"]),
        (2, ["xlam-2.2"]),
    ]


def test_our_own_form_keeps_its_ids_and_is_coerced(tmp_path: Path, forms: SimpleNamespace) -> None:
    row = {
        "messages": [{"role": "user", "content": forms.ASKED}],
        "tools": [forms.WEATHER],
        "ground_truth": [{"name": "get_weather", "arguments": {"city": "Paris", "days": "3"}}],
    }
    choice = {
        **row,
        "id": "c",
        "ground_truth": [{"name": "get_weather", "arguments": {"city": {"$one_of": ["a", "b"]}}}],
    }
    path = write(tmp_path / "a.jsonl", {**row, "id": "x", "source": "mine"}, row, choice, {**row, "ground_truth": [{}]})
    rejects: list[Reject] = []
    examples = list(read("jsonl", path, rejects=rejects.append))
    assert [(e.id, e.source) for e in examples] == [("x", "mine"), ("jsonl-1", "jsonl"), ("c", "jsonl")]
    assert examples[0].ground_truth[0].arguments["days"] == 3
    assert examples[0].meta["coercions"] == ["arguments.days: '3' → 3"]
    assert "coercions" not in examples[2].meta
    assert [(r.kind, r.id) for r in rejects] == [("not_understood", "jsonl-3")]


def test_parquet_in_our_own_form(tmp_path: Path, forms: SimpleNamespace) -> None:
    pa, pq = (
        pytest.importorskip("pyarrow", reason="needs the data extra"),
        pytest.importorskip("pyarrow.parquet", reason="needs the data extra"),
    )
    example = next(generate("train", 1, 3))
    row = {k: json.dumps(v) if isinstance(v, (list, dict)) else v for k, v in example.to_json().items()}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    (found,) = read("parquet", tmp_path / "a.parquet", rejects=no_rejects)
    assert found.to_json() == {**example.to_json(), "meta": found.to_json()["meta"]}
    assert found.meta == {**with_license(example.meta), "provenance": found.meta["provenance"]}
    assert "licence" in example.meta  # of a file that was written before there was one key
    assert "licence" not in found.meta


def test_the_generator_is_a_source() -> None:
    expected = list(generate("heldout", 9, 7))
    assert list(read("builtin", "7", split="heldout", stop=9, rejects=no_rejects)) == expected
    assert list(read("builtin", "seed=7", split="heldout", start=4, stop=9, rejects=no_rejects)) == expected[4:]
    for location, split in (("x", "train"), ("1", "test")):
        with pytest.raises(UsageError, match="builtin: got"):
            next(iter(read("builtin", location, split=split, rejects=no_rejects)))
    (one,) = read("builtin", "7", stop=1, rejects=no_rejects)
    assert (one.meta["license"], "licence" in one.meta) == ("Apache-2.0", False)


def test_bfcl_is_a_source_for_evaluation_only() -> None:
    assert [s.config for s in shards("bfcl")] == list(CATEGORIES)
    with pytest.raises(UsageError, match=r"unknown BFCL category 'simpel'"):
        shards("bfcl", config="simpel")


SERVER = {
    "server": "Weather",
    "server_id": "w",
    "description": "Tells it",
    "primary_label": "Weather",
    "upstream_license": "MIT",
    "same_toolset_servers": ["Sky"],
    "tools": [
        {"name": "now", "description": "", "input_schema": {"type": "object", "properties": {}}},
        {"name": "now", "description": "another", "input_schema": {"type": "object", "properties": {}}},
        {"name": "bad", "input_schema": {"type": "object", "properties": {"a": {"minimum": "x"}}}},
    ],
}
RAW = {
    "server_info": {"name": "Sky", "author": "@sky", "overview": "Looks up", "license": "MIT"},
    "remote_server_response": {"tools": [{"name": "look", "inputSchema": {"type": "object"}}]},
}
LISTED = {"result": {"tools": [{"name": "ls"}]}}


def test_servers_are_read_with_what_can_be_used_of_them(tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", SERVER, RAW, LISTED, {"name": "empty", "tools": []}, {"name": "none"})
    rejects: list[Reject] = []
    weather, sky, listed = read_servers(path, rejects.append)
    assert (weather.name, weather.id, weather.label, weather.licence) == ("Weather", "w", "Weather", "MIT")
    assert ([t.name for t in weather.tools], weather.same_toolset) == (["now"], ("Sky",))
    assert (sky.name, sky.id, sky.description, sky.tools[0].name) == ("Sky", "@sky", "Looks up", "look")
    assert (listed.name, listed.tools[0].name) == ("s", "ls")
    assert [(r.code, r.where) for r in rejects] == [
        ("tools_share_a_name", f"{path}:1"),
        ("tools", f"{path}:1"),
        ("tools", f"{path}:5"),
    ]
    with pytest.raises(DataError, match="no `tools`"):
        list(read_servers(path))


LABELLED = {
    "labels": {"analysis": "", "primary_label": "Weather", "secondary_labels": ["Time & Calendar"]},
    "metadata": {
        "server_id": 112,
        "server_name": "Weather MCP Server",
        "remote_server_response": {
            "is_success": True,
            "tools": [{"name": "get_current_weather", "description": "Now.", "input_schema": {"type": "object"}}],
            "tool_names": ["get_current_weather"],
        },
        "server_info_crawled": {
            "id": 112, "name": "Weather MCP Server", "author": "@isdaniel/mcp_weather_server", "overview": "Any city.",
            "license": "Apache-2.0", "tools": [],
        },
    },
}  # fmt: skip


def test_the_files_of_toucan_s_repository(tmp_path: Path) -> None:
    """One object a file, as the repository has them; a server that did not answer lists no tool."""
    silent = {**LABELLED, "metadata": {"server_name": "Silent", "remote_server_response": {"is_success": False}}}
    for number, server in enumerate((LABELLED, silent)):
        (tmp_path / f"000{number}.labeled.json").write_text(json.dumps(server, indent=2))
    rejects: list[Reject] = []
    (weather,) = read_servers(tmp_path, rejects.append)
    assert (weather.name, weather.id) == ("Weather MCP Server", "@isdaniel/mcp_weather_server")
    assert (weather.label, weather.description, weather.licence) == ("Weather", "Any city.", "Apache-2.0")
    assert [t.name for t in weather.tools] == ["get_current_weather"]
    assert [r.code for r in rejects] == ["tools"]


def test_servers_are_no_source_of_examples(tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", SERVER)
    with pytest.raises(UsageError, match="holds tools and no dialogues"):
        list(read("mcp", path, rejects=no_rejects))


def test_a_folder_of_traces_has_one_a_file(tmp_path: Path, forms: SimpleNamespace) -> None:
    (tmp_path / "run").mkdir()
    for name, form in (("run/a.json", forms.ANTHROPIC), ("b.json", forms.RESPONSES), ("c.json", forms.CHAT_LOG)):
        (tmp_path / name).write_text(json.dumps(form, indent=1), encoding="utf-8")
    examples: list[Example] = list(read("traces", tmp_path, rejects=no_rejects))
    assert [e.id for e in examples] == ["traces-0.0-t0", "traces-0.0-t1", "traces-1.0", "traces-a1-t0", "traces-a1-t1"]
    assert examples[-1].meta["trace"] == {"success": True}


def test_importing_the_sources_loads_nothing_heavy() -> None:
    heavy = ("datasets", "pyarrow", "numpy", "torch")
    code = f"import sys, rlvr.data.sources; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
