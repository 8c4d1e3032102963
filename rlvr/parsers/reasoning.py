"""Separates reasoning blocks from the rest of a completion."""

from __future__ import annotations

import re

REASONING = ("think", "none")
"""`think`: `<think>…</think>` is reasoning. `none`: nothing is, the tags are plain text."""

_OPEN, _CLOSE = "<think>", "</think>"
_TAG = re.compile(r"(</?think>)")


def split_reasoning(text: str, kind: str, opened: bool) -> tuple[str, str]:
    """Return (reasoning, rest) of a completion; `opened` says that the prompt already opened a block.

    All closed blocks are reasoning. A block that is never closed reaches to the end. A closing tag without its
    opening ends a block that the model went on with, so what stands before it is reasoning too. An opening tag inside
    a block is part of it. Both parts come back stripped, and blocks of nothing but whitespace count as none.

    >>> split_reasoning("<think>a</think>b", "think", False)
    ('a', 'b')
    >>> split_reasoning("a</think>b", "think", False)
    ('a', 'b')
    >>> split_reasoning("b<think>a", "think", False)
    ('a', 'b')
    """
    if kind == "none" or not (opened or "think>" in text):
        return "", text.strip()
    reasoning: list[str] = []
    rest: list[str] = []
    inside = opened
    for piece in _TAG.split(text):
        if piece == _OPEN:
            inside = True
        elif piece == _CLOSE:
            if not inside:
                reasoning += rest
                rest = []
            inside = False
        else:
            (reasoning if inside else rest).append(piece)
    return "\n".join(s for r in reasoning if (s := r.strip())), "".join(rest).strip()
