"""A vLLM server that is down, is something else, is not set up for training, or dies in the middle: on real sockets."""

from __future__ import annotations

import pickle
import socket
import threading
import time
from typing import Any

import pytest

from rlvr.errors import UsageError
from rlvr.rollouts.server import GuardedClient, Lost, ServerLostError, check_server, guard

COMMAND = "VLLM_SERVER_DEV_MODE=1 vllm serve tiny --port 8000"


def look(url: str, timeout: float = 0.0, needed: int = 100, **kwargs: Any) -> str:
    return check_server(url, COMMAND, timeout=timeout, needed_tokens=needed, **kwargs)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


def test_a_server_that_is_up_is_named(serving: Any) -> None:
    with serving() as fake:
        assert look(fake.url) == "tiny"
        assert {r.split("?")[0] for r in fake.requests} == {"/health", "/v1/models", "/server_info"}


def test_a_server_that_is_down_is_one_error_with_its_address_and_the_command() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UsageError) as caught:
        look(url)
    said = str(caught.value)
    assert said.startswith(f"{url}: no vLLM server answers after 0 s (")
    assert "refused" in said
    assert said.endswith(COMMAND)


def test_a_server_that_comes_up_late_is_waited_for(serving: Any) -> None:
    port, lines = free_port(), []
    late = serving(port=port)
    starter = threading.Timer(0.3, late.__enter__)
    starter.start()
    try:
        assert look(f"http://127.0.0.1:{port}", timeout=20, say=lines.append) == "tiny"
    finally:
        starter.join()
        late.__exit__(None, None, None)
    assert lines == [f"waiting up to 20 s for the vLLM server at http://127.0.0.1:{port}"]


def test_a_server_that_never_answers_does_not_hang_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlvr.rollouts.server._LOOK_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        start = time.monotonic()
        with pytest.raises(UsageError, match=r"no vLLM server answers after 0\.1 s"):
            look(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1)
        assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"models": {"hello": 1}}, "lists no model as vLLM does"),
        ({"max_model_len": 99}, "takes 99 tokens, and prompt and completion need 100"),
        ({"dev_mode": False}, "takes no weights from a trainer"),
        ({"takes_weights": False}, "takes no weights from a trainer"),
        ({"logprobs_mode": "raw_logprobs"}, "gives raw_logprobs, and training needs processed_logprobs"),
    ],
)
def test_a_server_that_cannot_serve_a_run(serving: Any, settings: dict[str, Any], said: str) -> None:
    with serving(**settings) as fake, pytest.raises(UsageError, match=said) as caught:
        look(fake.url)
    assert str(caught.value).startswith(fake.url)


def test_another_program_on_the_port_is_told(serving: Any) -> None:
    with serving() as fake:
        fake.get = lambda path: (404, {})
        with pytest.raises(UsageError, match="it is no vLLM server"):
            look(fake.url)


def test_what_stands_for_lost_completions_raises_wherever_it_is_gone_through() -> None:
    lost = pickle.loads(pickle.dumps(Lost("gone")))  # as it reaches the other processes
    with pytest.raises(ServerLostError, match="gone"):
        [x for x in lost for _ in range(2)]
    with pytest.raises(ServerLostError, match="gone"):
        lost[0:4]


def client_of(url: str) -> Any:
    pytest.importorskip("requests")
    import requests

    class Client:
        """What of TRL's client is guarded, over a real session."""

        def __init__(self) -> None:
            self.session = requests.Session()
            self.session.trust_env = False  # no proxy between the test and its server
            self.sent = 0

        def generate(self, prompts: list[list[int]]) -> Any:
            answer = self.session.post(f"{url}/v1/completions", json={"prompt": prompts, "n": 1})
            if answer.status_code != 200:
                raise Exception(f"Request failed: {answer.status_code}")
            return {"prompt_ids": prompts, "completion_ids": [c["token_ids"] for c in answer.json()["choices"]]}

        def update_named_params(self, metadata: Any, named_params: Any) -> None:
            if self.session.post(f"{url}/start_weight_update", json={}).status_code == 200:
                self.sent += sum(1 for _ in named_params)

        def reset_prefix_cache(self) -> None:
            self.session.post(f"{url}/reset_prefix_cache")

    class Generation:
        vllm_client = Client()

    return Generation()


def guarded(url: str, **changes: Any) -> GuardedClient:
    generation = client_of(url)
    guard(generation, **{"url": url, "retries": 2, "retry_wait": 0.02, "request_timeout": 5.0, **changes})
    client = generation.vllm_client
    assert isinstance(client, GuardedClient)
    return client


def test_a_server_that_is_busy_for_a_moment_is_asked_again(serving: Any) -> None:
    with serving(faults=2) as fake:
        assert guarded(fake.url).generate([[1, 2]])["completion_ids"] == [[65, 66, 67, 65, 2]]
        assert fake.requests.count("/v1/completions") == 3


def test_retries_have_a_limit(serving: Any) -> None:
    with serving(faults=99) as fake:
        with pytest.raises(ServerLostError, match="failed when completions were asked for"):
            list(guarded(fake.url).generate([[1]])["prompt_ids"])
        assert fake.requests.count("/v1/completions") == 3  # once, and two retries


def test_a_server_that_dies_in_the_middle_is_lost_and_stays_so(serving: Any) -> None:
    with serving(dies_after=1) as fake:
        client = guarded(fake.url)
        assert client.generate([[1]])["completion_ids"]
        with pytest.raises(ServerLostError, match=f"the vLLM server at {fake.url} failed when completions"):
            list(client.generate([[1]])["completion_ids"])
        parameters = iter([("a", 1), ("b", 2)])
        client.update_named_params([], parameters)  # gathers what the other processes gather, and sends nothing
        assert list(parameters) == []
        assert client.sent == 0
        client.reset_prefix_cache()


def test_a_server_that_is_gone_when_weights_are_sent_is_told_at_the_next_generation(serving: Any) -> None:
    with serving() as fake:
        client = guarded(fake.url)
        client.update_named_params([], iter([("a", 1)]))
        assert client.sent == 1
    parameters = iter([("a", 1), ("b", 2)])
    client.update_named_params([], parameters)
    assert list(parameters) == []
    with pytest.raises(ServerLostError, match="failed when weights were sent"):
        list(client.generate([[1]])["prompt_ids"])


def test_an_answer_that_never_comes_is_given_up(serving: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = guarded(f"http://127.0.0.1:{silent.getsockname()[1]}", retries=0, request_timeout=0.2)
        with pytest.raises(ServerLostError, match="timed out"):
            list(client.generate([[1]])["prompt_ids"])


def test_an_error_of_the_servers_own_is_shown(serving: Any) -> None:
    with serving(fails_after=0) as fake, pytest.raises(ServerLostError, match="Request failed: 400"):
        list(guarded(fake.url).generate([[1]])["prompt_ids"])
