"""Tasks of two steps: the user asks for what the second tool does, which takes what only the first one tells.

`rlvr/data/catalogue/two_steps/<domain>.yaml`, written for this library. docs/catalogue.md describes the file format.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rlvr.data.generator.catalogue import FOLDER, LANGUAGES, CatalogueTool, Template, check_tool, read_templates
from rlvr.data.generator.values import draw, sample_arguments
from rlvr.errors import ConfigError
from rlvr.strict import read_yaml
from rlvr.types import Tool

TASKS_FOLDER = FOLDER / "two_steps"
LEAST_DIGITS = 4
"""A form with fewer places to draw could be guessed."""

_KEYS = ("name", "split", "ability", "looks_up", "first", "second", "link", "result", "values", "templates")
_OPTIONAL = ("wrapped",)
_INSIDE = {
    "first": ("name", "description", "parameters", "required"),
    "second": ("name", "description", "parameters", "required"),
    "link": ("argument", "form"),
}
_DIGITS = "0123456789"


@dataclass(frozen=True, slots=True)
class TwoStepTask:
    """Two tools, and how a user asks for both at once.

    `asks` holds what the user says: the parameters of both tools but `argument`, which `first` tells and `second`
    needs; its ability is what `second` does, and `looks_up` says by language what `first` does. The values of
    `argument` are drawn by `form`, where each `#` is a digit. `result` are the other fields of what `first` gives, as
    value specifications; with `wrapped` it gives a list of one under that key. `near` are domains of the catalogue
    whose tools may do the same.
    """

    asks: CatalogueTool
    looks_up: Mapping[str, str]
    first: Tool
    second: Tool
    argument: str
    form: str
    result: Mapping[str, Any]
    wrapped: str | None
    near: frozenset[str]

    @property
    def name(self) -> str:
        return self.asks.name


@dataclass(frozen=True, slots=True)
class DrawnTask:
    """A task with its values: the query, the arguments of both calls, and the first one's result as a tool gives it."""

    query: str
    first: Mapping[str, Any]
    result: str
    second: Mapping[str, Any]


def draw_task(task: TwoStepTask, template: Template, lang: str, seed: int) -> DrawnTask:
    """Draw the values of a task. The same seed gives the same; the identifier stands nowhere in the query."""
    query, said = sample_arguments(task.asks, template, lang, seed)
    rng = random.Random(f"{seed}/{task.name}")
    told = _told(task, rng, query)
    row = {task.argument: told, **{name: draw(spec, lang, rng)[0] for name, spec in task.result.items()}}
    result = json.dumps({task.wrapped: [row]} if task.wrapped else row, ensure_ascii=False)
    first = {name: said[name] for name in _properties(task.first) if name in said}
    said[task.argument] = told
    second = {name: said[name] for name in _properties(task.second) if name in said}
    return DrawnTask(query, first, result, second)


def _told(task: TwoStepTask, rng: random.Random, query: str) -> str | int:
    while True:
        text = "".join(rng.choice(_DIGITS) if c == "#" else c for c in task.form)
        if text not in query:
            return int(text) if _properties(task.second)[task.argument].get("type") == "integer" else text


def _properties(tool: Tool) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = tool.parameters["properties"]
    return properties


@cache
def load_tasks(folder: Path = TASKS_FOLDER) -> tuple[TwoStepTask, ...]:
    """Read every file, in the order of the names. Raises `ConfigError` with every problem of every file."""
    problems: list[str] = []
    tasks: list[TwoStepTask] = []
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ConfigError([f"{folder}: holds no file of tasks."])
    for file in files:
        content = read_yaml(file)
        for entry in content.get("tasks", []):
            where = f"{file.name}: {entry.get('name', '?')}"
            found = [f"{where}: {p}" for p in _misnamed(entry)]
            if not found:
                task = _task(entry, content)
                found = [f"{where}: {p}" for p in check_task(task)]
                tasks.append(task)
            problems.extend(found)
    names = [n for t in tasks for n in (t.first.name, t.second.name)]
    problems += [f"{n}: stands twice among the tasks" for n in sorted({n for n in names if names.count(n) > 1})]
    if problems:
        raise ConfigError(problems)
    return tuple(tasks)


def _misnamed(entry: Mapping[str, Any]) -> list[str]:
    missing = [f"{key}: missing" for key in _KEYS if key not in entry]
    known = (*_KEYS, *_OPTIONAL)
    unknown = [f"{key}: unknown, expected one of {', '.join(known)}" for key in entry if key not in known]
    inside = [f"{k}.{n}: missing" for k, names in _INSIDE.items() if k in entry for n in names if n not in entry[k]]
    return missing + unknown + inside


def _task(entry: Mapping[str, Any], content: Mapping[str, Any]) -> TwoStepTask:
    first, second = (_tool(entry[step]) for step in ("first", "second"))
    argument = str(entry["link"]["argument"])
    properties = {**_properties(first), **{k: v for k, v in _properties(second).items() if k != argument}}
    required = [n for tool in (first, second) for n in tool.parameters.get("required", ()) if n != argument]
    asks = CatalogueTool(
        tool=Tool(entry["name"], "", {"type": "object", "properties": properties, "required": required}),
        domain=content["domain"],
        split=entry["split"],
        ability=entry["ability"],
        topic=entry["ability"],
        values=entry["values"],
        templates=read_templates(entry["templates"]),
    )
    near = frozenset(map(str, content.get("near", ())))
    form = str(entry["link"]["form"])
    return TwoStepTask(
        asks, entry["looks_up"], first, second, argument, form, entry["result"], entry.get("wrapped"), near
    )


def _tool(step: Mapping[str, Any]) -> Tool:
    schema: dict[str, Any] = {"type": "object", "properties": step["parameters"], "required": list(step["required"])}
    return Tool(step["name"], step["description"], schema)


def check_task(task: TwoStepTask) -> list[str]:
    """What is wrong with a task: its templates, or that the second step could be made without the first."""
    problems = check_tool(task.asks)
    problems += [f"looks_up: {lang}: missing" for lang in LANGUAGES if not task.looks_up.get(lang)]
    first, second = _properties(task.first), _properties(task.second)
    if task.argument not in task.second.parameters["required"]:
        problems.append(f"link: {task.argument} is not required by {task.second.name}")
    elif not second.get(task.argument, {}).get("description"):
        problems.append(f"link: {task.argument} has no description that says that users are not told it")
    if task.argument in task.result:
        problems.append(f"result: {task.argument} is drawn by the link's form")
    problems += [f"{name}: both steps have a parameter of this name" for name in sorted({*first} & {*second})]
    if task.argument not in task.first.description:
        problems.append(f"first: the description does not say that it returns {task.argument}")
    problems += [f"result: {p}" for p in _undrawable(task.result)]
    if task.form.count("#") < LEAST_DIGITS:
        problems.append(f"link: form {task.form!r} has fewer than {LEAST_DIGITS} places (#) to draw")
    if second.get(task.argument, {}).get("type") == "integer" and not _is_integer(task.form):
        problems.append(f"link: form {task.form!r} is no integer")
    return problems


def _undrawable(specs: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, spec in specs.items():
        try:
            for lang in LANGUAGES:
                draw(spec, lang, random.Random(0))
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"{name}: {error!r}")
    return problems


def _is_integer(form: str) -> bool:
    return form.replace("#", "0").isdecimal() and form[0] not in "#0"
