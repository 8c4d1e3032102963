"""Some hundred examples of each split, generated once."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rlvr.data.generator import SPLITS, generate
from rlvr.types import Example

N = 1500


@pytest.fixture(scope="session")
def made() -> Mapping[str, list[Example]]:
    return {split: list(generate(split, N, 5)) for split in SPLITS}
