"""Which number format this CPU multiplies fast: bf16 wins several times over where the CPU has instructions for it
(AMX, AVX512-BF16), and loses by a factor of a hundred where it has not. Measured, not guessed from flags."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

# bf16 has to win clearly: it costs precision.
MARGIN = 1.2


@cache
def cpu_dtype() -> str:
    """`bfloat16` or `float32`, whichever multiplies matrices faster on this CPU. Takes a few milliseconds, once."""
    import torch

    fp32, bf16 = (_seconds(dtype) for dtype in (torch.float32, torch.bfloat16))
    return "bfloat16" if bf16 * MARGIN < fp32 else "float32"


def _seconds(dtype: Any) -> float:
    """Best of five products of a (256, 576) by a (576, 576) matrix, in seconds."""
    import torch

    a, b = torch.ones(256, 576, dtype=dtype), torch.ones(576, 576, dtype=dtype)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    return best
