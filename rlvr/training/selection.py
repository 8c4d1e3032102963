"""What a run looks at to select its checkpoint: greedy completions of held-out examples, judged right or wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from rlvr.errors import UsageError
from rlvr.parsers import get_parser
from rlvr.parsers.token_ids import completion_text
from rlvr.rewards import Context, judge
from rlvr.rewards.judge import Verdict
from rlvr.rollouts.base import Generation
from rlvr.training import processes
from rlvr.training.dataset import Rendered
from rlvr.training.guard_options import GuardOptions
from rlvr.training.rollout_engine import greedy
from rlvr.training.rule import Criterion, Look, unanswerable
from rlvr.types import Outcome

Keep: TypeAlias = Callable[[Sequence[Generation]], None]


def shared_look(
    trainer: Any, held_out: Rendered, parser: str, max_new_tokens: int, matching: str, keep: Keep = lambda made: None
) -> Look:
    """`take_look` by the main process, told to the others.

    Where a model lies in parts in all processes, or an engine runs in all of them, each has to take part; the main
    one's look counts.
    """
    together = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled or getattr(trainer, "use_vllm", False)
    if together and not processes.is_main():
        take_look(trainer, held_out, parser, max_new_tokens, matching)
    return processes.from_main(lambda: take_look(trainer, held_out, parser, max_new_tokens, matching, keep))


def take_look(
    trainer: Any, held_out: Rendered, parser: str, max_new_tokens: int, matching: str, keep: Keep = lambda made: None
) -> Look:
    """Let the trainer's policy answer the held-out examples greedily, and judge every answer under `matching`.

    `keep` is handed the completions, in the examples' order.
    """
    generations = _greedy(trainer, held_out, max_new_tokens)
    keep(generations)
    read = get_parser(parser)
    verdicts = []
    for example, prompt, made in zip(held_out.examples, held_out.prompts, generations, strict=True):
        opened = prompt.reasoning_opened
        parsed = read.parse(made.text, truncated=made.truncated, reasoning_opened=opened, tools=example.tools)
        verdicts.append((bool(example.ground_truth), judge(parsed, Context.of(example, matching))))
    return summarise(trainer.state.global_step, verdicts, [len(made.token_ids) for made in generations])


def summarise(step: int, verdicts: Sequence[tuple[bool, Verdict]], tokens: Sequence[int]) -> Look:
    """The figures of a look: of every example whether a call was wanted, its verdict, and the completion's tokens."""
    found = [v for _, v in verdicts]
    calling, no_call = [v for wanted, v in verdicts if wanted], [v for wanted, v in verdicts if not wanted]
    return Look(
        step=step,
        n=len(found),
        strict=_share([v.right for v in found]) or 0.0,
        n_no_call=len(no_call),
        false_calls=_share([v.outcome in (Outcome.CALLS, Outcome.MALFORMED) for v in no_call]),
        abstained=_share([v.abstained for v in no_call]),
        refused=_share([v.right for v in no_call]),
        refused_calls=_share([v.abstained for v in calling]),
        malformed=_share([v.outcome is Outcome.MALFORMED for v in found]) or 0.0,
        truncated=_share([v.truncated for v in found]) or 0.0,
        tokens=sum(tokens) / len(tokens),
    )


def check_held_out(rule: Sequence[Criterion], guards: GuardOptions, held_out: Rendered) -> None:
    """Raise `UsageError` where the held-out examples cannot answer what a rule or a guard asks."""
    calling = sum(bool(example.ground_truth) for example in held_out.examples)
    no_call = len(held_out.examples) - calling
    wrong = [f"selection.rule: {name}" for name in unanswerable(rule, calling=calling, no_call=no_call)]
    if guards.false_calls is not None and not no_call:
        wrong.append("guards.false_calls")
    if wrong:
        raise UsageError(
            f"{', '.join(wrong)}: of the {len(held_out.examples)} examples of selection.data {calling} want a call and "
            f"{no_call} want none; add the kind that is missing (categories: irrelevance, or negatives)."
        )


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _greedy(trainer: Any, held_out: Rendered, max_new_tokens: int) -> list[Generation]:
    tokenizer = trainer.processing_class
    if getattr(trainer, "use_vllm", False) and not _alone_and_awake(trainer):
        made = greedy(trainer, held_out.prompts, max_new_tokens)
        return [Generation(completion_text(ids, tokenizer), ids, cut) for ids, cut in made]
    if getattr(trainer, "use_vllm", False):
        from vllm import SamplingParams

        trainer.vllm_generation.sync_weights()
        trainer._last_loaded_step = trainer.state.global_step
        requests = [{"prompt_token_ids": list(p.token_ids)} for p in held_out.prompts]
        params = SamplingParams(temperature=0.0, max_tokens=max_new_tokens)
        outputs = trainer.vllm_generation.llm.generate(requests, sampling_params=params, use_tqdm=False)
        found = [(tuple(o.outputs[0].token_ids), o.outputs[0].finish_reason == "length") for o in outputs]
        return [Generation(completion_text(ids, tokenizer), ids, cut) for ids, cut in found]
    return _with_transformers(trainer, held_out, max_new_tokens)


def _alone_and_awake(trainer: Any) -> bool:
    """Whether the engine is colocated, on one GPU or CPU, and never sleeps: then it can be asked directly."""
    plain = trainer.vllm_mode == "colocate" and trainer.vllm_tensor_parallel_size == 1
    return plain and not trainer.args.vllm_enable_sleep_mode


def _with_transformers(trainer: Any, held_out: Rendered, max_new_tokens: int) -> list[Generation]:
    import torch

    from rlvr.rollouts.transformers import TransformersGenerator

    generator = TransformersGenerator.around(trainer.accelerator.unwrap_model(trainer.model), trainer.processing_class)
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):  # looking must not change what is sampled next
        made = generator.generate(held_out.prompts, max_new_tokens=max_new_tokens)
    trainer.model.train()
    return [m[0] for m in made]
