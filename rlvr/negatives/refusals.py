"""The words of a negative's refusal: in the query's language, varied, naming what is missing (`refusals.yaml`)."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rlvr.negatives.chinese import SIMPLIFIED, script, script_of_tag
from rlvr.rewards.language import known_language, read_messages
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
MOST_NAMED, MOST_ACCEPTED = 3, 6
_JOINTS = {  # between names, and before the last of them: all, or one of them
    "en": (", ", " and ", " or "),
    "vi": (", ", " và ", " hoặc "),
    "zh": ("、", " 和 ", " 或 "),
    "zh-Hans": ("、", " 和 ", " 或 "),
}
_OTHERS = {"en": " and others", "vi": " và các hàm khác", "zh": " 等函式", "zh-Hans": " 等函数"}


@cache
def load_refusals() -> dict[str, Any]:
    return read_yaml(FILE)


@cache
def load_obstacles() -> dict[str, Any]:
    return read_yaml(OBSTACLES_FILE)


def language_of(example: Example) -> str:
    """`en`, `vi`, `zh` (Traditional) or `zh-Hans`: the language of a refusal, and the script where it is Chinese.

    The language is the one that the example states, which is the one that a reward looks for; else that of all that the
    user said; where that is too short to tell, that of what the assistant said; else English. The script is that of the
    user's own words, whatever a tag says, since a text may have been converted; where they do not tell, the tag's, then
    that of the other messages and of the tools' descriptions.
    """
    said = example.user_texts
    lang = known_language(example.lang) or known_language(_tag(example)) or read_messages(said)
    lang = lang or read_messages(_texts(example, ("assistant",)))
    if lang != "zh":
        return lang if lang in ("en", "vi") else "en"
    found = script(said) or script_of_tag(example.lang) or script_of_tag(_tag(example)) or _script_around(example)
    return "zh-Hans" if found == SIMPLIFIED else "zh"


def language_of_text(text: str) -> str:
    """The same of a description: English where it does not tell.

    >>> language_of_text("Số ngày của chuyến đi"), language_of_text("查询两地之间的路线"), language_of_text("id")
    ('vi', 'zh-Hans', 'en')
    """
    lang = read_messages([text])
    if lang == "zh":
        return "zh-Hans" if script([text]) == SIMPLIFIED else "zh"
    return "vi" if lang == "vi" else "en"


def told_more(text: str, more: str, lang: str) -> str:
    """A description with one more sentence.

    >>> told_more("Guests", "At most 8.", "en"), told_more("人數。", "最多 8。", "zh"), told_more("", "A.", "en")
    ('Guests. At most 8.', '人數。最多 8。', 'A.')
    """
    before = text.rstrip().rstrip(".。")
    if not before:
        return more
    return f"{before}。{more}" if lang.startswith("zh") else f"{before}. {more}"


def _texts(example: Example, roles: Collection[str]) -> list[str]:
    return [str(m.get("content") or "") for m in example.messages if m.get("role") in roles]


def _tag(example: Example) -> str:
    return str(example.meta.get("lang_tag") or "")


def _script_around(example: Example) -> str | None:
    """The script of what stands around the user's words: other messages, the source's reply, the tools."""
    texts = _texts(example, ("assistant", "system", "developer", "tool"))
    reply = example.meta.get("reference_reply")
    return script([*texts, reply if isinstance(reply, str) else ""]) or script([t.description for t in example.tools])


def reply(example: Example, kind: str, slots: Mapping[str, str], rng: random.Random) -> str:
    """Refuse `example`, a negative of `kind`. `slots` hold what the words may name; `offered` is filled in here.

    Where the ability asked for has words of its own (`meta["ability"]`, in the query's language), half of the refusals
    of the kinds without an obstacle to name are made with them; not where the query asks for a second thing as well,
    which they would pass over.
    """
    lang = language_of(example)
    words = load_refusals()
    name = slots.get("words", WORDS_OF[kind])
    filled = {**slots, "offered": listed([t.name for t in example.tools], lang)}
    ability = example.meta.get("ability")
    fits = name in ("unfit", "near") and isinstance(ability, str) and lang in words["able"] and _asks_for_one(example)
    if fits and rng.random() < 0.5:
        name, filled["ability"] = "able", str(ability)
    template = str(rng.choice(words[name][lang]))
    text = fill(template, filled)
    return text[:1].upper() + text[1:]


def _asks_for_one(negative: Example) -> bool:
    """Whether every call that the query wanted is of one tool."""
    asked = negative.meta.get("negative", {}).get("asked", ())
    return len({call["name"] for call in asked}) <= 1


def fill(template: str, slots: Mapping[str, str | Sequence[str]], lang: str = "en") -> str:
    """Put `slots` into the places of a template, all at once: what is filled in is never read as a place.

    A slot that holds several values says that any of them will do, in the words of `lang`.

    >>> fill("{tool} takes {accepted}", {"tool": "`{accepted}`", "accepted": "csv"})
    '`{accepted}` takes csv'
    >>> fill("chỉ nhận {list}", {"list": ["csv", "json"]}, "vi")
    'chỉ nhận `csv` hoặc `json`'
    """
    out: list[str] = []
    rest = template
    while rest:
        before, brace, behind = rest.partition("{")
        key, closed, after = behind.partition("}")
        out.append(before)
        if not brace:
            break
        value = slots[key] if closed and key in slots else brace + key + closed
        out.append(value if isinstance(value, str) else _any_of(value, lang))
        rest = after
    return "".join(out)


def _any_of(values: Sequence[str], lang: str) -> str:
    if len(values) <= MOST_ACCEPTED:
        return joined(values, lang, one_of=True)
    return _JOINTS[lang][0].join(f"`{v}`" for v in values[:MOST_ACCEPTED]) + " …"


def listed(names: Sequence[str], lang: str) -> str:
    """Names in quotation marks, the first few of them, joined as the language joins them.

    >>> listed(["a", "b", "c", "d"], "en"), listed(["a", "b"], "vi")
    ('`a`, `b`, `c` and others', '`a` và `b`')
    """
    if len(names) <= MOST_NAMED:
        return joined(names, lang)
    return _JOINTS[lang][0].join(f"`{n}`" for n in names[:MOST_NAMED]) + _OTHERS[lang]


def joined(names: Sequence[str], lang: str, *, one_of: bool = False) -> str:
    """All names in quotation marks: `a`, `b` and `c`; with `one_of`, `a`, `b` or `c`.

    >>> joined(["a", "b", "c"], "en"), joined(["a", "b", "c"], "zh", one_of=True), joined(["a"], "vi")
    ('`a`, `b` and `c`', '`a`、`b` 或 `c`', '`a`')
    """
    between, last, last_of_one = _JOINTS[lang]
    marked = [f"`{n}`" for n in names]
    if len(marked) < 2:
        return "".join(marked)
    return between.join(marked[:-1]) + (last_of_one if one_of else last) + marked[-1]


def quoted(tools: Sequence[Tool], lang: str = "en") -> str:
    return joined([t.name for t in tools], lang)
