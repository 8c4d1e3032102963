"""Shared by the matching tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "matching", deadline=None, derandomize=True, max_examples=150, suppress_health_check=list(HealthCheck)
)
settings.load_profile("matching")
