"""Whole degenerate policies: what a model would say if it gave the same kind of completion to every prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rlvr.audit.subject import Subject, sample_arguments
from rlvr.types import ToolCall


def always_refuse(s: Subject) -> str:
    """Refuses everything, in the query's language."""
    return s.phrase("refuse")


def always_refuse_in_english(s: Subject) -> str:
    """Refuses everything, in English."""
    return s.phrase("refuse", "en")


def always_ask(s: Subject) -> str:
    """Asks what is meant, whatever was said."""
    return s.phrase("clarify")


def always_answer(s: Subject) -> str:
    """Claims that it is done."""
    return s.phrase("answer")


def first_tool(s: Subject) -> str:
    """Calls the first tool with default arguments."""
    return s.render(_calls(s)[:1])


def every_tool(s: Subject) -> str:
    """Calls every tool with default arguments."""
    return s.render(_calls(s))


def repeat(s: Subject) -> str:
    """Calls the first tool ten times."""
    return s.render(_calls(s)[:1] * 10)


def nothing(s: Subject) -> str:
    """Says nothing."""
    return ""


def markup_only(s: Subject) -> str:
    """Writes the tags of a call with nothing in them."""
    shell = s.shell
    return f"{shell.open}{shell.close}" if shell and shell.open.strip() else s.render([])


def call_in_the_reasoning(s: Subject) -> str:
    """Calls the first tool inside the reasoning block, and stops there."""
    return f"<think>{first_tool(s)}</think>"


def copy_the_prompt(s: Subject) -> str:
    """Says the system prompt and the query back."""
    return f"{s.instructions}\n{s.example.query}"


def refuse_and_call(s: Subject) -> str:
    """Refuses, and calls the first tool all the same."""
    return f"{s.phrase('refuse')}\n{first_tool(s)}"


POLICIES: Mapping[str, Callable[[Subject], str]] = {
    f.__name__: f
    for f in (
        always_refuse,
        always_refuse_in_english,
        always_ask,
        always_answer,
        first_tool,
        every_tool,
        repeat,
        nothing,
        markup_only,
        call_in_the_reasoning,
        copy_the_prompt,
        refuse_and_call,
    )
}
"""Every policy by its name. Whether an output is right, rlvr's own judge says: a refusal sometimes is."""


def _calls(s: Subject) -> list[ToolCall]:
    return [ToolCall(t.name, sample_arguments(t)) for t in s.example.tools]
