"""A GRPO update with shared prompts (`rlvr.training.grpo`) against TRL's own path, on the same rows, in one run.

Three things are shown, both ways:

- the update: TRL's loss with log-probabilities and entropies, and its backward pass, in turn in one process; medians,
  the ratio of pairs, and how far losses and gradients differ. Left out: generation and the optimizer;
- the same with prompts of mixed lengths, as a mixture gives them: two prompts of four completions each;
- with `--steps`, whole steps of training in processes of their own: generation by transformers (exactly
  `--completion` tokens each), rewards, update and optimizer (fp32 master copies for bf16); seconds a step and the
  process's peak memory.

Without a model folder a small random Llama is made here: its ratio says little about a real one.

    python benchmarks/shared_prefix.py                                             # random model, a minute
    python benchmarks/shared_prefix.py MODEL_FOLDER --dtype bfloat16 --prompts 300 1200 --steps 3
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from typing import Any

import torch

ROWS = 8


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


def build(way: str, model: Any, args: argparse.Namespace, prompt: int, out: str) -> Any:
    """TRL's trainer, or the one that shares prompts, around `model`."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    from rlvr.training.grpo import SharedPrefixGRPOTrainer
    from rlvr.training.master_weights import MasterWeights

    settings = GRPOConfig(
        output_dir=out,
        report_to=[],
        use_cpu=not torch.cuda.is_available(),
        bf16=False,
        disable_tqdm=True,
        save_strategy="no",
        logging_strategy="no",
        per_device_train_batch_size=ROWS,
        num_generations=ROWS,
        max_completion_length=args.completion,
        max_steps=max(1, args.steps),
        loss_type="dapo",
        beta=0.0,
        gradient_checkpointing=False,
        generation_kwargs={"min_new_tokens": args.completion},
    )
    rng = random.Random(prompt)
    tokenizer = AutoTokenizer.from_pretrained(args.model) if args.model else small_tokenizer()
    words = [tokenizer.decode([rng.randrange(300, 1500) for _ in range(prompt)]) for _ in range(max(2, args.steps))]
    trainer = (SharedPrefixGRPOTrainer if way == "shared" else GRPOTrainer)(
        model=model,
        reward_funcs=[lambda completions, **_: [float(i % 3) for i, _ in enumerate(completions)]],
        args=settings,
        train_dataset=Dataset.from_list([{"prompt": w} for w in words]),
        processing_class=tokenizer,
        optimizers=(MasterWeights(model.parameters(), lr=1e-5, fused=True) if args.dtype == "bfloat16" else None, None),
    )
    trainer.skip_zero_advantage = False
    trainer.current_gradient_accumulation_steps = 1
    return trainer


def small_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({f"w{i}": i for i in range(2048)}, unk_token="w0"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="w1", pad_token="w1")


