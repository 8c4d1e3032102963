"""How much memory there is, for the trainer and for the engine beside it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from rlvr.extras import has

GIB = 2**30
_NO_LIMIT = 2**60  # cgroups write "no limit" as a number near 2**63


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the run computes. `total` and `free` in bytes, of that device; `None` where they cannot be read."""

    device: str
    total: int | None
    free: int | None


def this_machine() -> Machine:
    """The first CUDA device, else this machine's memory as this process may use it."""
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return Machine(torch.cuda.get_device_name(), int(total), int(free))
    return main_memory()


def main_memory() -> Machine:
    """The memory of the machine, or what a container leaves of it."""
    total, free = _meminfo(Path("/proc/meminfo"))
    if total is None and has("psutil"):
        memory: Any = import_module("psutil").virtual_memory()
        total, free = int(memory.total), int(memory.available)
    limit, used = container_memory(Path("/sys/fs/cgroup"))
    if limit is not None and total is not None and free is not None:
        total, free = min(total, limit), min(free, max(0, limit - used))
    return Machine("this machine's memory", total, free)


def _meminfo(path: Path) -> tuple[int | None, int | None]:
    """MemTotal and MemAvailable of Linux, in bytes."""
    found: dict[str, int] = {}
    with suppress(OSError, ValueError):
        for line in path.read_text(encoding="ascii").splitlines():
            name, _, rest = line.partition(":")
            if name in ("MemTotal", "MemAvailable"):
                found[name] = int(rest.split()[0]) * 1024
    return found.get("MemTotal"), found.get("MemAvailable")


def container_memory(root: Path) -> tuple[int | None, int]:
    """The limit of the control group that this process runs in, and what is used of it, file caches left out."""
    for limit_file, used_file, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            text = (root / limit_file).read_text(encoding="ascii").strip()
            used = int((root / used_file).read_text(encoding="ascii"))
            stat = (root / used_file).with_name("memory.stat").read_text(encoding="ascii")
        except (OSError, ValueError):
            continue
        if not text.isdigit() or int(text) > _NO_LIMIT:
            return None, 0
        counts = dict(line.split()[:2] for line in stat.splitlines() if len(line.split()) == 2)
        return int(text), max(0, used - int(counts.get(cache, 0)))
    return None, 0


def resident() -> tuple[int, int] | None:
    """This process's memory now and at most since `forget_peak`, in bytes; `None` where the system does not tell."""
    found: dict[str, int] = {}
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            name, _, rest = line.partition(":")
            if name in ("VmRSS", "VmHWM"):
                found[name] = int(rest.split()[0]) * 1024
    return (found["VmRSS"], found["VmHWM"]) if len(found) == 2 else None


def forget_peak() -> bool:
    """Let the peak of this process's memory be counted from now on (Linux). Returns whether the system obeyed."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return True
    return False


def kv_cache_of_cpu_engine(gib: int) -> int:
    """Bytes that vLLM's CPU build keeps for keys and values: what the environment says, else the recipe's `gib`."""
    with suppress(ValueError):
        return int(float(os.environ.get("VLLM_CPU_KVCACHE_SPACE", gib)) * GIB)
    return gib * GIB
