"""Lists of who says what, as `from`/`value` (ShareGPT) or `role`/`content`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rlvr.data.answers import AnswerError, read_value
from rlvr.data.rows import Row
from rlvr.data.sources.rejects import NotUnderstood
from rlvr.errors import did_you_mean


def speakers(row: Row, field: str, roles: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (role, text) of a row's messages; `roles` gives each role of the source ours.

    Raises `NotUnderstood` on a role that is not among them, and where there is no list of messages.
    """
    for i, message in enumerate(messages_of(row, field)):
        role = message.get("from", message.get("role"))
        if not isinstance(role, str) or role not in roles:
            hint = did_you_mean(str(role), roles)
            raise NotUnderstood(row.where, "role", f"{field}[{i}] is by {role!r}, whom the source does not have.{hint}")
        text = message.get("value", message.get("content"))
        if not isinstance(text, str):
            raise NotUnderstood(row.where, "message", f"{field}[{i}] has no text: got {text!r:.60}")
        yield roles[role], text


def _read(text: str, field: str) -> Any:
    """A list of messages, written as JSON; by a few as Python. What is in it is looked at later."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return read_value(text, field)


def messages_of(row: Row, field: str) -> list[Mapping[str, Any]]:
    """A row's list of messages, which may be a JSON string."""
    value = row.value.get(field)
    if isinstance(value, str):
        try:
            value = _read(value, field)
        except AnswerError as error:
            raise NotUnderstood(row.where, "messages", str(error)) from None
    if not isinstance(value, list) or not value:
        raise NotUnderstood(row.where, "messages", f"`{field}` must be a list of messages, got {value!r:.60}")
    for i, message in enumerate(value):
        if not isinstance(message, Mapping):
            raise NotUnderstood(row.where, "messages", f"{field}[{i}] must be an object, got {message!r:.60}")
    return value
