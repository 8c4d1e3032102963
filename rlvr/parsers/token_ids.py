"""Token ids → the text that a parser reads, special tokens included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Decoder(Protocol):
    """What of a transformers tokenizer is used here."""

    def decode(self, token_ids: Any, **kwargs: Any) -> Any: ...


def text_of(completion_ids: Sequence[int], tokenizer: Decoder) -> str:
    """The text of a completion's token ids, as the model wrote it, without the padding and the end behind it.

    Trainers skip special tokens where they decode a completion, and with them the markup of formats that have tokens
    for it (Mistral's `[TOOL_CALLS]`, FunctionGemma's, Llama's `<|python_tag|>`): such a completion is parsed from here.
    """
    ends = {getattr(tokenizer, "eos_token_id", None), getattr(tokenizer, "pad_token_id", None)}
    end = len(completion_ids)
    while end and completion_ids[end - 1] in ends:
        end -= 1
    ids = [int(i) for i in completion_ids[:end]]
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
