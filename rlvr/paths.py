"""The folders rlvr keeps things in: a cache under the user's cache folder, nothing else."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """`$RLVR_CACHE`, else `$XDG_CACHE_HOME/rlvr`, else `~/.cache/rlvr`. Not created here."""
    explicit = os.environ.get("RLVR_CACHE")
    if explicit:
        return Path(explicit).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "rlvr"
