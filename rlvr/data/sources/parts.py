"""A message's content in parts, as APIs take it: the text of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlvr.data.sources.rejects import NotUnderstood

NO_TEXT = ("image", "image_url", "input_image", "audio", "input_audio", "file", "document", "video")
_REASONING = ("thinking", "redacted_thinking", "reasoning")


def text_of_parts(content: Any, where: str, what: str) -> str:
    """A message's text; `None` is none. Raises `NotUnderstood` where something is shown that is no text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        raise NotUnderstood(where, "message", f"{what} has no text: got {content!r:.60}")
    return "".join(part_text(part, where, what) for part in content)


def part_text(part: Any, where: str, what: str) -> str:
    """The text of one part, empty where it is a call or reasoning. Raises `NotUnderstood` where it is no text."""
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise NotUnderstood(where, "message", f"{what} has a part that is neither text nor an object: {part!r:.60}")
    kind = part.get("type", "text")
    if kind in ("tool_use", *_REASONING):
        return ""
    if kind in NO_TEXT:
        raise NotUnderstood(where, "no_text", f"{what} shows something that is no text ({kind})")
    text = part.get("text", part.get("refusal"))
    if not isinstance(text, str):
        raise NotUnderstood(where, "message", f"{what} has a part of unknown kind {kind!r}")
    return text
