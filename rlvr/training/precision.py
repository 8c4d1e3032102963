"""In which number format a run computes, and what that means for the model and TRL's options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rlvr.rollouts.precision import cpu_dtype


@dataclass(frozen=True, slots=True)
class Precision:
    """`name`: fp32, bf16 (autocast over fp32 weights, CUDA) or bf16-master (bf16 weights, fp32 copies, CPU)."""

    name: str

    @property
    def load_dtype(self) -> str:
        """How the weights are held."""
        return "bfloat16" if self.name == "bf16-master" else "float32"

    def trl_options(self) -> dict[str, Any]:
        return {"bf16": self.name == "bf16", "fp16": False}


def frozen_dtype(precision: Precision, lora: bool) -> str:
    """How weights are held. Under an adapter they are never updated, so that bf16 needs no fp32 copies."""
    return "bfloat16" if lora and precision.name != "fp32" else precision.load_dtype


def choose_precision(wanted: str) -> Precision:
    """Resolve `auto`: bf16 autocast on CUDA; on a CPU the format that it multiplies faster, measured."""
    import torch

    if wanted != "auto":
        return Precision(wanted)
    if torch.cuda.is_available():
        return Precision("bf16" if torch.cuda.is_bf16_supported() else "fp32")
    return Precision("bf16-master" if cpu_dtype() == "bfloat16" else "fp32")