def batch(vocabulary: int, prompts: list[int], completion: int) -> dict[str, Any]:
    """TRL's padded tensors: `ROWS` completions, spread evenly over prompts of these lengths."""
    rng = random.Random(0)
    heads = [[rng.randrange(vocabulary) for _ in range(n)] for n in prompts]
    width = max(prompts)
    rows = [heads[i * len(heads) // ROWS] for i in range(ROWS)]
    return {
        "prompt_ids": torch.tensor([[0] * (width - len(p)) + p for p in rows]),
        "prompt_mask": torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in rows]),
        "completion_ids": torch.tensor([[rng.randrange(vocabulary) for _ in range(completion)] for _ in rows]),
        "completion_mask": torch.ones(ROWS, completion, dtype=torch.long),
        "advantages": torch.tensor([1.0, -1.0] * (ROWS // 2)),
        "num_items_in_batch": torch.tensor(ROWS * completion),
    }


def update(trainer: Any, inputs: dict[str, Any]) -> tuple[float, float, torch.Tensor]:
    """Seconds, loss and gradient of one update."""
    model = trainer.model.train()
    model.zero_grad(set_to_none=True)
    start = time.perf_counter()
    loss = trainer._compute_loss(model, dict(inputs))
    loss.backward()
    seconds = time.perf_counter() - start
    grads = torch.cat([p.grad.float().flatten() for p in model.parameters() if p.grad is not None])
    return seconds, loss.item(), grads


def compare(args: argparse.Namespace, trainers: dict[str, Any], prompts: list[int]) -> None:
    inputs = batch(trainers["trl"].model.config.vocab_size, prompts, args.completion)
    inputs = {k: v.to(trainers["trl"].model.device) for k, v in inputs.items()}
    taken: dict[str, list[float]] = {way: [] for way in trainers}
    found: dict[str, tuple[float, torch.Tensor]] = {}
    for turn in range(args.repeat + 1):
        for way, trainer in trainers.items():
            seconds, loss, grads = update(trainer, inputs)
            found[way] = (loss, grads)
            if turn:  # the first of each is not counted
                taken[way].append(seconds)
    pairs = [t / s for t, s in zip(taken["trl"], taken["shared"], strict=True)]
    (loss, grads), (our_loss, our_grads) = found["trl"], found["shared"]
    apart = ((grads - our_grads).norm() / grads.norm()).item()
    print(f"\n{ROWS} completions of {args.completion} tokens on prompts of {' and '.join(map(str, prompts))}:")
    for way, seconds in taken.items():
        print(f"  {way:<7} {statistics.median(seconds):8.3f} s forward and backward")
    print(f"  ratio   {statistics.median(pairs):8.2f}   ({min(pairs):.2f} to {max(pairs):.2f} in {len(pairs)} pairs)")
    print(f"  losses differ by {abs(loss - our_loss):.1e}, gradients by {apart:.1e} of their norm")


def child(args: argparse.Namespace, way: str, prompt: int) -> None:
    """Whole steps in this process; prints seconds a step (the first is left out) and peak memory as JSON."""
    from transformers import TrainerCallback

    from rlvr.training.memory import keep_freed_memory, peak_memory

    class Clock(TrainerCallback):  # type: ignore[misc]
        times: list[float] = []  # noqa: RUF012

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.times.append(time.perf_counter())

    keep_freed_memory()
    model = load(args.model, getattr(torch, args.dtype))
    if way != "load":
        args.steps += 1
        with tempfile.TemporaryDirectory() as out:
            trainer = build(way, model, args, prompt, out)
            trainer.add_callback(Clock())
            trainer.train()
    gaps = [b - a for a, b in zip(Clock.times, Clock.times[1:], strict=False)]
    print(json.dumps({"seconds": statistics.median(gaps) if gaps else None, **peak_memory()}))


def whole_steps(args: argparse.Namespace, prompt: int) -> None:
    print(f"\nwhole steps (generation, rewards, update, optimizer), prompt of {prompt}, {args.steps} steps each:")
    options = ["--dtype", args.dtype, "--completion", str(args.completion), "--steps", str(args.steps)]
    found = {}
    for way in ("trl", "shared"):
        command = [sys.executable, __file__, *([args.model] if args.model else []), *options]
        done = subprocess.run([*command, "--child", way, str(prompt)], check=True, capture_output=True, text=True)
        found[way] = json.loads(done.stdout.splitlines()[-1])
        print(f"  {way:<7} {found[way]['seconds']:8.2f} s a step, peak {found[way]['peak_memory_gib']:.2f} GiB")
    print(f"  ratio   {found['trl']['seconds'] / found['shared']['seconds']:8.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description="GRPO updates with shared prompts against TRL's own path.")
    parser.add_argument("model", nargs="?", help="a model folder (default: a small random Llama)")
    parser.add_argument("--prompts", type=int, nargs="+", default=[300], help="tokens of a prompt (default: 300)")
    parser.add_argument("--completion", type=int, default=40, help="tokens of a completion (default: 40)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--repeat", type=int, default=5, help="pairs of updates (default: 5; 0: none)")
    parser.add_argument("--steps", type=int, default=0, help="whole steps of each way (default: 0, left out)")
    parser.add_argument("--threads", type=int, help="torch's threads (default: torch's own choice)")
    parser.add_argument("--child", nargs=2, metavar=("WAY", "PROMPT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.child:
        child(args, args.child[0], int(args.child[1]))
        return 0
    from rlvr.training.memory import keep_freed_memory

    keep_freed_memory()
    print(f"{args.model or 'a small random Llama'}, {args.dtype}, {torch.get_num_threads()} threads")
    if args.steps:  # first: what this process holds later, the others could not have
        for prompt in args.prompts:
            whole_steps(args, prompt)
    if not args.repeat:
        return 0
    with tempfile.TemporaryDirectory() as out:
        # Each way its own model: TRL puts a forward pass of its own into the one that it trains.
        trainers = {
            way: build(way, load(args.model, getattr(torch, args.dtype)), args, 16, out) for way in ("trl", "shared")
        }
        for prompt in args.prompts:
            compare(args, trainers, [prompt])
        compare(args, trainers, [max(16, args.prompts[0] // 2), args.prompts[0]])
    return 0


if __name__ == "__main__":
    sys.exit(main())
