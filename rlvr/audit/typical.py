"""What typical completions earn under a composition: the table of `rlvr rewards show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rlvr.audit.examples import built_in_examples
from rlvr.audit.subject import Subject
from rlvr.rewards import Breakdown, Composition, Context
from rlvr.rewards.parsing import parse_completion
from rlvr.rewards.score import break_down
from rlvr.types import ToolCall

_WANTED, _NONE = "simple-en-days", "none-en-flight"
_LONG_THOUGHT = "The user wants a forecast, so I should look at the tools that I have. " * 100


@dataclass(frozen=True, slots=True)
class Typical:
    """One typical completion: whether a call is wanted, in a few words what it is, and its breakdown."""

    wanted: str
    name: str
    completion: str
    breakdown: Breakdown


def typical(composition: Composition, parser: str = "hermes") -> list[Typical]:
    """Score the typical completions of an example that wants a call and of one that wants none."""
    subjects = {e.id: Subject(e, parser) for e in built_in_examples() if e.id in (_WANTED, _NONE)}
    rows = []
    for wanted, subject, texts in (
        ("a call", subjects[_WANTED], _for_call(subjects[_WANTED])),
        ("no call", subjects[_NONE], _for_words(subjects[_NONE])),
    ):
        context = Context.of(subject.example, composition.matching)
        for name, text in texts.items():
            breakdown = break_down(parse_completion(text, parser, tools=context.tools), context, composition)
            rows.append(Typical(wanted, name, text, breakdown))
    return rows


def inversions(rows: Sequence[Typical], margin: float = 0.1) -> list[tuple[Typical, Typical]]:
    """Pairs of a right and a wrong completion where the right one does not earn `margin` more: each right one once,
    beside the wrong one that earns the most."""
    found = []
    for row in rows:
        wrong = [r for r in rows if r.wanted == row.wanted and not r.breakdown.right]
        if row.breakdown.right and wrong:
            rival = max(wrong, key=lambda r: r.breakdown.total)
            if row.breakdown.total < rival.breakdown.total + margin - 1e-9:
                found.append((row, rival))
    return found


def table(rows: Sequence[Typical], composition: Composition) -> list[str]:
    """The rows as lines for a terminal, and one line for each inversion."""
    names = [c.name for c in composition.components]
    lines = [f"{'wanted':<8} {'completion':<47} {'right':<5} " + " ".join(f"{n:>11}" for n in (*names, "total"))]
    for row in rows:
        b = row.breakdown
        cells = ["–" if (v := b.scores[n]) is None else f"{v:.3f}" for n in names]
        right = "yes" if b.right else "no"
        numbers = " ".join(f"{c:>11}" for c in (*cells, f"{b.total:+.3f}"))
        lines.append(f"{row.wanted:<8} {row.name:<47} {right:<5} {numbers}")
    found = inversions(rows)
    lines.append("")
    for row, rival in found:
        lines.append(
            f"inverted: {row.name} ({row.breakdown.total:+.3f}) is right, and does not earn 0.1 more than "
            f"{rival.name} ({rival.breakdown.total:+.3f})"
        )
    if not found:
        lines.append("every right completion here earns at least 0.1 more than every wrong one on the same example")
    return lines


def _for_call(s: Subject) -> Mapping[str, str]:
    call = s.gold[0]
    right = s.ground_truth
    return {
        "the right call": right,
        "the right call, reasoned": f"<think>{s.phrase('thought')}</think>\n{right}",
        "the right call, after 1,750 tokens of thought": f"<think>{_LONG_THOUGHT}</think>\n{right}",
        "the right call, after a word": f"{s.phrase('sure')}\n{right}",
        "another number": s.render([_changed(call, "days", 4)]),
        "the number in quotes": s.render([_changed(call, "days", "3")]),
        "an invented argument": s.render([_changed(call, "hourly", True)]),
        "the right call twice": s.render([call, call]),
        "the right call in the reasoning": f"<think>{right}</think>",
        "markup not closed": right[: -len(s.shell.close)] if s.shell and s.shell.close.strip() else right[:-2],
        "a refusal": s.phrase("refuse"),
        "nothing": "",
    }


def _for_words(s: Subject) -> Mapping[str, str]:
    right = s.ground_truth
    call = s.render([ToolCall("book_hotel", {"city": "Madrid", "check_in": "2027-06-04", "nights": 1})])
    return {
        "a refusal": right,
        "a refusal, reasoned": f"<think>{s.phrase('thought')}</think>\n{right}",
        "a refusal in another language": s.phrase("refuse", "zh"),
        "a refusal, and an answer": f"{right} But the best flight leaves Berlin at 9:40 on Friday.",
        "an answer": s.phrase("answer"),
        "a refusal, and a call": f"{right}\n{call}",
        "a call": call,
        "half a call": call[: len(call) // 2],
        "nothing": "",
    }


def _changed(call: ToolCall, name: str, value: object) -> ToolCall:
    return ToolCall(call.name, {**call.arguments, name: value})
