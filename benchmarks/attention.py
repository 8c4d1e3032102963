"""Attention over a packed sequence, forward and backward: plain matrix products against torch's fused attention.

Both get the same queries, keys and values and the same additive mask, in turn, in one run; printed are medians and the
ratio. `rlvr.training.attention` uses the plain products for bf16 on a CPU.

    python benchmarks/attention.py                                # SmolLM2-135M's heads, 600 tokens
    python benchmarks/attention.py --tokens 1024 --dtype float32
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


def main() -> int:
    parser = argparse.ArgumentParser(description="Plain attention against torch's fused one.")
    parser.add_argument("--tokens", type=int, default=600, help="of the packed sequence (default: 600)")
    parser.add_argument("--heads", type=int, default=9, help="query heads (default: 9)")
    parser.add_argument("--key-heads", type=int, default=3, help="key and value heads (default: 3)")
    parser.add_argument("--size", type=int, default=64, help="of a head (default: 64)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--repeat", type=int, default=20, help="repetitions of each (default: 20)")
    args = parser.parse_args()
    keep_freed_memory()
    dtype = getattr(torch, args.dtype)
    generator = torch.Generator().manual_seed(0)

    def tensor(heads: int) -> torch.Tensor:
        return torch.randn(1, heads, args.tokens, args.size, generator=generator).to(dtype).requires_grad_()

    query, key, value = tensor(args.heads), tensor(args.key_heads), tensor(args.key_heads)
    hidden = ~torch.tril(torch.ones(args.tokens, args.tokens, dtype=torch.bool))
    mask = torch.zeros(1, 1, args.tokens, args.tokens, dtype=dtype).masked_fill_(hidden, torch.finfo(dtype).min)
    scaling = args.size**-0.5
    works: dict[str, Callable[[], torch.Tensor]] = {
        "fused": lambda: torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=scaling, enable_gqa=True
        ).transpose(1, 2),
        "plain": lambda: attend(None, query, key, value, mask, scaling)[0],
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
    ratio = statistics.median(f / p for f, p in zip(taken["fused"], taken["plain"], strict=True))
    print(f"{args.tokens} tokens, {args.heads} heads of {args.size}, {args.dtype}, {torch.get_num_threads()} threads")
    for name, seconds in taken.items():
        print(f"  {name:<6} {statistics.median(seconds) * 1e3:8.2f} ms forward and backward (median of {args.repeat})")
    print(f"  ratio  {ratio:8.2f}")
    print(f"  largest difference of an output  {(outputs['fused'] - outputs['plain']).abs().max().item():.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
