"""Shared by the audit's tests: the audit's own examples, and the flawed rewards."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rlvr.audit import built_in_examples
from rlvr.types import Example

_NAME = "audit_flawed_rewards"


def _load_flawed() -> ModuleType:
    spec = importlib.util.spec_from_file_location(_NAME, Path(__file__).with_name("flawed.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)
    return module


FLAWED = _load_flawed()


@pytest.fixture(scope="session")
def flawed() -> ModuleType:
    return FLAWED


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    return built_in_examples()


@pytest.fixture(scope="session")
def few(examples: list[Example]) -> list[Example]:
    """One example of each category and language: enough to meet every family."""
    found = {(e.category, e.lang, e.expects): e for e in reversed(examples)}
    return list(reversed(list(found.values())))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "flawed_name" in metafunc.fixturenames:
        metafunc.parametrize("flawed_name", [f.__name__ for f in FLAWED.FLAWED])
    if "broken_name" in metafunc.fixturenames:
        metafunc.parametrize("broken_name", [f.__name__ for f in FLAWED.BROKEN])
