"""The suite that `rlvr eval` is asked for, and the list of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvr.evaluation.suites import Suite, SuiteOptions


class ListSuites(argparse.Action):
    """`--suites`: list them and end, as `--help` does."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from rlvr.evaluation.suites import SUITES, get_suite

        for name in SUITES:
            suite = get_suite(name)
            print(f"{name}: {suite.summary}")
            for key, option in suite.options.items():
                among = f" ({', '.join(option.choices)})" if option.choices else ""
                print(f"  --option {key}={option.default or '…'}{among}: {option.help}")
        parser.exit()


def chosen_suite(args: argparse.Namespace) -> tuple[Suite | None, SuiteOptions]:
    """The suite that `args` name, with its options; no suite for `--data`. Raises `UsageError` for unknown ones."""
    from rlvr.errors import UsageError
    from rlvr.evaluation.suites import SuiteOptions, get_suite

    given = tuple(getattr(args, "option", ()) or ())
    if not args.suite:
        if given:
            raise UsageError("--option belongs to --suite")
        if getattr(args, "suite_dir", None):
            raise UsageError("--suite-dir belongs to --suite")
        return None, SuiteOptions()
    suite = get_suite(args.suite)
    return suite, suite.choose(given, folder=args.suite_dir, seed=args.seed)
