"""bf16 weights with fp32 master copies, for CPUs that multiply bf16 fast.

Plain bf16 weights lose small updates: a step of 1e-5 of a weight vanishes in 8 bits of mantissa. Here the optimizer
keeps and updates an fp32 copy of every parameter, and writes it back rounded. A CUDA machine does not need this: it
trains fp32 weights under bf16 autocast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch


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
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["master"] = parameter.detach().float().clone()
            state["exp_avg"] = torch.zeros_like(state["master"])
            state["exp_avg_sq"] = torch.zeros_like(state["master"])
        assert parameter.grad is not None
        grad, master = parameter.grad.float(), state["master"]
        state["step"] += 1
        step, (beta1, beta2) = float(state["step"]), group["betas"]
        master.mul_(1 - group["lr"] * group["weight_decay"])
        state["exp_avg"].lerp_(grad, 1 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        denominator = (state["exp_avg_sq"] / (1 - beta2**step)).sqrt_().add_(group["eps"])
        master.addcdiv_(state["exp_avg"], denominator, value=-group["lr"] / (1 - beta1**step))
        parameter.copy_(master)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state; the copies stay fp32 (torch would cast them to the parameters' precision)."""
        super().load_state_dict(state_dict)
        saved = state_dict["state"]
        parameters = [p for group in self.param_groups for p in group["params"]]
        for index, parameter in enumerate(parameters):
            if index in saved:
                for key in ("step", "master", "exp_avg", "exp_avg_sq"):
                    self.state[parameter][key] = saved[index][key].float().clone().to(parameter.device)
