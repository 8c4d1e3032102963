"""Where the YAML that ships with the library lies: in the wheel as package data, in a checkout at the top level."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def roots(kind: str) -> list[Path]:
    """The folders that may hold shipped files of a kind (`rewards` or `recipes`), those that exist."""
    return [p for p in (_PACKAGE / "_data" / kind, _PACKAGE.parent / kind) if p.is_dir()]


def find(kind: str, name: str) -> Path | None:
    """The shipped file `name` (a path relative to the folder of its kind), or `None`."""
    for root in roots(kind):
        if (root / name).is_file():
            return root / name
    return None


def names(kind: str, pattern: str = "*.yaml") -> list[str]:
    """Names of the shipped files of a kind, without extension, as a user types them."""
    found: set[str] = set()
    for root in roots(kind):
        found.update(str(p.relative_to(root).with_suffix("")) for p in root.rglob(pattern))
    return sorted(found)
