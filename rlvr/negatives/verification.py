"""Whether a query could still be answered with other tools: what a negative must not be.

The check is lexical and errs on the side of throwing a candidate away. A tool could answer where it has the name of a
tool that the query wants, where name and description are nearly the same, or where the wanted arguments fit its schema
and its words overlap.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlvr.tools import validate
from rlvr.types import Example, Tool, ToolCall

SAME_WORDS = 0.5
SOME_WORDS = 0.2
_WORD = re.compile(r"[a-z]+|[0-9]+|[\u4e00-\u9fff]")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EMPTY = frozenset(
    """a an the of for to in on by from with and or get find given this that is it its all any one user based
    function""".split()  # noqa: SIM905 (words read better than a list of them)
)


def why_answerable(parent: Example, tools: Sequence[Tool]) -> str | None:
    """Say why `parent`'s query could be answered with `tools`, or `None` where it could not.

    `parent` carries the ground truth; an example whose ground truth is empty tells nothing and gives `None`.
    """
    wanted = {t.name: t for t in parent.tools}
    for gold in parent.ground_truth:
        call, right = gold.canonical(), wanted.get(gold.name)
        for tool in tools:
            reason = _why(call, right, tool)
            if reason:
                return reason
    return None


def _why(call: ToolCall, right: Tool | None, tool: Tool) -> str | None:
    if _plain(tool.name) == _plain(call.name):
        return f"{tool.name} is the tool that the query wants"
    mine = words(tool.name + " " + tool.description)
    theirs = words(call.name + " " + (right.description if right else ""))
    overlap = len(mine & theirs) / max(1, len(mine | theirs))
    if overlap >= SAME_WORDS:
        return f"{tool.name} says nearly what {call.name} says"
    if call.arguments and overlap >= SOME_WORDS and not validate(tool, call.arguments):
        return f"{tool.name} takes the arguments of {call.name} and is about the same"
    return None


def words(text: str) -> frozenset[str]:
    """Content words of a name or a description, lower case, without a plural s.

    >>> sorted(words("getWeatherForecasts for a city"))
    ['city', 'forecast', 'weather']
    """
    found = _WORD.findall(_CAMEL.sub(" ", text).lower())
    return frozenset(w[:-1] if len(w) > 3 and w.endswith("s") else w for w in found if w not in _EMPTY)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
