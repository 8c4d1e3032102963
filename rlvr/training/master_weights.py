"""bf16 weights with fp32 master copies, for CPUs that multiply bf16 fast.

Plain bf16 weights lose small updates: a step of 1e-5 of a weight vanishes in 8 bits of mantissa. Here the optimizer
keeps and updates an fp32 copy of every parameter, and writes it back rounded. A CUDA machine does not need this: it
trains fp32 weights under bf16 autocast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim.adamw import adamw


class MasterWeightAdamW(torch.optim.Optimizer):
    """AdamW on fp32 copies of parameters of a lower precision.

    Args:
        params: parameters, or groups of them, as `torch.optim.AdamW` takes.
        lr, betas, eps, weight_decay: as in `torch.optim.AdamW`, with its formula.

    `state_dict` holds the copies, so that a resumed run goes on from them and not from rounded weights.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            self._update([p for p in group["params"] if p.grad is not None], group)
        return loss

    def _update(self, parameters: list[torch.Tensor], group: dict[str, Any]) -> None:
        if not parameters:
            return
        states = [self._state(p) for p in parameters]
        beta1, beta2 = group["betas"]
        adamw(
            [s["master"] for s in states],
            [p.grad.float() for p in parameters if p.grad is not None],
            [s["exp_avg"] for s in states],
            [s["exp_avg_sq"] for s in states],
            [],
            [s["step"] for s in states],
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
        for parameter, state in zip(parameters, states, strict=True):
            parameter.copy_(state["master"])

    def _state(self, parameter: torch.Tensor) -> dict[str, Any]:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["master"] = parameter.detach().float().clone()
            state["exp_avg"] = torch.zeros_like(state["master"])
            state["exp_avg_sq"] = torch.zeros_like(state["master"])
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state; the copies stay fp32 (torch would cast them to the parameters' precision)."""
        super().load_state_dict(state_dict)
        saved = state_dict["state"]
        parameters = [p for group in self.param_groups for p in group["params"]]
        for index, parameter in enumerate(parameters):
            if index in saved:
                for key in ("step", "master", "exp_avg", "exp_avg_sq"):
                    self.state[parameter][key] = saved[index][key].float().clone().to(parameter.device)
