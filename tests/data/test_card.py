"""The card of a build: the same counts as the build's, readable by the hub, and nothing a row says becomes markup."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from rlvr.data.card import card, table
from rlvr.data.card_rows import clip, row_lines, shown_rows
from rlvr.data.card_tables import (
    Table,
    count_tables,
    left_out_tables,
    mixture_lines,
    negative_kinds,
    shortfalls,
    source_table,
    totals,
)


def counts(**more: Any) -> dict[str, Any]:
    """What a build of 10 rows counted, by hand."""
    return {
        "rows": {"train": 8, "heldout": 2},
        "length_unit": "tokens",
        "columns": ["split", "source", "category", "lang", "kind", "license", "rows", "length"],
        "table": [
            ["train", "xlam", "simple", "en", "call", "CC-BY-4.0", 5, 500],
            ["train", "xlam", "irrelevance", "en", "server_shuffle", "CC-BY-4.0", 2, 300],
            ["train", "toolace", "multi_turn", "zh", "no call, answer", "Apache-2.0", 1, 50],
            ["heldout", "xlam", "simple", "en", "call", "CC-BY-4.0", 2, 150],
        ],
        "sources": [
            {
                "source": "xlam", "location": "a.jsonl", "asked": 9, "taken": 7, "rows": 12, "examples": 11, "kept": 7,
                "coerced": 2, "rejected": [["invalid", "wrong_type", 1]],
                "dropped": [["decontaminate", "benchmark_tool", 3], ["languages", "language", 1]],
                "coercions": {"string → integer": 2},
            },
            {
                "source": "toolace", "asked": None, "taken": 1, "rows": 1, "examples": 1, "kept": 1, "coerced": 0,
                "rejected": [], "dropped": [], "coercions": {},
            },
        ],
        "negatives": {
            "asked": 3, "parents": 7, "made": 3, "kept": 2, "twins": 0, "broken_twins": 0,
            "by_kind": {"server_shuffle": 3}, "refused": [["server_shuffle", "no donor", 4]],
            "dropped": [["prompt_length", "too_long", 1]],
        },
        "heldout": {"asked": 0.4, "rows": 2, "of": 8, "groups": 4, "largest": 5},
        "calls_wanted": {
            "asked": 0.625,
            "train": {"calls": 5, "others": 3, "left_out_calls": 1, "left_out_others": 0},
            "heldout": {"calls": 2, "others": 0, "left_out_calls": 0, "left_out_others": 0},
        },
        "tools": [[1, 10]], "calls": [[0, 3], [1, 7]], "spread": [[7, 10]],
        **more,
    }  # fmt: skip


def manifest(**more: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "seed": 3,
        "versions": {"rlvr": "0.1"},
        "recipe": {"note": "A try."},
        "counts": counts(**more),
    }


def sample(**more: Any) -> dict[str, str]:
    row: dict[str, Any] = {
        "kind": "call",
        "id": "xlam-1",
        "source": "xlam",
        "category": "simple",
        "lang": "en",
        "messages": [{"role": "user", "content": "Weather?"}],
        "tools": [{"name": "get_weather", "description": "Of a city.", "parameters": {"properties": {"city": {}}}}],
        "ground_truth": [{"name": "get_weather", "arguments": {"city": "Hà Nội"}}],
        "expects": "any",
        "meta": {},
        **more,
    }
    return {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in row.items()}


def test_totals_are_sums_of_the_table() -> None:
    assert totals(counts(), "source") == [("xlam", 9, 950), ("toolace", 1, 50)]
    assert totals(counts(), "kind") == [("call", 7, 650), ("server_shuffle", 2, 300), ("no call, answer", 1, 50)]
    by_language = next(t for t in count_tables(counts()) if t.caption == "By language")
    assert by_language.rows == (("en", "9", "950", "90.0"), ("zh", "1", "50", "10.0"))


def test_the_row_of_a_source() -> None:
    found = source_table(counts())
    assert dict(zip(found.head, found.rows[0], strict=True)) == {
        "source": "xlam, a.jsonl", "asked": "9", "rows read": "12", "examples": "11", "coerced": "2", "invalid": "1",
        "not understood": "0", "unused": "0", "kept": "7", "taken": "7",
    }  # fmt: skip
    assert found.rows[1][:2] == ("toolace", "all")


def test_what_was_left_out() -> None:
    rejected, dropped, coerced, refused = left_out_tables(counts())
    assert rejected.rows == (("xlam, a.jsonl", "invalid", "wrong_type", "1"),)
    assert dropped.rows[-1] == ("negatives", "prompt_length", "too_long", "1")
    assert coerced.rows == (("xlam, a.jsonl", "string → integer", "2"),)
    assert refused.rows == (("server_shuffle", "no donor", "4"),)


def test_what_did_not_come_out_as_asked_is_said() -> None:
    found = list(shortfalls(counts()))
    assert len(found) == 4
    assert found[0].startswith("xlam, a.jsonl: 27.3% of its examples offer tools of a benchmark")  # 3 of 11
    assert found[1] == "xlam, a.jsonl: 7 of 9 examples asked for; there were no more"
    assert found[2].startswith("negatives: 2 of 3 asked for")
    assert found[3].startswith("heldout: 2 rows (25.00%, 40.00% asked for)")


def made_by_kind(**more: Any) -> dict[str, Any]:
    """Of 1,000 negatives 300 were to be of near twins: 90 could be made, and the judge dropped more still."""
    return {
        **counts()["negatives"], "asked": 1000, "made": 1000, "kept": 998, "servers": 0, "units": 2,
        "asked_by_kind": {"action_mismatch": 300, "server_shuffle": 400, "missing_permission": 300},
        "by_kind": {"action_mismatch": 90, "server_shuffle": 398, "missing_permission": 512},
        "kept_by_kind": {"action_mismatch": 90, "server_shuffle": 396, "missing_permission": 512},
        "refused": [
            ["action_mismatch", "no near twin with another verb", 5010],
            ["action_mismatch", "the judge's verdict: answerable", 12],
            ["server_shuffle", "no other server's tools are far enough from the query", 7],
        ],
        **more,
    }  # fmt: skip


def test_negatives_by_kind_with_the_reason_where_there_are_fewer() -> None:
    found = counts(negatives=made_by_kind())
    by_kind = count_tables(found)[-1]
    assert by_kind.head == ("kind", "why fewer", "asked for", "made", "passed the filters")
    assert by_kind.rows == (
        ("action_mismatch", "no near twin with another verb (5,010 tries)", "300", "90", "90"),
        ("server_shuffle", "", "400", "398", "396"),  # 2 of 400: each unit rounds
        ("missing_permission", "", "300", "512", "512"),
    )
    assert [line for line in shortfalls(found) if line.startswith("negatives, ")] == [
        "negatives, action_mismatch: 90 of 300 asked for; others took their place: no near twin with another verb "
        "(5,010 tries)"
    ]
    fewer = counts(negatives=made_by_kind(made=999))  # of 1,000: nothing took the place of one
    assert [line for line in shortfalls(fewer) if line.startswith("negatives, ")] == [
        "negatives, action_mismatch: 90 of 300 asked for: no near twin with another verb (5,010 tries)"
    ]
    assert "| no near twin with another verb (5,010 tries) | 300 | 90 | 90 |" in card(
        manifest(negatives=made_by_kind()), []
    )


def test_a_card_says_where_the_tools_of_server_shuffle_came_from() -> None:
    said = " ".join(mixture_lines(counts(negatives=made_by_kind())))
    assert "names no list of servers: the tools of server_shuffle are those of other rows" in said
    said = " ".join(mixture_lines(counts(negatives=made_by_kind(servers=755))))
    assert "drawn from 755 servers" in said
    without_reason = counts(negatives=made_by_kind(refused=[]))
    assert [k.why for k in negative_kinds(without_reason)] == ["no parent was left for it", "", ""]
    assert list(negative_kinds(counts())) == []  # a build of an older version


def test_the_mixture_in_sentences() -> None:
    overlaps, *lines = mixture_lines(counts())
    assert overlaps == "Overlaps with a benchmark: 3 examples dropped (benchmark_tool 3)."
    assert lines[0].startswith(
        "Negatives: 3 asked for, 3 made from 7 parents (server_shuffle 3), 2 passed the filters."
    )
    assert lines[1] == (
        "train: 5 of 8 rows want a call, a share of 0.625 (0.625 asked for); for it 1 calling and 0 other rows were "
        "left out."
    )
    assert "no tool with the name or the description of one that a training row offers, and ask none of its" in lines[3]


def test_the_front_matter_is_what_the_hub_reads() -> None:
    text = card(manifest(), [sample()])
    _, front, body = text.split("---\n", 2)
    read = yaml.safe_load(front)
    assert read["license"] == "other"  # two licences
    assert read["language"] == ["en", "zh"]
    assert read["size_categories"] == ["n<1K"]
    assert read["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/train-*.parquet"},
        {"split": "heldout", "path": "data/heldout-*.parquet"},
    ]
    for words in (
        "# small",
        "8 in `train` and 2 in `heldout`",
        "A try.",
        "tokens of the rendered prompts",
        "| CC-BY-4.0 |",
    ):
        assert words in body
    one = counts()
    one["table"] = one["table"][:1]
    assert yaml.safe_load(card({**manifest(), "counts": one}, []).split("---\n")[1])["license"] == "cc-by-4.0"


def test_figures_are_shown_where_there_are_any() -> None:
    assert "![Rows](figures/a.png)" in card(manifest(), [], [("a.png", "Rows")])
    assert "figures/" not in card(manifest(), [])


def test_a_row_as_it_is_shown() -> None:
    assert list(row_lines(sample())) == [
        "user: Weather?",
        "tool get_weather(city): Of a city.",
        '→ get_weather({"city": "Hà Nội"})',
    ]
    negative = {"kind": "server_shuffle", "reason": "the tools are those of Notion", "parent": "xlam-1", "score": 0.25}
    meta = {"reply": "Sorry.", "negative": negative}
    lines = list(row_lines(sample(ground_truth=[], expects="refuse", meta=meta)))
    assert lines[-4:] == [
        "→ no call; expects: refuse",
        "reply: Sorry.",
        "server_shuffle: the tools are those of Notion (score 0.250)",
        "parent: xlam-1",
    ]


def test_long_rows_are_cut_and_say_so() -> None:
    turns = [{"role": "user", "content": f"turn {i} " + "x" * 2_000} for i in range(6)]
    tools = [{"name": f"t{i}", "description": "", "parameters": {}} for i in range(20)]
    lines = list(row_lines(sample(messages=turns, tools=tools)))
    assert lines[0] == "… 2 messages before …"
    assert lines[1].endswith("… (1407 more characters)")  # 7 + 2000 characters, 600 are shown
    assert "… 12 more tools …" in lines
    assert clip("short", 10) == "short"


@pytest.mark.parametrize(
    "text", ["</details><script>alert(1)</script>", "    ```\n# Heading", "a | b\n| --- |", "</pre>"]
)
def test_what_a_row_says_stays_text(text: str) -> None:
    shown = shown_rows([sample(messages=[{"role": "user", "content": text}], id=text)])
    outside = [line for line in shown.splitlines() if not line.startswith("    ")]
    assert not [line for line in outside if "<script" in line or "</pre" in line or line.startswith(("#  ", "```"))]
    assert (
        shown.count("</details>") - sum("</details>" in line for line in shown.splitlines() if line[:4] == "    ") == 1
    )
    cells = table(Table("t", ("name", "n"), ((text, "1"),))).splitlines()
    assert len(cells) == 3
    assert "<script" not in cells[2]
