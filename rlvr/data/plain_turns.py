"""An example's prompt as turns of plain text, for trainers that render a row themselves and know no tools of a row.

verl, for one, renders the messages of a row with its own call of the chat template, and gives it one list of tools for
the whole run at most: the tools of a row have to stand in its messages.
"""

from __future__ import annotations

from typing import Any

from rlvr.errors import DataError
from rlvr.parsers import Parser, get_parser
from rlvr.prompts import Tokenizer, render, system_turns
from rlvr.types import Example

_MARK = "RLVR-SYSTEM-PROMPT"
Turns = list[dict[str, str]]


def plain_turns(example: Example, parser: str = "hermes", tokenizer: Tokenizer | None = None) -> Turns:
    """Turns of role and content, with the example's tools in a system turn.

    Without a tokenizer the system turn is rlvr's own and asks for calls in `parser`'s format. With one, the turns are
    such that its chat template writes of them, without tools, exactly the prompt that rlvr trains on
    (`rlvr.prompts.render`).
    Raises `DataError` naming the example where that cannot be: a template that puts tools elsewhere than into the
    system turn (Llama 3), or earlier calls that it writes in a form of its own.
    """
    format = get_parser(parser)
    if tokenizer is None:
        return _texts(system_turns(example, format) if example.tools else _without_tools(example, format))
    wanted = render(example, tokenizer, parser).text
    for turns in _candidates(example, format, tokenizer, wanted):
        if _rendered(tokenizer, turns) == wanted:
            return turns
    raise DataError(
        example.id,
        "this chat template writes its prompt in a way that turns of plain text cannot repeat. Leave the tokenizer "
        "out: the tools then stand in rlvr's own system prompt.",
    )


def _candidates(example: Example, format: Parser, tokenizer: Tokenizer, wanted: str) -> list[Turns]:
    if not example.tools:
        return [_texts(_without_tools(example, format))]
    own = _texts(system_turns(example, format))
    found = [own]
    if own[1:]:
        found.append([{"role": "user", "content": f"{own[0]['content']}\n\n{own[1]['content']}"}, *own[2:]])
    marked = _rendered(tokenizer, [{"role": "system", "content": _MARK}, *own[1:]])
    before, mark, after = (marked or "").partition(_MARK)
    if mark and wanted.startswith(before) and wanted.endswith(after):
        content = wanted[len(before) : len(wanted) - len(after)]
        found.insert(0, [{"role": "system", "content": content}, *own[1:]])
    return found


def _without_tools(example: Example, format: Parser) -> list[dict[str, Any]]:
    """The turns alone: `system_turns` puts a system prompt before them, which has nothing to say here."""
    first, *rest = system_turns(example, format)
    given = [m for m in example.messages[:1] if m["role"] == "system"]
    return [{**first, "content": str(given[0].get("content") or "")}, *rest] if given else rest


def _texts(turns: list[dict[str, Any]]) -> Turns:
    return [{"role": str(t["role"]), "content": str(t["content"])} for t in turns]


def _rendered(tokenizer: Tokenizer, turns: Turns) -> str | None:
    try:
        return str(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
    except Exception:  # a chat template is a program of the model's and may raise anything
        return None
