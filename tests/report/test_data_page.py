"""The page of a build: whole in one file, asks for nothing, and shows what rows say as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.data.test_card import counts, sample

pytest.importorskip("jinja2", reason="needs the report extra")

from rlvr.report.data_page import data_page, write_data_page

HOSTILE = "</pre><script>alert(1)</script><img src=http://example.org/x.png onerror=alert(2)>"


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    page = data_page("small", counts(), [sample()])
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href|srcset)\s*=\s*["'](?!data:|#)""", page)
    assert "url(" not in page
    assert "@import" not in page
    written = write_data_page("small", counts(), [sample()], tmp_path / "deep" / "page.html")
    assert written.read_text(encoding="utf-8") == page
    assert [p.name for p in written.parent.iterdir()] == ["page.html"]


def test_what_rows_say_is_escaped() -> None:
    hostile = sample(
        id=HOSTILE,
        kind=HOSTILE,
        messages=[{"role": "user", "content": HOSTILE}],
        tools=[{"name": HOSTILE, "description": HOSTILE, "parameters": {}}],
        meta={"license": HOSTILE, "provenance": {"location": HOSTILE}},
    )
    page = data_page(HOSTILE, counts(), [hostile])
    assert "<script" not in page
    assert "<img src=http" not in page
    assert page.count("&lt;script&gt;") > 8


def test_counts_and_rows_are_there() -> None:
    negative = {"kind": "server_shuffle", "reason": "another server", "parent": "p", "score": 0.1}
    samples = [sample(), sample(id="n-1", kind="server_shuffle", ground_truth=[], meta={"negative": negative})]
    page = data_page("small", counts(), samples)
    for words in (
        ">8</dd>",
        "By source",
        "xlam, a.jsonl",
        "string → integer",
        "5 of 8 rows want a call",
        'href="#kind-1">server_shuffle (1)</a>',
        "server_shuffle: another server (score 0.100)",
        '<p class="query" lang="en">Weather?</p>',
    ):
        assert words in page, words
    assert page.count("<h1>") == 1
    assert 'lang="en"' in page


def test_the_figures_have_words_beside_them() -> None:
    pytest.importorskip("matplotlib", reason="needs the report extra")
    page = data_page("small", counts(), [])
    assert page.count("<figure>") == page.count("alt=") == 2
    assert page.count('prefers-color-scheme: dark)" srcset=') == 2


def test_figures_are_the_same_bytes_for_the_same_counts(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the report extra")
    from rlvr.report.data_figures import draw_figures

    for name in ("a", "b"):
        found = draw_figures(counts(), tmp_path / name)
    assert [name for name, _ in found] == ["composition.png", "shape.png"]
    for name, _ in found:
        image = (tmp_path / "a" / name).read_bytes()
        assert image == (tmp_path / "b" / name).read_bytes()
        assert image.startswith(b"\x89PNG")
