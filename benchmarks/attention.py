"""Attention over packed rows that share prefixes, forward and backward: torch's fused one, plain products, segments.

All get the same queries, keys and values, in turn, in one run; the first two the same additive mask, the third the
segments that the mask was made of. Printed are medians and ratios to the fused one. `rlvr.training.attention` uses the
third on a CPU.

    python benchmarks/attention.py                                # SmolLM2-135M's heads, 2 prompts of 6 rows
    python benchmarks/attention.py --prompts 3 --prefix 300 --rows 8 --dtype float32
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch

from rlvr.training.attention import attend
from rlvr.training.memory import keep_freed_memory
from rlvr.training.shared_prefix import Layout, Row, group_rows, lay_out


def main() -> int:
    parser = argparse.ArgumentParser(description="Plain attention against torch's fused one.")
    parser.add_argument("--prompts", type=int, default=2, help="in the packed sequence (default: 2)")
    parser.add_argument("--prefix", type=int, default=230, help="tokens of a prompt that its rows share (default: 230)")
    parser.add_argument("--rows", type=int, default=6, help="of a prompt (default: 6)")
    parser.add_argument("--row", type=int, default=65, help="tokens of a row after the prefix (default: 65)")
    parser.add_argument("--heads", type=int, default=9, help="query heads (default: 9)")
    parser.add_argument("--key-heads", type=int, default=3, help="key and value heads (default: 3)")
    parser.add_argument("--size", type=int, default=64, help="of a head (default: 64)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--repeat", type=int, default=20, help="repetitions of each (default: 20)")
    args = parser.parse_args()
    keep_freed_memory()
    dtype = getattr(torch, args.dtype)
    generator = torch.Generator().manual_seed(0)

    layout = packed(args.prompts, args.prefix, args.rows, args.row)
    segments, tokens = layout.lengths(), len(layout.ids)

    def tensor(heads: int) -> torch.Tensor:
        return torch.randn(1, heads, tokens, args.size, generator=generator).to(dtype).requires_grad_()

    query, key, value = tensor(args.heads), tensor(args.key_heads), tensor(args.key_heads)
    mask = layout.mask(dtype)
    scaling = args.size**-0.5
    works: dict[str, Callable[[], torch.Tensor]] = {
        "fused": lambda: torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=scaling, enable_gqa=True
        ).transpose(1, 2),
        "plain": lambda: attend(None, query, key, value, mask, scaling)[0],
        "segments": lambda: attend(None, query, key, value, None, scaling, segments=segments)[0],
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    outputs: dict[str, torch.Tensor] = {}
    for turn in range(args.repeat + 1):
        for name, work in works.items():
            start = time.perf_counter()
            out = work()
            torch.autograd.grad(out.sum(), (query, key, value))
            if turn:  # the first of each is not counted
                taken[name].append(time.perf_counter() - start)
            outputs[name] = out.detach().float()
    print(f"{tokens} tokens, {args.heads} heads of {args.size}, {args.dtype}, {torch.get_num_threads()} threads")
    for name, seconds in taken.items():
        ratio = statistics.median(f / p for f, p in zip(taken["fused"], seconds, strict=True))
        apart = (outputs["fused"] - outputs[name]).abs().max().item()
        print(
            f"  {name:<8} {statistics.median(seconds) * 1e3:8.2f} ms forward and backward (median of {args.repeat})"
            f" · {ratio:5.2f} times as fast as fused · largest difference of an output {apart:.1e}"
        )
    return 0


def packed(prompts: int, prefix: int, rows: int, row: int) -> Layout:
    """`prompts` prompts, each followed by the rest of its rows."""
    made = []
    for p in range(prompts):
        shared = tuple(range(1000 * p, 1000 * p + prefix))
        made += [Row((*shared, *range(10**6 + r * 1000, 10**6 + r * 1000 + row)), prefix + 1) for r in range(rows)]
    return lay_out(group_rows(made), made)


if __name__ == "__main__":
    sys.exit(main())
