"""Generation by vLLM against generation by transformers, for a GRPO step's groups, in one process.

Both complete the same prompts (of about `--prompt` tokens, `--completions` each), in turn and in alternating order,
after one warm-up each; printed are generated tokens a second of every round and the ratio of the medians. Then the same
completions are scored by the trainer's model: how far its log-probabilities are from those that the engine sampled
with. `--structured` does the same for completions under each prompt's own structural tag. `--rounds 0` leaves the
times out.

Left out: pushing weights into the engine (`rlvr train` logs it), and the engine's start.

    python benchmarks/rollouts.py MODEL_FOLDER --prompts 4 --rounds 3
    python benchmarks/rollouts.py MODEL_FOLDER --structured --json runs/structured.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlvr.data.generator import GeneratorOptions, generate
from rlvr.prompts import RenderedPrompt, render
from rlvr.rollouts import make_generator
from rlvr.rollouts.precision import cpu_dtype
from rlvr.rollouts.structured import structural_tag, usable_by_xgrammar


def prompts_near(tokenizer: Any, length: int, count: int) -> list[tuple[RenderedPrompt, RenderedPrompt]]:
    """So many prompts of the built-in generator, those nearest to `length` tokens: free, and under their tags."""
    examples = generate("train", 240, 11, GeneratorOptions(tools_offered={1: 0.3, 2: 0.4, 3: 0.3}))
    made = [(e, render(e, tokenizer)) for e in examples]
    made.sort(key=lambda pair: abs(len(pair[1].token_ids) - length))
    return [(p, replace(p, structure=structural_tag(e.tools, "hermes", usable_by_xgrammar))) for e, p in made[:count]]


def timed(engine: Any, prompts: Sequence[RenderedPrompt], args: argparse.Namespace, seed: int) -> tuple[int, float]:
    """Tokens that were generated, and seconds."""
    start = time.perf_counter()
    made = engine.generate(
        prompts, max_new_tokens=args.new_tokens, temperature=args.temperature, seed=seed, n=args.completions
    )
    seconds = time.perf_counter() - start
    return sum(len(g.token_ids) for group in made for g in group), seconds


def compare(engines: dict[str, Any], prompts: Sequence[RenderedPrompt], args: argparse.Namespace) -> dict[str, Any]:
    """Tokens a second of each engine and round; engines take turns, and the order changes every round."""
    for engine in engines.values():
        timed(engine, prompts[:1], args, 0)
    speeds: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(args.rounds):
        names = list(engines) if number % 2 == 0 else list(reversed(engines))
        for name in names:
            tokens, seconds = timed(engines[name], prompts, args, number + 1)
            speeds[name].append(tokens / seconds)
            done = f"{tokens:6d} tokens in {seconds:7.2f} s: {tokens / seconds:8.1f}/s"
            print(f"round {number + 1}: {name:<12} {done}", flush=True)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    ratio = medians["vllm"] / medians["transformers"]
    print(f"median: vllm {medians['vllm']:.1f}/s, transformers {medians['transformers']:.1f}/s: ratio {ratio:.2f}")
    return {"tokens_per_second": speeds, "ratio": ratio}


def sampled(engine: Any, prompts: Sequence[RenderedPrompt], args: argparse.Namespace) -> list[tuple[Any, Any, Any]]:
    """(prompt ids, completion ids, the engine's log-probabilities) of one completion a prompt, as TRL asks for them."""
    import torch
    from vllm import SamplingParams

    from rlvr.rollouts.vllm import _structured

    params = [
        SamplingParams(
            n=args.completions,
            temperature=args.temperature,
            max_tokens=args.new_tokens,
            logprobs=0,
            structured_outputs=_structured(p.structure),
        )
        for p in prompts
    ]
    asked = [{"prompt_token_ids": list(p.token_ids)} for p in prompts]
    torch.manual_seed(7)
    outputs = engine.llm.generate(asked, sampling_params=params, use_tqdm=False)
    return [
        (p.token_ids, tuple(o.token_ids), [step[i].logprob for i, step in zip(o.token_ids, o.logprobs, strict=True)])
        for p, output in zip(prompts, outputs, strict=True)
        for o in output.outputs
    ]


def differences(model: Any, rows: Sequence[tuple[Any, Any, Any]], temperature: float) -> dict[str, float]:
    """The trainer's log-probabilities minus the engine's: by token, and summed over each completion."""
    import torch

    by_token: list[float] = []
    sums: list[float] = []
    for prompt, completion, logps in rows:
        ids = torch.tensor([[*prompt, *completion]])
        with torch.no_grad():
            logits = model(input_ids=ids, logits_to_keep=len(completion) + 1).logits[0, :-1].float() / temperature
        own = logits.log_softmax(-1).gather(-1, ids[0, len(prompt) :, None])[:, 0].tolist()
        found = [a - b for a, b in zip(own, logps, strict=True)]
        by_token += found
        sums.append(sum(found))
    size = sorted(abs(d) for d in by_token)
    return {
        "completions": len(rows),
        "tokens": len(by_token),
        "mean_abs": statistics.fmean(size),
        "p99_abs": size[int(0.99 * (len(size) - 1))],
        "max_abs": size[-1],
        "least_token": min(by_token),
        "tokens_below_minus_1": sum(d < -1 for d in by_token),
        "median_sum": statistics.median(sums),
        "least_sum": min(sums),
        "sums_below_minus_1": sum(s < -1 for s in sums),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model folder")
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--completions", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=300, help="tokens")
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--structured", action="store_true")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    length = args.prompt * 2 + args.new_tokens
    # logprobs_mode is vLLM's default here; at temperature 1.0 it is what TRL asks for.
    engine: Any = make_generator(args.model, "vllm", max_model_len=length)
    plain: Any = make_generator(args.model, "transformers", max_model_len=length)
    pairs = prompts_near(plain.tokenizer, args.prompt, args.prompts)
    free, held = [f for f, _ in pairs], [h for _, h in pairs]
    lengths = [len(p.token_ids) for p in free]
    shape = f"{len(free)} prompts of {min(lengths)} to {max(lengths)} tokens, {args.completions} completions each"
    print(f"{shape}, {cpu_dtype()}", flush=True)
    found: dict[str, Any] = compare({"transformers": plain, "vllm": engine}, free, args) if args.rounds else {}
    for name, prompts in {"free": free, "structured": held if args.structured else []}.items():
        if prompts:
            found[name] = differences(plain.model, sampled(engine, prompts, args), args.temperature)
            said = ", ".join(f"{k} {v:.4g}" for k, v in found[name].items())
            print(f"{name}: trainer minus engine: {said}", flush=True)
    if args.json:
        args.json.write_text(
            json.dumps({"arguments": vars(args) | {"json": None}, **found}, indent=2), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
