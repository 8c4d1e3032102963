"""The strict score by which a run selects its checkpoint: greedy completions, judged right or wrong."""

from __future__ import annotations

from typing import Any

from rlvr.parsers import get_parser
from rlvr.rewards import Context, judge
from rlvr.rollouts.base import Generation
from rlvr.training.dataset import Rendered


def strict_score(trainer: Any, held_out: Rendered, parser: str, max_new_tokens: int) -> tuple[float, int]:
    """Return the share of held-out examples that the trainer's policy gets right greedily, and their number."""
    generations = _greedy(trainer, held_out, max_new_tokens)
    read = get_parser(parser)
    right = 0
    for example, prompt, made in zip(held_out.examples, held_out.prompts, generations, strict=True):
        opened = prompt.reasoning_opened
        parsed = read.parse(made.text, truncated=made.truncated, reasoning_opened=opened, tools=example.tools)
        right += judge(parsed, Context.of(example)).right
    return right / len(held_out.examples), len(held_out.examples)


def _greedy(trainer: Any, held_out: Rendered, max_new_tokens: int) -> list[Generation]:
    tokenizer = trainer.processing_class
    if getattr(trainer, "use_vllm", False) and trainer.vllm_mode == "colocate":
        from vllm import SamplingParams

        trainer.vllm_generation.sync_weights()
        trainer._last_loaded_step = trainer.state.global_step
        requests = [{"prompt_token_ids": list(p.token_ids)} for p in held_out.prompts]
        params = SamplingParams(temperature=0.0, max_tokens=max_new_tokens)
        outputs = trainer.vllm_generation.llm.generate(requests, sampling_params=params, use_tqdm=False)
        found = [(tuple(o.outputs[0].token_ids), o.outputs[0].finish_reason == "length") for o in outputs]
        return [Generation(tokenizer.decode(list(ids), skip_special_tokens=True), ids, cut) for ids, cut in found]
    return _with_transformers(trainer, held_out, max_new_tokens)


def _with_transformers(trainer: Any, held_out: Rendered, max_new_tokens: int) -> list[Generation]:
    from rlvr.rollouts.transformers import TransformersGenerator

    generator = TransformersGenerator.around(trainer.accelerator.unwrap_model(trainer.model), trainer.processing_class)
    made = generator.generate(held_out.prompts, max_new_tokens=max_new_tokens)
    trainer.model.train()
    return [m[0] for m in made]
