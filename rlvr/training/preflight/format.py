"""The parser fits the chat template, what the trainer decodes, and the right answers of the mixture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rlvr.audit import Subject
from rlvr.data.targets import target
from rlvr.errors import DataError, UsageError
from rlvr.integrations.trl import markup_is_special
from rlvr.parsers import PARSERS, get_parser
from rlvr.parsers.token_ids import special_tokens, text_of
from rlvr.rewards import Context, judge
from rlvr.training.preflight.findings import Finding, shown
from rlvr.training.preflight.scene import Scene, share, spread
from rlvr.types import Example, Outcome, Tool, ToolCall

_SAMPLE = 256  # rows whose right answers are parsed back
_TOOLS = (
    Tool(
        "get_weather", "", {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    ),
    Tool("send_note", "", {"type": "object", "properties": {"text": {"type": "string"}}}),
)
_CALLS = (ToolCall("get_weather", {"city": "Hanoi", "days": 3}),)


def check_format(scene: Scene) -> Iterator[Finding]:
    """All checks of this module."""
    yield from template_calls(scene)
    yield from decoded_calls(scene)
    yield from right_answers(scene) if scene.is_grpo else right_targets(scene)


def template_calls(scene: Scene) -> Iterator[Finding]:
    """A call, written by the model's own chat template, is read back as that call by the recipe's parser."""
    check, name = "parser and template", scene.recipe.parser
    figures: dict[str, Any] = {"template_takes_tools": scene.template_takes_tools}
    if not scene.template_takes_tools:
        said = f"the chat template takes no tools: rlvr's own system prompt shows them, and asks for {name} calls."
        yield Finding(check, "note", said, figures=figures)
        return
    text = template_text(scene.tokenizer, _CALLS)
    if text is None:
        said = "the chat template refuses an assistant's turn with a call: how it writes calls cannot be seen."
        yield Finding(check, "note", said, figures=figures)
        return
    readers = [p for p in PARSERS if _reads(p, text)]
    figures |= {"text": text, "readers": readers}
    if name in readers:
        said = f"the chat template writes {shown(text)!r}; {name} reads it as that call."
        yield Finding(check, "note", said, figures=figures)
        return
    change = (
        "No parser here reads it. Take a chat template in a format of docs/parsers.md, or one that takes no tools: "
        "rlvr then asks for the recipe's format itself."
    )
    yield Finding(
        check,
        "error",
        f"the chat template writes a call as {shown(text)!r}, which the {name} parser reads as "
        f"{get_parser(name).parse(text, tools=_TOOLS).outcome}: a model that calls as it was taught would be punished "
        "for it.",
        f"Set parser: {readers[0]}." if readers else change,
        figures,
    )


def template_text(tokenizer: Any, calls: Sequence[ToolCall]) -> str | None:
    """What a chat template writes for an assistant's turn of `calls`, from where the model would begin."""
    user = [{"role": "user", "content": "Weather in Hanoi for 3 days?"}]
    made = [
        {"type": "function", "id": "call12345", "function": {"name": c.name, "arguments": dict(c.arguments)}}
        for c in calls
    ]
    tools = [{"type": "function", "function": t.to_json()} for t in _TOOLS]
    turns = [*user, {"role": "assistant", "content": "", "tool_calls": made}]
    try:
        prompt = str(tokenizer.apply_chat_template(user, tools=tools, add_generation_prompt=True, tokenize=False))
        whole = str(tokenizer.apply_chat_template(turns, tools=tools, tokenize=False))
    except Exception:  # a chat template is a program of the model's, and may raise anything
        return None
    head = prompt[: _common(prompt, whole)]
    if head != prompt:  # the prompt goes on otherwise (an opened block): go back to where its last part begins
        cut = max(head.rfind(mark) for mark in ("\n", ">", "]"))
        head = head[: cut + 1]
    return whole[len(head) :].strip() or None


