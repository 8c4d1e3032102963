"""Keep freed memory within the process, where a training run on a CPU asks for the same sizes at every step."""

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
