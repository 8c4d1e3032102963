"""Memory of a training process: kept while it runs on a CPU, and measured at its end."""

from __future__ import annotations

import ctypes
import sys

# glibc's mallopt parameters (malloc.h).
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell glibc not to give large blocks back to the system. Returns whether it obeyed; elsewhere nothing happens.

    Otherwise every activation of more than some megabytes is mapped, zeroed by the kernel page by page, and unmapped
    again: a third of a step's time was seen to go there. The process keeps the most memory that it ever held.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, LARGEST_INT))


def peak_memory() -> dict[str, float]:
    """The most memory that this process ever held: `peak_memory_gib`, and `peak_gpu_memory_gib` where it used a GPU.

    Of the GPU it is what torch allocated, an engine in the same process included where torch allocates for it.
    """
    import torch

    peaks: dict[str, float] = {}
    if not sys.platform.startswith("win"):
        import resource

        unit = 2**30 if sys.platform == "darwin" else 2**20  # ru_maxrss counts bytes there and KiB elsewhere
        peaks["peak_memory_gib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 2)
    if torch.cuda.is_available():
        peaks["peak_gpu_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return peaks
