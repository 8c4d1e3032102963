"""A first step on the longest samples: forward and backward, gradients dropped, nothing changed in the model."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

from rlvr.parsers.token_ids import special_tokens
from rlvr.training.dataset import Rendered, warmup_rows
from rlvr.training.preflight.findings import Finding
from rlvr.training.preflight.machine import GIB, forget_peak, resident
from rlvr.training.preflight.memory import load_of
from rlvr.training.preflight.scene import Scene

CPU_TOKENS = 1536
"""Tokens of the step on a CPU, where a whole micro-batch may take half a minute: some rows; the rest is reckoned."""


Row: TypeAlias = tuple[tuple[int, ...], int]
"""Token ids, and where among them the completion begins."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step gave: its loss, the norm of its gradients, and what it took. `peak` in bytes above the start."""

    loss: float
    norm: float
    seconds: float
    rows: int
    tokens: int
    peak: int | None


def check_first_step(scene: Scene, model: Any) -> Iterator[Finding]:
    """Run the step and say what came of it."""
    try:
        step = first_step(scene, model)
    except Exception as error:  # whatever a model raises in its first step, a run would have met it there
        yield _failed(error)
        return
    figures = {
        "loss": step.loss,
        "gradient_norm": step.norm,
        "seconds": step.seconds,
        "rows": step.rows,
        "tokens": step.tokens,
        "peak": step.peak,
    }
    if math.isfinite(step.loss) and math.isfinite(step.norm):
        yield Finding("first step", "note", f"{_said(scene, step)}. The gradients were dropped.", figures=figures)
        return
    yield Finding(
        "first step",
        "error",
        f"on the longest samples the loss is {step.loss} and the gradients' norm {step.norm}: training would destroy "
        "the model.",
        "Try precision: fp32; if the loss stays so, the weights themselves are broken.",
        figures,
    )


def _failed(error: Exception) -> Finding:
    change = "Mend the model or its configuration; shared_prefix: 'off' takes TRL's own path, if the error is there."
    if "memory" in str(error).lower():
        change = (
            "Lower trl.per_device_train_batch_size with more trl.gradient_accumulation_steps, or set "
            "trl.gradient_checkpointing: true."
        )
    first_line = (str(error).splitlines() or [""])[0]
    said = f"the first step on the longest samples fails: {type(error).__name__}: {first_line}"
    return Finding("first step", "error", said, change)


def _said(scene: Scene, step: Step) -> str:
    """The step in words; where it was not a whole one, what a whole one takes by the number of tokens."""
    said = (
        f"{step.rows} of {scene.rows_a_step} rows of the longest prompts with completions of full length, "
        f"{step.tokens:,} tokens: loss {step.loss:.3f}, gradient norm {step.norm:.3g}, {step.seconds:.1f} s"
    )
    if step.peak is None:
        return said
    said += f", {step.peak / GIB:.2f} GiB above the weights"
    whole, most = load_of(scene)
    if step.tokens >= whole.tokens:
        return said
    return (
        f"{said}. By tokens a step of {whole.tokens:,} takes {step.peak / GIB * whole.tokens / step.tokens:.1f} GiB "
        f"and {step.seconds * whole.tokens / step.tokens:.0f} s, the largest ({most.tokens:,}) "
        f"{step.peak / GIB * most.tokens / step.tokens:.1f} GiB"
    )


def first_step(scene: Scene, model: Any) -> Step:
    """Forward and backward over the longest rows. Weights, gradients, mode and random states are as before."""
    import torch

    cuda = torch.cuda.is_available()
    rows = longest_rows(scene, None if cuda else CPU_TOKENS)
    with _as_before(model, checkpointing=bool(scene.recipe.trl.get("gradient_checkpointing", False))):
        before = _start_counting(cuda)
        start = time.perf_counter()
        with _autocast(scene):
            logps = _logps(scene, model, rows)
            loss = -logps.mean()
        loss.backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        norm = float(torch.stack([g.detach().float().norm() for g in grads]).norm()) if grads else math.nan
        if cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        peak = _peak_since(before, cuda)
    distinct = _tokens(rows, scene)
    return Step(float(loss.detach()), norm, seconds, len(rows), distinct, peak)


