"""Plain attention equals torch's own, and is used where it pays alone."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from rlvr.training.attention import NAME, attend, plain_attention  # noqa: E402
from rlvr.training.memory import keep_freed_memory, peak_memory  # noqa: E402
from rlvr.training.shared_prefix import Row, group_rows, lay_out  # noqa: E402


@pytest.mark.parametrize("key_heads", [1, 3, 6])
def test_output_and_gradients_equal_those_of_torch(key_heads: int) -> None:
    generator = torch.Generator().manual_seed(1)
    query, key, value = (
        torch.randn(2, heads, 7, 4, generator=generator).requires_grad_() for heads in (6, key_heads, key_heads)
    )
    hidden = ~torch.tril(torch.ones(7, 7, dtype=torch.bool))
    mask = torch.zeros(1, 1, 7, 7).masked_fill_(hidden, torch.finfo(torch.float32).min)
    ours = attend(None, query, key, value, mask, 0.5)[0]
    theirs = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=0.5, enable_gqa=True
    ).transpose(1, 2)
    torch.testing.assert_close(ours, theirs)
    slope = torch.randn(ours.shape, generator=generator)
    for mine, other in zip(
        torch.autograd.grad(ours, (query, key, value), slope),
        torch.autograd.grad(theirs, (query, key, value), slope),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize(
    ("dtype", "segments", "expected"),
    [
        (torch.bfloat16, None, NAME),
        (torch.bfloat16, [(3, None)], NAME),
        (torch.float32, None, "sdpa"),  # one mask over everything: torch's own is as fast
        (torch.float32, [(3, None)], NAME),
    ],
)
def test_it_is_used_where_it_pays_and_inside_the_block_alone(
    tiny_model: Path, dtype: torch.dtype, segments: list[tuple[int, None]] | None, expected: str
) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=dtype).train()
    before = model.config._attn_implementation
    with plain_attention(model, segments):
        assert model.config._attn_implementation == expected
    assert model.config._attn_implementation == before
    model.gradient_checkpointing_enable()
    with plain_attention(model, segments):  # layers that are computed again are so outside the block
        assert model.config._attn_implementation == before


def test_the_block_gives_the_setting_back_when_it_fails(tiny_model: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16)
    before = model.config._attn_implementation
    with pytest.raises(RuntimeError, match="boom"), plain_attention(model):
        raise RuntimeError("boom")
    assert model.config._attn_implementation == before


def test_keeping_freed_memory_is_harmless() -> None:
    assert keep_freed_memory() in (True, False)
    assert torch.ones(5_000_000).sum().item() == 5_000_000


def test_the_peak_of_memory_counts_what_was_held() -> None:
    before = peak_memory()["peak_memory_gib"]
    block = torch.ones(2**28)  # 1 GiB
    after = peak_memory()["peak_memory_gib"]
    assert block.sum() > 0
    assert after > 1
    assert before <= after


def test_segments_give_what_the_mask_of_the_whole_sequence_gives() -> None:
    rows = [Row((*range(20), *tail), 22) for tail in ((50, 51, 52), (60, 61, 62, 63), (70, 71, 72))]
    rows += [Row(tuple(range(100, 107)), 3), Row((7, 8), 1)]
    layout = lay_out(group_rows(rows), rows)
    assert layout.lengths() == [(20, None), (3, 0), (4, 0), (3, 0), (2, None), (5, 4), (2, None)]
    generator = torch.Generator().manual_seed(2)
    size = (1, 6, len(layout.ids), 4)
    query = torch.randn(size, generator=generator).requires_grad_()
    key, value = (torch.randn(1, 3, *size[2:], generator=generator).requires_grad_() for _ in range(2))
    whole = attend(None, query, key, value, layout.mask(torch.float32), 0.5)[0]
    parts = attend(None, query, key, value, None, 0.5, segments=layout.lengths())[0]
    torch.testing.assert_close(parts, whole)
    slope = torch.randn(whole.shape, generator=generator)
    for mine, other in zip(
        torch.autograd.grad(parts, (query, key, value), slope),
        torch.autograd.grad(whole, (query, key, value), slope),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)
