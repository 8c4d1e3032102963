"""The fuzzer's seeds, and every input that once broke something, hold the fuzzer's laws. No atheris is needed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.parsers import PARSERS

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


targets: Any = load("targets")


def test_there_is_a_target_and_a_corpus_for_every_parser() -> None:
    assert set(targets.TARGETS) == {*PARSERS, "components"} == set(load("run").NAMES)
    assert {p.name for p in (FOLDER / "corpus").iterdir()} == set(targets.TARGETS)
    assert all(any(p.iterdir()) for p in (FOLDER / "corpus").iterdir())


@pytest.mark.parametrize("target", [*PARSERS, "components"])
def test_the_seeds_hold_the_laws(target: str) -> None:
    seeds = list(targets.seeds(target))
    assert len(seeds) > 25
    for data in seeds:
        targets.TARGETS[target](data)


@pytest.mark.parametrize("target", [*PARSERS, "components"])
@given(data=st.binary(max_size=60))
def test_any_bytes_hold_the_laws(target: str, data: bytes) -> None:
    targets.TARGETS[target](data)


def test_inputs_are_read_as_they_were_written() -> None:
    assert targets.decode(targets.encode("a\udcff臺", "qwen3", True)) == ("qwen3", True, "a\udcff臺")
    assert targets.decode(b"") == ("think", False, "")


def test_without_atheris_the_command_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    monkeypatch.setattr(sys, "argv", ["run.py", "hermes"])
    assert load("run").main() == 2
    assert "pip install atheris" in capsys.readouterr().err
