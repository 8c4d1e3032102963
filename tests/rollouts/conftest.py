"""A server on a real socket that speaks those of vLLM's endpoints that TRL's client uses, and can die in the middle."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class FakeVllm:
    """`completion` are the token ids that every prompt is completed with (varied by the number of the sample).

    After `dies_after` requests for completions the server closes its socket; after `fails_after` it answers 500.
    `faults` answers the next requests for completions with 503, so many.
    """

    def __init__(self, **settings: Any) -> None:
        self.completion: list[int] = settings.get("completion", [65, 66, 67])
        self.dies_after: int | None = settings.get("dies_after")
        self.fails_after: int | None = settings.get("fails_after")
        self.faults: int = settings.get("faults", 0)
        self.dev_mode: bool = settings.get("dev_mode", True)
        self.takes_weights: bool = settings.get("takes_weights", True)
        self.logprobs_mode: str = settings.get("logprobs_mode", "processed_logprobs")
        self.max_model_len: int = settings.get("max_model_len", 4096)
        self.models: Any = settings.get("models", {"data": [{"id": "tiny", "max_model_len": self.max_model_len}]})
        self.requests: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.answered = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", settings.get("port", 0)), _handler(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self._closed = False

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._server.shutdown()
            self._server.server_close()

    def get(self, path: str) -> tuple[int, Any]:
        if path.startswith("/server_info"):
            config = {"backend": "nccl"} if self.takes_weights else None
            model = {"logprobs_mode": self.logprobs_mode}
            told = {"vllm_config": {"weight_transfer_config": config, "model_config": model}}
            return (200, told) if self.dev_mode else (404, {})
        return {
            "/health": (200, {}),
            "/v1/models": (200, self.models),
            "/get_world_size": (200, {"world_size": 1}),
        }.get(path, (404, {}))

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path != "/v1/completions":
            return 200, {"success": True}
        if self.faults:
            self.faults -= 1
            return 503, {}
        if self.fails_after is not None and self.answered >= self.fails_after:
            return 400, {"error": "no"}
        self.bodies.append(body)
        self.answered += 1
        choices = []
        for prompt in body["prompt"]:
            for i in range(body["n"]):
                ids = [*self.completion, 65 + i, 2]
                logprobs = {
                    "tokens": [f"token_id:{t}" for t in ids],
                    "token_logprobs": [-1.0] * len(ids),
                    "top_logprobs": [{f"token_id:{t}": -1.0} for t in ids],
                }
                choices.append({"prompt_token_ids": prompt, "token_ids": ids, "logprobs": logprobs})
        return 200, {"choices": choices}

    @property
    def dying(self) -> bool:
        return self.dies_after is not None and self.answered >= self.dies_after


def _handler(fake: FakeVllm) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # a connection an answer: closing the socket is seen at once

        def do_GET(self) -> None:
            fake.requests.append(self.path)
            self._answer(*fake.get(self.path))

        def do_POST(self) -> None:
            fake.requests.append(self.path)
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            if self.path == "/v1/completions" and fake.dying:
                threading.Thread(target=fake.close, daemon=True).start()
                self.close_connection = True  # the answer never comes
                return
            self._answer(*fake.post(self.path, body))

        def _answer(self, code: int, value: Any) -> None:
            text = json.dumps(value).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def serving(**settings: Any) -> Iterator[FakeVllm]:
    fake = FakeVllm(**settings)
    try:
        yield fake
    finally:
        fake.close()


@pytest.fixture(name="serving")
def serving_fixture() -> Callable[..., AbstractContextManager[FakeVllm]]:
    """`with serving(dies_after=1) as fake:` runs a server on a port that the system chose."""
    return serving
