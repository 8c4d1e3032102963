"""The words of a negative's refusal: in the query's language, varied, naming what is missing (`refusals.yaml`)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rlvr.rewards.language import detect_language
from rlvr.strict import read_yaml
from rlvr.types import Example, Tool

FILE = Path(__file__).resolve().parent / "refusals.yaml"
OBSTACLES_FILE = Path(__file__).resolve().parent / "obstacles.yaml"
WORDS_OF = {
    "domain_mismatch": "unfit",
    "server_shuffle": "unfit",
    "action_mismatch": "near",
    "partial_fulfilment": "step",
    "missing_permission": "permission",
    "format_mismatch": "format",
}
MOST_NAMED = 3
# Common characters, as each script writes them.
_SIMPLIFIED = frozenset(
    "们这为个来说时会对发过还进样种实现开关间问题请给让从吗应该帮电车书页张东马鸟门见长风飞图话语认识读写询计划费货币转换"
)
_TRADITIONAL = frozenset(
    "們這為個來說時會對發過還進樣種實現開關間問題請給讓從嗎應該幫電車書頁張東馬鳥門見長風飛圖話語認識讀寫詢計劃費貨幣轉換"
)


@cache
def load_refusals() -> dict[str, Any]:
    return read_yaml(FILE)


@cache
def load_obstacles() -> dict[str, Any]:
    return read_yaml(OBSTACLES_FILE)


def language_of(example: Example) -> str:
    """`en`, `vi`, `zh` or `zh-Hans`: the example's own tag, else what its query is written in, else English."""
    lang = example.lang or detect_language(example.query) or "en"
    if lang != "zh":
        return lang if lang in ("en", "vi") else "en"
    tag = str(example.meta.get("lang_tag") or "").replace("_", "-").lower()
    if tag:
        return "zh-Hans" if tag.startswith(("zh-hans", "zh-cn", "zh-sg")) else "zh"
    text = example.query[:2_000]
    return "zh-Hans" if sum(c in _SIMPLIFIED for c in text) > sum(c in _TRADITIONAL for c in text) else "zh"


def reply(example: Example, kind: str, slots: Mapping[str, str], rng: random.Random) -> str:
    """Refuse `example`, a negative of `kind`. `slots` hold what the words may name; `offered` is filled in here.

    Where the ability asked for has words of its own (`meta["ability"]`, in the query's language), half of the refusals
    of the kinds without an obstacle to name are made with them.
    """
    lang = language_of(example)
    words = load_refusals()
    name = WORDS_OF[kind]
    filled = {**slots, "offered": listed([t.name for t in example.tools], lang)}
    ability = example.meta.get("ability")
    if name in ("unfit", "near") and isinstance(ability, str) and lang in words["able"] and rng.random() < 0.5:
        name, filled["ability"] = "able", ability
    template = str(rng.choice(words[name][lang]))
    text = fill(template, filled)
    return text[:1].upper() + text[1:]


def fill(template: str, slots: Mapping[str, str]) -> str:
    """Put `slots` into the places of a template, all at once: what is filled in is never read as a place.

    >>> fill("{tool} takes {accepted}", {"tool": "`{accepted}`", "accepted": "csv"})
    '`{accepted}` takes csv'
    """
    out: list[str] = []
    rest = template
    while rest:
        before, brace, behind = rest.partition("{")
        key, closed, after = behind.partition("}")
        out.append(before)
        if not brace:
            break
        out.append(slots[key] if closed and key in slots else brace + key + closed)
        rest = after
    return "".join(out)


def listed(names: list[str], lang: str) -> str:
    """Names in quotation marks, the first few of them.

    >>> listed(["a", "b", "c", "d"], "en"), listed(["a"], "zh")
    ('`a`, `b`, `c` …', '`a`')
    """
    mark = "、" if lang.startswith("zh") else ", "
    quoted = mark.join(f"`{n}`" for n in names[:MOST_NAMED])
    return quoted + (" …" if len(names) > MOST_NAMED else "")


def quoted(tools: list[Tool]) -> str:
    return ", ".join(f"`{t.name}`" for t in tools)
