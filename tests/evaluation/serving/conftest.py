"""An OpenAI-compatible endpoint on a real socket: a small model of rules that writes Hermes, behind a server that reads
it, with a fault planted in one or the other."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rlvr.parsers import get_parser
from rlvr.types import ToolCall

HERMES = get_parser("hermes")
WORDS = "Hello, how can I help you today?"
ANSWER = "It is done; the results are as you see."
_WEATHER = re.compile(r"(Hanoi|Oslo|Paris|Lima|Cairo|Rome|Madrid)")
_DAYS = re.compile(r"(\d+) days?")
_MONEY = re.compile(r"(\d+) ([A-Z]{3}) (?:to|in) ([A-Z]{3})")
_TABLE = re.compile(
    r"for (\d+) people at (\w+ \w+)|at (\w+ \w+) for (\d+) people|Book a table for (\d+) people at (.+)\."
)


def wanted_calls(text: str) -> list[ToolCall]:
    """What a right model calls for a query."""
    days = _DAYS.findall(text) or ["1"]
    cities = _WEATHER.findall(text)
    calls = [
        ToolCall("get_weather", {"city": c, "days": int(days[min(i, len(days) - 1)])}) for i, c in enumerate(cities)
    ]
    calls += [
        ToolCall("convert_currency", {"amount": float(a), "source": s, "target": t}) for a, s, t in _MONEY.findall(text)
    ]
    for groups in _TABLE.findall(text):
        people, name = next(g for g in groups if g.isdigit()), next(g for g in groups if g and not g.isdigit())
        calls.append(ToolCall("book_table", {"restaurant": name, "people": int(people)}))
    return calls


class Model:
    """`shy` calls nothing of itself; `single` makes one call at a time; `sloppy` breaks its JSON; `thinks` says so."""

    def __init__(self, habit: str = "") -> None:
        self.habit = habit

    def write(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any], choice: Any) -> str:
        last = messages[-1]
        if last["role"] == "tool":
            return ANSWER
        calls = wanted_calls(str(last["content"])) if tools and self.habit != "shy" else []
        if isinstance(choice, dict):
            calls = [ToolCall(choice["function"]["name"], {"amount": 1.0, "source": "USD", "target": "EUR"})]
        elif choice == "required" and not calls:
            calls = [ToolCall("get_weather", {"city": "Hanoi", "days": 1})]
        if self.habit == "single":
            calls = calls[:1]
        if not calls:
            return WORDS
        text = HERMES.render(calls)
        if self.habit == "sloppy" and choice == "auto":  # what is forced is held to a grammar
            text = text.replace('"arguments": {', '"arguments": {{')
        return f"<think>\nSeveral.\n</think>\n{text}" if self.habit == "thinks" else text


class FakeEndpoint:
    """See `Model` for `habit`; `plant` names what is wrong with the server, or how its answers fail."""

    def __init__(self, plant: str = "", habit: str = "", **settings: Any) -> None:
        self.plant, self.model = plant, Model(habit)
        self.key: str | None = settings.get("key")
        self.names: list[str] = settings.get("names", ["small"])
        self.fails_from: int = settings.get("fails_from", 0)  # the first request that a failing plant strikes
        self.busy: int = settings.get("busy", 0)  # so many requests are answered with 503 first
        self.delay: float = settings.get("delay", 0.0)
        self.bodies: list[dict[str, Any]] = []
        self.made = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", settings.get("port", 0)), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def complete(self, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and JSON of one chat completion."""
        messages, tools = body["messages"], body.get("tools", [])
        choice = body.get("tool_choice", "auto")
        roles = [m["role"] for m in messages]
        if body["model"] not in self.names:
            return 404, _error(f"The model `{body['model']}` does not exist.")
        if tools and self.plant == "tools_refused":
            return 400, _error('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')
        if "tool" in roles and self.plant == "results_refused":
            return 400, _error("After the optional system message, conversation roles must alternate")
        if roles.count("user") > 1 and self.plant == "turns_refused":
            return 500, _error("Internal Server Error")
        if "max_tokens" in body and self.plant == "new_names":
            return 400, _error("Unsupported parameter: use 'max_completion_tokens' instead.")
        if "temperature" in body and self.plant == "new_names":
            return 400, _error("Unsupported value: 'temperature' does not support 0 with this model.")
        seen = [] if self.plant == "template_without_tools" else tools
        ignored = self.plant == ("named_ignored" if isinstance(choice, dict) else f"{choice}_ignored")
        ignored |= self.plant == "reasoning_unforced" and isinstance(choice, dict)
        given = "auto" if ignored else choice
        text = WORDS if choice == "none" else self.model.write(messages, seen, given)
        if choice == "none" and self.plant == "none_calls":
            text = self.model.write(messages, seen, "auto")
        limit = body.get("max_tokens", body.get("max_completion_tokens", 100))
        cut = limit == 1 or (self.plant == "endless" and choice == "required")
        text = text[:4] if cut else text
        message = self.read(text, bool(tools), stream=bool(body.get("stream")))
        if self.plant in ("reasoning_waits", "reasoning_refuses"):
            message = {"role": "assistant", "content": None, "reasoning_content": text}
            if choice not in ("auto", "none"):  # it forces a call once reasoning has ended, which it never does
                message["reasoning_content"] = None
                if self.plant == "reasoning_refuses":
                    return 400, _error("1 validation error for list[FunctionDefinition]")
        finish = "tool_calls" if message.get("tool_calls") and self.plant != "finish_stop" else "stop"
        choices = [{"index": 0, "message": message, "finish_reason": "length" if cut else finish}]
        return 200, {
            "object": "chat.completion",
            "id": "c1",
            "created": 1,
            "model": body["model"],
            "choices": choices,
        } | ({} if self.plant == "usage_missing" else {"usage": self.usage(messages, seen, text)})

    def usage(self, messages: Any, tools: Any, text: str) -> dict[str, int]:
        kept = [m for m in messages if m["role"] != "tool"] if self.plant == "results_dropped" else messages
        prompt, completion = (len(json.dumps(kept)) + len(json.dumps(tools))) // 4, max(1, len(text) // 4)
        total = prompt + completion + (self.plant == "usage_wrong")
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}

    def read(self, text: str, tools: bool, *, stream: bool) -> dict[str, Any]:
        """What a server makes of the model's text: the assistant's message."""
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if self.plant == "reasoning_swallows":
            return {"role": "assistant", "content": None, "reasoning_content": text}
        if self.plant == "reasoning_swallows_newer" or (
            self.plant in ("reasoning_swallows_streams", "reasoning_unforced") and stream
        ):
            return {"role": "assistant", "content": None, "reasoning": text}
        left = self.plant == "wrong_parser" or (self.plant == "stream_left" and stream)
        parsed = HERMES.parse(text)
        if not tools or left or not parsed.calls:
            return message
        calls = (
            parsed.calls[:1]
            if self.plant in ("first_call_only", "stream_loses") and (stream or self.plant == "first_call_only")
            else parsed.calls
        )
        rest = HERMES.render(parsed.calls[1:]) if self.plant == "first_call_only" and len(parsed.calls) > 1 else None
        message["content"] = rest or (text[: text.find("<tool_call>")] or None)
        message["tool_calls"] = [self.call(c, i) for i, c in enumerate(calls)]
        return message

    def call(self, call: ToolCall, index: int) -> dict[str, Any]:
        with self._lock:
            self.made += 1
            id: Any = f"call_{self.made}"
        if self.plant == "ids_missing":
            id = None
        elif self.plant == "ids_repeated":
            id = "call_0"
        elif self.plant == "ids_each_turn":
            id = f"call_{index}"
        arguments: Any = json.dumps(dict(call.arguments))
        if self.plant == "arguments_object":
            arguments = dict(call.arguments)
        elif self.plant == "arguments_python":
            arguments = str(dict(call.arguments))
        made = {"id": id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
        return {k: v for k, v in made.items() if k != "id" or v is not None}

    def chunks(self, body: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[Any]:
        """A completion in small pieces, as a stream gives them."""
        choice = whole["choices"][0]
        message = choice["message"]

        def chunk(delta: Any, finish: str | None = None) -> dict[str, Any]:
            head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "small"}
            return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

        yield chunk({"role": "assistant", "content": ""})
        for key in ("reasoning_content", "reasoning", "content"):
            for piece in re.findall(r".{1,9}", message.get(key) or "", re.DOTALL):
                yield chunk({key: piece})
        for index, call in enumerate(message.get("tool_calls") or ()):
            where = {} if self.plant == "stream_no_index" else {"index": index}
            arguments = call["function"]["arguments"]
            yield chunk({"tool_calls": [{**where, **call, "function": {"name": call["function"]["name"]}}]})
            pieces = re.findall(r".{1,7}", arguments, re.DOTALL) if isinstance(arguments, str) else [arguments]
            if self.plant == "stream_cut_arguments":
                pieces = pieces[:-1]
            for piece in pieces:
                again = {"id": call.get("id")} if self.plant == "stream_id_again" else {}
                yield chunk({"tool_calls": [{**where, **again, "function": {"arguments": piece}}]})
        if self.plant != "stream_no_finish":
            yield chunk({}, choice["finish_reason"])
        if body.get("stream_options", {}).get("include_usage") and "usage" in whole:
            yield {**chunk({}), "choices": [], "usage": whole["usage"]}


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "BadRequestError", "code": 400}}


