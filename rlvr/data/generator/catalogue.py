"""The catalogue of tools behind the built-in generator: `rlvr/data/catalogue/<domain>.yaml`, written for this library.

A tool stands in one split only, and its templates with it, so that the splits share no tool and no template: `train`,
`heldout` for the evaluation, and `validation` for what is chosen while training (the looks of `selection`).
docs/catalogue.md describes the file format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from rlvr.errors import ConfigError, did_you_mean
from rlvr.strict import read_yaml
from rlvr.tools import validate
from rlvr.types import Tool

LANGUAGES = ("en", "vi", "zh")
SPLITS = ("train", "validation", "heldout")
FOLDER = Path(__file__).resolve().parent.parent / "catalogue"
POOLS_FILE = Path(__file__).resolve().parent / "pools.yaml"
PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A query with `{placeholders}`; `fixed` holds arguments that the words themselves imply."""

    text: str
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def placeholders(self) -> tuple[str, ...]:
        return tuple(PLACEHOLDER.findall(self.text))


@dataclass(frozen=True, slots=True)
class CatalogueTool:
    """A tool with what is needed to ask for it: value specifications by parameter, templates by language.

    Two requests for it that agree in all of `once_per` contradict each other (two temperatures for one room) and never
    stand in one query; the empty tuple says that one query asks for it once.
    """

    tool: Tool
    domain: str
    split: str
    ability: Mapping[str, str]
    topic: Mapping[str, str]
    values: Mapping[str, Any]
    templates: Mapping[str, tuple[Template, ...]]
    once_per: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        return self.tool.name

    def clash(self, first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
        """Whether two requests for this tool are the same, or contradict each other."""
        if first == second:
            return True
        return self.once_per is not None and all(first.get(name) == second.get(name) for name in self.once_per)

    def states_optional(self, template: Template) -> bool:
        """Whether a template states a parameter that the tool does not require."""
        stated = {path.split(".")[0] for path in (*template.placeholders, *template.fixed)}
        return not stated <= set(self.tool.parameters.get("required", ()))

    def literal(self, lang: str) -> tuple[Template, ...]:
        """The templates of a language in whose queries every value stands as the call has it."""
        return tuple(t for t in self.templates[lang] if self._is_literal(t, lang))

    def _is_literal(self, template: Template, lang: str) -> bool:
        if not all(_said_in(value, template.text) for value in template.fixed.values()):
            return False
        return all(_says_itself(self.values[path], lang) for path in template.placeholders)


def _says_itself(spec: Any, lang: str) -> bool:
    """Whether the words of every value hold the value: `sms` said as "text message" does not."""
    if isinstance(spec, (list, tuple)):
        return all(_said_in(entry["value"], str(words)) for entry in spec for words in entry[lang])
    return _says_itself(spec["items"], lang) if "items" in spec else True


def _said_in(value: Any, words: str) -> bool:
    return not isinstance(value, bool) and str(value) in words


@cache
def load_catalogue(folder: Path = FOLDER) -> tuple[CatalogueTool, ...]:
    """Read every domain, in the order of the file names. Raises `ConfigError` with every problem of every file."""
    problems: list[str] = []
    tools: list[CatalogueTool] = []
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ConfigError([f"{folder}: holds no catalogue file."])
    for file in files:
        content = read_yaml(file)
        for entry in content.get("tools", []):
            where = f"{file.name}: {entry.get('name', '?')}"
            tool = _tool(entry, content, where, problems)
            if tool is not None:
                tools.append(tool)
    names = [t.name for t in tools]
    problems += [f"{n}: stands twice in the catalogue" for n in sorted({n for n in names if names.count(n) > 1})]
    if problems:
        raise ConfigError(problems)
    return tuple(tools)


@cache
def load_pools() -> dict[str, Any]:
    return {k: _texts(v) for k, v in read_yaml(POOLS_FILE).items()}


def _texts(values: Any) -> Any:
    """YAML reads 2026-03-14 as a date; a value is always text here."""
    if isinstance(values, dict):
        return {k: _texts(v) for k, v in values.items()}
    return tuple(str(v) for v in values)


_NEEDED = ("name", "description", "ability", "parameters", "templates", "split")
_KEYS = (*_NEEDED, "required", "values", "once_per")


def _tool(
    entry: Mapping[str, Any], content: Mapping[str, Any], where: str, problems: list[str]
) -> CatalogueTool | None:
    before = len(problems)
    problems += [f"{where}: {key}: missing" for key in _NEEDED if key not in entry]
    problems += [f"{where}: unknown key {key!r}.{did_you_mean(str(key), _KEYS)}" for key in entry if key not in _KEYS]
    if len(problems) > before:
        return None
    schema: dict[str, Any] = {"type": "object", "properties": entry["parameters"]}
    if entry.get("required"):
        schema["required"] = list(entry["required"])
    tool = CatalogueTool(
        tool=Tool(entry["name"], entry["description"], schema),
        domain=content["domain"],
        split=entry["split"],
        ability=entry["ability"],
        topic=content["topic"],
        values=entry.get("values", {}),
        templates=read_templates(entry["templates"]),
        once_per=tuple(entry["once_per"]) if "once_per" in entry else None,
    )
    problems.extend(f"{where}: {p}" for p in check_tool(tool))
    return tool if len(problems) == before else None


def read_templates(given: Mapping[str, Any]) -> dict[str, tuple[Template, ...]]:
    """The templates of every language, as the files write them: a text, or a text with the arguments it implies."""
    return {
        lang: tuple(
            Template(t) if isinstance(t, str) else Template(t["text"], t.get("fixed", {})) for t in given.get(lang, ())
        )
        for lang in LANGUAGES
    }


def check_tool(tool: CatalogueTool) -> list[str]:
    """What is wrong with an entry: too few templates, unknown placeholders, a required argument not asked for."""
    problems = []
    if tool.split not in SPLITS:
        problems.append(f"split: got {tool.split!r}, expected one of {', '.join(SPLITS)}")
    problems += [
        f"once_per: {name!r} is no parameter"
        for name in tool.once_per or ()
        if name not in tool.tool.parameters["properties"]
    ]
    for lang in LANGUAGES:
        wanted = 4 if lang == "en" else 2
        if len(tool.templates[lang]) < wanted:
            problems.append(f"{lang}: {len(tool.templates[lang])} templates, at least {wanted} are wanted")
        for template in tool.templates[lang]:
            problems.extend(_check_template(tool, template, lang))
    return problems


def _check_template(tool: CatalogueTool, template: Template, lang: str) -> list[str]:
    from rlvr.data.generator.values import sample_arguments

    unknown = [p for p in template.placeholders if p not in tool.values]
    if unknown:
        return [f"{lang}: no values for {', '.join(unknown)} in {template.text!r}"]
    try:
        _, arguments = sample_arguments(tool, template, lang, seed=0)
    except (KeyError, TypeError, ValueError) as error:
        return [f"{lang}: {template.text!r}: {error!r}"]
    return [f"{lang}: {template.text!r}: {problem}" for problem in validate(tool.tool, arguments)]
