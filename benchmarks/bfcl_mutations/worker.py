"""Runs inside the official checker's own environment: JSON lines in, the official verdicts out.

Nothing of the project is imported here. The official `ast_checker` runs as it was released. Its module of model
handlers is replaced before it is loaded: that one imports the clients of thirty model providers, and all that the
checker reads of it is whether a model's names write `_` for `.` (here: no, as for models that answer in text).

A line in is `{"functions": [...], "answers": [...], "category": "...", "completions": [[{name: arguments}, ...]]}`, a
line out `[[valid, error_type], ...]`; `valid` is null where the official code raised, and `error_type` says what.
"""

from __future__ import annotations

import json
import sys
import types
from typing import Any

MODEL = "a-model-that-answers-in-text"


def load_checker() -> Any:
    """The official function, with the table of models replaced."""
    models = types.ModuleType("bfcl_eval.constants.model_config")
    models.MODEL_CONFIG_MAPPING = {MODEL: types.SimpleNamespace(underscore_to_dot=False)}  # type: ignore[attr-defined]
    sys.modules[models.__name__] = models
    from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker  # type: ignore[import-not-found]

    return ast_checker


def main() -> None:
    from bfcl_eval.constants.enums import Language  # type: ignore[import-not-found]

    checker = load_checker()
    for line in sys.stdin:
        row = json.loads(line)
        verdicts: list[tuple[bool | None, str]] = []
        for calls in row["completions"]:
            try:
                result = checker(row["functions"], calls, row["answers"], Language.PYTHON, row["category"], MODEL)
                verdicts.append((bool(result["valid"]), "" if result["valid"] else str(result["error_type"])))
            except Exception as error:  # the official code's own: that it raises is what is recorded
                verdicts.append((None, f"raised {type(error).__name__}"))
        sys.stdout.write(json.dumps(verdicts) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
