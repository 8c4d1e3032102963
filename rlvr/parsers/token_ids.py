"""Token ids → the text that a parser reads, special tokens included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from rlvr.parsers.base import END_MARKERS

MARKUP_TOKENS = frozenset(
    {
        "[TOOL_CALLS]",
        "[ARGS]",
        "[CALL_ID]",
        "[THINK]",
        "[/THINK]",
        "<start_function_call>",
        "<end_function_call>",
        "<escape>",
        "<|python_tag|>",
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
    }
)
"""Tokens that are a tool call's or a reasoning block's markup, some of them special in some tokenizers."""


_NO_END = frozenset({"<|im_start|>"})
"""Stripped from a completion's tail, and the beginning of a turn: no token that a model stops at."""


class Decoder(Protocol):
    """What of a transformers tokenizer is used here."""

    def decode(self, token_ids: Any, **kwargs: Any) -> Any: ...


def special_tokens(tokenizer: Any) -> dict[int, str]:
    """The tokens that `skip_special_tokens=True` drops, by id: the named ones, and every added token marked special.

    `all_special_ids` alone lacks those that stand in `tokenizer.json` and under no name in the tokenizer's config.
    """
    ids = [int(i) for i in getattr(tokenizer, "all_special_ids", ())]
    names = list(getattr(tokenizer, "all_special_tokens", ()))
    if len(names) != len(ids):
        names = [str(tokenizer.decode([i])) for i in ids]
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    return {int(i): str(t) for i, t in added.items() if getattr(t, "special", False)} | dict(
        zip(ids, names, strict=True)
    )


def end_token_ids(tokenizer: Any) -> frozenset[int]:
    """The tokens that end a completion, as far as a tokenizer knows: its own end, and every special token that some
    model's generation config stops at (`<end_of_turn>` and `<|eom_id|>` are no tokenizer's `eos_token`)."""
    own = getattr(tokenizer, "eos_token_id", None)
    ends = {i for i, token in special_tokens(tokenizer).items() if token in END_MARKERS and token not in _NO_END}
    return frozenset(ends if own is None else ends | {int(own)})


def completion_text(completion_ids: Sequence[int], tokenizer: Any) -> str:
    """The text of generated token ids without special tokens, but with those that are markup (`MARKUP_TOKENS`).

    What an engine of ours hands on. Where no markup is special it is what `skip_special_tokens=True` gives.
    """
    ids = [int(i) for i in completion_ids]
    special = special_tokens(tokenizer)
    if not any(special.get(i) in MARKUP_TOKENS for i in ids):
        return str(tokenizer.decode(ids, skip_special_tokens=True))
    kept = [i for i in ids if special.get(i) is None or special[i] in MARKUP_TOKENS]
    return str(tokenizer.decode(kept, skip_special_tokens=False))


def text_of(completion_ids: Sequence[int], tokenizer: Decoder) -> str:
    """The text of a completion's token ids, as the model wrote it, without the padding and the end behind it.

    Trainers skip special tokens where they decode a completion, and with them the markup of formats that have tokens
    for it (Mistral's `[TOOL_CALLS]`, FunctionGemma's, Llama's `<|python_tag|>`): such a completion is parsed from here.
    """
    ends = {*end_token_ids(tokenizer), getattr(tokenizer, "pad_token_id", None)}
    ids = [int(i) for i in completion_ids]
    end = len(ids)
    while end and ids[end - 1] in ends:
        end -= 1
    return str(tokenizer.decode(ids[:end], skip_special_tokens=False, clean_up_tokenization_spaces=False))
