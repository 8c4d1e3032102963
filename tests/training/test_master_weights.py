"""bf16 weights with fp32 masters: an optimizer's own update, small steps kept, and a state that resumes exactly."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from rlvr.training.master_weights import MasterWeights  # noqa: E402


def run(parameter, optimizer, steps: int) -> None:
    for step in range(steps):
        parameter.grad = torch.full_like(parameter, 0.5 + 0.1 * step)
        optimizer.step()


@pytest.mark.parametrize(
    ("optimizer_cls", "options"),
    [
        (torch.optim.AdamW, {"lr": 1e-2, "weight_decay": 0.1}),
        (torch.optim.AdamW, {"lr": 1e-2, "fused": True}),
        (torch.optim.SGD, {"lr": 0.5}),
        (torch.optim.SGD, {"lr": 0.5, "momentum": 0.9}),
    ],
)
def test_masters_follow_the_optimizer_and_its_schedule(optimizer_cls, options) -> None:
    start = torch.linspace(-1, 1, 12).bfloat16()
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.float())
    mine = MasterWeights([ours], optimizer_cls, **options)
    reference = optimizer_cls([theirs], **options)
    schedules = [torch.optim.lr_scheduler.LambdaLR(x, lambda step: 1 / (step + 1)) for x in (mine, reference)]
    for step in range(5):
        gradient = torch.linspace(-1, 2, 12).bfloat16() * (step + 1)
        ours.grad, theirs.grad = gradient, gradient.float()
        mine.step()
        reference.step()
        for schedule in schedules:
            schedule.step()
    torch.testing.assert_close(mine.master(ours), theirs.detach(), rtol=1e-5, atol=1e-6)
    assert torch.equal(ours.detach(), mine.master(ours).bfloat16())
    assert mine.param_groups[0]["lr"] == pytest.approx(options["lr"] / 6)


def test_a_parameter_without_a_gradient_stays() -> None:
    moved, kept = (torch.nn.Parameter(torch.ones(4).bfloat16()) for _ in range(2))
    optimizer = MasterWeights(
        [{"params": [moved], "weight_decay": 0.0}, {"params": [kept], "weight_decay": 0.5}], lr=0.1
    )
    run(moved, optimizer, 3)
    assert bool((moved.detach() < 1).all())
    assert torch.equal(kept.detach(), torch.ones(4).bfloat16())
    assert [g["weight_decay"] for g in optimizer.param_groups] == [0.0, 0.5]


def test_updates_below_the_precision_of_bf16_add_up() -> None:
    parameter = torch.nn.Parameter(torch.ones(4).bfloat16())
    optimizer = MasterWeights([parameter], lr=1e-4)
    run(parameter, optimizer, 1)
    assert torch.equal(parameter.detach(), torch.ones(4).bfloat16())  # one step is lost in rounding …
    run(parameter, optimizer, 60)
    assert bool((parameter.detach() < 1).all())  # … and not in the master


@pytest.mark.parametrize("prepared", [False, True])
def test_weights_that_are_read_before_the_first_step_are_what_is_trained(prepared: bool) -> None:
    """A checkpoint without the optimizer's state: its weights come into the model after the optimizer was built.

    `prepared`: accelerate takes a state out and loads it back while the optimizer is wrapped.
    """
    parameter = torch.nn.Parameter(torch.zeros(4).bfloat16())
    optimizer = MasterWeights([parameter], torch.optim.SGD, lr=0.01)
    if prepared:
        accelerate = pytest.importorskip("accelerate", reason="needs the train extra")
        wrapped = accelerate.Accelerator(cpu=True).prepare(optimizer)
        assert wrapped.optimizer is optimizer
    with torch.no_grad():
        parameter.fill_(8.0)
    run(parameter, optimizer, 1)
    torch.testing.assert_close(optimizer.master(parameter), torch.full((4,), 8.0 - 0.01 * 0.5))


@pytest.mark.parametrize(
    ("optimizer_cls", "options"),
    [
        (torch.optim.AdamW, {"lr": 1e-4}),
        (torch.optim.SGD, {"lr": 1e-4}),
        (torch.optim.SGD, {"lr": 1e-4, "momentum": 0.9}),
    ],
)
def test_a_resumed_state_goes_on_from_the_masters(optimizer_cls, options) -> None:
    first = torch.nn.Parameter(torch.ones(4).bfloat16())
    optimizer = MasterWeights([first], optimizer_cls, **options)
    run(first, optimizer, 10)
    second = torch.nn.Parameter(first.detach().clone())
    resumed = MasterWeights([second], optimizer_cls, **options)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert resumed.master(second).dtype == torch.float32
    run(first, optimizer, 30)
    run(second, resumed, 30)
    assert torch.equal(optimizer.master(first), resumed.master(second))
