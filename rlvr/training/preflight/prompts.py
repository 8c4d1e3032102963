"""Checks of the rendered prompts: tools in the tokens, the sequence's beginning, reasoning tags, the turn's end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rlvr.errors import DataError
from rlvr.training.dataset import Rendered, grpo_rows
from rlvr.training.preflight.findings import Finding, shown
from rlvr.training.preflight.scene import Scene, share, spread

_SAMPLE = 64  # rows that are tokenized once more, as a trainer does

_OPENED = re.compile(
    r"(<(?:\w+:)?(?:think(?:ing)?|thought|reason(?:ing)?|scratchpad)>|\[THINK\]|<\|channel\|?>\s*analysis\S*"
    r"|<\|START_THINKING\|>)\s*$"
)
_CLOSED = re.compile(r"<think>\s*</think>\s*$")


def check_prompts(scene: Scene) -> Iterator[Finding]:
    """All checks of this module."""
    yield from tool_names(scene)
    yield from beginning(scene)
    yield from reasoning_tag(scene)
    yield from turn_end(scene)


def tool_names(scene: Scene) -> Iterator[Finding]:
    """Every offered tool's name stands in the text that the prompt's token ids give back.

    That it stands in the rendered text is held when a prompt is rendered; a tokenizer may still lose it.
    """
    missing: list[tuple[str, str]] = []
    tools = 0
    for example, prompt in zip(scene.rendered.examples, scene.rendered.prompts, strict=True):
        tools += len(example.tools)
        text = _squeezed(scene.tokenizer.decode(list(prompt.token_ids), clean_up_tokenization_spaces=False))
        missing += [(example.id, t.name) for t in example.tools if _squeezed(t.name) not in text]
    rows = len(scene.rendered.examples)
    figures = {"rows": rows, "tools": tools, "missing": len(missing)}
    if missing:
        where, name = missing[0]
        yield Finding(
            "tool names",
            "error",
            f"{share(len(missing), tools)} names of tools are not in the prompts' tokens; first {name!r} of {where}: "
            f"the tokenizer changes what it reads.",
            "Take the tokenizer that belongs to this model, or one whose normalizer keeps letters, case and signs.",
            figures,
        )
        return
    yield Finding(
        "tool names", "note", f"all {tools:,} names of tools of {rows:,} prompts are in their tokens.", figures=figures
    )


def beginning(scene: Scene) -> Iterator[Finding]:
    """One beginning-of-sequence token, not two; and a trainer that tokenizes the text gets the same ids."""
    bos = scene.tokenizer.bos_token_id
    prompts = scene.rendered.prompts
    double = [i for i, p in enumerate(prompts) if bos is not None and p.token_ids[:2] == (bos, bos)]
    figures: dict[str, Any] = {"rows": len(prompts), "double": len(double)}
    if double:
        yield Finding(
            "double BOS",
            "error",
            f"{share(len(double), len(prompts))} prompts begin with two {scene.tokenizer.bos_token!r}: the model has "
            f"never seen that. First: {shown(prompts[double[0]].text, 60)!r}",
            "Remove one from the chat template (`{{ bos_token }}`), or from the system message that it writes.",
            figures,
        )
        return
    places = spread(scene.rendered.examples, _SAMPLE, scene.recipe.seed)
    some = Rendered(tuple(scene.rendered.examples[i] for i in places), tuple(prompts[i] for i in places), 0, 0)
    try:
        grpo_rows(some, scene.tokenizer)
    except DataError as error:
        if scene.is_grpo:
            yield Finding(
                "special tokens",
                "error",
                f"a trainer that tokenizes the prompts gets other ids than were rendered: {error}",
                "Give the tokenizer a chat template that writes its special tokens, or switch off what it adds "
                "(add_bos_token, add_eos_token in tokenizer_config.json).",
            )
            return
    first = bos is not None and sum(p.token_ids[:1] == (bos,) for p in prompts)
    begun = f"{share(first, len(prompts))} prompts begin with {scene.tokenizer.bos_token!r}, none twice"
    if bos is None:
        begun = "the tokenizer has no beginning-of-sequence token"
    yield Finding("beginning of the sequence", "note", begun + ".", figures=figures)


def reasoning_tag(scene: Scene) -> Iterator[Finding]:
    """Whether prompts end in an opened reasoning block, and whether the parser knows its tag."""
    prompts = scene.rendered.prompts
    known = [p for p in prompts if p.reasoning_opened]
    foreign = [m[1] for p in prompts if not p.reasoning_opened and (m := _OPENED.search(p.text))]
    closed = sum(bool(_CLOSED.search(p.text)) for p in prompts)
    figures = {"rows": len(prompts), "opened": len(known), "foreign": len(foreign), "closed": closed}
    if foreign:
        yield Finding(
            "reasoning tag",
            "error",
            f"{share(len(foreign), len(prompts))} prompts end in an opened {foreign[0]!r}, which the parser does not "
            f"know: it would read the reasoning as text, and a call in it as a call.",
            "Use a chat template that opens <think>, or opens nothing (many take enable_thinking=False).",
            figures,
        )
        return
    if 0 < len(known) < len(prompts):
        yield Finding(
            "reasoning tag",
            "warning",
            f"{share(len(known), len(prompts))} prompts open a reasoning block, the others do not.",
            "Let the chat template open it always or never: a model cannot learn when to think from both.",
            figures,
        )
        return
    yield from _opened(scene, figures) if known else _not_opened(closed, figures)


def _opened(scene: Scene, figures: dict[str, Any]) -> Iterator[Finding]:
    """Every prompt opens a block: what the composition takes for it hits every completion alike."""
    penalty = weight = 0.0
    if scene.is_grpo:
        efficiency = next((c for c in scene.composition.components if c.name == "efficiency"), None)
        weight = efficiency.weight if efficiency else 0.0
        penalty = getattr(efficiency.params, "reasoning_penalty", 0.0) if efficiency else 0.0
        free = getattr(efficiency.params, "free_reasoning_tokens", 0) if efficiency else 0
        penalty = 0.0 if free else penalty
    if penalty * weight > 0:
        yield Finding(
            "reasoning tag",
            "warning",
            f"all {figures['rows']:,} prompts end in an opened <think>, and {scene.composition.name} at "
            f"{scene.composition.stage} takes {penalty:g} × {weight:g} for reasoning: nearly every completion loses "
            "it, and a group in which all do learns nothing from it.",
            "Use a template that opens nothing (enable_thinking=False), or composition: function_calling_reasoning.",
            figures,
        )
        return
    yield Finding(
        "reasoning tag",
        "note",
        f"all {figures['rows']:,} prompts end in an opened <think>; the parser begins inside the block.",
        figures=figures,
    )


def _not_opened(closed: int, figures: dict[str, Any]) -> Iterator[Finding]:
    more = (
        f"{share(closed, figures['rows'])} hold an empty block instead: thinking is off"
        if closed
        else ("a completion may open one itself")
    )
    yield Finding("reasoning tag", "note", f"no prompt opens a reasoning block; {more}.", figures=figures)


def turn_end(scene: Scene) -> Iterator[Finding]:
    """The token with which the chat template ends the assistant's turn ends a completion."""
    if not scene.tokenizer.chat_template:
        return
    mark = "turnendprobe"
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": mark}]
    try:
        text = str(scene.tokenizer.apply_chat_template(turns, tokenize=False))
    except Exception:  # a template may raise anything; those of the rows themselves were rendered
        return
    after = text.rpartition(mark)[2].lstrip()
    ids = scene.tokenizer(after, add_special_tokens=False)["input_ids"] if after else []
    ends = [scene.tokenizer.decode([i]) for i in scene.ends]
    if ids and ids[0] not in scene.ends:
        token = scene.tokenizer.decode([ids[0]])
        yield Finding(
            "end of the turn",
            "error",
            f"the chat template ends the assistant's turn with {token!r}, and a completion ends at {', '.join(ends)} "
            "alone: a model that learnt the template goes on to the length limit, and every completion is truncated.",
            f"Set the tokenizer's eos_token (or the generation config's eos_token_id) to {token!r}.",
            {"template": token, "ends": ends},
        )


def _squeezed(text: str) -> str:
    """A text without white space, which some tokenizers change."""
    return "".join(text.split())
