"""Lists of MCP servers with their tools: what negatives are made from. They hold no dialogues.

Read are one JSON object a server, in a JSONL file or a folder of JSON files: Toucan's catalogue (`server`, `server_id`,
`description`, `primary_label`, `tools` with `input_schema`, `same_toolset_servers`), the files of its repository (the
folder `mcp_servers` of github.com/TheAgentArk/Toucan: `labels`, and under `metadata` the server's answer and what was
crawled of it), raw files (`server_info`, `remote_server_response.tools`), and the answer of a server to `tools/list`
(`{"tools": […]}` or `{"result": {…}}`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.data.rows import Row, find_shards, read_shard
from rlvr.data.sources.base import ExampleSource
from rlvr.data.sources.offered import offered_tools
from rlvr.data.sources.rejects import NotUnderstood, Reject
from rlvr.errors import DataError, UsageError
from rlvr.types import Example, Tool


@dataclass(frozen=True, slots=True)
class Server:
    """A server and the tools that it offers. `same_toolset` names servers that offer the same ones."""

    name: str
    id: str
    label: str
    description: str
    tools: tuple[Tool, ...]
    same_toolset: tuple[str, ...] = ()
    licence: str = ""


def read_servers(location: str | Path, rejects: Callable[[Reject], None] | None = None) -> Iterator[Server]:
    """Yield the servers of a file or folder, in order; those that no tool is known of are left out.

    A tool that cannot be used (its schema is broken, another one has its name) is left out too, and handed to
    `rejects`. Raises `DataError` on a row that is no server, unless `rejects` takes it.
    """
    for shard in find_shards(location):
        for row in read_shard(shard):
            try:
                if isinstance(row, DataError):
                    raise row
                server = server_of(row, rejects)
            except DataError as error:
                if rejects is None:
                    raise
                code = error.code if isinstance(error, NotUnderstood) else "row"
                rejects(Reject("mcp", error.where, error.where, "not_understood", code, error.what))
                continue
            if server.tools:
                yield server


def server_of(row: Row, rejects: Callable[[Reject], None] | None = None) -> Server:
    """The server of one row. Raises `NotUnderstood` where it has no list of tools."""
    value = row.value
    about = _about(value)
    found = _listed(value)
    if found is None:
        raise NotUnderstood(row.where, "tools", "no `tools`: a server must list what it offers")
    name = _first(about, "server", "name", "server_name") or Path(row.location).stem
    same = value.get("same_toolset_servers")
    return Server(
        name=name,
        id=_first(about, "server_id", "id", "author") or name,
        label=_first(about, "primary_label", "label"),
        description=_first(about, "description", "overview"),
        tools=tuple(_usable(found, row, name, rejects)),
        same_toolset=tuple(str(s) for s in same) if isinstance(same, list) else (),
        licence=_first(about, "upstream_license", "license"),
    )


def _about(value: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of the server, wherever it stands."""
    metadata, labels = _mapping(value.get("metadata")), _mapping(value.get("labels"))
    crawled = _mapping(metadata.get("server_info_crawled"))
    found = {k: crawled[k] for k in ("author", "overview", "license") if k in crawled}  # its id is a running number
    found |= {"server": metadata["server_name"]} if metadata.get("server_name") else {}
    found |= {"primary_label": labels["primary_label"]} if labels.get("primary_label") else {}
    return {**found, **value, **_mapping(value.get("server_info"))}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Mapping[str, Any]) -> list[Any] | None:
    metadata = _mapping(value.get("metadata"))
    answers = (value.get("remote_server_response"), value.get("result"), metadata.get("remote_server_response"))
    for holder in (value, *answers, metadata):
        if isinstance(holder, Mapping) and isinstance(holder.get("tools"), list):
            return list(holder["tools"])
    return None


def _usable(found: list[Any], row: Row, server: str, rejects: Callable[[Reject], None] | None) -> Iterator[Tool]:
    known: dict[str, Tool] = {}
    for item in found:
        try:
            tool = offered_tools([item], row.where)[0]
            code, reason = "tools_share_a_name", f"two tools are named {tool.name!r}"
            if tool.name not in known:
                known[tool.name] = tool
                yield tool
                continue
            if known[tool.name] == tool:
                continue
        except NotUnderstood as error:
            code, reason = error.code, error.what
        if rejects is not None:
            rejects(Reject("mcp", server, row.where, "not_understood", code, reason))


def _first(about: Mapping[str, Any], *names: str) -> str:
    return next((str(about[n]) for n in names if about.get(n) not in (None, "")), "")


def _no_examples(row: Row) -> list[Example | Reject]:
    raise UsageError(
        f"{row.location}: a list of MCP servers holds tools and no dialogues. Use it where tools are wanted "
        "(negatives from other servers), not as a source of examples."
    )


SOURCE = ExampleSource("mcp", _no_examples, "each server's own", ("tools|remote_server_response|result",))
