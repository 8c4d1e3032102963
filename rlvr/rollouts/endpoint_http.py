"""Requests to an OpenAI-compatible server: streamed, tried again where that may help, every fault one clear error.

- 408, 409, 425, 429, 5xx, no connection, no whole answer in time, an answer that breaks off: tried again after 1, 2,
  4, … seconds, or after those that `Retry-After` says; then a `RunError`;
- 401, 403 or another 4xx: a `UsageError` at once, with the server's own words;
- 400 because the prompt does not fit into the context: no error, `TooLongError`, which the answer tells.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from rlvr.errors import RunError, UsageError, did_you_mean
from rlvr.extras import require

APIS = ("chat", "completions")
PATHS = {"chat": "chat/completions", "completions": "completions"}
LOOK_SECONDS = 10.0
MAX_ANSWER_BYTES = 16_000_000
_RETRIED = frozenset((408, 409, 425, 429))
_TOO_LONG = re.compile(r"context[ _-]?(length|size|window)|maximum (model|input) length|prompt is too long", re.I)
_MOST_WAIT = 60.0
_SHOWN = 300
_HOME = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """Where and how to ask.

    `url` is the API's address, up to and with `/v1` (added where the address has no path). The key is read from the
    environment variable `key_env`, where that is set. `concurrency` requests are on their way at a time; `timeout` is
    for one whole answer, in seconds; a request is tried again `retries` times, the first after `retry_wait` seconds.
    `thinking` is told to the server's chat template.
    """

    url: str
    api: str = "chat"
    key_env: str = "OPENAI_API_KEY"
    concurrency: int = 16
    timeout: float = 300.0
    retries: int = 4
    retry_wait: float = 1.0
    thinking: bool | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"--endpoint: got {self.url!r}, expected an address such as http://127.0.0.1:8000/v1")
        if not parts.path.strip("/"):
            object.__setattr__(self, "url", urlunsplit((*parts[:2], "/v1", *parts[3:])))
        object.__setattr__(self, "url", self.url.rstrip("/"))
        if self.api not in APIS:
            raise UsageError(f"--api: got {self.api!r}, expected one of {', '.join(APIS)}")
        for name, least in (("concurrency", 1), ("retries", 0), ("retry_wait", 0.0)):
            if getattr(self, name) < least:
                raise UsageError(f"--{name.replace('_', '-')} must be at least {least}, got {getattr(self, name)}")
        if not self.timeout > 0:
            raise UsageError(f"--timeout must be more than 0 seconds, got {self.timeout}")

    @property
    def shown(self) -> str:
        """The address without a password."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], *parts[2:]))

    def client_options(self) -> dict[str, Any]:
        """What an httpx client is made with: proxies of the environment are for the network outside."""
        key, parts = os.environ.get(self.key_env), urlsplit(self.url)
        return {
            "base_url": f"{self.url}/",
            "headers": {"Authorization": f"Bearer {key}"} if key else {},
            "trust_env": parts.hostname not in _HOME,
            "verify": parts.scheme == "https",  # to read the certificates takes longer than many an answer
        }


@dataclass(frozen=True, slots=True)
class Served:
    """What a server says of a model: who serves (`vllm`, `sglang`, …), the tokens it takes, where it lies."""

    name: str
    owned_by: str = ""
    max_model_len: int | None = None
    root: str = ""


