"""bf16 weights with fp32 master copies, for CPUs that multiply bf16 fast.

Plain bf16 weights lose small updates: a step of 1e-5 of a weight vanishes in 8 bits of mantissa. Here the optimizer
keeps and updates an fp32 copy of every parameter, and writes it back rounded. A CUDA machine does not need this: it
trains fp32 weights under bf16 autocast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch


class MasterWeights(torch.optim.Optimizer):
    """Any optimizer of torch's form, on fp32 copies of parameters of a lower precision.

    Args:
        params: parameters, or groups of them, as optimizers take.
        optimizer_cls: the optimizer that updates the copies.
        options: its options, `lr` among them.

    The groups' options are the optimizer's own: a schedule that sets `param_groups[0]["lr"]` reaches it. `state_dict`
    holds the copies, so that a resumed run goes on from them and not from rounded weights.
    """

    def __init__(
        self, params: Iterable[Any], optimizer_cls: Callable[..., Any] = torch.optim.AdamW, **options: Any
    ) -> None:
        super().__init__(params, {})
        self._masters = {
            p: torch.nn.Parameter(p.detach().float().clone()) for group in self.param_groups for p in group["params"]
        }
        self._inner = optimizer_cls(
            [{**group, "params": [self._masters[p] for p in group["params"]]} for group in self.param_groups], **options
        )
        self._begun = False
        self._share_options()

    def _share_options(self) -> None:
        """Give the groups the inner optimizer's options, defaults among them."""
        for group, inner in zip(self.param_groups, self._inner.param_groups, strict=True):
            group.update({key: value for key, value in inner.items() if key != "params"})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = closure() if closure is not None else None
        if not self._begun:  # weights may have been read into the model since the copies were made
            for parameter, master in self._masters.items():
                master.copy_(parameter)
            self._begun = True
        for group, inner in zip(self.param_groups, self._inner.param_groups, strict=True):
            inner.update({key: value for key, value in group.items() if key != "params"})
        for parameter, master in self._masters.items():
            master.grad = None if parameter.grad is None else parameter.grad.float()
        self._inner.step()
        for parameter, master in self._masters.items():
            if master.grad is not None:
                parameter.copy_(master)
                master.grad = None
        return loss

    def master(self, parameter: torch.Tensor) -> torch.Tensor:
        """The fp32 copy of a parameter."""
        return self._masters[parameter].detach()

    def state_dict(self) -> dict[str, Any]:
        """The inner optimizer's state, each parameter's with its copy as `master`.

        Before the first step there are no copies to keep: accelerate loads an optimizer's own state back into it when
        it is prepared, and what is read into the model afterwards still counts.
        """
        saved = self._inner.state_dict()
        masters = [self._masters[p].detach() for group in self.param_groups for p in group["params"]]
        state = {index: {**saved["state"].get(index, {}), "master": master} for index, master in enumerate(masters)}
        if not self._begun:
            state = saved["state"]
        groups = [  # the options as a schedule left them: the inner optimizer hears of them at the next step
            {**group, "params": inner["params"]}
            for group, inner in zip(self.param_groups, saved["param_groups"], strict=True)
        ]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state; the copies and what is kept about them stay fp32."""
        parameters = [p for group in self.param_groups for p in group["params"]]
        inner = {}
        for index, saved in state_dict["state"].items():
            if "master" in saved:
                with torch.no_grad():
                    self._masters[parameters[index]].copy_(saved["master"])
            inner[index] = {key: value for key, value in saved.items() if key != "master"}
        state = {index: kept for index, kept in inner.items() if kept}
        self._inner.load_state_dict({"state": state, "param_groups": state_dict["param_groups"]})
        self._share_options()
        self._begun = any("master" in saved for saved in state_dict["state"].values())
