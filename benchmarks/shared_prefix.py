"""Forward and backward of a GRPO group: the prompt computed once (`shared_prefix.score_targets`) against once a row.

Both compute the log-probabilities of the same completions' tokens and the gradients of their sum, in turn, in one run;
printed are medians, the ratio, and how far the two differ. Left out: generation, the optimizer, and the trainer around
them. Without a model folder a small random Llama is made here: its ratio says little about a real one.

    python benchmarks/shared_prefix.py                                            # random model, a few seconds
    python benchmarks/shared_prefix.py MODEL_FOLDER --prompt 300 --completion 40 --rows 8 --dtype bfloat16
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from rlvr.training.shared_prefix import Row, score_targets


def load(folder: str | None, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    if folder:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=2048,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
    )
    return LlamaForCausalLM(config).to(dtype)


def group(vocabulary: int, prompt: int, completion: int, rows: int) -> list[Row]:
    """Rows of one prompt and different completions, all of random tokens."""
    rng = random.Random(0)
    shared = [rng.randrange(vocabulary) for _ in range(prompt)]
    return [Row(tuple(shared + [rng.randrange(vocabulary) for _ in range(completion)]), prompt) for _ in range(rows)]


def plain(model: Any, rows: list[Row]) -> torch.Tensor:
    """What a trainer does without sharing: every row from its first token; logits of the completions alone."""
    ids = torch.tensor([r.ids for r in rows])  # (rows, prompt + completion)
    keep = ids.size(1) - rows[0].start
    logits = model(input_ids=ids, logits_to_keep=keep + 1, use_cache=False).logits[:, :-1].float()
    return logits.log_softmax(-1).gather(-1, ids[:, -keep:].unsqueeze(-1)).flatten()  # (targets,)


def timed(model: Any, work: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
    model.zero_grad(set_to_none=True)
    start = time.perf_counter()
    logps = work()
    logps.sum().backward()
    return time.perf_counter() - start, logps.detach()


def gradients(model: Any) -> torch.Tensor:
    return torch.cat([p.grad.float().flatten() for p in model.parameters() if p.grad is not None])


def main() -> int:
    parser = argparse.ArgumentParser(description="Shared prefixes against plain forward and backward.")
    parser.add_argument("model", nargs="?", help="a model folder or hub id (default: a small random Llama)")
    parser.add_argument("--prompt", type=int, default=300, help="tokens of the prompt (default: 300)")
    parser.add_argument("--completion", type=int, default=40, help="tokens of a completion (default: 40)")
    parser.add_argument("--rows", type=int, default=8, help="completions of the group (default: 8)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions of each (default: 5)")
    parser.add_argument("--threads", type=int, help="torch's threads (default: torch's own choice)")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    model = load(args.model, getattr(torch, args.dtype)).train()
    rows = group(model.config.vocab_size, args.prompt, args.completion, args.rows)
    works = {"plain": lambda: plain(model, rows), "shared": lambda: score_targets(model, rows).logps}
    taken: dict[str, list[float]] = {name: [] for name in works}
    found: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for turn in range(args.repeat + 1):
        for name, work in works.items():
            seconds, logps = timed(model, work)
            found[name] = (logps, gradients(model))
            if turn:  # the first of each is not counted
                taken[name].append(seconds)
    report(args, taken, found)
    return 0


def report(
    args: argparse.Namespace, taken: dict[str, list[float]], found: dict[str, tuple[torch.Tensor, torch.Tensor]]
) -> None:
    (logps, grads), (shared_logps, shared_grads) = found["plain"], found["shared"]
    ratio = statistics.median(p / s for p, s in zip(taken["plain"], taken["shared"], strict=True))
    print(
        f"{args.rows} completions of {args.completion} tokens on a prompt of {args.prompt}, {args.dtype}, "
        f"{args.model or 'random Llama'}, {torch.get_num_threads()} threads, median of {args.repeat}"
    )
    for name, seconds in taken.items():
        print(f"  {name:<7} {statistics.median(seconds):8.3f} s forward and backward")
    print(f"  ratio   {ratio:8.2f}")
    print(f"  largest difference of a log-probability  {(logps - shared_logps).abs().max().item():.1e}")
    print(f"  relative difference of the gradient      {((grads - shared_grads).norm() / grads.norm()).item():.1e}")


if __name__ == "__main__":
    sys.exit(main())
