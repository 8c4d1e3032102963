"""Prompt and completion fit the model's context and the engine's, and the right answers fit the completion's limit."""

from __future__ import annotations

from collections.abc import Iterator

from rlvr.audit import Subject
from rlvr.errors import UsageError
from rlvr.training.dataset import Rendered, warmup_rows
from rlvr.training.preflight.findings import Finding
from rlvr.training.preflight.scene import Scene, mean_of, share, spread

_SAMPLE = 256  # rows whose right answers are counted in tokens
_MANY_DROPPED = 0.5
_FEW = 0.05  # of the rows may have right answers that are too long, before it is more than a note


def check_lengths(scene: Scene) -> Iterator[Finding]:
    """All checks of this module."""
    yield from dropped(scene)
    yield from vocabulary(scene)
    if scene.is_grpo:
        yield from completion_room(scene)
        yield from answers_fit(scene)
    else:
        yield from targets_fit(scene)


def longest(rendered: Rendered) -> int:
    """Tokens of the longest prompt that is kept."""
    return max(len(p.token_ids) for p in rendered.prompts)


def context(scene: Scene) -> tuple[int, str] | None:
    """How many tokens a sequence may have, and who says so: the model, or the engine where it takes fewer."""
    limits = []
    own = getattr(scene.config, "max_position_embeddings", None)
    if isinstance(own, int) and own > 0:
        limits.append((own, "the model's max_position_embeddings"))
    engine = scene.recipe.engine.max_model_len if scene.backend in ("vllm", "vllm_server") else None
    if engine:
        limits.append((engine, "the engine's max_model_len"))
    return min(limits, default=None)


def completion_room(scene: Scene) -> Iterator[Finding]:
    """The longest prompt and the longest completion fit; the selection's too."""
    room = context(scene)
    completion = int(scene.option("max_completion_length"))
    for name, rendered in (("data", scene.rendered), ("selection.data", scene.held_out)):
        if rendered is None or room is None:
            continue
        prompt = longest(rendered)
        figures = {"prompt": prompt, "completion": completion, "context": room[0]}
        sum_ = f"the longest prompt of {name} has {prompt:,} tokens, {prompt + completion:,} with a whole completion"
        if prompt + completion <= room[0]:
            yield Finding("context", "note", f"{sum_}; {room[0]:,} are there ({room[1]}).", figures=figures)
            continue
        cut = sum(len(p.token_ids) + completion > room[0] for p in rendered.prompts)
        left = room[0] - completion
        yield Finding(
            "context",
            "error",
            f"{sum_}; {room[1]} is {room[0]:,}. {share(cut, len(rendered.prompts))} prompts leave no room for a whole "
            "completion.",
            (f"Set {name}.max_prompt_tokens to {left} or less" if left > 0 else "Lower trl.max_completion_length")
            + ", lower trl.max_completion_length, or raise engine.max_model_len where the engine's limit is the "
            "smaller.",
            figures,
        )


def answers_fit(scene: Scene) -> Iterator[Finding]:
    """The rows' own right answers are shorter than the limit of a completion."""
    limit = int(scene.option("max_completion_length"))
    lengths = []
    for place in spread(scene.rendered.examples, _SAMPLE, scene.recipe.seed):
        subject = Subject(scene.rendered.examples[place], scene.recipe.parser)
        try:
            text = subject.ground_truth
        except UsageError:  # told by `format.right_answers`
            continue
        lengths.append(len(scene.tokenizer(text, add_special_tokens=False)["input_ids"]) + 1)  # and the turn's end
    over = sum(n > limit for n in lengths)
    figures = {"rows": len(lengths), "too_long": over, "longest": max(lengths, default=0), "limit": limit}
    if over <= _FEW * len(lengths):
        more = f" ({share(over, len(lengths))} are longer: no completion of these rows is right)" if over else ""
        yield Finding(
            "room for the answer",
            "note",
            f"the longest right answer of {len(lengths):,} rows has {figures['longest']:,} tokens, the mean "
            f"{mean_of(lengths):.0f}; a completion may have {limit:,}{more}.",
            figures=figures,
        )
        return
    yield Finding(
        "room for the answer",
        "warning",
        f"{share(over, len(lengths))} right answers are longer than trl.max_completion_length = {limit:,} tokens (the "
        f"longest has {figures['longest']:,}): every completion of these rows is cut, and none is right.",
        f"Raise trl.max_completion_length to {figures['longest'] + 1} or more, or drop these rows.",
        figures,
    )


def targets_fit(scene: Scene) -> Iterator[Finding]:
    """A warm-up's longest row, target included, fits the model's context."""
    room = context(scene)
    if room is None:
        return
    places = sorted(range(len(scene.rendered.prompts)), key=lambda i: len(scene.rendered.prompts[i].token_ids))[-64:]
    some = Rendered(
        tuple(scene.rendered.examples[i] for i in places), tuple(scene.rendered.prompts[i] for i in places), 0, 0
    )
    rows = warmup_rows(some, scene.tokenizer, scene.recipe.parser, scene.recipe.targets, scene.recipe.seed)
    most = max(len(r["input_ids"]) for r in rows)
    figures = {"longest": most, "context": room[0]}
    said = f"the longest row, prompt and target, has {most:,} tokens; {room[1]} is {room[0]:,}."
    if most <= room[0]:
        yield Finding("context", "note", said, figures=figures)
        return
    yield Finding(
        "context",
        "error",
        said,
        f"Set data.max_prompt_tokens so that prompt and target fit {room[0]:,} tokens.",
        figures,
    )


def dropped(scene: Scene) -> Iterator[Finding]:
    """How many rows were dropped for the length of their prompt."""
    n, kept = scene.rendered.dropped, len(scene.rendered.examples)
    limit = scene.recipe.data.max_prompt_tokens
    figures = {"kept": kept, "dropped": n, "limit": limit, "longest": scene.rendered.longest}
    said = (
        f"{share(n, n + kept)} rows are dropped: their prompts have more than data.max_prompt_tokens = {limit:,} tokens"
    )
    if n > _MANY_DROPPED * (n + kept):
        yield Finding(
            "dropped rows",
            "warning",
            f"{said} (the longest has {scene.rendered.longest:,}).",
            "Raise data.max_prompt_tokens, or offer fewer tools (max_tools): what stays is another mixture.",
            figures,
        )
        return
    yield Finding("dropped rows", "note", f"{said}; {kept:,} stay.", figures=figures)


def vocabulary(scene: Scene) -> Iterator[Finding]:
    """No prompt holds a token that the model has no embedding for."""
    size = int(getattr(scene.config, "vocab_size", 0) or 0)
    most = max(max(p.token_ids, default=0) for p in scene.rendered.prompts)
    if size and most >= size:
        yield Finding(
            "vocabulary",
            "error",
            f"the prompts hold token {most:,} ({scene.tokenizer.decode([most])!r}), and the model has {size:,} "
            "embeddings.",
            "Take the tokenizer that belongs to this model, or resize the model's embeddings and save it.",
            {"token": most, "embeddings": size},
        )
