"""What can be known before the sources are read is told before: servers that negatives need, a judge that answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from rlvr.data.build.progress import Note
from rlvr.data.build.recipe import DataRecipe, JudgeChoice
from rlvr.data.sources.mcp import Server, read_servers
from rlvr.data.sources.rejects import Reject
from rlvr.errors import DataError, UsageError
from rlvr.extras import require
from rlvr.negatives import Judge

_HUB_ID = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)?")


def look_ahead(recipe: DataRecipe, note: Note | None) -> list[Server]:
    """The servers whose tools negatives may be given; the judge is asked whether it answers.

    Raises `UsageError` or `DataError` where one of them will not do.
    """
    rejects: list[Reject] = []
    servers = load_servers(recipe, rejects.append)
    if rejects and note:
        first = rejects[0]
        note(
            f"negatives.servers: {len(rejects):,} servers or tools cannot be used, and are left out; the first: "
            f"{first.where}: {first.reason}"
        )
    if recipe.negatives is not None and recipe.negatives.embeddings is not None:
        _check_embeddings(recipe.negatives.embeddings)
    if recipe.negatives is not None and recipe.negatives.judge is not None:
        trouble = make_judge(recipe.negatives.judge).check()
        if trouble and note:
            note(f"{trouble} The build goes on with the answers that are kept, as far as they go.")
    return servers


def load_servers(recipe: DataRecipe, rejects: Callable[[Reject], None] = lambda reject: None) -> list[Server]:
    """The servers whose tools negatives may be given. Raises `UsageError` where there is no such file, `DataError`
    where it holds none."""
    if recipe.negatives is None or recipe.negatives.servers is None:
        return []
    path = Path(recipe.negatives.servers).expanduser()
    if not path.exists():
        raise UsageError(
            f"{path}: no such file or folder, and the recipe reads it (negatives.servers). Paths are relative to the "
            f"working folder; `--set negatives.servers=null` goes without: tools are then taken from other rows alone."
        )
    servers = list(read_servers(path, rejects=rejects))
    if not servers:
        raise DataError(str(path), "holds no server with tools (negatives.servers)")
    return servers


def _check_embeddings(model: str) -> None:
    """What can be told of the model without loading it: each process loads its own, when it makes negatives."""
    for package in ("torch", "transformers"):
        require(package, "train", "negatives.embeddings")
    if not Path(model).expanduser().is_dir() and not _HUB_ID.fullmatch(model):
        raise UsageError(
            f"{model}: no such folder, and no id of a model on the hub (owner/name). The recipe reads it "
            f"(negatives.embeddings)."
        )


def make_judge(choice: JudgeChoice) -> Judge:
    return Judge(
        choice.endpoint,
        choice.model,
        Path(choice.cache).expanduser(),
        choice.api_key_env,
        go_on="Go on with --resume",
    )
