"""What the recipe's server would do with a completion, against what our parser does: reasoning blocks are where they
differ. vLLM's parsers are followed by ours of the same names (docs/parsers.md holds them against each other)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rlvr.audit import Subject
from rlvr.errors import UsageError
from rlvr.parsers import get_parser
from rlvr.training.preflight.findings import Finding, shown
from rlvr.training.preflight.probe import Probe
from rlvr.training.preflight.scene import Scene, share
from rlvr.types import Outcome, ParsedCompletion, Tool

_OFTEN = 0.1
"""From this share of the probe's completions on, what the server would run is another policy than the trained one."""

_LEAST = 3  # and at least so many completions


@dataclass(frozen=True, slots=True)
class Case:
    """One typical completion: `honest` where a right model would write it."""

    name: str
    text: str
    tools: tuple[Tool, ...]
    honest: bool


def check_serving(scene: Scene) -> Iterator[Finding]:
    """Typical completions of the mixture, read by the run's parser and by the server's."""
    server = server_words(scene)
    lines, lost = [], []
    for case in cases(scene):
        ours, theirs = readings(scene, case.text, case.tools)
        same = agree(ours, theirs)
        lines.append(f"  {case.name:<46} here {act(ours):<14} server {act(theirs)}{'' if same else '   differs'}")
        if case.honest and not same:
            lost.append(case.name)
    if not lines:
        return
    table = "\n".join(lines)
    figures = {"server": server, "lost": lost}
    if lost:
        yield Finding(
            "serving",
            "warning",
            f"the server ({server}) reads right completions otherwise than this run does: {', '.join(lost)}.\n{table}",
            "Serve with the parsers that fit (serving.tool_parser, serving.reasoning_parser), or use prompts that "
            "make the model think before it answers where the server's reasoning parser expects it.",
            figures,
        )
        return
    yield Finding(
        "serving",
        "note",
        f"a server ({server}) beside this run's parser. A call inside a reasoning block is no call here:\n{table}",
        figures=figures,
    )


def check_serving_of(scene: Scene, probe: Probe) -> Iterator[Finding]:
    """How many of the probe's completions the server would read otherwise."""
    server, differing, total = server_words(scene), [], 0
    for group in probe.groups:
        for member in group.members:
            total += 1
            ours, theirs = readings(scene, member.generation.text, group.example.tools, group.prompt.reasoning_opened)
            if not agree(ours, theirs):
                differing.append(member.generation.text)
    figures = {"server": server, "differing": len(differing), "completions": total}
    read = share(len(differing), total)
    said = f"a server ({server}) would read {read} of the probe's completions otherwise than this run does"
    if len(differing) < max(_LEAST, _OFTEN * total):
        yield Finding("serving of the probe", "note", said + ".", figures=figures)
        return
    yield Finding(
        "serving of the probe",
        "warning",
        f"{said}, for example {shown(differing[0], 100)!r}: what people meet is not what was rewarded.",
        "Serve with a reasoning parser (serving.reasoning_parser: deepseek_r1 or qwen3) that reads them as the run "
        "does, or train prompts that leave thinking out.",
        figures,
    )


def cases(scene: Scene) -> list[Case]:
    """Typical completions on one row that wants a call and on one that wants words."""
    opened = scene.rendered.prompts[0].reasoning_opened
    start = "" if opened else "<think>"
    out: list[Case] = []
    call = _subject(scene, wants_call=True)
    if call is not None:
        right, thought, tools = call.ground_truth, call.phrase("thought"), call.example.tools
        if not opened:
            out.append(Case("a right call", right, tools, True))
        out.append(Case("reasoning, then a right call", f"{start}{thought}</think>\n{right}", tools, True))
        out.append(Case("a call inside the reasoning", f"{start}{thought}\n{right}\n</think>", tools, False))
        out.append(Case("a call inside reasoning that is never closed", f"{start}{thought}\n{right}", tools, False))
    words = _subject(scene, wants_call=False)
    if words is not None:
        said, tools = words.ground_truth, words.example.tools
        out.append(
            Case("a right refusal", f"{words.phrase('thought')}</think>\n{said}" if opened else said, tools, True)
        )
    return out


def _subject(scene: Scene, *, wants_call: bool) -> Subject | None:
    for example in scene.rendered.examples:
        if bool(example.ground_truth) == wants_call:
            subject = Subject(example, scene.recipe.parser)
            try:
                if subject.right(subject.ground_truth):
                    return subject
            except UsageError:
                continue
    return None


def readings(
    scene: Scene, text: str, tools: tuple[Tool, ...], opened: bool | None = None
) -> tuple[ParsedCompletion, ParsedCompletion]:
    """A completion as this run reads it, and as the server would."""
    if opened is None:
        opened = scene.rendered.prompts[0].reasoning_opened
    ours = get_parser(scene.recipe.parser).parse(text, reasoning_opened=opened, tools=tools)
    serving = scene.recipe.serving
    server = get_parser(serving.tool_parser or scene.recipe.parser, serving.reasoning_parser)
    return ours, server.parse(text, reasoning_opened=opened, tools=tools)


def agree(ours: ParsedCompletion, theirs: ParsedCompletion) -> bool:
    """Whether the same calls would run, and no words are lost."""
    lost = bool(ours.text) and not theirs.text and ours.outcome is Outcome.ABSTAIN
    return _run(ours) == _run(theirs) and not lost


def act(parsed: ParsedCompletion) -> str:
    """What a reader does with a completion, in a word or two."""
    calls = _run(parsed)
    if calls:
        return f"runs {len(calls)} call{'s' if len(calls) > 1 else ''}"
    if parsed.outcome is Outcome.MALFORMED:
        return "malformed"
    return "shows words" if parsed.text else "shows nothing"


def _run(parsed: ParsedCompletion) -> tuple[object, ...]:
    return parsed.calls if parsed.outcome is Outcome.CALLS else ()


def server_words(scene: Scene) -> str:
    """The server in vLLM's own flags."""
    serving = scene.recipe.serving
    tool = f"--tool-call-parser {serving.tool_parser or scene.recipe.parser}"
    return tool if serving.reasoning_parser == "none" else f"{tool} --reasoning-parser {serving.reasoning_parser}"
