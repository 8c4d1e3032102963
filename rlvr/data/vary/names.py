"""Other names, further optional parameters, another order: the same tool as another team would have written it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rlvr.strict import read_yaml
from rlvr.types import Tool

FILE = Path(__file__).resolve().parent / "synonyms.yaml"
STYLES = ("snake", "snake", "camel", "pascal", "dotted")
ADDED = (0.4, 0.4, 0.2)
"""Shares of tools that get no further optional parameter, one, two."""
AFFIXED = 0.2
PREFIXES = ("preferred", "requested", "chosen", "wanted", "given")
SUFFIXES = ("value", "input", "param", "field", "option")
# Schema keywords beside which parameters can be renamed without breaking what refers to them by name.
RENAMABLE = frozenset({"type", "properties", "required", "additionalProperties", "description"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Renamed:
    """A varied tool, and what its parameters are called now (old name → new name)."""

    tool: Tool
    parameters: Mapping[str, str]


@cache
def load_synonyms() -> dict[str, Any]:
    content = read_yaml(FILE)
    return {
        "tool": _sets(content["tool_words"]),
        "parameter": _sets(content["parameter_words"]),
        "optional": content["optional_parameters"],
    }


def _sets(rows: Iterable[list[Any]]) -> dict[str, list[str]]:
    """The first word of a set leads to all of it: `place` is a word for a city, and a city is not any place."""
    return {str(row[0]): [str(word) for word in row] for row in rows}


def words_of(name: str) -> list[str]:
    """Split a name into its words, in lower case: `mail.moveToFolder` → mail, move, to, folder.

    >>> words_of("mail.moveToFolder")
    ['mail', 'move', 'to', 'folder']
    """
    return [w.lower() for w in _WORD.findall(name)]


def styled(words: list[str], style: str) -> str:
    """Join words as a naming style does.

    >>> [styled(["move", "to", "folder"], s) for s in ("snake", "camel", "pascal", "dotted")]
    ['move_to_folder', 'moveToFolder', 'MoveToFolder', 'move.to_folder']
    """
    if style == "camel":
        return words[0] + "".join(w.capitalize() for w in words[1:])
    if style == "pascal":
        return "".join(w.capitalize() for w in words)
    if style == "dotted" and len(words) > 1:
        return words[0] + "." + "_".join(words[1:])
    return "_".join(words)


def vary_tool(tool: Tool, taken: set[str], rng: random.Random, further: Mapping[str, Any] | None = None) -> Renamed:
    """Rename a tool and its parameters, change their order, add up to two optional ones.

    None is dropped: what stays would be what some call fills. `taken` are names of tools that may not be given again,
    `further` the optional parameters that can be added (name → schema). A schema with keywords that refer to parameters
    by name keeps its parameters as they are.
    """
    name = _tool_name(tool.name, rng)
    if name in taken:
        name = tool.name
    schema = dict(tool.parameters)
    own: dict[str, Any] = dict(schema.get("properties", {}))
    if not set(schema) <= RENAMABLE:
        return Renamed(Tool(name, tool.description, schema), {p: p for p in own})
    added = {p: s for p, s in (further or {}).items() if p not in own}
    chosen = rng.sample(sorted(added), min(rng.choices((0, 1, 2), ADDED)[0], len(added)))
    order = list(own)
    if rng.random() < 0.5:
        rng.shuffle(order)
    for further_name in chosen:
        order.insert(rng.randint(0, len(order)), further_name)
    renamed = _parameter_names(order, rng)
    schema["properties"] = {renamed[p]: own[p] if p in own else added[p] for p in order}
    if "required" in schema:
        required = set(schema["required"])
        schema["required"] = [renamed[p] for p in order if p in own and p in required]
    return Renamed(Tool(name, tool.description, schema), {p: renamed[p] for p in own})


def _tool_name(name: str, rng: random.Random) -> str:
    synonyms = load_synonyms()["tool"]
    words = [rng.choice(synonyms[w]) if w in synonyms and rng.random() < 0.7 else w for w in words_of(name)]
    return styled(words, rng.choice(STYLES)) if words else name


def _parameter_names(names: list[str], rng: random.Random) -> dict[str, str]:
    synonyms = load_synonyms()["parameter"]
    style = rng.choice(("snake", "snake", "snake", "camel"))
    out: dict[str, str] = {}
    for name in names:
        snake = "_".join(words_of(name))
        chosen = rng.choice(synonyms[snake]) if snake in synonyms and rng.random() < 0.6 else name
        if rng.random() < AFFIXED and chosen.isascii() and len(words_of(chosen)) == 1:
            chosen = f"{rng.choice(PREFIXES)}_{chosen}" if rng.random() < 0.5 else f"{chosen}_{rng.choice(SUFFIXES)}"
        chosen = styled(words_of(chosen), style) if chosen.isascii() and words_of(chosen) else chosen
        out[name] = name if chosen in out.values() or (chosen != name and chosen in names) else chosen
    if len(set(out.values())) < len(out):
        return {name: name for name in names}
    return out
