"""Tools that run: a recipe's `environment`, TRL's tool loop over it, and rewards for the whole trajectory.

This is a road of its own. Prompts stay messages, since TRL renders them with the functions that it will call; a
response template tells it how calls stand in a completion; completions are lists of messages, which
`rlvr.rewards.trajectory` scores with the components of the recipe's composition.
"""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.errors import DataError, ModelError, UsageError
from rlvr.prompts import thinking_kwargs
from rlvr.rewards import Composition
from rlvr.rewards.functions import load_function
from rlvr.rewards.trajectory import turn_sizes
from rlvr.rewards.trajectory_functions import TrajectoryComponent, cut_trajectories, trajectory_functions
from rlvr.tools import check_ground_truth, normalise_tools
from rlvr.training.job import Job, say
from rlvr.types import Example, Tool

_NO_TOOLS = ("reset", "get_reward")


@dataclass(frozen=True, slots=True)
class Environment:
    """What a recipe names: a factory of instances whose methods are tools, or functions that are tools themselves.

    `functions` are what TRL renders into a prompt, `tools` the same as name, description and JSON Schema.
    """

    factory: Callable[[], Any] | None
    functions: tuple[Callable[..., Any], ...]
    tools: tuple[Tool, ...]

    def trainer_options(self) -> dict[str, Any]:
        """What `GRPOTrainer` is told."""
        return {"environment_factory": self.factory} if self.factory else {"tools": list(self.functions)}


def load_environment(spec: str | Sequence[str]) -> Environment:
    """An environment by `module:factory`, or by a list of `module:function`.

    Raises `UsageError` where it cannot be imported, has no tool, or a tool has no types or docstring to describe it by,
    and where an instance has no `reset` that takes a row's columns.
    """
    if not isinstance(spec, str):
        functions = tuple(load_function(name) for name in spec)
        return Environment(None, functions, _described(functions, ", ".join(spec)))
    factory = load_function(spec)
    try:
        instance = factory()
    except Exception as error:  # the user's code
        raise UsageError(f"environment {spec}: making one failed: {type(error).__name__}: {error}") from error
    _check_reset(instance, spec)
    # As TRL finds them: on the class, in the order of their names.
    names = [n for n, _ in inspect.getmembers(type(instance), predicate=inspect.isfunction)]
    methods = tuple(getattr(instance, n) for n in names if not n.startswith("_") and n not in _NO_TOOLS)
    return Environment(factory, methods, _described(methods, spec))


def _check_reset(instance: Any, spec: str) -> None:
    reset = getattr(instance, "reset", None)
    if not callable(reset):
        raise UsageError(f"environment {spec}: an instance has no reset(**row), which is called before each rollout.")
    kinds = {p.kind for p in inspect.signature(reset).parameters.values()}
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        raise UsageError(f"environment {spec}: reset must take a row's columns: def reset(self, setup=None, **row).")


def _described(functions: Sequence[Callable[..., Any]], spec: str) -> tuple[Tool, ...]:
    from transformers.utils import get_json_schema

    if not functions:
        raise UsageError(f"environment {spec}: it has no tool: public methods are what a model can call.")
    described = []
    for function in functions:
        try:
            described.append(get_json_schema(function))
        except Exception as error:  # kinds of transformers' own
            raise UsageError(
                f"environment {spec}: {function.__name__} needs type hints and a docstring with Args: {error}"
            ) from error
    return normalise_tools(described)


def prepare_tokenizer(tokenizer: Any, parser: str) -> None:
    """Make a tokenizer ready for TRL's tool loop: it must render calls and results, and know how calls are read.

    Raises `ModelError` where its chat template cannot.
    """
    from trl.chat_template_utils import (
        add_response_schema,
        get_training_chat_template,
        is_chat_template_prefix_preserving,
        supports_tool_calling,
    )

    if not supports_tool_calling(tokenizer):
        raise ModelError(
            "environment: the model's chat template cannot render a dialogue with tool calls and their results. Give "
            "the tokenizer one that can (rlvr.models.convert.CHAT_TEMPLATE is one for ChatML)."
        )
    if not getattr(tokenizer, "response_template", None) and not getattr(tokenizer, "response_schema", None):
        try:
            add_response_schema(tokenizer)
        except ValueError as error:
            if parser != "hermes":
                raise ModelError(
                    f"environment: TRL does not know this chat template, and for parser {parser} rlvr has no response "
                    "template. Set tokenizer.response_template, or take parser: hermes."
                ) from error
            tokenizer.response_template = hermes_response_template(tokenizer)
    if not is_chat_template_prefix_preserving(tokenizer):
        try:
            get_training_chat_template(tokenizer)
        except ValueError as error:
            raise ModelError(
                "environment: the chat template writes earlier turns differently once results follow, so a trajectory "
                f"cannot be continued token by token: {error}"
            ) from error


