"""Reward functions of a user's own, named as `module:function` in a composition, beside the components."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from rlvr.errors import UsageError, did_you_mean


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One function of a user's own in a composition at a stage.

    `in_thread`: a slow function that is not async runs in a thread, so that it waits beside the other slow ones.
    """

    name: str
    target: str
    weight: float
    in_thread: bool = False


@dataclass(frozen=True)
class UserFunction:
    """A user's reward function as a trainer takes it: it pickles, and its `__name__` is the composition's name for it.

    What it returns is held to the contract: one finite number or `None` a completion. One infinite reward would
    silently zero the advantages of its whole group in TRL.
    """

    name: str
    target: str

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """Score a batch. Raises `UsageError` where the function breaks the contract."""
        return checked(self.name, load_function(self.target)(completions=completions, **columns), len(completions))


@dataclass(frozen=True)
class AsyncUserFunction(UserFunction):
    """The same for an async function, or one that runs in a thread: a trainer awaits it beside the other async ones."""

    async def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float | None]:  # type: ignore[override]
        import asyncio  # 40 ms that an import of the rewards need not take

        function = load_function(self.target)
        if is_async(function):
            values = await function(completions=completions, **columns)
        else:
            values = await asyncio.to_thread(function, completions=completions, **columns)
        return checked(self.name, values, len(completions))


def bind_function(spec: FunctionSpec) -> UserFunction:
    """The function of a spec, ready for a trainer. It is imported now, so that a wrong name shows before a run."""
    kind = AsyncUserFunction if spec.in_thread or is_async(load_function(spec.target)) else UserFunction
    return kind(spec.name, spec.target)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine; partials and callable objects are looked into, as TRL does."""
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def checked(name: str, values: Any, n: int) -> list[float | None]:
    """`values` as one finite number or `None` a completion. Raises `UsageError` where they are not."""
    problem, scores = read_scores(values, n)
    if problem:
        raise UsageError(f"reward function {name} {problem}")
    return scores


def read_scores(values: Any, n: int) -> tuple[str, list[float | None]]:
    """What is wrong with what a reward function returned (empty where nothing is), and its scores."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__") or not hasattr(values, "__iter__"):
        return f"returned {type(values).__name__}, expected a list with one score a completion", []
    if len(values) != n:
        return f"returned {len(values)} scores for {n} completions", []
    scores: list[float | None] = []
    for i, value in enumerate(values):
        if value is None:
            scores.append(None)
            continue
        try:
            score = number(value)
        except (TypeError, ValueError, OverflowError):
            return f"returned {value!r:.60} for completion {i}, expected a number or None", []
        if not math.isfinite(score):
            return f"returned {score} for completion {i}, expected a finite number or None", []
        scores.append(score)
    return "", scores


def number(value: Any) -> float:
    """A score as a float. Raises `TypeError`, `ValueError` or `OverflowError` for what is none; text is none, since
    trainers make tensors of the scores."""
    if isinstance(value, (str, bytes)):
        raise TypeError("text is no score")
    return float(value)


def run_async(value: Awaitable[Any]) -> Any:
    """Wait for what an async function gives, also where an event loop runs already, as in a notebook."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    async def wait() -> Any:
        return await value

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, wait()).result()


@lru_cache(maxsize=64)
def load_function(target: str) -> Callable[..., Any]:
    """Import `package.module:function` or `path/to/file.py:function`; modules in the working directory count too.

    Raises `UsageError` where there is no such module or function, or importing it fails.

    >>> load_function("math:fsum")([1.0, 2.0])
    3.0
    """
    where, colon, name = target.rpartition(":")
    if not colon or not where or not name:
        raise UsageError(f"{target}: expected module:function, for example my_rewards:judge")
    try:
        module = _from_file(Path(where)) if where.endswith(".py") else _from_name(where)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"{target}: importing {where} failed: {type(error).__name__}: {error}") from error
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
            raise UsageError(f"{where} has no {name!r}.{did_you_mean(name, known)}")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{target} is {type(found).__name__}, expected a function")
    return found  # type: ignore[no-any-return]


def _from_name(name: str) -> Any:
    here = str(Path.cwd())
    added = here not in sys.path and "" not in sys.path
    if added:  # a console script does not look into the working directory
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    finally:
        if added:
            sys.path.remove(here)


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    name = f"rlvr_user_{path.resolve().stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles of the file look there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
