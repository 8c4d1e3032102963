"""The licence of a row: `meta["license"]`, the word of the hub's cards.

Rows that were written before there was one word for it have it under `licence`; what the generator itself gives still
does, since runs and evaluations are told from others by its bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rlvr.types import Example

LICENSE, OLD_KEY = "license", "licence"


def license_of(meta: Mapping[str, Any]) -> str:
    """What a row says of its licence, under either key; empty where it says nothing.

    >>> license_of({"licence": "MIT"}), license_of({"license": "CC0-1.0", "licence": "MIT"}), license_of({})
    ('MIT', 'CC0-1.0', '')
    """
    return str(meta.get(LICENSE) or meta.get(OLD_KEY) or "")


def with_license(meta: Mapping[str, Any], default: str = "") -> dict[str, Any]:
    """`meta` with the licence under the one key, in the place of the old one; `default` where it states none.

    >>> with_license({"lang": "en", "licence": "MIT", "split": "train"})
    {'lang': 'en', 'license': 'MIT', 'split': 'train'}
    >>> with_license({"lang": "en"}, "MIT")
    {'lang': 'en', 'license': 'MIT'}
    """
    stated = license_of(meta) or default
    if LICENSE in meta or OLD_KEY not in meta:
        kept = {k: v for k, v in meta.items() if k != OLD_KEY}
        return {**kept, LICENSE: stated} if stated else kept
    return {(LICENSE if k == OLD_KEY else k): (stated if k == OLD_KEY else v) for k, v in meta.items()}


def one_key(example: Example, split: str) -> Example:
    """An example of the generator as a source gives it: with the one key; those that are held out as they are."""
    return example if split == "heldout" else replace(example, meta=with_license(example.meta))
