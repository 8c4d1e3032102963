"""The `engine:` block of a recipe: how vLLM runs, colocated or as a server, and what TRL is told of it.

A key that has no meaning for the recipe's `rollout` is refused, since a setting that does nothing would mislead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from rlvr.strict import MistakesError

ROLLOUTS = ("auto", "transformers", "vllm", "vllm_server")

COLOCATED_KEYS = ("gpu_memory_utilization", "tensor_parallel", "sleep", "kv_cache_gib", "max_model_len", "model_impl")
SERVER_KEYS = (
    "server_url",
    "server_host",
    "server_port",
    "server_timeout",
    "group_port",
    "retries",
    "retry_wait",
    "request_timeout",
)

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
KV_CACHE_GIB = 2
"""On a CPU, where vLLM cannot see how much the trainer will want."""

NO_STRUCTURE_IN_TRAINING = (
    "training under a grammar is refused: the engine samples from the model's probabilities renormalised over the "
    "tokens that the grammar allows, the trainer computes the plain ones, and TRL has no place for the grammar's mask; "
    "docs/rollouts.md has the measurement. Use `rlvr eval --structured`."
)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """See `docs/rollouts.md` for each key. `None` is TRL's or vLLM's default, or one that is stated here.

    Colocated: `gpu_memory_utilization`, `tensor_parallel` (GPUs that share one engine), `sleep` (the engine gives its
    memory back during the update), `kv_cache_gib` (on a CPU alone), `max_model_len` (prompt and completion tokens; what
    the recipe needs, where it is left out), `model_impl`.

    Server: `server_url`, or `server_host` and `server_port`; `server_timeout` (seconds to wait for it at the start),
    `group_port` (where weights are sent), `retries` of a request that cannot connect (one where an answer breaks off),
    `retry_wait` (seconds before the second of them, doubled for each), `request_timeout` (seconds for one answer).
    """

    gpu_memory_utilization: float | None = None
    tensor_parallel: int | None = None
    sleep: bool | None = None
    kv_cache_gib: int | None = None
    max_model_len: int | None = None
    model_impl: Literal["vllm", "transformers"] | None = None
    server_url: str | None = None
    server_host: str | None = None
    server_port: int | None = None
    server_timeout: float = 240.0
    group_port: int | None = None
    retries: int = 4
    retry_wait: float = 2.0
    request_timeout: float = 1800.0
    structured: bool = False

    def __post_init__(self) -> None:
        lines = [*_numbers(self), *_server(self)]
        if self.structured:
            lines.append(f"structured: {NO_STRUCTURE_IN_TRAINING}")
        if lines:
            raise MistakesError(lines)

    @property
    def url(self) -> str:
        """Where the server is reached."""
        if self.server_url is not None:
            return self.server_url.rstrip("/")
        return f"http://{self.server_host or DEFAULT_HOST}:{self.server_port or DEFAULT_PORT}"

    @property
    def cpu_cache_gib(self) -> int:
        """The cache's size on a CPU."""
        return KV_CACHE_GIB if self.kv_cache_gib is None else self.kv_cache_gib


def _numbers(o: EngineOptions) -> list[str]:
    lines = []
    if o.gpu_memory_utilization is not None and not 0 < o.gpu_memory_utilization <= 1:
        lines.append(f"gpu_memory_utilization: got {o.gpu_memory_utilization}, expected a share above 0, 1 at most.")
    for name in ("tensor_parallel", "kv_cache_gib", "max_model_len"):
        value = getattr(o, name)
        if value is not None and value < 1:
            lines.append(f"{name}: got {value}, expected 1 or more.")
    for name in ("server_port", "group_port"):
        value = getattr(o, name)
        if value is not None and not 1 <= value <= 65535:
            lines.append(f"{name}: got {value}, expected a port from 1 to 65535.")
    for name, least in (("server_timeout", 0.0), ("retries", 0), ("retry_wait", 0.0)):
        if getattr(o, name) < least:
            lines.append(f"{name}: got {getattr(o, name)}, expected 0 or more.")
    if o.request_timeout <= 0:
        lines.append(f"request_timeout: got {o.request_timeout}, expected more than 0 seconds.")
    return lines


