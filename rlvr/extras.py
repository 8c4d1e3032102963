"""Optional packages: ask for one by name, and say how to install it where it is missing."""

from __future__ import annotations

from importlib.util import find_spec

from rlvr.errors import MissingExtraError


def has(package: str) -> bool:
    """Whether a package can be imported, without importing it."""
    return find_spec(package) is not None


def require(package: str, extra: str, purpose: str) -> None:
    """Raise `MissingExtraError` with the install command where `package` is not installed."""
    if not has(package):
        raise MissingExtraError(package, extra, purpose)
