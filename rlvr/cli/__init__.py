"""The command line: `rlvr COMMAND …`. Each command is a module here; what it needs is imported when it runs.

Exit codes: 0 done, 1 a run failed on the way, 2 the caller can mend it, 3 a guard stopped a run, 75 stopped by SIGTERM
with all of it saved, 130 interrupted, 141 the reader went away.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rlvr import __version__
from rlvr.errors import RlvrError, UsageError, did_you_mean

GROUPS: Mapping[str, tuple[str, ...]] = {
    "score by hand": ("score", "rewards", "audit"),
    "prepare": ("models", "data"),
    "train and measure": ("preflight", "train", "eval", "compare", "report"),
    "see inside a run": ("watch", "replay"),
    "publish and serve": ("card", "export", "push", "serve-check"),
}
INTERRUPTED, READER_GONE = 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. An error of the library is one message on stderr, never a traceback."""
    args = argparse.Namespace()
    _yield_the_cores()
    if hasattr(sys.stdout, "reconfigure"):  # what the terminal's encoding lacks is escaped, and ends no command
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        args = _parse(list(sys.argv[1:] if argv is None else argv))
        code = int(args.run(args))
        sys.stdout.flush()  # here, so that a reader that went away is met inside the try
        return code
    except SystemExit as stop:  # argparse, after --help or a wrong flag
        return stop.code if isinstance(stop.code, int) else 2
    except RlvrError as error:
        if not error.told_by_main:
            _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        go_on = getattr(args, "go_on", None)
        if os.environ.get("RANK", "0") != "0":
            return INTERRUPTED
        _complain("interrupted. " + (go_on(args) if go_on else "Run the same command again to go on."))
        return INTERRUPTED
    except BrokenPipeError:
        # Python would flush stdout once more at its end, and complain: let it flush into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE


def _yield_the_cores(devices: Path = Path("/dev")) -> None:
    """Without a GPU, let the threads of matrix products sleep while they wait; a user's own `OMP_WAIT_POLICY` wins.

    Spinning, they keep the core that the thread they wait for wants: beside another process that computes, a
    forward and backward pass took 27.6 s in place of 17.6, and alone 9.31 in place of 9.35. OpenMP reads this once,
    when torch is imported.
    """
    if not any((devices / name).exists() for name in ("nvidiactl", "kfd")):
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser, commands = build_parser()
    if not argv:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    if not argv[0].startswith("-") and argv[0] not in commands:
        raise UsageError(f"{argv[0]}: no such command.{did_you_mean(argv[0], commands)} See `rlvr --help`.")
    return parser.parse_args(argv)


class _Commands:
    """Stands where argparse's subparsers would, and keeps each command's one line, to be listed by groups."""

    def __init__(self, subparsers: Any) -> None:
        self.subparsers = subparsers
        self.summaries: dict[str, str] = {}

    def add_parser(self, name: str, *, help: str, **options: Any) -> Any:
        self.summaries[name] = help
        return self.subparsers.add_parser(name, **options)


def build_parser() -> tuple[argparse.ArgumentParser, Mapping[str, str]]:
    """The parser of the whole command line, and the commands with what each does."""
    parser = argparse.ArgumentParser(
        prog="rlvr", usage="rlvr COMMAND …", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"rlvr {__version__}")
    commands = _Commands(parser.add_subparsers(prog="rlvr", metavar="COMMAND", help=argparse.SUPPRESS, required=True))
    lines = ["Teach a language model to call functions, and to refuse when none fits, with verifiable rewards.", ""]
    for group, names in GROUPS.items():
        lines.append(f"{group}:")
        for name in names:
            import_module(f"rlvr.cli.{name.replace('-', '_')}").add_parser(commands)
            lines.append(f"  {name:<11} {commands.summaries[name]}")
        lines.append("")
    lines.append("`rlvr COMMAND --help` says more. Every command works without a GPU.")
    parser.description = "\n".join(lines)
    return parser, commands.summaries


def _complain(message: str) -> None:
    sys.stderr.write("".join(f"rlvr: {line}\n" for line in message.splitlines() or [""]))
