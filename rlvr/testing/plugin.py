"""The pytest plugin: one fixture. It is loaded in every pytest run where rlvr is installed, so it imports nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def audit_reward() -> Callable[..., Any]:
    """Audit a reward and fail with the report: `audit_reward(my_reward, margin=0.1, skip=["float_for_integer"])`."""

    def run(reward: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        from rlvr.testing.contract import run_audit

        result = run_audit(reward, **options)
        if not result.clean:
            pytest.fail(result.report(), pytrace=False)
        return result

    return run
