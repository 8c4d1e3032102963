"""Ports that a run opens and another program has: torch's, and the one that weights are sent over."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Mapping

from rlvr.errors import UsageError

_SIGNS = ("EADDRINUSE", "address already in use", "errno: 98")
_PORT = re.compile(r"\bport[:=]?\s*(\d{2,5})|\[[^\]]*\]:(\d{2,5})", re.IGNORECASE)
GROUP_PORT = 51216
"""TRL's own `vllm_group_port`."""


def is_free(port: int, host: str = "") -> bool:
    """Whether this process could listen on a port.

    >>> with socket.create_server(("127.0.0.1", 0)) as taken:
    ...     is_free(taken.getsockname()[1], "127.0.0.1")
    False
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
            # Else a run that has just ended would be in the way.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except OSError:
        return False
    return True


def check_ports(
    environment: Mapping[str, str] | None = None, *, colocated: bool = False, group_port: int | None = None
) -> None:
    """Raise `UsageError` where a port that this process will listen on is taken.

    That is `MASTER_PORT` in the first process of a run, where there are several or vLLM is `colocated` (under torchrun
    its agent listens there, rightly), and `group_port` where weights go to a server.
    """
    given = os.environ if environment is None else environment
    if given.get("RANK", "0") != "0":
        return
    master = given.get("MASTER_PORT", "")
    listens = (colocated or given.get("WORLD_SIZE", "1") != "1") and given.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    if listens and master.isdigit() and not is_free(int(master)):
        raise UsageError(_master(master))
    if group_port is not None and not is_free(group_port):
        raise UsageError(_group(group_port))


def port_in_use(error: BaseException) -> str | None:
    """What to say where an error is that of a port in use; `None` where it is another.

    >>> port_in_use(OSError(errno.EADDRINUSE, "Address already in use"))
    'a port that the run wants to listen on is in use. Set MASTER_PORT (torch) or engine.group_port (weights for a \
vLLM server) to a free one.'
    >>> port_in_use(ValueError("no")) is None
    True
    """
    text = str(error)
    used = getattr(error, "errno", None) == errno.EADDRINUSE or any(sign.lower() in text.lower() for sign in _SIGNS)
    if not used:
        return None
    found = _PORT.search(text)
    if found is None:
        return (
            "a port that the run wants to listen on is in use. Set MASTER_PORT (torch) or engine.group_port (weights "
            "for a vLLM server) to a free one."
        )
    port = found.group(1) or found.group(2)
    return _group(int(port)) if port == str(GROUP_PORT) else _master(port)


def _master(port: str) -> str:
    return (
        f"port {port} is in use: torch wants to listen on it (MASTER_PORT). Another run may use it. Set MASTER_PORT "
        "to a free port, or start with `accelerate launch --main_process_port PORT …`."
    )


def _group(port: int) -> str:
    return (
        f"port {port} is in use: the trainer sends the vLLM server its weights over it. Set engine.group_port to a "
        "free port."
    )
