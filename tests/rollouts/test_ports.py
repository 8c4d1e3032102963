"""Ports that another program has: told before the first step, and wherever the error comes up."""

from __future__ import annotations

import socket

import pytest

from rlvr.errors import UsageError
from rlvr.rollouts.ports import check_ports, is_free, port_in_use


@pytest.fixture
def taken() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_a_port_is_free_until_somebody_listens(taken: int) -> None:
    assert not is_free(taken)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
    assert is_free(port)


@pytest.mark.parametrize("environment", [{"WORLD_SIZE": "2", "RANK": "0"}, {"WORLD_SIZE": "2"}])
def test_torchs_port_in_use_is_one_clear_error(environment: dict[str, str], taken: int) -> None:
    with pytest.raises(UsageError, match=rf"port {taken} is in use: torch wants .* --main_process_port"):
        check_ports({**environment, "MASTER_PORT": str(taken)})


def test_a_colocated_engine_listens_there_too(taken: int) -> None:
    check_ports({"MASTER_PORT": str(taken)})  # one process, no engine: nobody listens
    with pytest.raises(UsageError, match="torch wants"):
        check_ports({"MASTER_PORT": str(taken)}, colocated=True)


@pytest.mark.parametrize(
    "environment",
    [
        {"RANK": "1", "WORLD_SIZE": "2"},  # the first process listens, the others connect
        {"RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_USE_AGENT_STORE": "True"},  # torchrun's agent listens
    ],
)
def test_a_port_that_is_taken_rightly_is_no_error(environment: dict[str, str], taken: int) -> None:
    check_ports({**environment, "MASTER_PORT": str(taken)})


def test_the_port_of_the_weights_is_looked_at(taken: int) -> None:
    with pytest.raises(UsageError, match=rf"port {taken} is in use: the trainer sends .* engine\.group_port"):
        check_ports({}, group_port=taken)


def test_torchs_own_error_is_understood(taken: int) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError) as caught:
        torch.distributed.TCPStore("127.0.0.1", taken, is_master=True, wait_for_workers=False)
    assert f"port {taken} is in use" in str(port_in_use(caught.value))


def test_the_systems_own_error_is_understood(taken: int) -> None:
    with socket.socket() as second, pytest.raises(OSError, match="in use") as caught:
        second.bind(("127.0.0.1", taken))
    assert "a port that the run wants to listen on is in use" in str(port_in_use(caught.value))


@pytest.mark.parametrize("error", [ValueError("port 8000 is nice"), OSError(28, "No space left on device")])
def test_other_errors_are_left_alone(error: Exception) -> None:
    assert port_in_use(error) is None
