"""The output head's own backward pass gives the gradients of the plain computation, whatever the chunks."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from rlvr.training import head as head_module  # noqa: E402
from rlvr.training.head import score_head  # noqa: E402


def made(count: int = 11, size: int = 8, vocabulary: int = 30):
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(count, size, generator=generator).requires_grad_()
    linear = torch.nn.Linear(size, vocabulary, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.randn(vocabulary, size, generator=generator))
    targets = torch.randint(vocabulary, (count,), generator=generator)
    weights = torch.randn(count, generator=generator)
    return hidden, linear, targets, weights


def plain(hidden, linear, targets, temperature: float):
    return (linear(hidden) / temperature).log_softmax(-1).gather(-1, targets[:, None])[:, 0]


@pytest.mark.parametrize("rows", [1, 4, 256])
@pytest.mark.parametrize("temperature", [1.0, 1.2])
def test_log_probabilities_and_gradients_are_those_of_the_plain_computation(
    monkeypatch, rows: int, temperature: float
) -> None:
    monkeypatch.setattr(head_module, "LOGIT_ROWS", rows)
    hidden, linear, targets, weights = made()
    scores = score_head(linear, hidden, targets, temperature)
    ours = torch.autograd.grad((scores.logps * weights).sum(), (hidden, linear.weight))
    expected = plain(hidden, linear, targets, temperature)
    theirs = torch.autograd.grad((expected * weights).sum(), (hidden, linear.weight))
    torch.testing.assert_close(scores.logps, expected)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_a_frozen_head_still_passes_its_gradient_down() -> None:
    hidden, linear, targets, weights = made()
    linear.requires_grad_(False)
    (score_head(linear, hidden, targets, 1.0).logps * weights).sum().backward()
    (expected,) = torch.autograd.grad((plain(hidden, linear, targets, 1.0) * weights).sum(), hidden)
    torch.testing.assert_close(hidden.grad, expected)
    assert linear.weight.grad is None


def test_the_graph_may_be_walked_twice() -> None:
    hidden, linear, targets, weights = made()
    loss = (score_head(linear, hidden, targets, 1.0).logps * weights).sum()
    (first,) = torch.autograd.grad(loss, hidden, retain_graph=True)
    (second,) = torch.autograd.grad(loss, hidden)
    assert torch.equal(first, second)


def test_without_gradients_no_softmax_is_kept() -> None:
    hidden, linear, targets, _ = made()
    with torch.no_grad():
        scores = score_head(linear, hidden, targets, 1.0)
    assert scores.logps.grad_fn is None
    torch.testing.assert_close(scores.logps, plain(hidden, linear, targets, 1.0).detach())


@pytest.mark.parametrize("bias", [True, False])
def test_another_head_is_called_as_it_is(bias: bool) -> None:
    hidden, linear, targets, _ = made()
    other = torch.nn.Sequential(torch.nn.Linear(8, 30, bias=bias))
    scores = score_head(other, hidden, targets, 1.2)
    torch.testing.assert_close(scores.logps, plain(hidden, other, targets, 1.2))
    expected = torch.distributions.Categorical(logits=other(hidden) / 1.2).entropy()
    torch.testing.assert_close(scores.entropies, expected.detach())
    mine = score_head(linear, hidden, targets, 1.2).entropies
    torch.testing.assert_close(mine, torch.distributions.Categorical(logits=linear(hidden) / 1.2).entropy().detach())


def test_a_head_with_a_forward_of_its_own_is_called_by_it() -> None:
    """TRL's `cast_lm_head_to_fp32` puts one on a head whose weights are wider than the hidden states."""
    hidden, linear, targets, _ = made()
    narrow = hidden.detach().to(torch.bfloat16)
    plain_forward = linear.forward
    linear.forward = lambda x: plain_forward(x.to(torch.float32))
    scores = score_head(linear, narrow, targets, 1.0)
    torch.testing.assert_close(scores.logps, plain(narrow, linear, targets, 1.0))
    assert scores.logps.dtype == torch.float32
