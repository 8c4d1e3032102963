"""Upload a finished run's model and its card to the hub: the model's files by name, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.data.upload import check_repo, hub_api, upload
from rlvr.errors import ModelError, UsageError
from rlvr.models.adapter import ADAPTER_CONFIG
from rlvr.models.run_model import ADAPTER_WEIGHTS, check_weights, finished_model, model_files

CARD = "README.md"
ADAPTER = "adapter"
_FORM_LEFT_BLANK = "[More Information Needed]"  # what peft and transformers write into a card that nobody filled in
_SECRET_NAMES = re.compile(
    r"(^|[._-])(id_(rsa|dsa|ecdsa|ed25519)|credentials?|secrets?|passwords?|netrc|pgpass|kaggle)([._-]|$)"
    r"|^\.env|\.(pem|key|p12|pfx|keystore|kdbx)$|^(hf_)?token(\.txt|\.json)?$",
    re.IGNORECASE,
)
_SECRET_TEXTS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bhf_[A-Za-z0-9]{30,}\b|\bsk-[A-Za-z0-9_-]{32,}\b|\bAKIA[0-9A-Z]{16}\b"
    rb"|\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bxox[abprs]-[A-Za-z0-9-]{20,}"
)
_WEIGHTS = (".safetensors",)
_BLOCK = 1 << 22
_OVERLAP = 4096


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent: files below `folder` with their sizes, and what lies there and is not sent, with the reason."""

    folder: Path
    files: Sequence[tuple[str, int]]
    left: Sequence[tuple[str, str]]

    def lines(self) -> list[str]:
        """For people: every file with its size, what stays, the sum."""
        out = [f"{_size(size):>10}  {name}" for name, size in self.files]
        out += [f"{'stays':>10}  {name}: {why}" for name, why in self.left]
        total = sum(size for _, size in self.files)
        return [*out, f"{_size(total):>10}  in {len(self.files)} files of {self.folder}"]


def pack(source: Path) -> Parcel:
    """What a push of a run or of a model folder would send. Nothing is opened beyond this machine.

    Raises `UsageError` where the run has not finished, there is no card or one that nobody filled in, a file looks
    like a secret, or an adapter names a model that only this machine has; `ModelError` where weights are missing, cut
    or of a set of which not all are there.
    """
    folder = finished_model(source)
    check_weights(folder)
    _check_card(folder, source)
    _check_adapter(folder)
    files = [*model_files(folder), folder / CARD]
    left = [(p.name, "is no part of the model") for p in sorted(folder.iterdir()) if p.is_file() and p not in files]
    beside = folder / ADAPTER
    if (beside / ADAPTER_CONFIG).is_file():
        if _on_the_hub(_base(beside)):
            check_weights(beside)
            files += [beside / ADAPTER_CONFIG, beside / ADAPTER_WEIGHTS]
        else:
            left.append((f"{ADAPTER}/", f"its model, {_base(beside)}, is a folder of this machine"))
    left += [(f"{p.name}/", "is a folder") for p in sorted(folder.iterdir()) if p.is_dir() and p != beside]
    _refuse_secrets([*files, *(folder / name for name, _ in left if not name.endswith("/"))])
    named = [(str(p.relative_to(folder)), p.stat().st_size) for p in files]
    return Parcel(folder, sorted(named), left)


def push(
    source: Path, repo: str, *, private: bool = True, revision: str | None = None, message: str = "", api: Any = None
) -> str:
    """Upload a model with its card to `repo` and return its address. A new repository is private unless told otherwise.

    `api` stands in for `huggingface_hub.HfApi()`. Raises what `pack` raises, and `RunError` where the hub cannot be
    reached, or refuses.
    """
    check_repo(repo, "model")
    parcel = pack(source)
    return upload(
        hub_api("rlvr push") if api is None else api,
        parcel.folder,
        repo,
        "model",
        patterns=[name for name, _ in parcel.files],
        message=message or f"{source.resolve().name}, pushed by rlvr",
        private=private,
        revision=revision,
    )


def _check_card(folder: Path, source: Path) -> None:
    card = folder / CARD
    way = f"Write one: `rlvr card {source}`" + ("" if source == folder.parent else f" --out {card}") + "."
    if not card.is_file():
        raise UsageError(f"{folder}: has no card ({CARD}). {way}")
    text = card.read_text(encoding="utf-8", errors="replace")
    if _FORM_LEFT_BLANK in text:
        raise UsageError(f"{card}: is a form that nobody filled in ({_FORM_LEFT_BLANK}). {way}")
    if not text.startswith("---"):
        raise UsageError(f"{card}: has no metadata at its beginning (between two lines of ---). {way}")


def _check_adapter(folder: Path) -> None:
    """An adapter alone is of use to nobody who has not its model."""
    if (folder / "config.json").is_file() or not (folder / ADAPTER_CONFIG).is_file():
        return
    base = _base(folder)
    if not _on_the_hub(base):
        raise UsageError(
            f"{folder / ADAPTER_CONFIG}: names {base} as its model, a folder of this machine. Write the hub's id "
            f"there, or push the whole model: `rlvr export {folder} --to merged --out FOLDER`."
        )


def _base(folder: Path) -> str:
    try:
        return str(
            json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8")).get("base_model_name_or_path") or ""
        )
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{folder / ADAPTER_CONFIG}: cannot be read ({error}). Save the adapter again.") from error


def _on_the_hub(name: str) -> bool:
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+", name)) and not name.startswith(".") and not Path(name).exists()


def _refuse_secrets(files: Sequence[Path]) -> None:
    """Names and texts that look like keys, also of files that would stay: such a folder is looked at first."""
    named = [p for p in files if _SECRET_NAMES.search(p.name)]
    texts = [p for p in files if p not in named and p.suffix not in _WEIGHTS and _holds_secret(p)]
    if named or texts:
        lines = [f"{p}: its name is that of a secret" for p in named]
        lines += [f"{p}: holds what looks like a token or a private key" for p in texts]
        raise UsageError("\n".join([*lines, "Nothing was sent. Take these files away, and change keys that are real."]))


def _holds_secret(path: Path) -> bool:
    tail = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if _SECRET_TEXTS.search(tail + block):
                return True
            tail = block[-_OVERLAP:]
    return False


def _size(size: int) -> str:
    """
    >>> _size(999), _size(271_234_567)
    ('999 B', '271.2 MB')
    """
    return f"{size:,} B" if size < 1000 else f"{size / 1e3:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"
