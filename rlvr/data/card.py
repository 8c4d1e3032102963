"""The data card of a build: Markdown, with the front matter that the hub reads. Pure text of counts and samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlvr.data.card_rows import shown_rows
from rlvr.data.card_tables import (
    Table,
    count_tables,
    left_out_tables,
    licence_table,
    mixture_lines,
    shortfalls,
    source_table,
    totals,
)

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
HUB_LICENCES = {"apache-2.0", "mit", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc0-1.0", "odc-by"}
_COLUMNS = """\
`messages`, `tools`, `ground_truth` and `meta` are JSON strings. `ground_truth` is the list of calls that are right;
where it is empty nothing is to be called, and `expects` says what kind of words are right instead (`refuse`, `clarify`,
`answer` or `any`). `meta` holds where a row comes from, its licence, and of a negative its kind, its parent, the reason
and the score of its check.
"""
_SOURCES = """\
A row may give several examples, one a turn. *Coerced* ones needed a lossless change to fit their own schema (`"5"` for
an integer becomes 5). What *invalid* ones call right is rejected by their own schema. *Kept* ones passed the filters,
*taken* ones are in the mixture.
"""
_REBUILD = """\
## Build it again

    rlvr data build recipe.yaml --out FOLDER

The same recipe, inputs and versions give the same bytes; `manifest.json` has the SHA-256 of every input and file.
"""


def card(
    manifest: Mapping[str, Any], samples: Sequence[Mapping[str, str]], figures: Sequence[tuple[str, str]] = ()
) -> str:
    """The text of `README.md`: what is in the data, where it comes from, what was left out, and rows to read.

    `figures` are (file name, caption) of pictures that lie in `figures/`.
    """
    counts = manifest["counts"]
    parts = [
        _front_matter(manifest),
        f"# {manifest['name']}\n",
        _opening(manifest),
        _COLUMNS,
        _counts(counts),
        "\n".join(f"![{caption}](figures/{name})\n" for name, caption in figures),
        "## Sources\n",
        _SOURCES,
        table(source_table(counts)),
        "".join(f"- **{line}.**\n" for line in shortfalls(counts)),
        _left_out(counts),
        "## Mixture\n\n" + "".join(f"- {line}\n" for line in mixture_lines(counts)),
        "## Licences\n\nEach row carries its own in `meta.license`.\n",
        table(licence_table(counts)),
        _REBUILD,
        shown_rows(samples),
    ]
    return "\n".join(p for p in parts if p).rstrip() + "\n"


def table(given: Table) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(given.head) + " |", "|" + " --- |" * given.words]
    lines[1] += " ---: |" * (len(given.head) - given.words)
    lines += ["| " + " | ".join(_cell(c) for c in row) + " |" for row in given.rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _front_matter(manifest: Mapping[str, Any]) -> str:
    """Read by the hub: the splits' files, the licence where all rows have one, the size."""
    import yaml

    counts = manifest["counts"]
    total = sum(counts["rows"].values())
    licences = {name.lower() for name, _, _ in totals(counts, "license")}
    only = licences.pop() if len(licences) == 1 else ""
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split, rows in counts["rows"].items() if rows]
    front = {
        "pretty_name": manifest["name"],
        "license": only if only in HUB_LICENCES else "other",
        "language": sorted(lang for lang, _, _ in totals(counts, "lang") if lang != "unknown"),
        "task_categories": ["text-generation"],
        "tags": ["function-calling", "tool-use", "rlvr"],
        "size_categories": [next((name for limit, name in _SIZES if total < limit), "1M<n<10M")],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    return "---\n" + yaml.safe_dump(front, sort_keys=False, allow_unicode=True) + "---\n"


def _opening(manifest: Mapping[str, Any]) -> str:
    rows = " and ".join(f"{n:,} in `{split}`" for split, n in manifest["counts"]["rows"].items() if n)
    note = str(manifest["recipe"].get("note") or "")
    made = f"`rlvr data build` (rlvr {manifest['versions']['rlvr']}, seed {manifest['seed']})"
    return f"Examples to learn function calling from: {rows}, built by {made}.{' ' + note if note else ''}\n"


def _counts(counts: Mapping[str, Any]) -> str:
    tokens = counts["length_unit"] == "tokens"
    what = "tokens of the rendered prompts" if tokens else "characters of messages and tools (no tokenizer was named)"
    return f"## Counts\n\nLengths are {what}.\n\n" + "\n".join(map(table, count_tables(counts)))


def _left_out(counts: Mapping[str, Any]) -> str:
    """Rejects and what the filters dropped, by reason, and the coercions that were made."""
    tables = left_out_tables(counts)
    text = (
        "## Left out\n\nEvery row that was rejected or that a filter dropped stands in `rejects.jsonl` with its id\n"
        "and the reason. Rows of another subset, rows not drawn, and rows left out for a share are only counted.\n"
    )
    return text + ("\n".join(f"\n{t.caption}:\n\n{table(t)}" for t in tables) if tables else "\nNone was.\n")
