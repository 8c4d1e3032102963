"""One direction: a module imports only from its left, and what is light stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "rlvr"
ORDER = (
    {"__init__"},
    {"errors"},
    {"types", "yaml_text"},
    {"paths", "extras", "resources", "strict", "jsonl"},
    {"tools"},
    {"parsers"},
    {"rewards"},
    {"integrations"},
    {"audit"},
    {"testing"},
    {"negatives"},
    {"prompts"},
    {"data"},
    {"models"},
    {"rollouts"},
    {"training"},
    {"evaluation"},
    {"report"},
    {"cli", "__main__"},
)
PLACE = {name: place for place, names in enumerate(ORDER) for name in names}
HEAVY = ("torch", "trl", "transformers", "datasets", "vllm")


def part_of(file: Path) -> str:
    """The top-level module or package that a file belongs to."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(file: Path) -> Iterator[tuple[str, int]]:
    """Every `rlvr.X` that a file imports, with its line; those inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: relative import"
            base = node.module or ""
            names = [f"rlvr.{alias.name}" for alias in node.names] if base == "rlvr" else [base]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "rlvr":
                part = [*name.split("."), "__init__"][1]
                yield part if part in PLACE else "__init__", node.lineno


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_module_has_its_place() -> None:
    assert len(FILES) > 80
    assert {part_of(f) for f in FILES} <= set(PLACE)


def test_a_module_imports_only_from_its_left() -> None:
    wrong = [
        f"{file.relative_to(PACKAGE)}:{line} imports {part}"
        for file in FILES
        for part, line in imported(file)
        if PLACE[part] > PLACE[part_of(file)]
    ]
    assert wrong == []


def test_no_module_imports_the_tests() -> None:
    assert not [f for f in FILES if "import tests" in f.read_text(encoding="utf-8")]


@pytest.mark.parametrize(
    "module",
    ["rlvr", "rlvr.rewards", "rlvr.audit", "rlvr.testing", "rlvr.integrations.trl", "rlvr.integrations.verl",
     "rlvr.integrations.verifiers", "rlvr.integrations.openrlhf", "rlvr.integrations.nemo_gym",
     "rlvr.data.mixture", "rlvr.data.filters", "rlvr.data.text", "rlvr.data.decontaminate", "rlvr.data.difficulty",
     "rlvr.negatives", "rlvr.prompts", "rlvr.models", "rlvr.rollouts",
     "rlvr.training.recipe", "rlvr.evaluation", "rlvr.cli"],
)  # fmt: skip
def test_nothing_heavy_is_loaded(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_stays_within_its_room() -> None:
    long = {str(f.relative_to(PACKAGE)): n for f in FILES if (n := len(f.read_text().splitlines())) > 300}
    assert long == {}
