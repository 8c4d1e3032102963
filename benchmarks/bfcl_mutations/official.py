"""The official checker: its environment, its process, its data."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rlvr.data.sources.bfcl_files import VERSION, answers_file, questions_file, read_checked

PACKAGE = f"bfcl-eval=={VERSION}"
CHECKER_SHA256 = "2aae7a68461a8f76c0be3894c8901b66b56967a1989d3ab066051e3fb97f1538"
"""Of `bfcl_eval/eval_checker/ast_eval/ast_checker.py` in that release."""
DEFAULT_VENV = Path(__file__).resolve().parents[1] / ".cache" / "bfcl-venv"
SETS = (
    "simple_python",
    "multiple",
    "parallel",
    "parallel_multiple",
    "live_simple",
    "live_multiple",
    "live_parallel",
    "live_parallel_multiple",
)
Verdict = tuple[bool | None, str]
"""Valid or not (`None`: the official code raised), and the official error type."""


@dataclass(frozen=True, slots=True)
class Row:
    """One question with its possible answers, as the benchmark writes them."""

    id: str
    set: str
    question: dict[str, Any]
    answer: dict[str, Any]

    @property
    def functions(self) -> list[dict[str, Any]]:
        return list(self.question["function"])

    @property
    def answers(self) -> list[dict[str, dict[str, list[Any]]]]:
        return list(self.answer["ground_truth"])


def prepare(folder: Path) -> Path:
    """Make the environment where it is not there yet; returns the folder of the installed package.

    The package goes in without its dependencies: the checker of Python calls needs none of them.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder} with {PACKAGE}", file=sys.stderr)
        venv.create(folder, with_pip=True)
    found = sorted(folder.glob("lib/python3*/site-packages/bfcl_eval"))
    if not found:
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", PACKAGE]
        subprocess.run(pip, check=True)
        found = sorted(folder.glob("lib/python3*/site-packages/bfcl_eval"))
    source = found[0] / "eval_checker" / "ast_eval" / "ast_checker.py"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    if digest != CHECKER_SHA256:
        raise SystemExit(f"{source} is not the checker of {PACKAGE}: SHA-256 {digest}, expected {CHECKER_SHA256}")
    return found[0]


def rows(package: Path, name: str) -> list[Row]:
    """The rows of one set, in the file's order; the files are checked by their hashes."""
    data = package / "data"
    answers = {row["id"]: row for row in _lines(read_checked(data, answers_file(name)))}
    return [Row(q["id"], name, q, answers[q["id"]]) for q in _lines(read_checked(data, questions_file(name)))]


def _lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode("utf-8").split("\n") if line.strip()]


class Official:
    """The official checker in one process, asked over a pipe."""

    def __init__(self, folder: Path) -> None:
        command = [str(folder / "bin" / "python"), "-I", str(Path(__file__).with_name("worker.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Official:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def verdicts(self, row: Row, completions: Sequence[Sequence[dict[str, Any]]]) -> list[Verdict]:
        """The official verdict on each completion, a completion being a list of `{"name", "arguments"}`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        calls = [[{call["name"]: call["arguments"]} for call in completion] for completion in completions]
        asked = {"functions": row.functions, "answers": row.answers, "category": row.set, "completions": calls}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{row.id}: the official checker's process ended")
        return [(valid, reason) for valid, reason in json.loads(line)]
