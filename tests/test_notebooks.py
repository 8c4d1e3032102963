"""Every notebook runs from top to bottom, and the outputs that it ships are those that it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert "01_score_by_hand" in {p.stem for p in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_gives_the_outputs_that_it_ships(path: Path, tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs the dev extra")
    nbclient = pytest.importorskip("nbclient", reason="needs the dev extra")
    pytest.importorskip("ipykernel", reason="needs the dev extra")
    shipped = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    # In an empty folder: a notebook needs nothing of a checkout's.
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(fresh, timeout=120, kernel_name="python3", resources=resources).execute()
    assert [_text(c) for c in fresh.cells] == [_text(c) for c in shipped.cells]
    assert any(_text(c) for c in shipped.cells)


def _text(cell: Any) -> str:
    """What a code cell prints and returns."""
    if cell.cell_type != "code":
        return ""
    return "".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)
