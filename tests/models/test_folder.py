"""What makes a model folder complete."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest

from rlvr.errors import ModelError
from rlvr.models import check_model_folder, inspect_model_folder
from rlvr.models.run_model import check_weights


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "m"))


def test_a_complete_folder(tiny_model: Path) -> None:
    assert check_model_folder(str(tiny_model)) == tiny_model
    assert inspect_model_folder(tiny_model).endswith("MB)")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", r"no weights \(model.safetensors\)"),
        ("tokenizer.json", r"no a tokenizer \(tokenizer.json\)|no tokenizer"),
    ],
)
def test_what_is_missing_is_named(folder: Path, name: str, message: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=message):
        check_model_folder(folder)


def test_everything_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json, no weights .*tokenizer"):
        check_model_folder(tmp_path)


def test_a_run_folder_and_an_adapter_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "final").mkdir()
    (tmp_path / "final" / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"looks like a run folder: did you mean .*final"):
        check_model_folder(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="peft adapter without its base model"):
        check_model_folder(tmp_path)


@pytest.mark.parametrize(("text", "message"), [("{", "cannot be read as JSON"), ("[]", "got list, expected an object")])
def test_a_config_that_is_cut(folder: Path, text: str, message: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=message):
        check_model_folder(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a safetensors file"),
        (b"\xff" * 40, "is not a safetensors file"),
        (struct.pack("<Q", 2) + b"[]", "is not a safetensors file"),
        (struct.pack("<Q", 2) + b"{}x", "has 11 bytes, and its header wants 10"),
    ],
)
def test_weights_that_are_cut(folder: Path, content: bytes, message: str) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        inspect_model_folder(folder)


def test_shards_are_followed(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "part-1.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "part-1.safetensors"}}))
    assert "complete" in inspect_model_folder(folder)
    index.write_text(json.dumps({"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors"}}))
    with pytest.raises(ModelError, match=r"names part-2\.safetensors, which is not there"):
        inspect_model_folder(folder)


@pytest.mark.parametrize("text", ["{}", '{"weight_map": ["a"]}', '{"weight_map": {}}'])
def test_an_index_that_names_no_files(folder: Path, text: str) -> None:
    (folder / "model.safetensors").rename(folder / "part-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(text)
    for check in (inspect_model_folder, check_weights):
        with pytest.raises(ModelError, match="names no weight files"):
            check(folder)