def _server(o: EngineOptions) -> list[str]:
    if o.server_url is None:
        return []
    lines = []
    if o.server_host is not None or o.server_port is not None:
        lines.append("server_url: says host and port already; remove server_host and server_port.")
    try:
        parts = urlsplit(o.server_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number
        usable = False
    if not usable:
        lines.append(f"server_url: got {o.server_url!r:.80}, expected an address such as http://127.0.0.1:8000.")
    return lines


def set_keys(options: EngineOptions) -> set[str]:
    """The keys that differ from their defaults: those that the recipe says something about."""
    return {f.name for f in dataclasses.fields(options) if getattr(options, f.name) != f.default}


def conflicts(rollout: str, options: EngineOptions, *, needed_tokens: int | None = None) -> list[str]:
    """What of an `engine:` block makes no sense with a recipe's `rollout`; empty where everything does.

    `needed_tokens`: the longest prompt and completion that the recipe may ask for.
    """
    told = set_keys(options)
    colocated, server = sorted(told & set(COLOCATED_KEYS)), sorted(told & set(SERVER_KEYS))
    lines = []
    if rollout == "transformers" and told:
        lines.append(f"engine: {', '.join(sorted(told))}: rollout: transformers has no engine; remove the block.")
    elif rollout == "vllm_server" and colocated:
        lines.append(
            f"engine: {', '.join(colocated)}: the server's own; give them to `vllm serve` when it is started, and "
            "remove them here."
        )
    elif rollout in ("auto", "vllm") and server:
        lines.append(f"engine: {', '.join(server)}: only with rollout: vllm_server; remove them, or set the rollout.")
    length = options.max_model_len
    if length is not None and needed_tokens is not None and length < needed_tokens:
        lines.append(
            f"engine: max_model_len: got {length}, but data.max_prompt_tokens and trl.max_completion_length need "
            f"{needed_tokens}. Raise it, or leave it out."
        )
    return lines


def grpo_options(backend: str, options: EngineOptions, *, needed_tokens: int) -> dict[str, Any]:
    """What GRPOConfig is told of the rollouts, by TRL's own names.

    `backend` is `transformers`, `vllm` or `vllm_server`; a key that is left to TRL is not in the result.
    """
    if backend == "transformers":
        return {}
    told: dict[str, Any]
    if backend == "vllm_server":
        told = {
            "vllm_mode": "server",
            "vllm_server_base_url": options.url,
            "vllm_server_timeout": options.server_timeout,
            "vllm_group_port": options.group_port,
        }
    else:
        told = {
            "vllm_mode": "colocate",
            "vllm_max_model_length": options.max_model_len or needed_tokens,
            "vllm_gpu_memory_utilization": options.gpu_memory_utilization,
            "vllm_tensor_parallel_size": options.tensor_parallel,
            "vllm_enable_sleep_mode": options.sleep,
            "vllm_model_impl": options.model_impl,
        }
    return {"use_vllm": True, **{k: v for k, v in told.items() if v is not None}}


def needed_tokens(prompt_tokens: int, trl: Mapping[str, Any]) -> int:
    """Tokens of the longest prompt and completion: `trl` holds the recipe's options for GRPOConfig.

    256 is TRL's own `max_completion_length`.
    """
    return prompt_tokens + int(trl.get("max_completion_length") or 256)


def serve_command(model: str, options: EngineOptions, max_model_len: int | None = None) -> str:
    """The command that starts a server which TRL 1.16 can train with; `trl vllm-serve` only runs it.

    >>> print(serve_command("Qwen/Qwen3-1.7B", EngineOptions(server_port=8001), 3072))
    VLLM_SERVER_DEV_MODE=1 vllm serve Qwen/Qwen3-1.7B --host 127.0.0.1 --port 8001 --max-model-len 3072 \
--weight-transfer-config '{"backend": "nccl"}' --logprobs-mode processed_logprobs
    """
    import shlex

    parts = urlsplit(options.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    words = ["vllm", "serve", model, "--host", str(parts.hostname), "--port", str(port)]
    if max_model_len is not None:
        words += ["--max-model-len", str(max_model_len)]
    # Log-probabilities as they were sampled from (temperature included): TRL weighs by them.
    words += ["--weight-transfer-config", '{"backend": "nccl"}', "--logprobs-mode", "processed_logprobs"]
    return f"VLLM_SERVER_DEV_MODE=1 {shlex.join(words)}"


def machine_problems(
    backend: str, options: EngineOptions, *, cuda: bool, processes: int
) -> tuple[list[str], list[str]]:
    """What this machine cannot do (errors), and what it leaves out (notes), each one line."""
    errors, notes = [], []
    tensor_parallel = options.tensor_parallel or 1
    if backend == "vllm_server" and not cuda:
        errors.append(
            "rollout: vllm_server: the trainer needs a CUDA GPU of its own: TRL sends weights to the server over NCCL. "
            "Use rollout: vllm (the CPU build, in this process) or transformers."
        )
    if backend == "vllm" and processes % tensor_parallel:
        errors.append(
            f"engine: tensor_parallel: {tensor_parallel} GPUs share an engine, and there are {processes} training "
            f"processes: expected a multiple. Start with `accelerate launch --num_processes {tensor_parallel} …`."
        )
    elif backend == "vllm" and not cuda and tensor_parallel > 1:
        errors.append("engine: tensor_parallel: the CPU build of vLLM runs colocated in one process; remove it here.")
    if backend == "vllm":
        unused = ("sleep", "gpu_memory_utilization") if not cuda else ("kv_cache_gib",)
        kind = "CUDA" if not cuda else "CPUs"
        notes += [f"engine: {k}: only on {kind}; not used here" for k in unused if k in set_keys(options)]
    return errors, notes
