"""Shared by the parser tests."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from rlvr.parsers import Parser, get_parser

settings.register_profile(
    "parsers", deadline=None, derandomize=True, max_examples=100, suppress_health_check=list(HealthCheck)
)
settings.load_profile("parsers")


@pytest.fixture(scope="session")
def hermes() -> Parser:
    return get_parser("hermes")
