"""Upload a finished build to the hub: its Parquet, card, samples, rejects and manifest, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rlvr.data.build.folder import FINISHED, read_manifest, sha256
from rlvr.errors import DataError, RunError, UsageError
from rlvr.extras import require

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def push(folder: Path, repo: str, *, private: bool = True, revision: str | None = None, api: Any = None) -> str:
    """Upload `folder` to the data set `repo` and return its address. A new data set is private unless told otherwise.

    `api` stands in for `huggingface_hub.HfApi()`.

    Raises:
        UsageError: no finished build, a repo that is no owner/name, data that is for evaluation only.
        DataError: a file is not the one that the build wrote.
        RunError: the hub cannot be reached, or refuses.
    """
    if not _REPO.fullmatch(repo):
        raise UsageError(f"{repo}: expected OWNER/NAME, a data set on the hub.")
    manifest = read_manifest(folder)
    _refuse_evaluation(folder, manifest)
    _check_files(folder, manifest)
    if api is None:
        require("huggingface_hub", "data", "rlvr data push")
        from huggingface_hub import HfApi

        api = HfApi()
    rows = sum(manifest["counts"]["rows"].values())
    patterns = [pattern for name in FINISHED for pattern in (name, f"{name}/*")]
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo, branch=revision, repo_type="dataset", exist_ok=True)
        api.upload_folder(
            repo_id=repo,
            folder_path=str(folder),
            repo_type="dataset",
            revision=revision,
            allow_patterns=patterns,
            commit_message=f"{manifest['name']}: {rows:,} rows, built by rlvr {manifest['versions']['rlvr']}",
        )
    except Exception as error:  # the hub's errors have no common parent
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(
            f"{repo}: cannot be uploaded ({type(error).__name__}: {reason}). Log in (hf auth login) with a "
            f"token that may write, and run the same command again: what is on the hub already is not sent twice."
        ) from error
    return f"{api.endpoint}/datasets/{repo}"


def _refuse_evaluation(folder: Path, manifest: dict[str, Any]) -> None:
    """Refuse data that says of itself that it is for evaluation: a benchmark in a training set spoils both."""
    from rlvr.data.sources import SOURCES

    banned = {name for name, source in SOURCES.items() if source.evaluation_only}
    counts = manifest["counts"]
    place = counts["columns"].index("source")
    found = banned & ({s["source"] for s in counts["sources"]} | {row[place] for row in counts["table"]})
    if found:
        raise UsageError(
            f"{folder}: holds rows of {', '.join(sorted(found))}, which are for evaluation only. Not pushed."
        )


def _check_files(folder: Path, manifest: dict[str, Any]) -> None:
    for file in manifest["files"]:
        path = folder / file["file"]
        if not path.is_file() or sha256(path) != file["sha256"]:
            state = "was changed since" if path.is_file() else "is missing from"
            raise DataError(str(path), f"{state} the build. Build the folder anew.")
