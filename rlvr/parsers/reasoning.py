"""Separates reasoning blocks from the rest of a completion, by policies that have names."""

from __future__ import annotations

import re
from collections.abc import Callable

_OPEN, _CLOSE, _CALL = "<think>", "</think>", "<tool_call>"
_TAG = re.compile(r"(</?think>)")


def split_reasoning(text: str, kind: str, opened: bool) -> tuple[str, str]:
    """Return (reasoning, rest) of a completion; `opened` says that the prompt already opened a block.

    Both parts come back stripped, and blocks of nothing but whitespace count as none. `kind` is one of `REASONING`.

    >>> split_reasoning("<think>a</think>b", "think", False)
    ('a', 'b')
    >>> split_reasoning("a</think>b", "think", False)
    ('a', 'b')
    >>> split_reasoning("b<think>a", "think", False)
    ('a', 'b')
    >>> split_reasoning("a", "deepseek_r1", False)
    ('a', '')
    """
    return REASONING[kind](text, opened)


def _think(text: str, opened: bool) -> tuple[str, str]:
    """All closed blocks are reasoning, and one that is never closed reaches to the end.

    A closing tag without its opening ends a block that the model went on with, so what stands before it is reasoning
    too. An opening tag inside a block is part of it.
    """
    if not (opened or "think>" in text):
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


def _none(text: str, opened: bool) -> tuple[str, str]:
    return "", text.strip()


def _deepseek_r1(text: str, opened: bool) -> tuple[str, str]:
    """All up to the first closing tag behind the first opening one is reasoning; without a closing tag, everything is.

    What stands before the opening tag, closed or not, counts as reasoning; vLLM's parser drops it.
    """
    before, opening, after = text.partition(_OPEN)
    if not opening:
        before, after = "", text
    inside, _, rest = after.partition(_CLOSE)
    parts = (before.replace(_CLOSE, "").strip(), inside.strip())
    return "\n".join(p for p in parts if p), rest.strip()


def _qwen3(text: str, opened: bool) -> tuple[str, str]:
    """A completion begins in reasoning, opened or not; `</think>` or a `<tool_call>` ends it, else all is reasoning.

    Opening tags inside the reasoning and closing ones after it are dropped.
    """
    end = text.find(_CLOSE)
    call = text.find(_CALL)
    if end < 0 and call < 0:
        return text.replace(_OPEN, "").strip(), ""
    if end < 0 or 0 <= call < end:
        end = call
    return text[:end].replace(_OPEN, "").strip(), text[end:].replace(_CLOSE, "").strip()


REASONING: dict[str, Callable[[str, bool], tuple[str, str]]] = {
    "think": _think,
    "none": _none,
    "deepseek_r1": _deepseek_r1,
    "qwen3": _qwen3,
}
"""`think`: `<think>…</think>` is reasoning, wherever it stands. `none`: nothing is, the tags are plain text.
`deepseek_r1`, `qwen3`: what vLLM's reasoning parsers of these names take as reasoning."""
