"""bf16 weights with fp32 masters: the update of AdamW, small steps kept, and a state that resumes exactly."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from rlvr.training.master_weights import MasterWeightAdamW  # noqa: E402


def run(parameter, optimizer, steps: int) -> None:
    for step in range(steps):
        parameter.grad = torch.full_like(parameter, 0.5 + 0.1 * step)
        optimizer.step()


def test_masters_follow_torch_adamw() -> None:
    start = torch.linspace(-1, 1, 12).bfloat16()
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.float())
    mine = MasterWeightAdamW([ours], lr=1e-2, weight_decay=0.1)
    reference = torch.optim.AdamW([theirs], lr=1e-2, weight_decay=0.1)
    for step in range(5):
        gradient = torch.linspace(-1, 2, 12).bfloat16() * (step + 1)
        ours.grad, theirs.grad = gradient, gradient.float()
        mine.step()
        reference.step()
    torch.testing.assert_close(mine.state[ours]["master"], theirs.detach(), rtol=1e-5, atol=1e-6)
    assert torch.equal(ours.detach(), mine.state[ours]["master"].bfloat16())


def test_updates_below_the_precision_of_bf16_add_up() -> None:
    parameter = torch.nn.Parameter(torch.ones(4).bfloat16())
    optimizer = MasterWeightAdamW([parameter], lr=1e-4)
    run(parameter, optimizer, 1)
    assert torch.equal(parameter.detach(), torch.ones(4).bfloat16())  # one step is lost in rounding …
    run(parameter, optimizer, 60)
    assert bool((parameter.detach() < 1).all())  # … and not in the master


def test_a_resumed_state_goes_on_from_the_masters() -> None:
    first = torch.nn.Parameter(torch.ones(4).bfloat16())
    optimizer = MasterWeightAdamW([first], lr=1e-4)
    run(first, optimizer, 10)
    second = torch.nn.Parameter(first.detach().clone())
    resumed = MasterWeightAdamW([second], lr=1e-4)
    resumed.load_state_dict(optimizer.state_dict())
    assert resumed.state[second]["master"].dtype == torch.float32
    run(first, optimizer, 30)
    run(second, resumed, 30)
    assert torch.equal(optimizer.state[first]["master"], resumed.state[second]["master"])