def hermes_response_template(tokenizer: Any) -> dict[str, Any]:
    """How Hermes calls stand in an assistant's turn, as transformers' `parse_response` takes it."""
    asked = [{"role": "user", "content": "x"}]
    plain, opened = (
        tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=add) for add in (False, True)
    )
    call = {"type": "function", "function": "{content}"}
    fields = {
        "reasoning_content": {"open": "<think>", "close_pattern": r"</think>\s*", "content": "text"},
        "tool_calls": {
            "open": "<tool_call>",
            "close_pattern": r"</tool_call>\s*",
            "repeats": True,
            "content": "json",
            "transform": call,
        },
        "content": {"close_pattern": re.escape(tokenizer.eos_token) + r"\s*", "content": "text"},
    }
    return {"defaults": {"role": "assistant"}, "start_anchor": opened.removeprefix(plain), "fields": fields}


def rows_of(examples: Sequence[Example], environment: Environment) -> list[dict[str, Any]]:
    """Rows for the tool loop: messages as they are, and what the rewards and `reset` need as JSON strings.

    `tools` are the environment's, for every row. Raises `DataError` naming the example where its tools or its ground
    truth are not the environment's, or where its messages hold calls, whose effects no environment would have seen.
    """
    known = {t.name for t in environment.tools}
    tools = json.dumps([t.to_json() for t in environment.tools], ensure_ascii=False)
    rows = []
    for example in examples:
        missing = sorted({t.name for t in example.tools} - known)
        if missing:
            there = ", ".join(sorted(known))
            raise DataError(example.id, f"the environment has no tool {', '.join(missing)}. It has: {there}.")
        problems = check_ground_truth(example.ground_truth, environment.tools)
        if problems:
            raise DataError(example.id, "; ".join(problems))
        if any(m.get("tool_calls") or m.get("role") == "tool" for m in example.messages):
            raise DataError(example.id, "its messages hold earlier calls, which the environment would not have run.")
        sizes = turn_sizes(example.meta.get("turns"), len(example.ground_truth), example.id)
        gold = [c.to_json() for c in example.ground_truth]
        setup = example.meta.get("setup")
        rows.append(
            {
                "prompt": [{"role": m["role"], "content": str(m.get("content") or "")} for m in example.messages],
                "id": example.id,
                "query": example.query,
                "lang": example.lang,
                "tools": tools,
                "ground_truth": json.dumps(gold, ensure_ascii=False),
                "expects": example.expects,
                "turns": json.dumps(sizes),
                "setup": None if setup is None else json.dumps(setup, ensure_ascii=False),
            }
        )
    return rows


@dataclass(frozen=True, slots=True)
class Road:
    """What `GRPOTrainer` and GRPOConfig are told beside the plain road's, and the examples of its rows."""

    examples: list[Example]
    rows: list[dict[str, Any]]
    rewards: list[Any]
    trainer_options: dict[str, Any]
    config_options: dict[str, Any]


def environment_road(job: Job, composition: Composition, eos: tuple[int, ...]) -> Road:
    """The road of a recipe with an `environment`. Prompts that are too long with its tools are dropped, and counted."""
    recipe = job.recipe
    assert recipe.environment is not None
    # TRL warns of `environment_factory` as experimental; docs/rollouts.md says it too.
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    environment = load_environment(recipe.environment)
    prepare_tokenizer(job.tokenizer, recipe.parser)
    told = thinking_kwargs(job.tokenizer, recipe.thinking)
    rows = rows_of(job.rendered.examples, environment)
    limit = recipe.data.max_prompt_tokens
    short = [_length(row, environment, job.tokenizer, told) <= limit for row in rows]
    kept = [row for row, is_short in zip(rows, short, strict=True) if is_short]
    examples = [e for e, is_short in zip(job.rendered.examples, short, strict=True) if is_short]
    if not kept:
        raise DataError(rows[0]["id"], f"with the environment's tools every prompt is longer than {limit} tokens.")
    if len(kept) < len(rows):
        say(f"{recipe.name}: {len(rows) - len(kept)} more dropped: too long with the environment's tools")
    first, *others = trajectory_functions(composition, recipe.parser, eos)
    named = Named(first) if isinstance(first, TrajectoryComponent) else first
    config = {"chat_template_kwargs": told} if told else {}
    return Road(examples, kept, [named, *others], environment.trainer_options(), config)


def _length(row: Mapping[str, Any], environment: Environment, tokenizer: Any, told: Mapping[str, Any]) -> int:
    ids = tokenizer.apply_chat_template(
        row["prompt"],
        tools=list(environment.functions),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        **told,
    )["input_ids"]
    return len(ids)


class Named:
    """A component that also logs each row's id, by which a sample of the log finds its row, and whether it was cut."""

    def __init__(self, component: TrajectoryComponent) -> None:
        self._component = component
        self.__name__ = component.name

    def __call__(self, completions: Any, *, id: Sequence[str], log_extra: Any = None, **columns: Any) -> Any:
        if log_extra is not None:
            log_extra("id", list(id))
            ends = {"eos_token_ids": self._component.eos_token_ids}
            log_extra("cut", cut_trajectories(len(completions), {**ends, **columns}))
        return self._component(completions, id=id, **columns)
