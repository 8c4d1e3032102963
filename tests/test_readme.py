"""What the README shows is what the code does."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PYTHON = [body for kind, body in BLOCKS if kind == "python"]


def test_the_first_example_prints_what_stands_below_it() -> None:
    printed = next(body for kind, body in BLOCKS if kind == "text")
    out = StringIO()
    with redirect_stdout(out):
        exec(compile(PYTHON[0], "README.md", "exec"), {})
    assert out.getvalue() == printed


@pytest.mark.parametrize("body", PYTHON[1:])
def test_the_other_examples_run(body: str) -> None:
    exec(compile(body, "README.md", "exec"), {})


def test_links_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("[a-z]*/README.md")]
    assert len(pages) >= 8
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"


def test_files_of_the_tree_exist() -> None:
    tree = next(body for kind, body in BLOCKS if kind == "text" and body.startswith("rewards/"))
    stack: list[tuple[int, Path]] = []
    seen = 0
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        names = re.split(r"\s{2,}", line.strip())[0].split(", ")
        while stack and stack[-1][0] >= indent:
            stack.pop()
        folder = stack[-1][1] if stack else ROOT
        for name in names:
            assert (folder / name).exists(), folder / name
            seen += 1
        if names[0].endswith("/"):
            stack.append((indent, folder / names[0]))
    assert seen > 50
