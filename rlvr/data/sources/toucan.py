"""Toucan: dialogues with the tools of real MCP servers (Agent-Ark/Toucan-1.5M, Apache-2.0).

As published, the teachers' configs (Kimi-K2, OSS, Qwen3): string columns `uuid`, `subset_name`, `messages`, `question`,
`available_tools`, `target_tools`, `metadata`; a turn of the assistant is spread over messages with one legacy
`function_call` each, and results have the role `function`. The config `SFT`: `uuid`, `subset_name`, `question`,
`target_tools`, `tools`, `messages`, with the roles `tool_call` and `tool_response`. In rows of the subset `irrelevant`
no tool answers the question: a turn that calls one is rejected, and its words are taken for a refusal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rlvr.data.rows import Row
from rlvr.data.sources.base import Dialogue, DialogueSource
from rlvr.data.sources.dialogue import Turn
from rlvr.data.sources.messages import api_turns
from rlvr.data.sources.offered import offered_tools
from rlvr.data.sources.speakers import messages_of
from rlvr.types import Tool

_DECLARATIONS = ("<|im_system|>tool_declare", "<tools>", "# Tools")
IRRELEVANT = "irrelevant"
SUBSETS = ("single-turn-original", "single-turn-diversify", IRRELEVANT, "multi-turn")
"""As published: Toucan's paper, arXiv 2510.01179, names these four."""


def read(row: Row) -> Dialogue:
    value = row.value
    tools = offered_tools(value.get("available_tools") or value.get("tools"), row.where)
    turns = tuple(_without_declarations(api_turns(messages_of(row, "messages"), row)))
    irrelevant = value.get("subset_name") == IRRELEVANT
    servers = _servers(value.get("metadata")) or _prefixes(str(value.get("target_tools") or ""), tools)
    meta: dict[str, Any] = {"subset": value["subset_name"]} if value.get("subset_name") else {}
    if len(servers) == 1:
        meta["server"] = servers[0]
    elif servers:
        meta["servers"] = servers
    return Dialogue(
        turns,
        tools,
        str(value.get("uuid") or ""),
        expects="refuse" if irrelevant else None,
        calls_allowed=not irrelevant,
        meta=meta,
    )


def _without_declarations(turns: Iterable[Turn]) -> Iterable[Turn]:
    """System prompts that declare the tools go: the model's own chat template writes them."""
    return (t for t in turns if t.role != "system" or not any(mark in t.text for mark in _DECLARATIONS))


def _servers(metadata: Any) -> list[str]:
    """The names of the servers that a row's tools come from."""
    try:
        found = json.loads(metadata) if isinstance(metadata, str) and metadata else metadata
    except (ValueError, RecursionError):  # the row is whole without it
        return []
    listed = found.get("mcp_servers") if isinstance(found, dict) else None
    names = [s.get("server_name") for s in listed if isinstance(s, dict)] if isinstance(listed, list) else []
    return list(dict.fromkeys(str(n) for n in names if n))


def _prefixes(targets: str, tools: Sequence[Tool]) -> list[str]:
    """The servers' names as the tools carry them: what stands before a target's short name.

    Several servers write `Server Name::tool` into `target_tools`.
    """
    out: dict[str, None] = {}
    for target in filter(None, (t.strip() for t in targets.split(","))):
        server, mark, short = target.rpartition("::")
        if mark:
            out[server] = None
            continue
        for tool in tools:
            if tool.name.endswith(f"-{short}"):
                out[tool.name[: -len(short) - 1]] = None
    return list(out)


SOURCE = DialogueSource(
    "toucan",
    read,
    "Apache-2.0",
    ("messages", "available_tools|tools", "subset_name|uuid"),
    hub_id="Agent-Ark/Toucan-1.5M",
    hub_config="SFT",
    subset_field="subset_name",
)
