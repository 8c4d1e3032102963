"""How well a model tells queries that a tool fits from those that none fits, before greedy decoding makes a cut of it.

For each held-out example with one tool: the probability of the first token with which a call (or its reasoning)
begins. By language, the area under the ROC curve (the share of pairs of a calling and a refusing example in which the
calling one has the higher probability; ties count half) with a 95% interval by the bootstrap over examples, and the two
means. 0.5 is a coin. An area near 1 with few refusals is a matter of the threshold, and more refusals in training move
it; an area near 0.5 is a matter of what the model understands.

    python benchmarks/refusal_separation.py MODEL_FOLDER HELD_OUT.jsonl
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlvr import prompts
from rlvr.data.sources.jsonl import read_jsonl

RESAMPLES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("held_out", type=Path)
    args = parser.parse_args()
    found = probabilities(args.model, args.held_out)
    print("language   calls   refusals   mean p, calls   mean p, refusals   area [95%]")
    for lang, (calls, refusals) in sorted(found.items()):
        if not calls or not refusals:
            continue
        low, high = bootstrap(np.array(calls), np.array(refusals))
        area_ = area(np.array(calls), np.array(refusals))
        print(
            f"{lang:8} {len(calls):7} {len(refusals):10} {np.mean(calls):15.3f} {np.mean(refusals):18.3f}"
            f"   {area_:.3f} [{low:.3f}, {high:.3f}]"
        )


@torch.no_grad()
def probabilities(folder: Path, held_out: Path) -> dict[str, tuple[list[float], list[float]]]:
    """By language: probabilities of beginning a call where one is wanted, and where none is."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    opening = tokenizer.encode("<tool_call>", add_special_tokens=False)[0]
    found: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for example in read_jsonl(held_out):
        if len(example.tools) == 1 and example.lang:
            ids = torch.tensor([prompts.render(example, tokenizer).token_ids])
            share = model(ids).logits[0, -1].float().softmax(-1)[opening].item()
            found[example.lang][0 if example.ground_truth else 1].append(share)
    return found


def area(calls: np.ndarray, refusals: np.ndarray) -> float:
    """The share of pairs in which the calling example has the higher probability; ties count half."""
    above = calls[:, None] - refusals[None, :]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def bootstrap(calls: np.ndarray, refusals: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    areas = [area(rng.choice(calls, len(calls)), rng.choice(refusals, len(refusals))) for _ in range(RESAMPLES)]
    return float(np.quantile(areas, 0.025)), float(np.quantile(areas, 0.975))


if __name__ == "__main__":
    main()
