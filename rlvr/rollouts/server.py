"""A vLLM server that a run depends on: looked at before the first step, and given up on with a clear error.

`check_server` uses the standard library alone, so that it can run before anything heavy is loaded.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from rlvr.errors import RunError, UsageError

PROCESSED = "processed_logprobs"
_LOOK_SECONDS = 5.0
_WAIT_SECONDS = 1.0
_SHOWN = 300


class ServerLostError(RunError):
    """The server stopped answering while a run went on, after all retries. It pickles, to reach every process."""


def check_server(
    url: str,
    command: str,
    *,
    timeout: float,
    needed_tokens: int,
    say: Callable[[str], None] = lambda line: None,
) -> str:
    """Wait up to `timeout` seconds for a vLLM server, and return the name under which it serves its model.

    Raises `UsageError`, with the URL and the command that starts a server, where none answers, where what answers is no
    vLLM server or one that cannot take weights, and where its context is shorter than `needed_tokens`.
    """
    _wait_until_up(url, command, timeout, say)
    try:
        served = _get_json(f"{url}/v1/models")["data"][0]
        name, length = str(served["id"]), served.get("max_model_len")
    except (*_BROKEN, KeyError, IndexError, TypeError, ValueError) as error:
        raise UsageError(
            f"{url}: something answers there, but it lists no model as vLLM does ({_shown(error)}). "
            f"Another program has this port; start the server on a free one:\n    {command}"
        ) from error
    if isinstance(length, int) and length < needed_tokens:
        raise UsageError(
            f"{url}: the server takes {length} tokens, and prompt and completion need {needed_tokens}. Start it with "
            f"--max-model-len {needed_tokens}, or lower data.max_prompt_tokens or trl.max_completion_length."
        )
    _check_takes_weights(url, command)
    return name


def _wait_until_up(url: str, command: str, timeout: float, say: Callable[[str], None]) -> None:
    end = time.monotonic() + timeout
    told = False
    while True:
        try:
            with _opener().open(Request(f"{url}/health"), timeout=_LOOK_SECONDS):
                return
        except HTTPError as error:
            if error.code == 404:
                raise UsageError(
                    f"{url}: something answers there, but it is no vLLM server (/health: 404). "
                    f"Start the server on a free port:\n    {command}"
                ) from error
            reason: Exception = error  # 503 while it loads
        except _BROKEN as error:
            reason = error
        left = end - time.monotonic()
        if left <= 0:
            raise UsageError(
                f"{url}: no vLLM server answers after {timeout:g} s ({_shown(reason)}). "
                f"Start it, on GPUs that training does not use:\n    {command}"
            ) from reason
        if not told:
            say(f"waiting up to {timeout:g} s for the vLLM server at {url}")
            told = True
        time.sleep(min(_WAIT_SECONDS, left))


def _check_takes_weights(url: str, command: str) -> None:
    try:
        info = _get_json(f"{url}/server_info?config_format=json")["vllm_config"]
        takes = info.get("weight_transfer_config") is not None
        mode = (info.get("model_config") or {}).get("logprobs_mode", PROCESSED)
    except HTTPError as error:
        if error.code != 404:
            raise _unclear(url, error) from error
        takes, mode = False, PROCESSED
    except (*_BROKEN, KeyError, TypeError, AttributeError, ValueError) as error:
        raise _unclear(url, error) from error
    if not takes:
        raise UsageError(
            f"{url}: the server takes no weights from a trainer. Stop it, and start it like this:\n    {command}"
        )
    if mode != PROCESSED:
        raise UsageError(
            f"{url}: the server gives {mode}, and training needs {PROCESSED}: those of what was sampled "
            f"from, temperature included. Start it like this:\n    {command}"
        )


def _unclear(url: str, error: Exception) -> UsageError:
    return UsageError(f"{url}: the server does not say how it is set up ({_shown(error)}). Look at its own output.")


_BROKEN = (URLError, http.client.HTTPException, OSError)
"""What a connection that does not work raises."""


def _opener() -> Any:
    """Without the proxies of the environment: they are for the network outside, and would hide a server at hand."""
    return build_opener(ProxyHandler({}))


def _get_json(url: str) -> Any:
    with _opener().open(Request(url), timeout=_LOOK_SECONDS) as answer:
        return json.loads(answer.read().decode("utf-8"))


def _shown(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    text = str(reason if reason is not None else error) or type(error).__name__
    return " ".join(text.split())[:_SHOWN]


class Lost:
    """Stands for the completions of a server that is gone.

    TRL sends what its client returns to all processes and goes through it there: so the error is raised in each of
    them, at the same place, and a checkpoint that needs them all can be written.
    """

    def __init__(self, message: str) -> None:
        self.message = message

    def __iter__(self) -> Any:
        raise ServerLostError(self.message)

    def __getitem__(self, index: Any) -> Any:
        raise ServerLostError(self.message)


class GuardedClient:
    """TRL's client of a vLLM server, whose failures become `ServerLostError` in every process.

    Only the process that talks to the server has a client. What fails while weights are sent is told at the next
    generation, since the other processes are gathering weights and expect this one to take part.
    """

    def __init__(self, client: Any, url: str) -> None:
        self._client, self._url, self._failed = client, url, ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        if not self._failed:
            try:
                return self._client.generate(*args, **kwargs)
            except Exception as error:  # TRL raises a bare Exception where the server answers with an error
                self._failed = self._message("completions were asked for", error)
        lost = Lost(self._failed)
        return {"prompt_ids": lost, "completion_ids": lost, "logprobs": None, "logprob_token_ids": None}

    def update_named_params(self, metadata: Any, named_params: Any) -> None:
        try:
            if not self._failed:
                self._client.update_named_params(metadata, named_params)
        except Exception as error:
            self._failed = self._message("weights were sent", error)
        for _ in named_params:  # the other processes gather every parameter, and wait for this one
            pass

    def reset_prefix_cache(self) -> None:
        try:
            if not self._failed:
                self._client.reset_prefix_cache()
        except Exception as error:
            self._failed = self._message("its cache was to be emptied", error)

    def _message(self, when: str, error: Exception) -> str:
        return f"the vLLM server at {self._url} failed when {when}: {_shown(error)}"


def guard(generation: Any, *, url: str, retries: int, retry_wait: float, request_timeout: float) -> None:
    """Give the server side of a `trl.generation` object our retries, a limit of time, and an error that is caught.

    TRL's own client tries five times and waits for an answer without end: a server that hangs would hang the run.
    """
    client = getattr(generation, "vllm_client", None)
    if client is None:  # another process of the run talks to the server
        return
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    class Adapter(HTTPAdapter):
        def send(self, request: Any, **kwargs: Any) -> Any:  # type: ignore[override]
            kwargs["timeout"] = kwargs.get("timeout") or request_timeout
            return super().send(request, **kwargs)

    tries = Retry(
        total=retries,
        read=min(1, retries),  # an answer that broke off or never came is asked for once more
        backoff_factor=retry_wait / 2,  # urllib3 waits factor x 2, x 4, …, and not before the first retry
        status_forcelist=[500, 502, 503],
        allowed_methods=["GET", "POST"],
    )
    adapter = Adapter(max_retries=tries, pool_maxsize=64)
    for scheme in ("http://", "https://"):
        client.session.mount(scheme, adapter)
    generation.vllm_client = GuardedClient(client, url)
