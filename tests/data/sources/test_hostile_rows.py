"""Damaged rows: whatever stands in them, a source says that it does not understand, and nothing else is raised."""

from __future__ import annotations

import copy
import json
import random
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.data.sources import SOURCES, NotUnderstood, Row, Unused
from rlvr.types import Example

FORMS = (
    ("xlam", "XLAM"),
    ("toolace", "TOOLACE"),
    ("toucan", "TOUCAN"),
    ("toucan", "TOUCAN_SFT_CALLING"),
    ("hermes", "HERMES"),
    ("glaive", "GLAIVE"),
    ("sharegpt", "SHAREGPT"),
    ("rlla", "RLLA"),
    ("rlla", "RLLA_RL"),
    ("hammer", "HAMMER"),
    ("openai", "OPENAI"),
    ("llamafactory", "LLAMAFACTORY"),
    ("ms_swift", "MS_SWIFT"),
    ("traces", "ANTHROPIC"),
    ("traces", "RESPONSES"),
    ("traces", "CHAT_LOG"),
    ("sgd", "SGD"),
)
ODD: tuple[Any, ...] = (
    None, True, 0, 1.5, -1, "", "x", "[", "{}", "[]", [], {}, [[]], [None], {"a": None}, "\ud83d", float("nan"),
    10**400, {"type": []}, [{"type": "text"}], "<tool_call>", "'", b"x",
)  # fmt: skip
PIECES = ("", "[", "{", '"', "'", "\\", "\n", "<", "\ud83d", "\x00")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a row."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(p for key, item in below for p in places(item, (*path, key)))]


def damaged(value: Any, rng: random.Random) -> Any:
    """A row with one value cut, swapped for another, or left out; inside its JSON strings too."""
    *path, last = rng.choice(places(value)[1:] or [(0,)])
    if not isinstance(value, (dict, list)) or not value:
        return rng.choice(ODD)
    here = value
    for key in path:
        here = here[key]
    old, draw = here[last], rng.random()
    if isinstance(old, str) and draw < 0.6:
        inner = _read(old)
        if isinstance(inner, (dict, list)) and rng.random() < 0.7:
            here[last] = json.dumps(damaged(inner, rng), default=str)
        else:
            cut = rng.randrange(len(old) + 1)
            here[last] = old[:cut] + rng.choice(PIECES) + old[cut + rng.choice((0, 1, 5, 200)) :]
    elif draw < 0.7:
        del here[last]
    else:
        here[last] = copy.deepcopy(rng.choice(ODD))
    return value


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


@pytest.mark.parametrize(("source", "form"), FORMS)
def test_damaged_rows(source: str, form: str, forms: SimpleNamespace) -> None:
    rng = random.Random(f"{source} {form}")
    outcomes = set()
    for _ in range(300):
        row = copy.deepcopy(getattr(forms, form))
        for _ in range(rng.choice((1, 1, 2, 4))):
            row = damaged(row, rng)
            if not isinstance(row, dict):
                row = {}
        try:
            for found in SOURCES[source].examples(Row("f:1", row, "0", "f")):
                if isinstance(found, Example):
                    json.dumps(found.to_json(), ensure_ascii=False, allow_nan=False).encode()
                outcomes.add(type(found).__name__)
        except (NotUnderstood, Unused) as error:
            outcomes.add(error.code)
    assert len(outcomes) > 2, outcomes