def longest_rows(scene: Scene, most_tokens: int | None) -> list[Row]:
    """Rows of the longest samples: a micro-batch of them, or as many as have at most so many tokens."""
    order = sorted(range(len(scene.rendered.prompts)), key=lambda i: -len(scene.rendered.prompts[i].token_ids))
    rows = _drawn(scene, order) if scene.is_grpo else _targets(scene, order[: scene.rows_a_step])
    kept = rows[:1]
    for row in rows[1:]:
        if most_tokens is not None and _tokens([*kept, row], scene) > most_tokens:
            break
        kept.append(row)
    return kept


def _targets(scene: Scene, places: Sequence[int]) -> list[Row]:
    """A warm-up's own rows."""
    examples, prompts = scene.rendered.examples, scene.rendered.prompts
    some = Rendered(tuple(examples[i] for i in places), tuple(prompts[i] for i in places), 0, 0)
    made = warmup_rows(some, scene.tokenizer, scene.recipe.parser, scene.recipe.targets, scene.recipe.seed)
    return [(tuple(r["input_ids"]), int(r["completion_mask"].index(1))) for r in made]


def _drawn(scene: Scene, order: Sequence[int]) -> list[Row]:
    """Groups whose completions of full length are drawn from the vocabulary, since none exist yet: each its own, since
    equal rows are computed once."""
    rng = random.Random(scene.recipe.seed)
    special = special_tokens(scene.tokenizer)
    plain = [i for i in range(min(int(scene.config.vocab_size), len(scene.tokenizer))) if i not in special]
    length = int(scene.option("max_completion_length"))
    rows: list[Row] = []
    for row in range(scene.rows_a_step):
        prompt = scene.rendered.prompts[order[row // scene.group_size % len(order)]].token_ids
        rows.append((tuple(prompt) + tuple(rng.choices(plain, k=length)), len(prompt)))
    return rows


def _tokens(rows: Sequence[Row], scene: Scene) -> int:
    """Tokens that are computed: with shared prefixes a prompt once, else rows as long as the longest."""
    if not scene.shared:
        return len(rows) * max(len(ids) for ids, _ in rows)
    prompts = {ids[:start] for ids, start in rows}
    return sum(map(len, prompts)) + sum(len(ids) - start for ids, start in rows)


def _logps(scene: Scene, model: Any, rows: Sequence[Row]) -> Any:
    """Log-probabilities of the completions' tokens, by the road that the run takes."""
    import torch

    from rlvr.training.head import score_head
    from rlvr.training.shared_prefix import Row as SharedRow
    from rlvr.training.shared_prefix import score_targets

    temperature = float(scene.option("temperature")) if scene.is_grpo else 1.0
    if scene.shared:
        return score_targets(model, [SharedRow(ids, start) for ids, start in rows], temperature=temperature).logps
    width, device = max(len(ids) for ids, _ in rows), model.get_input_embeddings().weight.device
    ids = torch.zeros((len(rows), width), dtype=torch.long, device=device)
    mask = torch.zeros_like(ids)
    wanted = torch.zeros_like(ids, dtype=torch.bool)
    for i, (row, start) in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row, device=device)
        mask[i, : len(row)] = 1
        wanted[i, start : len(row)] = True
    hidden = model.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    return score_head(model.get_output_embeddings(), hidden[:, :-1][wanted[:, 1:]], ids[wanted], temperature).logps


def _autocast(scene: Scene) -> AbstractContextManager[Any]:
    import torch

    return torch.autocast("cuda", torch.bfloat16) if scene.precision.name == "bf16" else nullcontext()


@contextmanager
def _as_before(model: Any, *, checkpointing: bool) -> Iterator[None]:
    """Train mode, and checkpointing where the run has it; afterwards the old mode, and gradients as they were: none."""
    training = model.training
    model.train()
    if checkpointing:
        model.gradient_checkpointing_enable()
    try:
        yield
    finally:
        for parameter in model.parameters():
            parameter.grad = None
        if checkpointing:
            model.gradient_checkpointing_disable()
        model.train(training)


def _start_counting(cuda: bool) -> int | None:
    import torch

    if cuda:
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    now = resident() if forget_peak() else None
    return now[0] if now else None


def _peak_since(before: int | None, cuda: bool) -> int | None:
    import torch

    if before is None:
        return None
    if cuda:
        return torch.cuda.max_memory_allocated() - before
    now = resident()
    return max(0, now[1] - before) if now else None
