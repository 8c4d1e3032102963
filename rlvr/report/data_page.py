"""A build, or a file of examples, as one self-contained HTML page: counts, what was left out, rows to read.

Nothing is loaded from anywhere and no script runs: the page's own Content-Security-Policy forbids both.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlvr.data.card_rows import row_lines
from rlvr.data.card_tables import count_tables, left_out_tables, licence_table, mixture_lines, source_table
from rlvr.data.license import license_of
from rlvr.extras import has, require
from rlvr.paths import write_whole

_HERE = Path(__file__).resolve().parent


def write_data_page(title: str, counts: Mapping[str, Any], samples: Iterable[Mapping[str, str]], path: Path) -> Path:
    """Write the page. `counts` are a manifest's (or those of `file_counts`), `samples` rows with their `kind`.

    Raises `MissingExtraError` without Jinja, `RunError` where the disk does not take it.
    """
    page = data_page(title, counts, list(samples))
    write_whole(path, page.encode("utf-8"))
    return path


def data_page(title: str, counts: Mapping[str, Any], samples: Sequence[Mapping[str, str]]) -> str:
    """The page as text."""
    require("jinja2", "report", "The page")
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("data_page.html.j2").render(
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        title=_printable(title),
        rows=counts["rows"],
        tables=[*count_tables(counts), licence_table(counts)],
        sources=[source_table(counts)] if counts["sources"] else [],
        left_out=left_out_tables(counts),
        mixture=mixture_lines(counts),
        pictures=_pictures(counts),
        kinds=_kinds(samples),
    )


def _pictures(counts: Mapping[str, Any]) -> list[dict[str, str]]:
    if not has("matplotlib"):
        return []
    from rlvr.report.data_figures import pictures
    from rlvr.report.plotting import DARK, LIGHT

    out = []
    for (name, caption, light), (_, _, dark) in zip(pictures(counts, LIGHT), pictures(counts, DARK), strict=True):
        width = int.from_bytes(light[16:20], "big") * 2 // 3
        images = {"light": _base64(light), "dark": _base64(dark)}
        out.append({"name": name.removesuffix(".png"), "caption": caption, "width": str(width), **images})
    return out


def _base64(image: bytes) -> str:
    return base64.b64encode(image).decode("ascii")


def _kinds(samples: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    return [
        {"name": kind, "anchor": f"kind-{i}", "cards": [_card(s) for s in samples if s["kind"] == kind]}
        for i, kind in enumerate(dict.fromkeys(s["kind"] for s in samples))
    ]


def _card(row: Mapping[str, str]) -> dict[str, Any]:
    messages, meta = json.loads(row["messages"]), json.loads(row["meta"])
    query = next((str(m.get("content") or "") for m in reversed(messages) if m.get("role") == "user"), "")
    where = meta.get("provenance") if isinstance(meta.get("provenance"), Mapping) else {}
    badges = [row["source"], row["category"], row["lang"] or "language unknown", license_of(meta)]
    return {
        "id": _printable(row["id"]),
        "lang": row["lang"],
        "query": _printable(query[:2_000]),
        "badges": [_printable(b) for b in badges if b],
        "where": _printable(" ".join(str(where[k]) for k in ("location", "row") if k in where)),
        "lines": [_printable(line) for line in row_lines(row)],
        "tools": _printable(json.dumps(json.loads(row["tools"]), ensure_ascii=False, indent=1)[:20_000]),
        "meta": _printable(json.dumps(meta, ensure_ascii=False, indent=1)[:8_000]),
    }


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
