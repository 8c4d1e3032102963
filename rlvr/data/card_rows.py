"""Rows as a card shows them: short enough to read many, whole enough to judge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_QUERY, _TOOL, _TOOLS, _CALL, _TURNS = 600, 160, 8, 400, 4


def shown_rows(samples: Sequence[Mapping[str, str]]) -> str:
    """Every sample under its kind, folded away."""
    parts = ["## Rows to read\n\nDrawn by the seed, at most 20 of each kind; `samples.jsonl` has them whole.\n"]
    for kind in dict.fromkeys(s["kind"] for s in samples):
        rows = [s for s in samples if s["kind"] == kind]
        body = "\n\n".join(f"**{_plain(r['id'])}**\n\n{_fenced(row_lines(r))}" for r in rows)
        parts.append(f"<details><summary>{_plain(kind)}: {len(rows)} rows</summary>\n\n{body}\n\n</details>\n")
    return "\n".join(parts)


def row_lines(row: Mapping[str, str]) -> Iterator[str]:
    """One row in lines: who says what, the tools, what is right and why."""
    messages, tools, calls, meta = (json.loads(row[name]) for name in ("messages", "tools", "ground_truth", "meta"))
    if len(messages) > _TURNS:
        yield f"… {len(messages) - _TURNS} messages before …"
    for message in messages[-_TURNS:]:
        yield f"{message['role']}: {clip(_said(message), _QUERY)}"
    for tool in tools[:_TOOLS]:
        about = " ".join(str(tool["description"]).split())
        yield f"tool {tool['name']}({', '.join(_parameters(tool))}): {clip(about, _TOOL)}"
    if len(tools) > _TOOLS:
        yield f"… {len(tools) - _TOOLS} more tools …"
    for call in calls:
        yield f"→ {call['name']}({clip(json.dumps(call['arguments'], ensure_ascii=False), _CALL)})"
    if not calls:
        yield f"→ no call; expects: {row['expects']}"
    yield from _negative_lines(meta)


def _negative_lines(meta: Mapping[str, Any]) -> Iterator[str]:
    reply = meta.get("reply") or meta.get("reference_reply")
    if reply:
        yield f"reply: {clip(str(reply), _CALL)}"
    negative = meta.get("negative")
    if isinstance(negative, Mapping):
        score = negative.get("score")
        yield f"{negative.get('kind')}: {clip(str(negative.get('reason')), _CALL)}" + (
            f" (score {score:.3f})" if isinstance(score, (int, float)) else ""
        )
        yield f"parent: {negative.get('parent')}"


def _said(message: Mapping[str, Any]) -> str:
    calls = message.get("tool_calls")
    text = str(message.get("content") or "")
    return (text + " " if text and calls else text) + (json.dumps(calls, ensure_ascii=False) if calls else "")


def _parameters(tool: Mapping[str, Any]) -> list[str]:
    properties = (tool.get("parameters") or {}).get("properties")
    return list(map(str, properties)) if isinstance(properties, Mapping) else []


def clip(text: str, most: int) -> str:
    """Cut in the middle of nothing: the beginning stays, and how much is missing is said.

    >>> clip("abcdef", 4), clip("abc", 4)
    ('abcd… (2 more characters)', 'abc')
    """
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"


def _fenced(lines: Iterator[str]) -> str:
    """Indented by four: no text of a row can close such a block, as it could a fence."""
    return "\n".join("    " + part for line in lines for part in line.splitlines() or [""])


def _plain(text: str) -> str:
    """Without what Markdown or HTML would read as its own."""
    return "".join(f"&#{ord(c)};" if c in "<>&*_`[]|\\#" else c for c in text)
