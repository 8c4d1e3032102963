"""Shipped files are found in a checkout and in an installed wheel, and what is not there is not found."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlvr import resources


def test_a_checkout_finds_its_own_files() -> None:
    found = resources.find("rewards", "function_calling.yaml")
    assert found is not None
    assert found.is_file()
    assert resources.find("recipes", "qwen3-1.7b/stage1.yaml") is not None


def test_what_is_not_there_is_none() -> None:
    assert resources.find("rewards", "no_such.yaml") is None
    assert resources.find("no_such_kind", "function_calling.yaml") is None
    assert resources.names("no_such_kind") == []


def test_names_are_what_a_user_types() -> None:
    assert {"function_calling", "function_calling_card"} <= set(resources.names("rewards"))
    recipes = resources.names("recipes")
    assert "qwen3-1.7b/stage1" in recipes, "a dot in a folder's name is no extension"
    assert recipes == sorted(recipes)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed package: the data beside the code, and no top-level folders."""
    package = tmp_path / "site-packages" / "rlvr"
    (package / "_data" / "rewards").mkdir(parents=True)
    (package / "_data" / "rewards" / "function_calling.yaml").write_text("name: function_calling\n", encoding="utf-8")
    monkeypatch.setattr(resources, "_PACKAGE", package)
    return package


def test_a_wheel_finds_its_package_data(wheel: Path) -> None:
    assert resources.find("rewards", "function_calling.yaml") == wheel / "_data/rewards/function_calling.yaml"
    assert resources.names("rewards") == ["function_calling"]
    assert resources.roots("recipes") == []


def test_package_data_comes_before_a_folder_that_happens_to_lie_beside_the_package(wheel: Path) -> None:
    beside = wheel.parent / "rewards"
    beside.mkdir()
    (beside / "function_calling.yaml").write_text("name: another\n", encoding="utf-8")
    assert resources.find("rewards", "function_calling.yaml") == wheel / "_data/rewards/function_calling.yaml"
