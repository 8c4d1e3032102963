"""What every kind of negative shares: the tool sets it draws from, and how the new example is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rlvr.types import Example, GoldCall, Tool

KINDS = (
    "domain_mismatch",
    "action_mismatch",
    "server_shuffle",
    "partial_fulfilment",
    "missing_permission",
    "format_mismatch",
)


@dataclass(frozen=True, slots=True)
class ToolSet:
    """Tools that are offered together: those of one domain, of one server, or of one example.

    `name` is the server's, and `same` names servers that are known to offer the same tools.
    """

    domain: str
    tools: tuple[Tool, ...]
    name: str = ""
    same: tuple[str, ...] = ()


class ServerLike(Protocol):
    """A server with its tools, as `rlvr.data.sources.mcp` reads them."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def tools(self) -> tuple[Tool, ...]: ...
    @property
    def same_toolset(self) -> tuple[str, ...]: ...


def tool_set(given: ToolSet | ServerLike) -> ToolSet:
    """A server as a `ToolSet`: its label is the domain; examples may name it by its `id`, where it has one."""
    if isinstance(given, ToolSet):
        return given
    identifier = getattr(given, "id", "")
    same = (*given.same_toolset, identifier) if isinstance(identifier, str) and identifier else given.same_toolset
    return ToolSet(given.label or "", tuple(given.tools), given.name, tuple(same))


@dataclass(frozen=True, slots=True)
class Made:
    """What a kind makes of a parent: the prompt that cannot be served, why, and what a refusal should name.

    `score` is the verification's figure, which each kind explains. `slots` fill the words of the refusal. `messages`
    stands where the dialogue changes too. `lifted_…` are the twin's: the same prompt without the obstacle; by
    default the needed tools are put among the negative's, and the calls are the parent's.
    """

    tools: tuple[Tool, ...]
    reason: str
    score: float
    slots: Mapping[str, str] = field(default_factory=dict)
    messages: tuple[Mapping[str, Any], ...] | None = None
    asked: tuple[Mapping[str, Any], ...] | None = None
    lifted_tools: tuple[Tool, ...] | None = None
    lifted_messages: tuple[Mapping[str, Any], ...] | None = None
    lifted_calls: tuple[GoldCall, ...] | None = None


def negative(
    parent: Example,
    tools: Sequence[Tool],
    *,
    kind: str,
    seed: int,
    reason: str,
    score: float | None = None,
    asked: Sequence[Mapping[str, Any]] | None = None,
    messages: tuple[Mapping[str, Any], ...] | None = None,
) -> Example:
    """`parent`'s dialogue beside other tools: the ground truth becomes empty, and a refusal is expected.

    The provenance stands in `meta`: kind, parent's id, seed, reason, the calls that the parent's query asked for, and
    the score of the verification where there is one.
    """
    wanted = [call.to_json() for call in parent.ground_truth] if asked is None else [dict(call) for call in asked]
    provenance: dict[str, Any] = {"kind": kind, "parent": parent.id, "seed": seed, "reason": reason, "asked": wanted}
    if score is not None:
        provenance["score"] = score
    meta = {**parent.meta, "negative": provenance}
    return dataclasses.replace(
        parent,
        id=f"{parent.id}/{kind}",
        category="irrelevance",
        messages=parent.messages if messages is None else messages,
        tools=tuple(tools),
        ground_truth=(),
        expects="refuse",
        meta=meta,
    )


def why_bound(messages: Iterable[Mapping[str, Any]], needed: Iterable[Tool]) -> str | None:
    """Why no other tools may be put beside a dialogue: it shows the needed ones at work, or names one of them. `None`
    where they may."""
    system = []
    for message in messages:
        if message.get("tool_calls") or message.get("role") in ("tool", "function"):
            return "tools were called earlier in the dialogue"
        if message.get("role") in ("system", "developer"):
            system.append(str(message.get("content") or ""))
    if any(tool.name in text for text in system for tool in needed):
        return "the system message names a needed tool"
    return None


def called(messages: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The names of the tools that are called in a dialogue."""
    names: set[str] = set()
    for message in messages:
        for entry in message.get("tool_calls") or ():
            body = entry.get("function", entry) if isinstance(entry, Mapping) else {}
            name = body.get("name") if isinstance(body, Mapping) else None
            if isinstance(name, str):
                names.add(name)
    return frozenset(names)
