"""Wrong completions by their form: calls that do not parse, are not closed, hide, or stand where nobody runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rlvr.audit.subject import Subject, sample_arguments
from rlvr.types import ToolCall

Made = Iterator[tuple[str, str]]
DEEP = 5_000
LENGTHS = (10_000, 100_000, 1_000_000)
"""Ascending, so that a reward of quadratic time is found before it takes an hour."""


def call_in_reasoning(s: Subject) -> Made:
    """The right calls inside the reasoning block, where no server runs them."""
    calls = s.render(s.gold)
    yield "in a reasoning block, and nothing after it", f"<think>{calls}</think>"
    yield "in a reasoning block that is never closed", f"<think>\n{s.phrase('thought')}\n{calls}"
    yield "in a reasoning block, and then words", f"<think>{calls}</think>\n{s.phrase('answer')}"


def unclosed_tags(s: Subject) -> Made:
    """The right calls, with the end of their markup missing."""
    calls = s.render(s.gold)
    close = s.shell.close if s.shell else ""
    if close.strip():
        yield "without the closing tag", calls.removesuffix(close)
        yield "half a closing tag", calls[: -(len(close.strip()) // 2 + 1)]
    yield "cut in the middle of the last call", calls[: len(calls) - max(2, len(s.render(s.gold[-1:])) // 2)]


def nested_tags(s: Subject) -> Made:
    """The right call inside another call's markup."""
    if s.shell is None or not s.shell.open.strip() or not s.shell.close.strip():
        return
    calls, start, end = s.render(s.gold), s.shell.open, s.shell.close
    yield "markup within markup", f"{start}{calls}{end}"
    yield "opened twice", f"{start}{calls}"
    yield "closed twice", f"{calls}{end}"


def odd_json(s: Subject) -> Made:
    """JSON that is none, or is not a call: strict readers and schemas reject it."""
    if s.shell is None:
        return
    key = s.shell.arguments_key
    call = s.gold[0] if s.gold else _sample_call(s)
    body = json.dumps({"name": call.name, key: dict(call.arguments)}, ensure_ascii=False)
    arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
    name = json.dumps(call.name)
    bodies = {
        "single quotes": repr({"name": call.name, key: dict(call.arguments)}),
        "a trailing comma": body[:-1] + ",}",
        "a comment": body[:-1] + " // done\n}",
        "arguments as a string": f'{{"name": {name}, "{key}": {json.dumps(arguments)}}}',
        "arguments as a list": f'{{"name": {name}, "{key}": [{arguments}]}}',
        "arguments null": f'{{"name": {name}, "{key}": null}}',
        "no arguments": f'{{"name": {name}}}',
        "a further key": f'{{"name": {name}, "{key}": {arguments}, "reason": "because"}}',
        "a key twice": f'{{"name": "other", "name": {name}, "{key}": {arguments}}}',
        "a name that is no string": f'{{"name": [{name}], "{key}": {arguments}}}',
        "NaN": f'{{"name": {name}, "{key}": {{"x": NaN}}}}',
        "1e999": f'{{"name": {name}, "{key}": {{"x": 1e999}}}}',
        "an integer of 5,000 digits": f'{{"name": {name}, "{key}": {{"x": {"9" * DEEP}}}}}',
        "a lone surrogate": f'{{"name": {name}, "{key}": {{"x": "\\ud800"}}}}',
        "5,000 brackets": f'{{"name": {name}, "{key}": {{"x": {"[" * DEEP}{"]" * DEEP}}}}}',
        "null": "null",
        "a number": "42",
        "a string": json.dumps(body),
        "an empty list": "[]",
        "nothing": "",
        "two calls, one after the other": f"{body}\n{body}",
        "not JSON at all": "oops",
    }
    for what, text in bodies.items():
        yield what, f"{s.shell.open}{text}{s.shell.close}"


def bare_call(s: Subject) -> Made:
    """The right call without the markup that the format wants, or told in words."""
    if s.shell is None or not s.shell.open.strip():
        return
    first = s.gold[0]
    body = json.dumps({"name": first.name, s.shell.arguments_key: dict(first.arguments)}, ensure_ascii=False)
    yield "the JSON alone", body
    yield "in a code block", f"```json\n{body}\n```"
    yield (
        "told in words",
        f"{s.phrase('sure')} {first.name}({', '.join(f'{k}={v!r}' for k, v in first.arguments.items())})",
    )


def malformed_refusal(s: Subject) -> Made:
    """Broken call markup where no call is wanted: not a call, and not a refusal either."""
    call = s.render([_sample_call(s)])
    words = s.words[0]
    yield "half a call", call[: len(call) // 2]
    yield "right words, then half a call", f"{words}\n{call[: len(call) // 2]}"
    if s.shell is not None and s.shell.open.strip() and s.shell.close.strip():
        yield "an opening tag", s.shell.open
        yield "a closing tag", s.shell.close
        yield "a tag around words", f"{s.shell.open}{words}{s.shell.close}"
        yield "right words, then an opening tag", f"{words}\n{s.shell.open}"
        yield "broken JSON in tags", f'{s.shell.open}{{"name": "none", oops}}{s.shell.close}'


def copied_instructions(s: Subject) -> Made:
    """The prompt said back."""
    yield "the system prompt", s.instructions
    if s.example.expects in ("any", "answer") and not s.gold:
        return  # any words are right there, and what an answer says is not checked
    yield "the user's words", s.example.query
    yield "the tools", json.dumps([t.to_json() for t in s.example.tools], ensure_ascii=False)


def empty(s: Subject) -> Made:
    """Nothing, or nothing that says anything."""
    yield "nothing", ""
    yield "white space", " \n\t "
    yield "dots", "..."
    yield "an end marker", "<|im_end|>"
    yield "an empty reasoning block", "<think>\n\n</think>"
    yield "reasoning alone", f"<think>{s.phrase('thought')}</think>"


def very_long(s: Subject) -> Made:
    """Up to a megabyte of one thing. What is measured beside the reward is the time that it takes."""
    tag = s.shell.open.strip() if s.shell and s.shell.open.strip() else "{"
    parts = {
        "one letter": "a",
        "brackets": "[",
        "opening tags": tag,
        "reasoning tags": "<think>",
        "quotes and backslashes": '"\\',
        "a right completion and talk": " and so on",
    }
    for what, part in parts.items():
        start = s.ground_truth if what.startswith("a right") else ""
        for size in LENGTHS if not start else LENGTHS[-1:]:
            yield f"{what}, {size:,} characters", start + part * (size // len(part))


def _sample_call(s: Subject) -> ToolCall:
    tool = s.example.tools[0] if s.example.tools else None
    return ToolCall(tool.name, sample_arguments(tool, 1)) if tool else ToolCall("search", {"query": s.example.query})
