"""The events of one streamed answer → the answer, with its times; cut off where the end never came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlvr.parsers.messages import thoughts_of, words_of
from rlvr.rollouts.endpoint_http import TryAgainError
from rlvr.rollouts.journal import Answer


class Building:
    """Takes events one by one: the parts of a stream, or the one object of a server that does not stream.

    Times are those when this process saw a part, from `begun` on. The first token is seen with the first part that
    holds words, reasoning or a call; the first call ends with the last part of it. An answer that was not streamed has
    no such times.
    """

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self._out = Answer()
        self._texts: list[str] = []
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._refusal: list[str] = []
        self._chat = False

    def take(self, event: Mapping[str, Any] | None, time: float) -> None:
        """Read an event; `None` is the stream's own end. Raises `TryAgainError` for what is no part of an answer."""
        if event is None:
            return
        try:
            self._read(event, time - self._begun)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise TryAgainError(f"an answer of another form ({type(error).__name__}: {error})") from None

    def answer(self) -> Answer:
        """The whole answer. Raises `TryAgainError` where its end did not come."""
        out = self._out
        if not out.finish_reason:
            raise TryAgainError("the answer breaks off before its end")
        out.text = "".join(self._texts)
        if self._chat and out.message is None:
            out.message = {"role": "assistant", "content": "".join(self._content)}
            if self._reasoning:
                out.message["reasoning_content"] = "".join(self._reasoning)
            if self._refusal:
                out.message["refusal"] = "".join(self._refusal)
            if self._calls:
                out.message["tool_calls"] = [self._calls[i] for i in sorted(self._calls)]
        return out

    def _read(self, event: Mapping[str, Any], seconds: float) -> None:
        usage = event.get("usage")
        if usage:
            self._out.prompt_tokens = _count(usage.get("prompt_tokens"))
            self._out.completion_tokens = _count(usage.get("completion_tokens"))
        choices = event.get("choices")
        if not choices:
            if not usage and "choices" not in event:
                raise KeyError("choices")
            return
        choice = choices[0]
        self._out.seconds = seconds
        self._out.finish_reason = choice.get("finish_reason") or self._out.finish_reason
        self._out.token_ids += choice.get("token_ids") or []
        if "message" in choice:
            self._chat, self._out.message = True, dict(choice["message"])
        elif "delta" in choice:
            self._chat = True
            self._delta(choice["delta"] or {}, seconds)
        else:
            self._texts.append(choice["text"] or "")
            # A whole answer comes with its usage beside it; of a stream the first part has none.
            if choice["text"] and not (usage and not self._texts[:-1]):
                self._first(seconds)

    def _delta(self, delta: Mapping[str, Any], seconds: float) -> None:
        thought = thoughts_of(delta)
        for part, into in (
            (words_of(delta.get("content")), self._content),
            (thought, self._reasoning),
            (delta.get("refusal"), self._refusal),
        ):
            if part:
                into.append(part)
                self._first(seconds)
        for piece in delta.get("tool_calls") or ():
            self._first(seconds)
            function = piece.get("function") or {}
            index = piece.get("index")
            if index is None:  # a call begins where it is named
                begins = not self._calls or piece.get("id") or function.get("name")
                index = len(self._calls) if begins else max(self._calls)
            call = self._calls.setdefault(index, {"id": None, "type": "function", "function": _NOTHING.copy()})
            call["id"] = piece.get("id") or call["id"]
            # The name comes once, as a whole; the arguments in pieces.
            call["function"]["name"] = function.get("name") or call["function"]["name"]
            call["function"]["arguments"] += function.get("arguments") or ""
            if index == min(self._calls):
                self._out.first_call_seconds = seconds

    def _first(self, seconds: float) -> None:
        if self._out.first_token_seconds is None:
            self._out.first_token_seconds = seconds


_NOTHING = {"name": None, "arguments": ""}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
