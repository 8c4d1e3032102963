"""Small inputs and builds. Everything is so small that several files of each step are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="needs the data extra")

from rlvr.data.build import How, Sizes, build, load_data_recipe

TINY = Sizes(chunk_rows=4, file_rows=12, parents=10)
TOPICS = (
    ("book_flight", "Reserve airplane seats between two airports", "Reserve airplane seats to airport number"),
    (
        "forecast_weather",
        "Predict temperature, rain and wind for a town",
        "Predict rain and temperature in town number",
    ),
    ("translate_text", "Render sentences in another language", "Render these sentences in language number"),
    ("order_pizza", "Deliver pizzas with chosen toppings to an address", "Deliver pizzas with toppings of menu number"),
    ("transfer_money", "Move funds between bank accounts", "Move funds to bank account number"),
    ("play_song", "Stream a track through the speakers", "Stream through the speakers track number"),
    ("schedule_meeting", "Invite colleagues to a calendar slot", "Invite my colleagues to calendar slot number"),
    ("track_parcel", "Locate a shipment by its courier label", "Locate the shipment with courier label number"),
    ("mow_lawn", "Send the robot mower over the grass", "Send the robot mower over grass zone number"),
    ("diagnose_engine", "Read fault codes of a car's motor", "Read the fault codes of motor number"),
    ("feed_fish", "Drop food flakes into the aquarium", "Drop food flakes into aquarium number"),
    (
        "renew_passport",
        "File an application for travel papers at the consulate",
        "File my travel papers at consulate number",
    ),
)


def row(number: int, *, family: int | None = None, calls: bool = True, **more: Any) -> dict[str, Any]:
    """A row in our own form. Rows of one `family` offer the same tool."""
    family = number if family is None else family
    name, description, query = TOPICS[family % len(TOPICS)]
    tool = {
        "name": f"{name}_{family}",
        "description": f"{description} {family}.",
        "parameters": {
            "type": "object",
            "properties": {f"{name}_number": {"type": "integer"}, "remark": {"type": "string"}},
            "required": [f"{name}_number"],
        },
    }
    call = {"name": f"{name}_{family}", "arguments": {f"{name}_number": number}}
    return {
        "id": f"row-{number}",
        "messages": [{"role": "user", "content": f"{query} {number}, please."}],
        "tools": [tool],
        "ground_truth": [call] if calls else [],
        "expects": "any" if calls else "clarify",
        "lang": "en",
        "meta": {"license": "MIT"},
        **more,
    }


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """`a.jsonl`: 60 rows in 20 families of 3, every fifth without a call. `b.jsonl`: 18 rows of 6 other families."""
    write_rows(tmp_path / "a.jsonl", [row(i, family=i // 3, calls=i % 5 != 0) for i in range(60)])
    write_rows(tmp_path / "b.jsonl", [row(i, family=i // 3) for i in range(300, 318)])
    return tmp_path


Build = Callable[..., dict[str, Any]]


@pytest.fixture
def made(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Build a recipe given as keywords into a folder of `inputs`; return the manifest."""
    monkeypatch.chdir(inputs)

    def run(out: str | Path = "out", how: How | None = None, **recipe: Any) -> dict[str, Any]:
        (inputs / "recipe.yaml").write_text(json.dumps(base(**recipe)), encoding="utf-8")
        return build(*load_data_recipe(inputs / "recipe.yaml"), out, how or How(sizes=TINY))

    return run


def base(**more: Any) -> dict[str, Any]:
    """A recipe of everything: two sources, negatives, a share of calls, a held-out split."""
    sources = [{"source": "jsonl", "location": "a.jsonl"}, {"source": "jsonl", "location": "b.jsonl"}]
    recipe = {
        "kind": "data",
        "name": "small",
        "seed": 5,
        "sources": sources,
        "negatives": {"count": 20, "kinds": {"server_shuffle": 1, "domain_mismatch": 1}},
        "calls_wanted": 0.6,
        "heldout": {"share": 0.2},
        "rows_per_file": 15,
    }
    return {k: v for k, v in {**recipe, **more}.items() if v is not None}


def rows_of(folder: Path, split: str = "train") -> list[dict[str, Any]]:
    """The rows of a split as they lie in the Parquet files, their JSON read."""
    import pyarrow.parquet as pq

    out = []
    for path in sorted((folder / "data").glob(f"{split}-*.parquet")):
        for found in pq.read_table(path).to_pylist():
            nested = ("messages", "tools", "ground_truth", "meta")
            out.append({**found, **{name: json.loads(found[name]) for name in nested}})
    return out


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
