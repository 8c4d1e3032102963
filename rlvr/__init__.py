"""Teach a language model to call functions, and to refuse when none fits, with verifiable rewards.

Start with `rlvr.rewards`; `rlvr --help` lists the commands. Nothing heavy is imported here.
"""

__version__ = "0.1.0"
