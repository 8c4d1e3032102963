"""The pieces around TRL's trainer: rows out of padded tensors, scattering back, bringing a prompt's rows together."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("trl", reason="needs the train extra")

from rlvr.training.grpo import _select, regroup, rows_of, scatter  # noqa: E402

# Two prompts padded on the left, two completions padded on the right.
INPUT = torch.tensor([[0, 0, 5, 6, 7, 8, 0], [1, 2, 3, 4, 9, 0, 0]])
MASK = torch.tensor([[0, 0, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 0, 0]])


def test_rows_leave_the_padding_out() -> None:
    rows = rows_of(INPUT, MASK, logits_to_keep=3)
    assert [(r.ids, r.start) for r in rows] == [((5, 6, 7, 8), 2), ((1, 2, 3, 4, 9), 4)]


def test_values_return_to_their_places_in_the_original_order() -> None:
    rows = rows_of(INPUT, MASK, logits_to_keep=3)
    values = torch.tensor([30.0, 10.0, 20.0], requires_grad=True)
    placed = scatter(values, [rows[1], rows[0]], rows, 3)
    assert placed.tolist() == [[10.0, 20.0, 0.0], [30.0, 0.0, 0.0]]
    placed[0, 1].backward()
    assert values.grad.tolist() == [0.0, 0.0, 1.0]


def test_a_completion_sampled_twice_is_scored_once_and_counts_twice() -> None:
    once = rows_of(INPUT, MASK, logits_to_keep=3)
    rows = [once[0], once[1], once[0]]
    values = torch.tensor([30.0, 10.0, 20.0], requires_grad=True)
    placed = scatter(values, [once[1], once[0]], rows, 3)
    assert placed.tolist() == [[10.0, 20.0, 0.0], [30.0, 0.0, 0.0], [10.0, 20.0, 0.0]]
    (placed * torch.tensor([[1.0], [1.0], [4.0]])).sum().backward()
    assert values.grad.tolist() == [1.0, 5.0, 5.0]


def test_regroup_brings_a_prompts_rows_together_and_keeps_every_row() -> None:
    prompts = torch.tensor([[1], [2], [3], [1], [2], [3]])
    tags = torch.arange(6)
    batches = [
        {"prompt_ids": prompts[:3], "advantages": tags[:3], "num_items_in_batch": torch.tensor(9)},
        {"prompt_ids": prompts[3:], "advantages": tags[3:], "num_items_in_batch": torch.tensor(9)},
    ]
    out = regroup(batches)
    assert torch.cat([b["prompt_ids"] for b in out]).flatten().tolist() == [1, 1, 2, 2, 3, 3]
    assert torch.cat([b["advantages"] for b in out]).tolist() == [0, 3, 1, 4, 2, 5]
    assert [int(b["num_items_in_batch"]) for b in out] == [9, 9]


def test_select_leaves_scalars_alone() -> None:
    keep = torch.tensor([True, False, True])
    assert _select(torch.tensor([1, 2, 3]), keep).tolist() == [1, 3]
    assert _select(torch.tensor(7), keep).item() == 7
    assert _select("text", keep) == "text"
