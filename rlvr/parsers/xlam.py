"""The format of xLAM: the completion is one JSON list of calls, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rlvr.parsers.attempts import Attempts
from rlvr.parsers.bare import CALL_START, without_bare
from rlvr.parsers.base import BY_TAGS, PlainReader, TextParser, read_call
from rlvr.parsers.plain import XLAM
from rlvr.parsers.rendering import call_json
from rlvr.parsers.strict_json import json_end
from rlvr.types import CallAttempt, Tool, ToolCall

_LIST = re.compile(r"""\[\s*+[{\["']""")
_FENCE = re.compile(r"""```(?:json)?+\s*+(?=\[\s*+[{\["'])""")
_FENCE_END = re.compile(r"\s*+```")
_NAMED = re.compile(r"""\{\s*+["']name["']""")


class XlamParser(TextParser):
    """A JSON list of objects of `name` and `arguments`; it may stand in a code fence. The empty list is no call.

    Beside a list without a fence nothing may stand: a server that reads this format would not find the calls then.
    Of several fences the first that begins with a list is read; what else looks like a call is bare.

    >>> XlamParser().parse('[{"name": "f", "arguments": {"x": 1}}]').calls
    (ToolCall(name='f', arguments={'x': 1}),)
    """

    name = "xlam"

    @property
    def plain_reader(self) -> PlainReader | None:
        return XLAM if self.reasoning in BY_TAGS else None

    def render(self, calls: Sequence[ToolCall]) -> str:
        """One JSON list.

        >>> XlamParser().render([ToolCall("f", {"x": 1})])
        '[{"name": "f", "arguments": {"x": 1}}]'
        """
        return f"[{', '.join(call_json(c) for c in calls)}]"

    def _read(self, text: str, attempts: Attempts, tools: Sequence[Tool]) -> str:
        fence = None if _LIST.match(text) else _FENCE.search(text)
        begin = fence.end() if fence else 0
        if fence is None and not _LIST.match(text):
            return without_bare(text, attempts)
        before = text[: fence.start()] if fence else ""
        end = json_end(text, begin)
        raw = text[begin:] if end < 0 else text[begin:end]
        closing = _FENCE_END.match(text, end) if fence and end >= 0 else None
        after = "" if end < 0 else text[closing.end() if closing else end :]
        alone = not (before.strip() or after.strip())
        fault = None
        if fence and closing is None:
            fault = "unclosed"
        elif fence is None and after.strip():
            fault = "bare"
        read = _read_list(raw, attempts, closed=end >= 0, alone=alone)
        attempts.extend(CallAttempt(a.raw, None, a.fault or fault) if fault else a for a in read)
        if not attempts:
            return without_bare(text, attempts)
        return without_bare(before, attempts) + without_bare(after, attempts)


def _read_list(raw: str, attempts: Attempts, *, closed: bool, alone: bool) -> Iterable[CallAttempt]:
    """The calls of a JSON list; nothing for a list that is an answer and no attempt.

    That is one of words or numbers, and among words also one of objects that do not look like calls.
    """
    if not closed:
        return [CallAttempt(raw, None, "unclosed")] if alone or _NAMED.search(raw) else []
    try:
        values = attempts.read_json(raw)
    except ValueError:
        return [CallAttempt(raw, None, "json")] if alone or CALL_START.search(raw) else []
    attempted = any(isinstance(v, dict) for v in values) if alone else CALL_START.search(raw) is not None
    return (read_call(v, raw) for v in values) if attempted else ()