def look(options: EndpointOptions, model: str) -> Served:
    """Ask a server for its models, before any work.

    Raises `UsageError` where nothing answers, where what answers is no OpenAI-compatible API or refuses the key, and
    where it does not serve `model`.
    """
    require("httpx", "endpoint", "--endpoint")
    import httpx

    where = options.shown
    try:
        with httpx.Client(**options.client_options(), timeout=min(LOOK_SECONDS, options.timeout)) as client:
            answer = client.get("models")
    except httpx.TimeoutException:
        raise UsageError(
            f"{where}: no answer within {min(LOOK_SECONDS, options.timeout):g} s. The server may still be starting."
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UsageError(f"{where}: no server answers ({_line(error)}). Start it, or correct --endpoint.") from None
    if answer.status_code in (401, 403):
        raise UsageError(_refused_key(options, answer.status_code, said(answer.content)))
    if answer.status_code >= 500:
        raise UsageError(
            f"{where}: the server answers {answer.status_code} when asked for its models ({said(answer.content)}). "
            "Look at its own log."
        )
    models = _models(answer.content) if answer.status_code == 200 else None
    if models is None:
        raise UsageError(
            f"{where}: something answers there, but it is no OpenAI-compatible API (GET {where}/models: "
            f"{answer.status_code}, no list of models). The address usually ends in /v1."
        )
    if model not in models:
        raise UsageError(f"{where}: serves no model {model!r}.{did_you_mean(model, list(models))}")
    return models[model]


def _models(content: bytes) -> dict[str, Served] | None:
    try:
        rows = json.loads(content)["data"]
        found = [Served(str(r["id"]), str(r.get("owned_by")), r.get("max_model_len"), str(r.get("root"))) for r in rows]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return {s.name: s for s in found}


class TryAgainError(Exception):
    """Something that may pass: the next try may have an answer, after `wait` seconds where the server says so."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class TooLongError(Exception):
    """The prompt does not fit into the model's context."""


async def tried(
    ask: Callable[[], Awaitable[Any]], options: EndpointOptions, stop: Callable[[], bool] = lambda: False
) -> Any:
    """What `ask` gives, after as many tries as are allowed; no further one where `stop` says so.

    Raises `RunError` where no try had an answer.
    """
    import httpx

    why, wait = "", options.retry_wait
    for turn in range(options.retries + 1):
        if turn:
            await asyncio.sleep(min(wait, _MOST_WAIT))
            if stop():
                break
        wait = options.retry_wait * 2.0**turn
        try:
            async with asyncio.timeout(options.timeout):
                return await ask()
        except (TimeoutError, httpx.TimeoutException):
            why = f"no whole answer within {options.timeout:g} s"
        except httpx.HTTPError as error:
            why = _line(error)
        except TryAgainError as error:
            why, wait = str(error), wait if error.wait is None else error.wait
    raise RunError(f"{options.shown}: no answer in {options.retries + 1} tries ({why}).")


async def events(client: Any, path: str, body: Mapping[str, Any], options: EndpointOptions) -> AsyncIterator[Any]:
    """The events of a streamed answer as JSON, or the one object of a server that does not stream.

    `None` is the end that a stream says itself. Raises `TryAgainError`, `TooLongError` or `UsageError` (see above).
    """
    async with client.stream("POST", path, json=body) as answer:
        if answer.status_code != 200:
            _raise(answer.status_code, await answer.aread(), answer.headers, options)
        if "event-stream" not in answer.headers.get("content-type", ""):
            yield _checked(_json(await answer.aread()), options)
            yield None
            return
        async for line in _lines(answer.aiter_bytes()):
            data = line.removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
            if data == b"[DONE]":
                yield None
                return
            if data:
                yield _checked(_json(data), options)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines as server-sent events have them; httpx would also split at U+2028, which an answer may hold."""
    left, size = b"", 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise TryAgainError(f"an answer of more than {MAX_ANSWER_BYTES:,} bytes")
        *whole, left = (left + chunk).split(b"\n")
        for line in whole:
            yield line
    if left:
        yield left


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        shown = data[:80].decode("utf-8", "replace")
        raise TryAgainError(f"the answer is no JSON, or is cut off: {shown!r}") from None


def _checked(value: Any, options: EndpointOptions) -> Any:
    """An event that is an error inside a stream becomes what its code says."""
    if not isinstance(value, dict):
        raise TryAgainError(f"the answer is no object, but {type(value).__name__}")
    error = value.get("error")
    if error:
        code = error.get("code") if isinstance(error, dict) else None
        _raise(code if isinstance(code, int) else 500, json.dumps(value).encode(), {}, options)
    return value


def _raise(status: int, content: bytes, headers: Mapping[str, str], options: EndpointOptions) -> None:
    words = said(content)
    if status in _RETRIED or status >= 500:
        told = headers.get("retry-after", "")
        raise TryAgainError(f"it answers {status}: {words}", float(told) if told.isdigit() else None)
    if status in (401, 403):
        raise UsageError(_refused_key(options, status, words))
    if status in (400, 413, 422) and _TOO_LONG.search(content.decode("utf-8", "replace")):
        raise TooLongError(words)
    raise UsageError(f"{options.shown}: it answers {status} to {PATHS[options.api]}: {words}")


def _refused_key(options: EndpointOptions, status: int, words: str) -> str:
    hint = (
        f"The key in {options.key_env} is not accepted."
        if os.environ.get(options.key_env)
        else f"No key is set: put it into the environment variable {options.key_env} (--api-key-env names another)."
    )
    return f"{options.shown}: it answers {status} ({words}). {hint}"


def said(content: bytes) -> str:
    """A server's own words about what is wrong, in one line.

    >>> said(b'{"error": {"message": "no such model", "code": 404}}')
    'no such model'
    """
    text = content.decode("utf-8", "replace")
    try:
        value = json.loads(text)
        error = value.get("error", value)
        text = str(error.get("message") or error.get("detail") or text) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError):
        pass
    return " ".join(text.split())[:_SHOWN] or "no words"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:_SHOWN] or type(error).__name__


def now() -> float:
    """The clock of an answer's times."""
    return time.perf_counter()
