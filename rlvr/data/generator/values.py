"""Draw the values of a template's arguments, and write them into the query as people say them.

Kinds of specification: `{pool: NAME}`, `{choices: …}`, `{integers: [lo, hi, step?]}`, `{numbers: [lo, hi, decimals]}`,
`{items: SPEC, count: [lo, hi]}`, or a list of `{value, en, vi, zh}` for enums and booleans.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from rlvr.data.generator.catalogue import CatalogueTool, Template, load_pools

# How a list is written: what stands between its members, and before the last.
LIST_WORDS = {"en": (", ", " and "), "vi": (", ", " và "), "zh": ("、", "和")}


def sample_arguments(tool: CatalogueTool, template: Template, lang: str, seed: int) -> tuple[str, dict[str, Any]]:
    """Return the query and the arguments that it asks for. The same seed gives the same pair."""
    rng = random.Random(seed)
    arguments: dict[str, Any] = {}
    for path, value in template.fixed.items():
        _put(arguments, path, value)
    text = template.text
    taken: set[str] = set()
    for path in template.placeholders:
        value, said = _draw_unlike(tool.values[path], lang, rng, taken)
        taken.add(said)
        text = text.replace("{" + path + "}", said)
        _put(arguments, path, value)
    # In the order of the schema, as a model would write them, not of the query.
    return text, {name: arguments[name] for name in tool.tool.parameters["properties"] if name in arguments}


def _draw_unlike(spec: Any, lang: str, rng: random.Random, taken: set[str]) -> tuple[Any, str]:
    """Two arguments of one query never get the same words, or nobody could tell which is which."""
    for _ in range(20):
        value, said = draw(spec, lang, rng)
        if said not in taken:
            break
    return value, said


def draw(spec: Any, lang: str, rng: random.Random) -> tuple[Any, str]:
    """Draw one value: what the call gets, and how the query says it. Raises `ValueError` on an unknown kind."""
    if isinstance(spec, (list, tuple)):
        entry = rng.choice(spec)
        return entry["value"], str(rng.choice(entry[lang]))
    if not isinstance(spec, Mapping):
        raise ValueError(f"values must be a mapping or a list, got {spec!r}")
    if "pool" in spec:
        return _same(rng.choice(_localised(load_pools()[spec["pool"]], lang)))
    if "choices" in spec:
        return _same(rng.choice(_localised(spec["choices"], lang)))
    if "integers" in spec:
        low, high, *step = spec["integers"]
        integer = rng.randrange(low, high + 1, *(step or [1]))
        return integer, str(integer)
    if "numbers" in spec:
        low, high, decimals = spec["numbers"]
        return _number(low, high, decimals, rng)
    if "items" in spec:
        return _list(spec, lang, rng)
    raise ValueError(f"unknown kind of values: {spec!r}")


def _localised(options: Any, lang: str) -> Any:
    return options[lang] if isinstance(options, Mapping) else options


def _same(text: Any) -> tuple[str, str]:
    return str(text), str(text)


def _number(low: float, high: float, decimals: int, rng: random.Random) -> tuple[float | int, str]:
    """What is said without a decimal point is an integer in the call: 23, not 23.0."""
    said = f"{rng.uniform(low, high):.{decimals}f}"
    if "." in said:
        said = said.rstrip("0").rstrip(".")
    return (float(said) if "." in said else int(said)), said


def _list(spec: Mapping[str, Any], lang: str, rng: random.Random) -> tuple[list[Any], str]:
    wanted = rng.randint(*spec["count"])
    drawn: list[tuple[Any, str]] = []
    for _ in range(50):
        candidate = draw(spec["items"], lang, rng)
        if candidate not in drawn:
            drawn.append(candidate)
        if len(drawn) == wanted:
            break
    comma, last = LIST_WORDS[lang]
    words = [said for _, said in drawn]
    said = words[0] if len(words) == 1 else comma.join(words[:-1]) + last + words[-1]
    return [value for value, _ in drawn], said


def _put(arguments: dict[str, Any], path: str, value: Any) -> None:
    """Set `a.b` inside nested objects."""
    *outer, name = path.split(".")
    for key in outer:
        arguments = arguments.setdefault(key, {})
    arguments[name] = value