def _common(a: str, b: str) -> int:
    """How many characters two texts have in common at their beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _reads(parser: str, text: str) -> bool:
    parsed = get_parser(parser).parse(text, tools=_TOOLS)
    return parsed.outcome is Outcome.CALLS and parsed.calls == _CALLS


def decoded_calls(scene: Scene) -> Iterator[Finding]:
    """The format's markup survives decoding: the trainer's, or the rewards' own where it is made of special tokens."""
    name = scene.recipe.parser
    read = get_parser(name)
    ids = scene.tokenizer(read.render(_CALLS), add_special_tokens=False)["input_ids"]
    by_ids = markup_is_special(scene.tokenizer, name)  # then the rewards read the ids
    text = text_of(ids, scene.tokenizer) if by_ids else scene.tokenizer.decode(ids, skip_special_tokens=True)
    if read.parse(text, tools=_TOOLS).calls == _CALLS:
        return
    known = special_tokens(scene.tokenizer)
    special = [known[i] for i in ids if i in known]
    why = (
        f"{', '.join(dict.fromkeys(special))} are special tokens of this tokenizer"
        if special
        else ("this tokenizer does not give back what it was given")
    )
    yield Finding(
        "markup in tokens",
        "error",
        f"a right {name} call, tokenized and decoded as the rewards get it, becomes {shown(text)!r}: {why}. Every "
        "right call would be malformed.",
        "Choose a format whose markup this tokenizer gives back (docs/parsers.md).",
        {"text": text, "special": special},
    )


def right_answers(scene: Scene) -> Iterator[Finding]:
    """The right answer of every row, written in the recipe's format, is right by rlvr's own judge."""
    places = spread(scene.rendered.examples, _SAMPLE, scene.recipe.seed)
    wrong: list[tuple[str, str]] = []
    for place in places:
        example = scene.rendered.examples[place]
        subject = Subject(example, scene.recipe.parser)
        try:
            if not subject.right(subject.ground_truth):
                wrong.append((example.id, "its own right answer is judged wrong"))
        except UsageError as error:
            wrong.append((example.id, str(error)))
    yield from _unreachable(wrong, len(places), "right answers")


def right_targets(scene: Scene) -> Iterator[Finding]:
    """A warm-up's targets are right, read as a completion of their prompts would be."""
    recipe, rendered = scene.recipe, scene.rendered
    places = spread(rendered.examples, _SAMPLE, recipe.seed)
    wrong: list[tuple[str, str]] = []
    for place in places:
        example, prompt = rendered.examples[place], rendered.prompts[place]
        try:
            text = target(example, recipe.parser, recipe.seed, recipe.targets)
        except (DataError, UsageError) as error:
            wrong.append((example.id, str(error)))
            continue
        reason = wrongness(example, text, recipe.parser, prompt.reasoning_opened)
        if reason:
            wrong.append((example.id, f"{reason}: {shown(text, 60)!r}"))
    yield from _unreachable(wrong, len(places), "targets")


def wrongness(example: Example, text: str, parser: str, reasoning_opened: bool) -> str:
    """Why a completion is not right; empty where it is, and for words that only a person could judge."""
    parsed = get_parser(parser).parse(text, reasoning_opened=reasoning_opened, tools=example.tools)
    if reasoning_opened and text.lstrip().startswith("<think>"):
        return "it opens the reasoning block that the prompt has opened already"
    verdict = judge(parsed, Context.of(example))
    if verdict.right:
        return ""
    if not example.ground_truth and parsed.text and not parsed.attempts:
        return ""  # a published reply; whether it refuses, asks or answers is read from word lists
    where = "inside the reasoning block that the prompt opens, " if reasoning_opened and not parsed.attempts else ""
    return f"{where}{verdict.reason}"


def _unreachable(wrong: Sequence[tuple[str, str]], of: int, what: str) -> Iterator[Finding]:
    figures = {"rows": of, "wrong": len(wrong)}
    if not wrong:
        yield Finding(what, "note", f"the {what} of {of:,} rows are right by rlvr's own judge.", figures=figures)
        return
    where, why = wrong[0]
    yield Finding(
        what,
        "error" if len(wrong) * 20 > of else "warning",
        f"{share(len(wrong), of)} {what} are not right: no completion can earn what the row is for. First {where}: "
        f"{why}",
        "Mend or drop these rows; where it is all of them, the parser or the reasoning tag does not fit the prompts.",
        figures,
    )