def _handler(fake: FakeEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # a connection an answer: closing the socket is seen at once

        def do_GET(self) -> None:
            if self._strikes():
                return
            listed = {"object": "list", "data": [{"id": n, "object": "model"} for n in fake.names]}
            known = {"/health": {}, "/version": {"version": "0.0"}}
            if fake.plant != "no_list":
                known["/v1/models"] = listed
            self._json(200 if self.path in known else 404, known.get(self.path, {}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self._strikes():
                return
            if self.path != "/v1/chat/completions":
                self._json(404, {"detail": "Not Found"})
                return
            fake.bodies.append(body)
            status, value = fake.complete(body)
            if status != 200 or not body.get("stream"):
                self._json(status, value)
                return
            events = [json.dumps(c) for c in fake.chunks(body, value)]
            events += [] if fake.plant == "stream_no_done" else ["[DONE]"]
            if fake.plant == "stream_error":
                events[2:] = [json.dumps(_error("the engine is dead"))]
            text = ": a comment\n\n" + "".join(f"data: {e}\n\n" for e in events)
            self._send(200, text.encode(), "text/event-stream")

        def _strikes(self) -> bool:  # whether the endpoint as a whole is at fault, and has answered
            if fake.key is not None and self.headers.get("Authorization") != f"Bearer {fake.key}":
                self._json(401, _error("Incorrect API key provided"))
                return True
            if fake.busy:
                fake.busy -= 1
                self._json(503, _error("busy"))
                return True
            if len(fake.bodies) < fake.fails_from:
                return False
            if fake.plant == "status_500":
                self._json(500, _error("CUDA out of memory"))
            elif fake.plant == "cut_json":
                self._send(200, b'{"object": "list", "data": [{"id": "sm')
            elif fake.plant == "cut_body":
                self._send(200, b'{"object": "list", "da', length=4000)
            elif fake.plant == "html":
                self._send(200, b"<!doctype html><title>It works!</title>", "text/html")
            elif fake.plant == "no_chat":
                self._json(200, {"hello": "world"})
            elif fake.plant == "slow":
                time.sleep(fake.delay)
                self._json(200, {})
            elif fake.plant == "drops":
                self.connection.shutdown(socket.SHUT_RDWR)
            elif fake.plant == "redirect":
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.1:9/stolen")
                self.end_headers()
            else:
                return False
            return True

        def _json(self, status: int, value: Any) -> None:
            self._send(status, json.dumps(value).encode())

        def _send(self, status: int, text: bytes, kind: str = "application/json", length: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if kind != "text/event-stream":
                self.send_header("Content-Length", str(length or len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def answering(plant: str = "", habit: str = "", **settings: Any) -> Iterator[FakeEndpoint]:
    fake = FakeEndpoint(plant, habit, **settings)
    try:
        yield fake
    finally:
        fake.close()


@pytest.fixture(name="answering")
def answering_fixture() -> Callable[..., AbstractContextManager[FakeEndpoint]]:
    """`with answering("wrong_parser") as fake:` runs an endpoint with a fault on a port that the system chose."""
    return answering
