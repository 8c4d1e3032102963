"""Uploading a build: what is sent, to whom, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.push import push
from rlvr.errors import DataError, RunError, UsageError
from tests.data.build.conftest import Build, inputs, made

__all__ = ["inputs", "made"]  # fixtures


class Hub:
    """What of `huggingface_hub.HfApi` is used, noting what it is asked."""

    endpoint = "https://hub.example"

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.error = error

    def __getattr__(self, name: str) -> Any:
        def ask(*words: Any, **options: Any) -> None:
            if self.error is not None:
                raise self.error
            self.asked.append((name, {**dict(enumerate(words)), **options}))  # type: ignore[dict-item]

        return ask


def test_a_build_is_sent_as_a_private_data_set(made: Build, inputs: Path) -> None:
    made(negatives=None, calls_wanted=None, heldout=None)
    (inputs / "out" / "notes.txt").write_text("mine")
    hub = Hub()
    assert push(inputs / "out", "me/data", api=hub) == "https://hub.example/datasets/me/data"
    (made_repo, repo), (sent, what) = hub.asked
    assert (made_repo, repo) == (
        "create_repo",
        {0: "me/data", "repo_type": "dataset", "private": True, "exist_ok": True},
    )
    assert sent == "upload_folder"
    assert (what["repo_id"], what["repo_type"], what["folder_path"]) == ("me/data", "dataset", str(inputs / "out"))
    assert "data/*" in what["allow_patterns"]
    assert not [p for p in what["allow_patterns"] if p.startswith(("*", "notes", ".build"))]
    assert what["commit_message"].startswith("small: 78 rows")
    push(inputs / "out", "me/data", private=False, revision="try", api=hub)
    assert [name for name, _ in hub.asked[2:]] == ["create_repo", "create_branch", "upload_folder"]
    assert hub.asked[2][1]["private"] is False


def test_what_is_refused(made: Build, inputs: Path) -> None:
    made(negatives=None, calls_wanted=None, heldout=None)
    hub = Hub()
    with pytest.raises(UsageError, match="expected OWNER/NAME"):
        push(inputs / "out", "data", api=hub)
    with pytest.raises(UsageError, match=r"no finished build \(it holds no manifest.json\)"):
        push(inputs, "me/data", api=hub)
    path = inputs / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["counts"]["table"][0][1] = "bfcl"
    path.write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="holds rows of bfcl, which are for evaluation only"):
        push(inputs / "out", "me/data", api=hub)
    assert hub.asked == []


def test_a_file_that_is_not_the_builds(made: Build, inputs: Path) -> None:
    manifest = made(negatives=None, calls_wanted=None, heldout=None)
    path = inputs / "out" / manifest["files"][0]["file"]
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataError, match="was changed since the build"):
        push(inputs / "out", "me/data", api=Hub())
    path.unlink()
    with pytest.raises(DataError, match="is missing from the build"):
        push(inputs / "out", "me/data", api=Hub())


def test_a_hub_that_refuses(made: Build, inputs: Path) -> None:
    made(negatives=None, calls_wanted=None, heldout=None)
    with pytest.raises(RunError, match=r"me/data: cannot be uploaded \(PermissionError: no\).*hf auth login"):
        push(inputs / "out", "me/data", api=Hub(PermissionError("no")))
