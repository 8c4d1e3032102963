"""docs/components.md is what its script writes from docstrings and cases; docs/audit.md lists what is there."""

from __future__ import annotations

import ast
import importlib.util
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from rlvr.audit import CLAUSES, FAMILIES, POLICIES, built_in_examples
from rlvr.rewards.components import COMPONENTS

ROOT = Path(__file__).resolve().parents[1]
AUDIT = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("component_docs", ROOT / "scripts" / "component_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script: ModuleType) -> None:
    shipped = (ROOT / "docs" / "components.md").read_text(encoding="utf-8")
    assert shipped == script.page(), "run python scripts/component_docs.py"


def test_every_component_is_there_with_all_its_parts_and_cases(script: ModuleType) -> None:
    page = script.page()
    for name in COMPONENTS:
        text = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for part in set(script.PARTS.values()):
            assert f"- **{part}" in text, (name, part)
        rows = [line for line in text.splitlines() if line.startswith("| ") and line.count(" | ") == 4]
        cases = (ROOT / "rewards" / "cases" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(rows) == len(cases) + 2, "a cell broke its row, or a case is missing"


def test_a_docstring_that_lacks_a_part_is_an_error(script: ModuleType) -> None:
    with pytest.raises(ValueError, match="lacks Earns nothing, Earns part, Earns the most"):
        script.docstring_parts("Score it. Formula: 1. Range: 0 to 1. Not checked: all. The exploit to try first is no.")


def test_the_page_of_the_audit_lists_every_family_clause_and_policy() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (right|wrong) \| (.+) \|$", AUDIT, re.MULTILINE)
    listed = {name: (kind == "right", about) for name, kind, about in rows if name != "truncated"}
    assert listed == {f.name: (f.right, f.about) for f in FAMILIES.values()}
    for clause in CLAUSES:
        assert f"`{clause}`" in AUDIT, clause
    assert len(POLICIES) == 12
    assert "Beside them twelve **degenerate policies**" in AUDIT
    assert f"The audit brings {len(built_in_examples())} of its own" in AUDIT


@pytest.mark.parametrize("page", ["integrations.md", "audit.md"])
def test_the_code_of_a_page_is_short_and_imports_what_is_there(page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    names = 0
    for block in blocks:
        assert len([line for line in block.splitlines() if line.strip()]) <= 12, block
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rlvr":
                module = import_module(str(node.module))
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert not missing, (node.module, missing)
                names += len(node.names)
    assert names
