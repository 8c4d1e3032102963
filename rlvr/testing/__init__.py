"""Contract tests for a reward function of your own, in pytest: the audit behind one class or one fixture.

    class TestMyReward(RewardContract):
        reward = staticmethod(my_reward)          # a function, "module:function", or a composition's name or path

    def test_my_reward(audit_reward):             # the fixture comes with rlvr, as a pytest plugin
        audit_reward(my_reward)

Importing this is light: what the audit needs is loaded when a test runs.
"""

from __future__ import annotations

from rlvr.testing.contract import RewardContract, check_reward

__all__ = ["RewardContract", "check_reward"]
